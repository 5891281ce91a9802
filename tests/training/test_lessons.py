"""A lesson has the rows, labels and outputs that its name says, and nothing hidden leaks into another."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch

from kdbook.data import UNLABELLED, load
from kdbook.settings import profile
from kdbook.training.lessons import Teaching, taught_rows
from kdbook.training.teacher_outputs import Outputs

pytestmark = pytest.mark.training

DATA = load(profile.load("smoke").data)
POOL = DATA.pool()
LABELLED = len(DATA["train"])


@dataclass(frozen=True)
class WrongTeacher:
    """Predicts the wrong class for every row, with a confidence of its own for each."""

    predictor: str = "nowhere"

    def outputs(self, rows: pd.DataFrame) -> Outputs:
        pd.testing.assert_frame_equal(rows, POOL)
        truth = torch.tensor(POOL["label"].fillna(POOL["true_label"]).astype(int).to_numpy())
        logits = torch.zeros(len(rows), 2)
        logits[torch.arange(len(rows)), 1 - truth] = 1 + torch.arange(len(rows)) / len(rows)
        return Outputs(torch.arange(len(rows))[:, None].float(), logits)


def taught(rows: str, lesson: str):
    return taught_rows(DATA, Teaching(rows, lesson, None if lesson == "labels" else WrongTeacher()))


def test_labels_alone():
    lesson = taught("labelled", "labels")
    pd.testing.assert_frame_equal(lesson.rows, DATA["train"])
    assert lesson.outputs is None


def test_hidden_labels_are_seen_by_no_other_lesson():
    everything = taught("all", "labels")
    assert (everything.rows["label"][LABELLED:] == DATA[UNLABELLED]["true_label"].to_numpy()).all()
    for lesson in ("answers", "outputs", "shuffled"):
        rows = taught("all", lesson).rows
        assert (rows["label"][:LABELLED] == DATA["train"]["label"]).all()
        assert (rows["label"][LABELLED:] == 1 - DATA[UNLABELLED]["true_label"].to_numpy()).all()


@pytest.mark.parametrize("rows", ["labelled", "all"])
def test_outputs_are_those_of_the_rows(rows):
    lesson = taught(rows, "outputs")
    count = len(POOL) if rows == "all" else LABELLED
    assert len(lesson.rows) == len(lesson.outputs.logits) == count
    assert lesson.outputs.features[:, 0].tolist() == list(range(count))
    assert taught(rows, "answers").outputs is None


def test_shuffled_outputs_keep_the_predictions():
    plain, shuffled = taught("all", "outputs"), taught("all", "shuffled")
    pd.testing.assert_frame_equal(plain.rows, shuffled.rows)
    np.testing.assert_array_equal(plain.outputs.answers(), shuffled.outputs.answers())
    assert (plain.outputs.features != shuffled.outputs.features).all()
