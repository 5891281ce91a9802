"""A fit on prepared tokens, with a teacher that is asked once, is AutoMM's own fit, step by step."""

import random

import numpy as np
import pytest
from helpers import stock_fit

from kdbook import encoders, prepared, train
from kdbook.errors import KdbookError

TERMS = {
    "hard_label_weight": (0.05, 1.0),
    "soft_label_weight": (0.1, 5.0),
    "softmax_regression_weight": (0.01, 1.0),
    "output_feature_loss_weight": (0.001, 0.1),
    "rkd_distance_loss_weight": (0.1, 2.0),
    "rkd_angle_loss_weight": (0.1, 2.0),
}


def settings_for(*terms: str, seed: int) -> dict[str, float]:
    """Random weights of some loss terms, none of the others, and a random temperature."""
    rng = random.Random(seed)
    weights = {f"distiller.{term}": rng.uniform(*limits) if term in terms else 0.0 for term, limits in TERMS.items()}
    return weights | {"distiller.temperature": rng.uniform(1, 8)}


DISTILLED = [*((term,) for term in TERMS), *(tuple(random.Random(seed).sample(list(TERMS), 4)) for seed in range(3)), tuple(TERMS)]


@pytest.mark.parametrize("terms", [None, *DISTILLED], ids=lambda terms: "+".join(terms) if terms else "no teacher")
def test_every_step_has_the_loss_of_stock_automm(smoke, tmp_path, terms):
    spec = smoke.specs["distilled-0"]
    chosen = spec.hyperparameters | (settings_for(*terms, seed=len(terms)) if terms else {}) | {"optim.max_epochs": 2}
    rows = smoke.data["train"].head(48)
    teaching = train.Teaching(smoke.run("teacher").predictor, tmp_path / "outputs.safetensors") if terms else None
    given = (rows, smoke.data["validation"], str(encoders.locate(spec.checkpoint).path), chosen, 3, teaching)
    train._prepare()
    losses, weights = [], []
    for name, fit in (("stock", stock_fit), ("ours", train.fit)):
        recorder = _recorder()
        predictor = fit(tmp_path / name, *given, callbacks=(recorder,))
        losses.append(recorder.losses)
        weights.append(predictor.predict_proba(smoke.data["test"][["sentence1", "sentence2"]], as_pandas=False))
    assert len(losses[0]) == 6
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(weights[1], weights[0], atol=1e-4)


def test_the_teacher_is_not_asked_again(smoke, tmp_path, monkeypatch):
    spec = smoke.specs["distilled-0"]
    train._prepare()
    given = (smoke.data["train"], smoke.data["validation"], str(encoders.locate(spec.checkpoint).path), spec.hyperparameters, 0)
    teaching = train.Teaching(smoke.run("teacher").predictor, tmp_path / "outputs.safetensors")
    first = train.fit(tmp_path / "fills", *given, teaching)
    monkeypatch.setattr("kdbook.teacher_outputs._ask", lambda *arguments: pytest.fail("the teacher was asked again"))
    again = train.fit(tmp_path / "reads", *given, teaching)
    texts = smoke.data["test"][["sentence1", "sentence2"]]
    np.testing.assert_array_equal(*(found.predict_proba(texts, as_pandas=False) for found in (first, again)))


@pytest.mark.parametrize(
    "setting", [{"model.hf_text.text_trivial_aug_maxscale": 0.1}, {"data.modality_dropout": 0.1}, {"model.hf_text.stochastic_chunk": True}]
)
def test_texts_that_vary_are_refused_with_a_teacher_and_left_to_automm_without(smoke, tmp_path, setting):
    spec = smoke.specs["distilled-0"]
    train._prepare()
    given = (
        smoke.data["train"].head(16),
        smoke.data["validation"],
        str(encoders.locate(spec.checkpoint).path),
        spec.hyperparameters | setting,
        0,
    )
    with pytest.raises(KdbookError, match="asked once.*set "):
        train.fit(tmp_path / "distilled", *given, train.Teaching(smoke.run("teacher").predictor, tmp_path / "outputs.safetensors"))
    texts = smoke.data["test"][["sentence1", "sentence2"]]
    ours, stock = train.fit(tmp_path / "plain", *given), stock_fit(tmp_path / "stock", *given)
    np.testing.assert_array_equal(ours.predict_proba(texts, as_pandas=False), stock.predict_proba(texts, as_pandas=False))


def test_samples_are_shared_by_fits_on_the_same_texts_and_by_no_others(smoke, tmp_path):
    spec = smoke.specs["baseline-0"]
    checkpoint = str(encoders.locate(spec.checkpoint).path)
    train._prepare()

    def samples(name, rows, settings):
        train.fit(tmp_path / name, rows, smoke.data["validation"], checkpoint, settings, 0)
        return prepared.PreparedData.last["train"][1]

    rows = smoke.data["train"].head(16)
    first = samples("first", rows, spec.hyperparameters)
    assert samples("again", rows, spec.hyperparameters | {"optim.lr": 1e-5}) is first
    assert samples("shorter", rows, spec.hyperparameters | {"model.hf_text.max_text_len": 20}) is not first
    flipped = samples("flipped", rows.assign(label=1 - rows["label"]), spec.hyperparameters)
    assert not np.array_equal(flipped.whole["hf_text_label"], first.whole["hf_text_label"])


@pytest.mark.parametrize(("ratio", "rows_at_once"), [(None, 64), (2, 32)])
def test_an_epoch_is_validated_in_batches_of_automms_size_for_predictions(smoke, tmp_path, monkeypatch, ratio, rows_at_once):
    spec, found = smoke.specs["baseline-0"], []
    own = prepared.PreparedData.val_dataloader

    def spied(self):
        loader = own(self)
        found.append(loader.batch_size)
        return loader

    monkeypatch.setattr(prepared.PreparedData, "val_dataloader", spied)
    train._prepare()
    settings = spec.hyperparameters | ({"env.inference_batch_size_ratio": ratio} if ratio else {})
    train.fit(tmp_path / "fit", smoke.data["train"], smoke.data["validation"], str(encoders.locate(spec.checkpoint).path), settings, 0)
    assert set(found) == {rows_at_once}


@pytest.mark.parametrize(("version", "known"), [("1.6.0", True), ("1.6.3", True), ("1.5.0", False), ("1.7.0", False)])
def test_other_releases_of_automm_are_refused(version, known):
    if known:
        prepared.check_version(version)
    else:
        with pytest.raises(KdbookError, match=f"AutoMM {version} is not supported"):
            prepared.check_version(version)


def _recorder():
    from lightning.pytorch import Callback

    class Recorder(Callback):
        def __init__(self) -> None:
            self.losses: list[float] = []

        def on_train_batch_end(self, trainer, module, outputs, batch, batch_index) -> None:
            self.losses.append(float(outputs["loss"]))

    return Recorder()
