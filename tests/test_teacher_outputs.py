"""Looking a teacher's outputs up gives what asking it each time gives, with real AutoMM fits."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kdbook import encoders, train
from kdbook.data import INPUTS
from kdbook.errors import KdbookError
from kdbook.teacher_outputs import FEATURES, LOGITS, TeacherOutputs, keys_of

ALL_TERMS = {
    "distiller.temperature": 2.0,
    "distiller.softmax_regression_weight": 0.1,
    "distiller.output_feature_loss_weight": 0.1,
    "distiller.rkd_distance_loss_weight": 1.0,
    "distiller.rkd_angle_loss_weight": 2.0,
}


@pytest.fixture
def learner(smoke):
    from autogluon.multimodal.learners.base import BaseLearner

    train._prepare()
    return BaseLearner.load(str(smoke.run("teacher").predictor))


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), min_size=1, max_size=5), st.integers(0, 4))
def test_keys_tell_token_sequences_apart_whatever_the_padding(rows, padding):
    width = max(map(len, rows)) + padding
    ids = torch.tensor([row + [1] * (width - len(row)) for row in rows])
    keys = keys_of(ids, torch.tensor([len(row) for row in rows]))
    assert [first == second for first in rows for second in rows] == [first == second for first in keys for second in keys]


def test_a_distilled_student_is_the_same_with_and_without(smoke, tmp_path):
    rows, spec = smoke.data["train"], smoke.specs["distilled-0"]
    checkpoint = str(encoders.locate(spec.checkpoint).path)
    train._prepare()
    probabilities = []
    for name, outputs in (("stock", None), ("fills", tmp_path / "outputs.safetensors"), ("reads", tmp_path / "outputs.safetensors")):
        predictor = train.fit(
            tmp_path / name, rows, smoke.data["validation"], checkpoint, spec.hyperparameters | ALL_TERMS, 0,
            smoke.run("teacher").predictor, outputs=outputs,
        )  # fmt: skip
        probabilities.append(predictor.predict_proba(smoke.data["test"][INPUTS[:2]], as_pandas=False))
    stock, fills, reads = probabilities
    np.testing.assert_allclose(fills, stock, atol=1e-4)
    np.testing.assert_array_equal(reads, fills)


def test_looked_up_outputs_are_those_of_the_teacher(learner, smoke, tmp_path):
    from autogluon.multimodal.data.datamodule import BaseDataModule
    from autogluon.multimodal.models.utils import run_model

    rows = smoke.data["train"]
    module = BaseDataModule(learner._df_preprocessor, learner._data_processors, 7, num_workers=0, predict_data=rows)
    module.setup("predict")
    model = learner._model.eval()
    with torch.inference_mode():
        online = [run_model(model, batch)[model.prefix] for batch in module.predict_dataloader()]
    before = torch.get_rng_state()
    TeacherOutputs(tmp_path / "outputs.safetensors").attach(learner, rows)
    assert torch.equal(before, torch.get_rng_state())
    asked = _count_calls(model.model)
    with torch.inference_mode():
        cached = [run_model(model, batch)[model.prefix] for batch in module.predict_dataloader()]
    assert asked == []
    for part in (LOGITS, FEATURES):
        differences = [float((one[part] - other[part]).abs().max()) for one, other in zip(online, cached, strict=True)]
        assert max(differences) < 1e-4


def test_new_texts_and_training_mode_ask_the_teacher(learner, smoke, tmp_path):
    from autogluon.multimodal.data.datamodule import BaseDataModule
    from autogluon.multimodal.models.utils import run_model

    rows = smoke.data["train"]
    TeacherOutputs(tmp_path / "outputs.safetensors").attach(learner, rows.head(10))
    asked = _count_calls(learner._model.model)
    for some, training, calls in ((rows.head(8), False, 0), (rows.head(8), True, 1), (rows.tail(8), False, 1)):
        module = BaseDataModule(learner._df_preprocessor, learner._data_processors, 8, num_workers=0, predict_data=some)
        module.setup("predict")
        asked.clear()
        learner._model.train(training)
        run_model(learner._model, next(iter(module.predict_dataloader())))
        assert len(asked) == calls


def test_a_damaged_file_is_computed_anew(learner, smoke, tmp_path):
    path = tmp_path / "outputs.safetensors"
    TeacherOutputs(path).attach(learner, smoke.data["train"].head(4))
    assert len(TeacherOutputs(path)._rows) == 4
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert len(TeacherOutputs(path)._rows) == 0


def test_numbers_that_are_not_finite_stop_the_run(learner, smoke, tmp_path):
    with torch.no_grad():
        next(learner._model.head.parameters()).fill_(torch.inf)
    with pytest.raises(KdbookError, match="not finite"):
        TeacherOutputs(tmp_path / "outputs.safetensors").attach(learner, smoke.data["train"].head(4))
    assert not list(tmp_path.iterdir())


def _count_calls(module: torch.nn.Module) -> list[int]:
    calls: list[int] = []
    module.register_forward_hook(lambda *arguments: calls.append(1))
    return calls
