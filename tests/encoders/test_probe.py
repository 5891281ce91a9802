"""A probe finds what a frozen encoder separates, and nothing that it does not."""

import numpy as np
import pandas as pd
import pytest

from kdbook.data.generated import corpus
from kdbook.encoders import checkpoints, probe

pytestmark = pytest.mark.training


def test_features_do_not_depend_on_the_batch(monkeypatch):
    rows = corpus.generate({"train": 20}, 0)["train"]
    path = checkpoints.locate("embedded:student").path
    whole = probe.hidden_features(path, rows)
    monkeypatch.setattr(probe, "BATCH", 7)
    np.testing.assert_allclose(probe.hidden_features(path, rows), whole, atol=1e-4)
    assert whole.shape == (40, 4 * 64)


def test_what_can_be_separated_is_found_and_chance_stays_chance():
    rng = np.random.default_rng(0)
    labels, truth = rng.integers(0, 2, 200), rng.integers(0, 2, 400)
    train, test = rng.normal(size=(200, 5)), rng.normal(size=(400, 5))
    groups = pd.Series(["a", "b"] * 200)
    assert (abs(probe.accuracies(train, labels, test, truth, groups) - 0.5) < 0.12).all()
    train[:, 0] += 6 * labels
    test[:, 0] += 6 * truth
    assert (probe.accuracies(train, labels, test, truth, groups) > 0.95).all()
