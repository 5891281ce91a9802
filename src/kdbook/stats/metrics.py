"""Metrics of the stored predictions: scores by language, recall by class, confusion matrix, confidence."""

from collections.abc import Sequence

import pandas as pd

from kdbook.settings.arms import Metric
from kdbook.settings.data import ALL
from kdbook.stats.predictions import on_test, probabilities, score_of, tests_of, with_errors
from kdbook.stats.resampling import score_interval_of
from kdbook.store.run import Run
from kdbook.study.arms import Arms


def accuracy(predictions: pd.DataFrame) -> dict[str, float]:
    """Share of correct predictions in each language and in ``all`` rows together."""
    correct = predictions["prediction"] == predictions["label"]
    by_language = correct.groupby(predictions["language"], sort=False).mean()
    return {str(language): float(share) for language, share in by_language.items()} | {
        ALL: float(correct.mean())
    }


def score(run: Run) -> float:
    """The score of a run on all test rows, in its metric."""
    return score_of(run.predictions, run.metric)


def score_by_language(run: Run) -> dict[str, float]:
    """The score of a run in each language and on ``all`` rows together, in its metric."""
    return {test: score_of(on_test(test, [run])[0], run.metric) for test in tests_of(run)}


def majority_score(predictions: pd.DataFrame, metric: Metric = "accuracy") -> float:
    """Score of the majority-class baseline, which always predicts the most frequent label."""
    constant = predictions.assign(prediction=predictions["label"].mode()[0])
    return score_of(constant, metric)


def has_failed(run: Run) -> bool:
    """Whether a run is not shown to be better than the majority-class baseline: the score interval of its
    score, with an item counted once, reaches down to that.
    """
    predictions = with_errors(run.predictions, run.metric)
    wrong = predictions["error"].groupby(predictions["id"]).mean()
    _, most_errors = score_interval_of(wrong.to_numpy())
    return bool(1 - most_errors <= majority_score(predictions, run.metric))


def scores(arms: Arms) -> pd.DataFrame:
    """A row per run and test set: ``arm``, ``seed``, ``test`` (a language or ``all``), ``score``."""
    rows = [
        {"arm": arm, "seed": run.seed, "test": test, "score": value}
        for arm, runs in arms.items()
        for run in runs
        for test, value in score_by_language(run).items()
    ]
    return pd.DataFrame(rows)


def training_seconds(runs: Sequence[Run]) -> list[float]:
    """Seconds of the fit of each run: processor time if that is known of all, else wall-clock time."""
    if in_processor_time(runs):
        return [run.measurements.processor_seconds or 0.0 for run in runs]
    return [run.measurements.fit_seconds for run in runs]


def in_processor_time(runs: Sequence[Run]) -> bool:
    """Whether the processor time of all runs is known."""
    return all(run.measurements.processor_seconds is not None for run in runs)


def confidence_shares(predictions: pd.DataFrame, margins: Sequence[float] = (0.1, 0.05, 0.01)) -> pd.Series:
    """Share of rows whose prediction has a probability within each margin of 1."""
    distance = 1 - probabilities(predictions).max(axis=1)
    return pd.Series({f"within {margin}": float((distance <= margin).mean()) for margin in margins})
