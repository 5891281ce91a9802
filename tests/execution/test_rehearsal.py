"""A rehearsal takes real steps with encoders of the true class and size."""

import pytest
from helpers import kdbook
from transformers import AutoModel, AutoTokenizer, DebertaV2Model, XLMRobertaModel

from kdbook.encoders import hub_configs
from kdbook.errors import KdbookError
from kdbook.execution import rehearsal
from kdbook.settings import profile
from kdbook.store.local import Store
from kdbook.study.study import Study

pytestmark = pytest.mark.training

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 20_000,
}


@pytest.fixture
def small(monkeypatch):
    """The published shapes, made small."""
    for name, shape in hub_configs.CONFIGURATIONS.items():
        monkeypatch.setitem(hub_configs.CONFIGURATIONS, name, shape | SMALL)
    return list(hub_configs.CONFIGURATIONS)


def test_random_encoders_have_the_class_and_the_vocabulary_of_the_true_ones(small, smoke, tmp_path):
    for number, (name, expected) in enumerate(zip(small, (DebertaV2Model, XLMRobertaModel), strict=True)):
        folder = hub_configs.random_checkpoint(name, smoke.data["train"]["sentence1"], tmp_path / str(number))
        model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
        assert isinstance(model, expected) and len(tokenizer) == model.config.vocab_size == 20_000
        ids = tokenizer("Anna paid Boris .", "Boris was paid .")["input_ids"]
        assert max(ids) < 10_000 and ids[0] == tokenizer.cls_token_id and ids[-1] == tokenizer.sep_token_id


def test_the_main_arms_take_finite_steps(small, tmp_path):
    full, smoke = profile.load("pawsx"), profile.load("smoke")
    opened = Study(
        full.model_copy(
            update={"data": smoke.data.model_copy(update={"train_items": 100, "labelled_items": 50})}
        ),
        Store(tmp_path),
    )
    messages: list[str] = []
    measured = rehearsal.rehearse(opened, messages.append)
    assert [one.arm for one in measured] == ["teacher", "baseline", "distilled", "transfer"] and len(
        messages
    ) == 4
    assert all(
        one.seconds > 0 and one.loss == one.loss and one.memory > 0 and one.tokens > 10 for one in measured
    )
    assert [one.steps for one in measured] == [8 * 100 // 32] * 3 + [8 * 200 // 32]
    assert measured[0].hours == pytest.approx(measured[0].steps * measured[0].seconds / 3600)
    assert not list(opened.store.keys())


def test_a_loss_that_is_not_finite_is_said(small, smoke, tmp_path, monkeypatch):
    watch = rehearsal._step_recorder

    def broken():
        watching = watch()
        watching.losses = [float("nan")]
        return watching

    monkeypatch.setattr(rehearsal, "_step_recorder", broken)
    with pytest.raises(KdbookError, match="a loss of the teacher is not finite"):
        rehearsal.rehearse(Study(profile.load("smoke"), Store(tmp_path)), lambda line: None)


def test_the_command_prints_what_it_saw_and_trains_no_run(tmp_path):
    done = kdbook("run", "--profile", "smoke", "--rehearse", store=tmp_path)
    assert "teacher: 4 steps of embedded:teacher" in done.stderr and "peak GB" in done.stdout
    assert "on one A100: about" in done.stderr
    assert not list(tmp_path.iterdir())
