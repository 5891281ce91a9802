"""Around a stock predictor's fit: the same student, the teacher asked once, and clear refusals."""

import os
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import kdbook
from kdbook.errors import KdbookError
from kdbook.training import automm, fast_distillation, teacher_outputs

pytestmark = pytest.mark.training

SETTINGS = {
    "model.names": ["hf_text"],
    "model.hf_text.text_trivial_aug_maxscale": 0,
    "model.hf_text.max_text_len": 48,
    "env.per_gpu_batch_size": 8,
    "env.batch_size": 8,
    "env.num_workers": 0,
    "env.num_workers_inference": 0,
    "optim.max_epochs": 3,
    "optim.top_k_average_method": "uniform_soup",  # so that all epochs count
}


@pytest.fixture(scope="module")
def rows(smoke) -> dict[str, pd.DataFrame]:
    """Rows as a script may have them: other names of columns, and classes that are words."""
    names = {"sentence1": "question", "sentence2": "answer"}
    return {
        split: smoke.data[split]
        .head(40)[["sentence1", "sentence2", "label"]]
        .rename(columns=names)
        .assign(verdict=lambda frame: np.where(frame["label"] == 1, "yes", "no"))
        .drop(columns="label")
        for split in ("train", "validation", "test")
    }


def fitted(path, rows, encoder: str, folder=None, teacher=None, **changes):
    """A student or teacher as a script fits it, with or without the context."""
    automm.import_quietly()
    from contextlib import nullcontext

    from autogluon.multimodal import MultiModalPredictor

    from kdbook.encoders import checkpoints

    predictor = MultiModalPredictor(label="verdict", path=str(path), verbosity=0, enable_progress_bar=False)
    settings = {"model.hf_text.checkpoint_name": str(checkpoints.locate(encoder).path), **SETTINGS, **changes}
    with kdbook.fast_distillation(predictor, folder) if folder else nullcontext():
        predictor.fit(
            rows["train"],
            tuning_data=rows["validation"],
            column_types={"question": "text", "answer": "text"},
            teacher_predictor=teacher,
            hyperparameters=settings,
            seed=3,
        )
    return predictor.predict_proba(rows["test"].drop(columns="verdict"), as_pandas=False)


@pytest.fixture(scope="module")
def teacher(rows, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("teacher") / "teacher"
    fitted(path, rows, "embedded:teacher")
    return str(path)


@pytest.mark.parametrize("changes", [{}, {"env.num_workers": 2}, {"env.batch_size": 16}], ids=str)
def test_the_student_is_that_of_automm_alone(tmp_path, rows, teacher, changes):
    stock = fitted(tmp_path / "stock", rows, "embedded:student", teacher=teacher, **changes)
    fast = fitted(tmp_path / "fast", rows, "embedded:student", tmp_path / "outputs", teacher, **changes)
    np.testing.assert_allclose(fast, stock, atol=1e-5)


def test_the_teacher_is_asked_once(tmp_path, rows, teacher, monkeypatch):
    first = fitted(tmp_path / "first", rows, "embedded:student", tmp_path / "outputs", teacher)
    monkeypatch.setattr(teacher_outputs, "compute", lambda *arguments: pytest.fail("asked again"))
    again = fitted(tmp_path / "again", rows, "embedded:student", tmp_path / "outputs", teacher)
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(
    "changes", [{}, {"model.hf_text.text_trivial_aug_maxscale": 0.1}], ids=["kept tokens", "augmented"]
)
def test_without_a_teacher_the_fit_is_that_of_automm_alone(tmp_path, rows, changes):
    stock = fitted(tmp_path / "stock", rows, "embedded:student", **changes)
    fast = fitted(tmp_path / "fast", rows, "embedded:student", tmp_path / "outputs", **changes)
    np.testing.assert_allclose(fast, stock, atol=1e-5)


def test_what_is_no_classification_is_refused(tmp_path, rows):
    scores = {split: frame.assign(verdict=np.linspace(0, 1, len(frame))) for split, frame in rows.items()}
    with pytest.raises(KdbookError, match="one classifier of texts, and this is regression"):
        fitted(tmp_path / "scores", scores, "embedded:student", tmp_path / "outputs")


@pytest.mark.parametrize(
    "settings",
    [
        {"label": "verdict", "use_ensemble": True},
        {"label": "entities", "problem_type": "ner"},
        {"query": "question", "response": "answer", "problem_type": "text_similarity"},
    ],
)
def test_predictors_of_other_kinds_are_refused_before_they_fit(tmp_path, settings):
    automm.import_quietly()
    from autogluon.multimodal import MultiModalPredictor

    predictor = MultiModalPredictor(path=str(tmp_path / "other"), verbosity=0, **settings)
    with (
        pytest.raises(KdbookError, match="one classifier of texts"),
        kdbook.fast_distillation(predictor, tmp_path),
    ):
        pytest.fail("it was not refused")


def test_texts_that_vary_are_refused(tmp_path, rows, teacher):
    with pytest.raises(KdbookError, match="can't be kept.*set "):
        fitted(
            tmp_path / "varied",
            rows,
            "embedded:student",
            tmp_path / "outputs",
            teacher,
            **{"model.hf_text.text_trivial_aug_maxscale": 0.1},
        )


@pytest.mark.parametrize(
    ("gpus", "changes", "remedy"),
    [
        (1, {"env.precision": "16-mixed"}, "['env.precision'] = '32'"),
        (2, {"env.precision": "32"}, "['env.num_gpus'] = 1"),
    ],
)
def test_gpus_that_would_compute_something_else_are_refused(
    tmp_path, rows, teacher, monkeypatch, gpus, changes, remedy
):
    seen = SimpleNamespace(is_available=lambda: True, device_count=lambda: gpus)
    monkeypatch.setattr(
        fast_distillation, "torch", SimpleNamespace(cuda=seen)
    )  # AutoMM itself sees the real ones
    with pytest.raises(KdbookError, match=re.escape(remedy)):
        fitted(tmp_path / "fast", rows, "embedded:student", tmp_path / "outputs", teacher, **changes)


def test_a_fit_after_the_context_is_automms_own(tmp_path, rows):
    automm.import_quietly()
    from autogluon.multimodal import MultiModalPredictor

    predictor = MultiModalPredictor(label="verdict", path=str(tmp_path / "own"))
    before = dict(vars(automm.learner_of(predictor)))
    with kdbook.fast_distillation(predictor, tmp_path):
        pass
    assert vars(automm.learner_of(predictor)).keys() == before.keys()


def test_a_teacher_of_other_classes_is_refused_before_it_runs(tmp_path, rows, teacher, monkeypatch):
    monkeypatch.setattr(teacher_outputs, "compute", lambda *arguments: pytest.fail("the teacher ran"))
    others = {
        split: frame.assign(verdict=frame["verdict"].map({"yes": "ja", "no": "nein"}))
        for split, frame in rows.items()
    }
    with pytest.raises(KdbookError, match="the teacher has the classes 'no', 'yes', .* 'ja', 'nein'"):
        fitted(tmp_path / "student", others, "embedded:student", tmp_path / "outputs", teacher)


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_a_folder_that_cannot_be_written_is_refused_before_the_teacher_runs(
    tmp_path, rows, teacher, folder, monkeypatch
):
    monkeypatch.setattr(teacher_outputs, "compute", lambda *arguments: pytest.fail("the teacher ran"))
    (tmp_path / "file").write_text("")
    with pytest.raises(KdbookError, match="can't be written"):
        fitted(tmp_path / "student", rows, "embedded:student", tmp_path / folder, teacher)


def test_missing_texts_and_half_characters_are_read_as_automm_reads_them(tmp_path, rows, teacher):
    train = rows["train"].reset_index(drop=True)
    train.loc[3, "question"] = None
    train.loc[5, "answer"] = float("nan")
    train.loc[7, "question"] = "half \ud83d"
    odd = rows | {"train": train}
    stock = fitted(tmp_path / "stock", odd, "embedded:student", teacher=teacher)
    fast = fitted(tmp_path / "fast", odd, "embedded:student", tmp_path / "outputs", teacher)
    np.testing.assert_allclose(fast, stock, atol=1e-5)


def test_a_damaged_seal_counts_as_none_and_what_killed_writers_left_is_swept(tmp_path, rows, teacher):
    folder = tmp_path / "outputs"
    fitted(tmp_path / "first", rows, "embedded:student", folder, teacher)
    (kept,) = folder.glob("*.safetensors")
    (seal,) = folder.glob("*.sha256")
    seal.write_bytes(b"\xff\xfe")
    left = kept.with_name(f"{kept.name}.0a1b2c3d.partial")
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    foreign = folder / "notes.partial"
    foreign.write_text("mine")
    fitted(tmp_path / "again", rows, "embedded:student", folder, teacher)
    assert {path.name for path in folder.iterdir()} == {kept.name, seal.name, foreign.name}


def test_a_teacher_with_a_scalar_among_its_weights_has_a_digest():
    """As the encoders of the Gemma family have."""
    import torch

    def of(value: float) -> str:
        weights = {"scale": torch.tensor(value), "rows": torch.ones(2, 3)}
        model = SimpleNamespace(state_dict=lambda: weights)
        return fast_distillation._digest(SimpleNamespace(_model=model, _data_processors={"text": []}))

    assert of(1.0) == of(1.0) != of(2.0)
