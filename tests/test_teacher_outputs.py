"""Looking a teacher's outputs up gives what asking it gives."""

import pandas as pd
import pytest
import torch

from kdbook import train
from kdbook.errors import KdbookError
from kdbook.teacher_outputs import FEATURES, LOGITS, TeacherOutputs


@pytest.fixture
def learner(smoke):
    from autogluon.multimodal.learners.base import BaseLearner

    train._prepare()
    return BaseLearner.load(str(smoke.run("teacher").predictor))


@pytest.fixture
def outputs(tmp_path) -> TeacherOutputs:
    return TeacherOutputs(tmp_path / "outputs.safetensors")


def test_looked_up_outputs_are_those_of_the_teacher(learner, smoke, outputs):
    from autogluon.multimodal.data.datamodule import BaseDataModule
    from autogluon.multimodal.models.utils import run_model

    rows, model = smoke.data["train"], learner._model.eval()
    module = BaseDataModule(learner._df_preprocessor, learner._data_processors, 7, num_workers=0, predict_data=rows)
    module.setup("predict")
    with torch.inference_mode():
        online = [run_model(model, batch)[model.prefix] for batch in module.predict_dataloader()]
    before = torch.get_rng_state()
    outputs.attach(learner, rows)
    assert torch.equal(before, torch.get_rng_state())
    features, logits = model.forward(torch.arange(len(rows))[:, None], None, None)
    torch.testing.assert_close(features, torch.cat([batch[FEATURES] for batch in online]), atol=1e-4, rtol=0)
    torch.testing.assert_close(logits, torch.cat([batch[LOGITS] for batch in online]), atol=1e-4, rtol=0)


def test_what_was_kept_is_read_and_only_for_the_same_texts(learner, smoke, outputs):
    rows = smoke.data["train"].head(6)
    computed = outputs.compute(learner, rows)
    assert all(torch.equal(one, other) for one, other in zip(computed, outputs.read(rows), strict=True))
    assert outputs.read(rows.head(5)) is None
    assert outputs.read(rows.iloc[::-1]) is None
    assert outputs.read(pd.concat([rows.head(5), rows.head(1)])) is None


def test_a_damaged_file_is_not_read(learner, smoke, outputs):
    rows = smoke.data["train"].head(4)
    outputs.compute(learner, rows)
    outputs.path.write_bytes(outputs.path.read_bytes()[:-1] + b"x")
    assert outputs.read(rows) is None
    outputs.attach(learner, rows)
    assert outputs.read(rows) is not None


def test_shuffled_outputs_are_those_of_other_rows_with_the_same_label(learner, smoke, outputs):
    rows = smoke.data["train"].head(40).reset_index(drop=True)
    _, logits = outputs.compute(learner, rows)
    TeacherOutputs(outputs.path, shuffled=True).attach(learner, rows)
    said = learner._model.forward(torch.arange(len(rows))[:, None])[1]
    assert not torch.equal(said, logits)
    for label in (0, 1):
        same = torch.from_numpy((rows["label"] == label).to_numpy())
        assert sorted(map(tuple, said[same].tolist())) == sorted(map(tuple, logits[same].tolist()))


def test_a_teacher_in_training_mode_is_refused(learner, smoke, outputs):
    outputs.attach(learner, smoke.data["train"].head(4))
    learner._model.train()
    with pytest.raises(KdbookError, match="training mode"):
        learner._model.forward(torch.tensor([[0]]))


def test_numbers_that_are_not_finite_stop_the_run(learner, smoke, outputs):
    with torch.no_grad():
        next(learner._model.head.parameters()).fill_(torch.inf)
    with pytest.raises(KdbookError, match="not finite"):
        outputs.attach(learner, smoke.data["train"].head(4))
    assert not list(outputs.path.parent.iterdir())
