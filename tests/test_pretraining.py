"""Pretraining: label-free targets, and a checkpoint at the end."""

import json
import re
from dataclasses import replace

import pandas as pd
import pytest
import torch
from pretraining import pretrain, sampling
from transformers import AutoModel, AutoTokenizer

from kdbook.data.generated import corpus
from kdbook.encoders import checkpoints
from kdbook.errors import KdbookError

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def sampler() -> sampling.Sampler:
    tokenizer = AutoTokenizer.from_pretrained(checkpoints.locate("embedded:student").path)
    return sampling.Sampler(tokenizer, sampling.PretrainingSettings("student", steps=1, learning_rate=1e-3))


def test_masked_batches_hide_words_and_keep_their_tokens_as_targets(sampler):
    batch = sampler.masked(64)
    chosen = batch.targets != sampling.IGNORED
    assert 0.15 < chosen.sum() / batch.mask.sum() < 0.35
    assert (batch.ids[chosen] == sampler.tokenizer.mask_token_id).float().mean() > 0.6
    assert not torch.isin(batch.targets[chosen], torch.tensor(sampler.tokenizer.all_special_ids)).any()


def test_detection_judges_the_words_of_the_second_sentence_only(sampler):
    batch = sampler.detection(64)
    chosen = batch.targets != sampling.IGNORED
    assert (batch.segments[chosen] == 1).all()
    assert set(batch.targets[chosen].tolist()) == {0, 1}
    corrupted = ((batch.targets == 1) & chosen).any(1).float().mean()
    assert 0.6 < corrupted <= 1


def test_changed_words():
    original = ["Anna", "met", "Peter", "in", "1987", "."]
    assert sampling._changed_words(original, ["Anna", "met", "Peter", "in", "1990", "."]) == {4}
    assert sampling._changed_words(original, ["Anna", "visited", "Peter", "in", "1987", "."]) == {1}
    assert 0 in sampling._changed_words(original, ["Peter", "met", "Anna", "in", "1987", "."])
    assert sampling._changed_words(original, original) == set()


@pytest.mark.parametrize("name", ["teacher", "student"])
def test_the_result_is_a_checkpoint_with_a_card(name, tmp_path):
    lines: list[str] = []
    settings = sampling.PretrainingSettings(
        name, steps=2, learning_rate=1e-3, batch_size=8, vocabulary_facts=500
    )
    pretrain.pretrain(settings, tmp_path / "out", lines.append)
    model = AutoModel.from_pretrained(checkpoints.locate(str(tmp_path / "out")).path)
    assert all(torch.isfinite(weight).all() for weight in model.parameters())
    assert json.loads((tmp_path / "out" / "pretraining.json").read_text())["steps"] == 2
    assert "pretrain" in (tmp_path / "out" / "README.md").read_text()
    assert "2/2" in lines[-1]


def test_shipped_settings_are_those_of_the_shipped_encoders():
    for name, settings in pretrain.SHIPPED.items():
        recorded = json.loads((checkpoints.locate(f"embedded:{name}").path / "pretraining.json").read_text())
        assert {key: recorded[key] for key in vars(settings)} == vars(settings)


def test_pretraining_and_study_share_no_sentence(sampler):
    told = {
        sentence
        for corrupt in (True, False)
        for translate in (True, False)
        for _ in range(500)
        for sentence in sampler._sentences(corrupt, translate)
    }
    rows = pd.concat(corpus.generate({"train": 1000, "test": 500}, seed=0).values())
    assert not told & {*rows["sentence1"], *rows["sentence2"]}


def test_exchanged_words_are_the_same_in_both_sentences(sampler):
    first, second, original = sampler._with_exchanged_words(
        "Anna met Peter.", "Peter met Anna.", "Anna met Peter."
    )
    assert first == original and sorted(re.findall(r"\w+", first)) == sorted(re.findall(r"\w+", second))


@pytest.mark.parametrize("name", ["teacher", "student"])
def test_an_interrupted_pretraining_ends_as_it_would_have(name, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain, "REPORT_EVERY", 2)
    settings = sampling.PretrainingSettings(
        name, steps=4, learning_rate=1e-3, batch_size=8, vocabulary_facts=500
    )
    pretrain.pretrain(settings, tmp_path / "whole", lambda line: None)

    def interrupt(line: str) -> None:
        if "step 4/4" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain.pretrain(settings, tmp_path / "cut", interrupt)
    lines: list[str] = []
    pretrain.pretrain(settings, tmp_path / "cut", lines.append)
    assert lines[0] == "continuing after step 2"
    for file in ("model.safetensors", "tokenizer.json"):
        assert (tmp_path / "cut" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    assert not list(tmp_path.glob("*.state"))


def test_a_state_of_other_settings_is_refused(tmp_path):
    settings = sampling.PretrainingSettings(
        "student", steps=2, learning_rate=1e-3, batch_size=8, vocabulary_facts=500
    )
    pretrain.Pretraining(settings).save(tmp_path / "out.state")
    with pytest.raises(KdbookError, match="other settings"):
        pretrain.pretrain(replace(settings, steps=3), tmp_path / "out", lambda line: None)
