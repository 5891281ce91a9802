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


@pytest.mark.parametrize("labels", [[0], [0, 1], [0, 1, 1, 2, 0]])
def test_a_handful_of_labels_is_no_error(labels):
    rng = np.random.default_rng(0)
    groups = pd.Series(["a"] * 6)
    found = probe.accuracies(
        rng.normal(size=(len(labels), 3)), np.array(labels), rng.normal(size=(6, 3)), np.zeros(6), groups
    )
    assert 0 <= found["a"] <= 1


def test_a_tokenizer_that_does_not_tell_texts_apart():
    class Encoded(dict):
        is_fast = False

    import torch

    encoded = Encoded(attention_mask=torch.tensor([[1, 1, 0]]))
    assert probe._last_text(encoded, 2)[:, :, 0].tolist() == [[True, True, False]]
