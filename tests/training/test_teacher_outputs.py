"""Looking a teacher's outputs up gives what running it gives."""

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kdbook.errors import KdbookError
from kdbook.training import automm
from kdbook.training.teacher_outputs import FEATURES, LOGITS, OutputFile, Outputs, Teacher, compute

pytestmark = pytest.mark.training


@pytest.fixture
def learner(smoke):
    automm.import_quietly()
    from autogluon.multimodal.learners.base import BaseLearner

    return BaseLearner.load(str(smoke.get_or_train("teacher").predictor))


@pytest.fixture
def cache(tmp_path) -> OutputFile:
    return OutputFile(tmp_path / "outputs.safetensors")


def test_looked_up_outputs_are_those_of_the_teacher(learner, smoke, cache):
    from autogluon.multimodal.data.datamodule import BaseDataModule
    from autogluon.multimodal.models.utils import run_model

    rows, model = smoke.data["train"], learner._model.eval()
    module = BaseDataModule(
        learner._df_preprocessor, learner._data_processors, 7, num_workers=0, predict_data=rows
    )
    module.setup("predict")
    with torch.inference_mode():
        online = [run_model(model, batch)[model.prefix] for batch in module.predict_dataloader()]
    before = torch.get_rng_state()
    compute(learner, rows).attach(learner, rows)
    assert torch.equal(before, torch.get_rng_state())
    features, logits = model.forward(torch.arange(len(rows))[:, None], None, None)
    torch.testing.assert_close(features, torch.cat([batch[FEATURES] for batch in online]), atol=1e-4, rtol=0)
    torch.testing.assert_close(logits, torch.cat([batch[LOGITS] for batch in online]), atol=1e-4, rtol=0)


def test_outputs_are_read_for_the_same_texts_only(cache):
    rows = pd.DataFrame({"sentence1": list("abcdef"), "sentence2": list("ghijkl"), "label": 0})
    outputs = Outputs(torch.rand(6, 3), torch.rand(6, 2))
    cache.keep(rows, outputs)
    kept = cache.read(rows)
    assert torch.equal(kept.features, outputs.features) and torch.equal(kept.logits, outputs.logits)
    assert cache.read(rows.head(5)) is None
    assert cache.read(rows.iloc[::-1]) is None
    assert cache.read(pd.concat([rows.head(5), rows.head(1)])) is None


def test_a_damaged_file_is_not_read(cache):
    rows = pd.DataFrame({"sentence1": ["a"], "label": 0})
    cache.keep(rows, Outputs(torch.rand(1, 3), torch.rand(1, 2)))
    cache.path.write_bytes(cache.path.read_bytes()[:-1] + b"x")
    assert cache.read(rows) is None
    cache.keep(rows, Outputs(torch.rand(1, 3), torch.rand(1, 2)))
    assert cache.read(rows) is not None


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_shuffling_keeps_every_prediction_and_leaves_no_row_its_own_outputs(answers):
    logits = torch.nn.functional.one_hot(torch.tensor(answers), 4) + torch.rand(len(answers), 4) / 2
    outputs = Outputs(torch.arange(len(answers))[:, None].float(), logits)
    shuffled = outputs.shuffled()
    assert shuffled.answers().tolist() == answers
    assert sorted(shuffled.features[:, 0].tolist()) == list(range(len(answers)))
    for row, answer in enumerate(answers):
        assert shuffled.features[row, 0] != row or answers.count(answer) == 1


def test_kept_outputs_are_not_computed_again(smoke, cache, monkeypatch):
    teacher = Teacher(smoke.get_or_train("teacher").predictor, cache)
    first = teacher.outputs(smoke.data.pool())
    monkeypatch.setattr(
        "kdbook.training.teacher_outputs.compute", lambda *arguments: pytest.fail("computed again")
    )
    assert torch.equal(teacher.outputs(smoke.data.pool()).logits, first.logits)


def test_a_teacher_in_training_mode_is_refused(learner, smoke):
    rows = smoke.data["train"].head(4)
    compute(learner, rows).attach(learner, rows)
    learner._model.train()
    with pytest.raises(KdbookError, match="training mode"):
        learner._model.forward(torch.tensor([[0]]))


def test_outputs_of_other_rows_are_refused(learner, smoke):
    rows = smoke.data["train"]
    with pytest.raises(KdbookError, match="outputs for 4 rows"):
        compute(learner, rows.head(4)).attach(learner, rows.head(5))


def test_outputs_that_are_not_finite_stop_the_run(learner, smoke):
    with torch.no_grad():
        next(learner._model.head.parameters()).fill_(torch.inf)
    with pytest.raises(KdbookError, match="not finite"):
        compute(learner, smoke.data["train"].head(4))
