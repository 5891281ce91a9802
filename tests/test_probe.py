"""A probe finds what a frozen encoder separates, and nothing that it does not; its record is that of the shipped
encoders.
"""

import numpy as np
import pandas as pd
import pytest

from kdbook.data.generated import corpus
from kdbook.encoders import checkpoints
from kdbook.settings import profile, records
from kdbook.store.local import Store
from kdbook.study.study import Study


@pytest.fixture(scope="module")
def probe():
    import probe  # imports torch

    return probe


def test_the_record_is_that_of_the_shipped_encoders_and_of_the_rows_of_the_study(tmp_path):
    record, some = records.read("embedded", "probe"), profile.load("embedded")
    names = [some.teacher.checkpoint, some.student.checkpoint]
    assert record["encoders"] == {name: checkpoints.locate(name).identity for name in names}
    assert record["rows"] == Study(some, Store(tmp_path)).data_digest("all")


@pytest.mark.training
def test_features_do_not_depend_on_the_batch(probe, monkeypatch):
    rows = corpus.generate({"train": 20}, 0)["train"]
    path = checkpoints.locate("embedded:student").path
    whole = probe.hidden_features(path, rows)
    monkeypatch.setattr(probe, "BATCH", 7)
    np.testing.assert_allclose(probe.hidden_features(path, rows), whole, atol=1e-4)
    assert whole.shape == (40, 4 * 64)


@pytest.mark.training
def test_what_can_be_separated_is_found_and_chance_stays_chance(probe):
    rng = np.random.default_rng(0)
    labels, truth = rng.integers(0, 2, 200), rng.integers(0, 2, 400)
    train, test = rng.normal(size=(200, 5)), rng.normal(size=(400, 5))
    groups = pd.Series(["a", "b"] * 200)
    assert (abs(probe.accuracies(train, labels, test, truth, groups) - 0.5) < 0.12).all()
    train[:, 0] += 6 * labels
    test[:, 0] += 6 * truth
    assert (probe.accuracies(train, labels, test, truth, groups) > 0.95).all()
