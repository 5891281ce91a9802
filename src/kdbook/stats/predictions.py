"""The stored predictions of runs: their probabilities, their errors, and the rows of some languages."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from kdbook.settings import metrics
from kdbook.settings.arms import Metric
from kdbook.settings.data import ALL
from kdbook.store.run import PROBABILITY, Run

SMALLEST_PROBABILITY = 1e-6  # where a logarithm is taken, probabilities are kept this far from 0


def probabilities(predictions: pd.DataFrame) -> np.ndarray:
    """The probability of each class, shape (rows, classes); 0 for a class that the model was not trained
    on.
    """
    trained = trained_classes(predictions)
    largest = max([*trained, *predictions.get("label", pd.Series(dtype=int)).unique()])
    found = np.zeros((len(predictions), largest + 1))
    found[:, trained] = predictions[[f"{PROBABILITY}{number}" for number in trained]]
    return found


def trained_classes(predictions: pd.DataFrame) -> list[int]:
    """The classes that have a probability."""
    columns = (column for column in predictions.columns if column.startswith(PROBABILITY))
    return [int(column.removeprefix(PROBABILITY)) for column in columns]


def binary_events(predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """For each row the probability of an event, and whether it happened; both of shape (rows,).

    For two classes the event is that the row is of class 1, for more classes that the prediction is correct.
    """
    by_class = probabilities(predictions)
    if by_class.shape[1] == 2:
        return by_class[:, 1], predictions["label"].to_numpy()
    return by_class.max(axis=1), (predictions["prediction"] == predictions["label"]).to_numpy()


def cascade(student: pd.DataFrame, teacher: pd.DataFrame, share: float) -> pd.DataFrame:
    """Predictions of a cascade in which the teacher predicts the ``share`` of least confident rows.

    Both frames are :attr:`kdbook.store.run.Run.predictions` of the same test rows.
    """
    own, other = aligned(student, teacher)
    confidence = probabilities(own).max(axis=1)
    passed_on = np.zeros(len(own), bool)
    passed_on[np.argsort(confidence, kind="stable")[: round(share * len(own))]] = True
    return own.assign(prediction=own["prediction"].mask(passed_on, other["prediction"]))


def aligned(*predictions: pd.DataFrame) -> list[pd.DataFrame]:
    """Predictions in the same order of rows, and with the same index.

    Raises
    ------
    ValueError
        If they are not of the same rows.
    """
    ordered = [frame.sort_values(["id", "language"], ignore_index=True) for frame in predictions]
    if any(not frame[["id", "language"]].equals(ordered[0][["id", "language"]]) for frame in ordered):
        raise ValueError("the runs do not have the same rows")
    return ordered


def tests_of(run: Run) -> list[str]:
    """The test sets of a run: its languages, and ``all``."""
    return [*map(str, run.predictions["language"].drop_duplicates()), ALL]


def with_errors(predictions: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Predictions with a column ``error``, whose mean is one minus the score on these rows."""
    labels, predicted = (predictions[column].to_numpy() for column in ("label", "prediction"))
    return predictions.assign(error=metrics.errors(labels, predicted, metric))


def score_of(predictions: pd.DataFrame, metric: Metric) -> float:
    """The score of predictions in a metric."""
    return metrics.score(predictions["label"].to_numpy(), predictions["prediction"].to_numpy(), metric)


def on_test(test: str, runs: Iterable[Run]) -> list[pd.DataFrame]:
    """The predictions of each run on one test set, with their errors in the metric of the run."""
    if test == ALL:
        return [with_errors(run.predictions, run.metric) for run in runs]
    return in_languages([test], runs)


def in_languages(languages: Sequence[str], runs: Iterable[Run]) -> list[pd.DataFrame]:
    """The predictions of each run in some languages, with their errors in the metric of the run."""
    return [
        with_errors(run.predictions[run.predictions["language"].isin(languages)], run.metric) for run in runs
    ]
