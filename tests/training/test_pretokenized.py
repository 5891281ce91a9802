"""A fit on prepared tokens, with teacher outputs computed once, is AutoMM's own fit, step by step."""

import dataclasses
import random
from typing import Any

import numpy as np
import pytest
from helpers import fit_settings, stock_fit

from kdbook.errors import KdbookError
from kdbook.settings.automm import defaults
from kdbook.training import automm, pretokenized
from kdbook.training.fit import fit

pytestmark = pytest.mark.training

TERMS = {
    "hard_label_weight": (0.05, 1.0),
    "soft_label_weight": (0.1, 5.0),
    "softmax_regression_weight": (0.01, 1.0),
    "output_feature_loss_weight": (0.001, 0.1),
    "rkd_distance_loss_weight": (0.1, 2.0),
    "rkd_angle_loss_weight": (0.1, 2.0),
}
CASES = [None, *((term,) for term in TERMS), tuple(TERMS)]


@pytest.fixture(autouse=True)
def quiet() -> None:
    automm.import_quietly()


def settings_for(*terms: str) -> dict[str, Any]:
    """Random weights of some loss terms, none of the others, and a random temperature."""
    rng = random.Random(len(terms))
    weights = {
        f"distiller.{term}": rng.uniform(*limits) if term in terms else 0.0 for term, limits in TERMS.items()
    }
    return weights | {"distiller.temperature": rng.uniform(1, 8)}


def taught_by_teacher(smoke, rows) -> dict[str, Any]:
    """Arguments of a fit: the teacher of the smoke profile, and its outputs for some rows."""
    from kdbook.training.teacher_outputs import compute

    path = smoke.get_or_train("teacher").predictor
    return {"teacher": path, "outputs": compute(automm.learner_of(automm.load(path)), rows)}


@pytest.mark.parametrize("terms", CASES, ids=lambda terms: "+".join(terms) if terms else "no teacher")
def test_every_step_has_the_loss_of_stock_automm(smoke, tmp_path, terms):
    changes = settings_for(*terms) if terms else {}
    assert_as_stock(smoke, tmp_path, epochs=2, steps=6, taught=bool(terms), **changes)


@pytest.mark.parametrize(
    ("steps", "changes"),
    [
        (9, {"env.num_workers": 2}),
        (9, {"env.num_workers": 2, "env.num_workers_inference": 2}),
        (9, {"env.num_workers": 2, "optim.val_check_interval": 0.5}),
        (18, {"env.per_gpu_batch_size": 8, "env.batch_size": 32}),
    ],
    ids=str,
)
@pytest.mark.parametrize("taught", [False, True], ids=["plain", "distilled"])
def test_so_with_worker_processes_and_accumulated_batches(smoke, tmp_path, steps, changes, taught):
    """Over several epochs, since worker processes that live on change what is drawn from the second one on."""
    assert_as_stock(smoke, tmp_path, epochs=3, steps=steps, taught=taught, **changes)


def assert_as_stock(smoke, tmp_path, epochs: int, steps: int, taught: bool, **changes: Any) -> None:
    """The losses of all steps and the predictions are those of AutoMM alone."""
    settings = fit_settings(smoke, "distilled-0", 3, **changes, **{"optim.max_epochs": epochs})
    rows = smoke.data["train"].head(48)
    teaching = taught_by_teacher(smoke, rows) if taught else {}
    losses, probabilities = [], []
    for name, fitter in (("stock", stock_fit), ("ours", fit)):
        recorder = loss_recorder()
        predictor = fitter(
            tmp_path / name, rows, smoke.data["validation"], settings, callbacks=(recorder,), **teaching
        )
        losses.append(recorder.losses)
        texts = smoke.data["test"][["sentence1", "sentence2"]]
        probabilities.append(predictor.predict_proba(texts, as_pandas=False))
    assert len(losses[0]) == steps
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(probabilities[1], probabilities[0], atol=1e-4)


def unreadable(monkeypatch, texts) -> None:
    """Make AutoMM fail at rows with one of these first texts."""
    monkeypatch.setattr(pretokenized, "_latest", {})  # the same rows were read before
    from autogluon.multimodal.data.process_text import TextProcessor

    build = TextProcessor.build_one_token_sequence_from_text

    def fail(processor, text, *arguments, **settings):
        if set(texts) & set(text.values()):
            raise ValueError("unreadable")
        return build(processor, text, *arguments, **settings)

    monkeypatch.setattr(TextProcessor, "build_one_token_sequence_from_text", fail)


@pytest.mark.parametrize("taught", [False, True], ids=["plain", "distilled"])
@pytest.mark.parametrize("places", [[5], [46, 47], [0, 1, 2, 20]], ids=str)
def test_a_row_that_automm_cannot_read_is_replaced_by_the_next_one_with_its_outputs(
    smoke, tmp_path, monkeypatch, taught, places
):
    unreadable(monkeypatch, smoke.data["train"]["sentence1"].iloc[places])
    assert_as_stock(smoke, tmp_path, epochs=2, steps=6, taught=taught)


def test_rows_of_which_automm_can_read_none_are_refused(smoke, tmp_path, monkeypatch):
    rows = smoke.data["train"].head(8)
    unreadable(monkeypatch, rows["sentence1"])
    with pytest.raises(KdbookError, match="can't read row 0 of the training data: unreadable"):
        fit(tmp_path, rows, smoke.data["validation"], fit_settings(smoke, "baseline-0"))


def test_the_teacher_is_not_run_again(smoke, tmp_path, monkeypatch):
    rows = smoke.data["train"]
    given = (rows, smoke.data["validation"], fit_settings(smoke, "distilled-0"))
    teaching = taught_by_teacher(smoke, rows)
    run_again = "kdbook.training.teacher_outputs.compute"
    monkeypatch.setattr(run_again, lambda *arguments: pytest.fail("the teacher was run again"))
    first, again = (fit(tmp_path / name, *given, **teaching) for name in ("first", "again"))
    texts = smoke.data["test"][["sentence1", "sentence2"]]
    np.testing.assert_array_equal(*(each.predict_proba(texts, as_pandas=False) for each in (first, again)))


@pytest.mark.parametrize(
    "setting",
    [
        {"model.hf_text.text_trivial_aug_maxscale": 0.1},
        {"data.modality_dropout": 0.1},
        {"model.hf_text.stochastic_chunk": True},
    ],
)
def test_texts_that_vary_are_refused_with_a_teacher_and_left_to_automm_without(smoke, tmp_path, setting):
    settings = fit_settings(smoke, "distilled-0", 0, **setting)
    given = (smoke.data["train"].head(16), smoke.data["validation"], settings)
    with pytest.raises(KdbookError, match=r"can't be kept.*set "):
        fit(tmp_path / "distilled", *given, **taught_by_teacher(smoke, given[0]))
    texts = smoke.data["test"][["sentence1", "sentence2"]]
    ours, stock = fit(tmp_path / "plain", *given), stock_fit(tmp_path / "stock", *given)
    np.testing.assert_array_equal(*(each.predict_proba(texts, as_pandas=False) for each in (ours, stock)))


def test_tokens_are_shared_by_fits_on_the_same_texts_and_by_no_others(smoke, tmp_path):
    from kdbook.training import pretokenized

    def tokens(name, rows, **changes):
        fit(tmp_path / name, rows, smoke.data["validation"], fit_settings(smoke, "baseline-0", **changes))
        return pretokenized._latest["train"][1]

    rows = smoke.data["train"].head(16)
    first = tokens("first", rows)
    assert tokens("again", rows, **{"optim.lr": 1e-5}) is first
    assert tokens("shorter", rows, **{"model.hf_text.max_text_len": 20}) is not first
    flipped = tokens("flipped", rows.assign(label=1 - rows["label"]))
    assert not np.array_equal(flipped.whole["hf_text_label"], first.whole["hf_text_label"])


@pytest.mark.parametrize(("ratio", "batch_size"), [(None, 64), (2, 32)])
def test_an_epoch_is_validated_in_batches_of_automms_size_for_predictions(
    smoke, tmp_path, monkeypatch, ratio, batch_size
):
    from kdbook.training import pretokenized

    sizes = []
    stock = pretokenized.PretokenizedDataModule.val_dataloader

    def spy(self):
        loader = stock(self)
        sizes.append(loader.batch_size)
        return loader

    monkeypatch.setattr(pretokenized.PretokenizedDataModule, "val_dataloader", spy)
    changes = {"env.inference_batch_size_ratio": ratio} if ratio else {}
    settings = fit_settings(smoke, "baseline-0", **changes)
    fit(tmp_path / "fit", smoke.data["train"], smoke.data["validation"], settings)
    assert set(sizes) == {batch_size}


def test_the_batch_ratio_is_automms_default():
    from kdbook.training import pretokenized

    assert defaults()[pretokenized.BATCH_RATIO] == pretokenized.DEFAULT_BATCH_RATIO


def loss_recorder():
    from lightning.pytorch import Callback

    class Recorder(Callback):
        def __init__(self) -> None:
            self.losses: list[float] = []

        def on_train_batch_end(self, trainer, module, outputs, batch, batch_index) -> None:
            self.losses.append(float(outputs["loss"]))

    return Recorder()


def test_a_tokenizer_without_a_fast_version(smoke, tmp_path):
    """As those for Japanese; its teacher's outputs are kept, and its fit is AutoMM's own."""
    from transformers import BertConfig, BertJapaneseTokenizer, BertModel

    letters = sorted({letter for text in smoke.data["train"]["sentence1"] for letter in text})
    (tmp_path / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]), "utf-8"
    )
    tokenizer = BertJapaneseTokenizer(
        str(tmp_path / "vocab.txt"), word_tokenizer_type="basic", subword_tokenizer_type="character"
    )
    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(tokenizer), **size)).save_pretrained(tmp_path / "bert")
    tokenizer.save_pretrained(tmp_path / "bert")
    settings = fit_settings(smoke, "distilled-0", 3)
    settings = dataclasses.replace(settings, checkpoint=str(tmp_path / "bert"))
    rows = smoke.data["train"].head(32)
    predicted = []
    for name, fitter in (("stock", stock_fit), ("ours", fit)):
        predictor = fitter(
            tmp_path / name, rows, smoke.data["validation"], settings, **taught_by_teacher(smoke, rows)
        )
        predicted.append(
            predictor.predict_proba(smoke.data["test"].head(16)[["sentence1", "sentence2"]]).to_numpy()
        )
    np.testing.assert_allclose(*predicted, atol=1e-5)
