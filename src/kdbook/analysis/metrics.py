"""Metrics of the stored predictions: accuracy by language, confusion matrix, confidence."""

from collections.abc import Sequence

import pandas as pd

from kdbook.analysis.estimates import score_interval
from kdbook.analysis.predictions import probabilities
from kdbook.settings.data import ALL
from kdbook.study.arms import Arms


def accuracy(predictions: pd.DataFrame) -> dict[str, float]:
    """Share of correct predictions in each language and in ``all`` rows together."""
    correct = predictions["prediction"] == predictions["label"]
    by_language = correct.groupby(predictions["language"], sort=False).mean()
    return {str(language): float(share) for language, share in by_language.items()} | {
        ALL: float(correct.mean())
    }


def majority_accuracy(predictions: pd.DataFrame) -> float:
    """Accuracy of the majority-class baseline, which always predicts the most frequent label."""
    return float(predictions["label"].value_counts(normalize=True).max())


def has_failed(predictions: pd.DataFrame) -> bool:
    """Whether a run is not shown to be better than the majority-class baseline: the score interval of its
    accuracy, with an item counted once, reaches down to that.
    """
    wrong = (predictions["prediction"] != predictions["label"]).groupby(predictions["id"]).mean()
    _, most_errors = score_interval(wrong.sum(), 0, len(wrong))
    return 1 - most_errors <= majority_accuracy(predictions)


def scores(arms: Arms) -> pd.DataFrame:
    """A row per run and test set: ``arm``, ``seed``, ``test`` (a language or ``all``), ``accuracy``."""
    rows = [
        {"arm": arm, "seed": run.seed, "test": test, "accuracy": value}
        for arm, runs in arms.items()
        for run in runs
        for test, value in accuracy(run.predictions).items()
    ]
    return pd.DataFrame(rows)


def confusion(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """The confusion matrix: number of test rows by label (rows) and predicted class (columns)."""
    labels = range(len(classes))
    counts = pd.crosstab(predictions["label"], predictions["prediction"])
    table = counts.reindex(index=labels, columns=labels, fill_value=0)
    named = table.set_axis(list(classes)).set_axis(list(classes), axis=1)
    return named.rename_axis(index="label", columns="prediction")


def confidence_shares(predictions: pd.DataFrame, margins: Sequence[float] = (0.1, 0.05, 0.01)) -> pd.Series:
    """Share of rows whose prediction has a probability within each margin of 1."""
    distance = 1 - probabilities(predictions).max(axis=1)
    return pd.Series({f"within {margin}": float((distance <= margin).mean()) for margin in margins})
