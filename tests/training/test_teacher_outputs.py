"""Looking a teacher's outputs up gives what running it gives."""

import pandas as pd
import pytest
import torch

from kdbook.errors import KdbookError
from kdbook.training import automm
from kdbook.training.teacher_outputs import FEATURES, LOGITS, OutputFile, TeacherOutputs, compute

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
    TeacherOutputs(cache).attach(learner, rows)
    assert torch.equal(before, torch.get_rng_state())
    features, logits = model.forward(torch.arange(len(rows))[:, None], None, None)
    torch.testing.assert_close(features, torch.cat([batch[FEATURES] for batch in online]), atol=1e-4, rtol=0)
    torch.testing.assert_close(logits, torch.cat([batch[LOGITS] for batch in online]), atol=1e-4, rtol=0)


def test_outputs_are_read_for_the_same_texts_only(cache):
    rows = pd.DataFrame({"sentence1": list("abcdef"), "sentence2": list("ghijkl"), "label": 0})
    outputs = torch.rand(6, 3), torch.rand(6, 2)
    cache.keep(rows, *outputs)
    assert all(torch.equal(one, other) for one, other in zip(outputs, cache.read(rows), strict=True))
    assert cache.read(rows.head(5)) is None
    assert cache.read(rows.iloc[::-1]) is None
    assert cache.read(pd.concat([rows.head(5), rows.head(1)])) is None


def test_a_damaged_file_is_not_read(cache):
    rows = pd.DataFrame({"sentence1": ["a"], "label": 0})
    cache.keep(rows, torch.rand(1, 3), torch.rand(1, 2))
    cache.path.write_bytes(cache.path.read_bytes()[:-1] + b"x")
    assert cache.read(rows) is None
    cache.keep(rows, torch.rand(1, 3), torch.rand(1, 2))
    assert cache.read(rows) is not None


def test_shuffled_outputs_are_those_of_other_rows_with_the_same_label(learner, smoke, cache):
    rows = smoke.data["train"].head(40).reset_index(drop=True)
    features, logits = compute(learner, rows)
    cache.keep(rows, features, logits)
    TeacherOutputs(cache, shuffled=True).attach(learner, rows)
    shuffled = learner._model.forward(torch.arange(len(rows))[:, None])[1]
    assert not torch.equal(shuffled, logits)
    for label in (0, 1):
        same = torch.from_numpy((rows["label"] == label).to_numpy())
        assert sorted(map(tuple, shuffled[same].tolist())) == sorted(map(tuple, logits[same].tolist()))


def test_a_teacher_in_training_mode_is_refused(learner, smoke, cache):
    TeacherOutputs(cache).attach(learner, smoke.data["train"].head(4))
    learner._model.train()
    with pytest.raises(KdbookError, match="training mode"):
        learner._model.forward(torch.tensor([[0]]))


def test_outputs_that_are_not_finite_stop_the_run(learner, smoke, cache):
    with torch.no_grad():
        next(learner._model.head.parameters()).fill_(torch.inf)
    with pytest.raises(KdbookError, match="not finite"):
        TeacherOutputs(cache).attach(learner, smoke.data["train"].head(4))
    assert not list(cache.path.parent.iterdir())
