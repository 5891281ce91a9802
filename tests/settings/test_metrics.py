"""Scores are those of scikit-learn, and the errors of single rows say how much each of them matters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from kdbook.settings import metrics
from kdbook.settings.arms import Metric

REFERENCES = {
    "accuracy": accuracy_score,
    "balanced accuracy": balanced_accuracy_score,
    "macro-F1": lambda truth, predicted: f1_score(
        truth, predicted, labels=np.unique(truth), average="macro", zero_division=0
    ),
}


@pytest.mark.parametrize("metric", REFERENCES)
@given(seed=st.integers(0, 10**6), rows=st.integers(2, 60), classes=st.integers(2, 5))
@settings(max_examples=60, deadline=None)
def test_scores_are_those_of_scikit_learn(metric: Metric, seed, rows, classes):
    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(0, classes, (2, rows))
    predicted[rng.random(rows) < 0.5] = truth[0]
    assert metrics.score(truth, predicted, metric) == pytest.approx(REFERENCES[metric](truth, predicted))
    assert metrics.score(truth, truth, metric) == pytest.approx(1)


@pytest.mark.parametrize(("metric", "wider"), [("balanced accuracy", 1.2), ("macro-F1", 1.0)])
def test_the_errors_have_the_spread_of_the_score(metric: Metric, wider: float):
    """The standard error that follows from the errors is that of the score over many samples; that of
    balanced accuracy is wider, since it takes the sizes of the classes as given.
    """
    rng = np.random.default_rng(0)
    scores, errors = [], []
    for _ in range(600):
        truth = (rng.random(800) < 0.1).astype(int)
        predicted = np.where(rng.random(800) < 0.15 + 0.25 * truth, 1 - truth, truth)
        scores.append(metrics.score(truth, predicted, metric))
        errors.append(metrics.errors(truth, predicted, metric).std() / np.sqrt(800))
    assert np.mean(errors) == pytest.approx(wider * np.std(scores), rel=0.1)
