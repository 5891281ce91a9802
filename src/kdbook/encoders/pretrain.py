"""Pretrain a compact encoder on generated text, without labels.

Two objectives, half of every batch each:

* Translation language modelling (Conneau and Lample 2019): two sentences that state the same fact, in one language
  or in both, stand in one input; 30 % of the words are masked, so that a masked word is best found in the other
  sentence.
* Replaced-token detection (Clark et al. 2020, ELECTRA): words of the second sentence are exchanged with each other
  or with words of the same class; every token is classified as original or replaced. The replacements are as
  fluent as the original, so only the comparison with the first sentence reveals them.
"""

import difflib
import hashlib
import json
import math
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from kdbook.data import corpus
from kdbook.encoders.architectures import ARCHITECTURES
from kdbook.errors import KdbookError

IGNORED = -100  # targets that F.cross_entropy leaves out
CORRUPTED_SHARE = 0.85
TRANSLATED_SHARE = 0.5
REPORT_EVERY = 100  # steps
PARTS = ("trainer", "optimizer", "schedule")


@dataclass(frozen=True)
class Settings:
    """How to pretrain one encoder; ``steps`` of ``batch_size`` pairs, half of them for each objective."""

    architecture: str
    steps: int
    learning_rate: float
    batch_size: int = 128
    warmup: float = 0.05
    masked: float = 0.3
    masked_weight: float = 0.1
    weight_decay: float = 0.01
    seed: int = 20_000
    vocabulary_size: int = 1500
    vocabulary_facts: int = 20_000


@dataclass(frozen=True)
class Batch:
    """Token ids, segments and attention mask of shape (pairs, tokens), and the targets of one objective."""

    ids: Tensor
    segments: Tensor
    mask: Tensor
    targets: Tensor


class Pretrainer(nn.Module):
    """An encoder with a head for each objective."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model: Any = model
        self.uses_segments = model.config.type_vocab_size > 1
        self.detector = nn.Linear(model.config.hidden_size, 1)

    def encode(self, batch: Batch) -> Tensor:
        segments = {"token_type_ids": batch.segments} if self.uses_segments else {}
        return self.model.base_model(input_ids=batch.ids, attention_mask=batch.mask, **segments).last_hidden_state

    def masked_loss(self, batch: Batch) -> Tensor:
        head = self.model.cls if hasattr(self.model, "cls") else self.model.lm_head
        chosen = batch.targets != IGNORED
        return F.cross_entropy(head(self.encode(batch)[chosen]).float(), batch.targets[chosen])

    def detection_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss, and the share of pairs in which every token is classified correctly."""
        chosen = batch.targets != IGNORED
        logits = self.detector(self.encode(batch)).squeeze(-1).float()
        wrong = ((logits > 0) != (batch.targets == 1)) & chosen
        loss = F.binary_cross_entropy_with_logits(logits[chosen], batch.targets[chosen].float())
        return loss, 1 - wrong.any(1).float().mean()


class Sampler:
    """Turns the endless facts of the corpus into batches of one tokenizer's tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, settings: Settings) -> None:
        self.tokenizer, self.settings = tokenizer, settings
        self.rng = random.Random(settings.seed)
        self.words: dict[str, list[int]] = {}

    def masked(self, pairs: int) -> Batch:
        return self._collate([self._masked_pair() for _ in range(pairs)])

    def detection(self, pairs: int) -> Batch:
        return self._collate([self._corrupted_pair() for _ in range(pairs)])

    def _tell_twice(self, corrupt: bool, translate: bool) -> tuple[str, str, str]:
        """First sentence, second sentence, and the second sentence before it was corrupted."""
        rng = self.rng
        while True:
            told = self._tell_any(corrupt, translate, rng)
            if corpus.for_pretraining(*told[:2]):
                return told

    @staticmethod
    def _tell_any(corrupt: bool, translate: bool, rng: random.Random) -> tuple[str, str, str]:
        pattern, values = corpus.fact(rng)
        forms = corpus.two_forms(pattern, rng)
        first = rng.choice(corpus.LANGUAGES)
        second = rng.choice(corpus.LANGUAGES) if translate else first
        edited = corpus.changing_edit(pattern, values, rng)[0] if corrupt else values
        wording = rng.getrandbits(32)
        original, said = (corpus.render(pattern, forms[1], second, v, random.Random(wording)) for v in (values, edited))
        return corpus.render(pattern, forms[0], first, values, rng), said, original

    def _masked_pair(self) -> tuple[list[int], list[int], list[int]]:
        first, second, _ = self._tell_twice(corrupt=False, translate=self.rng.random() < TRANSLATED_SHARE)
        ids, segments, targets = [], [], []
        for word, tokens, segment in self._words(first, second):
            hide = word is not None and self.rng.random() < self.settings.masked
            ids += [self._mask_token(token) if hide else token for token in tokens]
            targets += tokens if hide else [IGNORED] * len(tokens)
            segments += [segment] * len(tokens)
        return ids, segments, targets

    def _corrupted_pair(self) -> tuple[list[int], list[int], list[int]]:
        first, second, original = self._tell_twice(corrupt=self.rng.random() < CORRUPTED_SHARE, translate=False)
        changed = _changed_words(original.split(), second.split())
        ids, segments, targets = [], [], []
        position = -1
        for word, tokens, segment in self._words(first, second):
            position += word is not None and segment == 1
            judged = word is not None and segment == 1
            ids += tokens
            segments += [segment] * len(tokens)
            targets += [int(position in changed) if judged else IGNORED] * len(tokens)
        return ids, segments, targets

    def _words(self, first: str, second: str) -> Iterator[tuple[str | None, list[int], int]]:
        """The input as AutoMM lays it out, [CLS] first [SEP] second [SEP], word by word; None marks special tokens."""
        yield None, [self.tokenizer.cls_token_id], 0
        for segment, sentence in enumerate((first, second)):
            for word in sentence.split():
                yield word, self._tokens(word), segment
            yield None, [self.tokenizer.sep_token_id], segment

    def _tokens(self, word: str) -> list[int]:
        if word not in self.words:
            self.words[word] = self.tokenizer.encode(word, add_special_tokens=False)
        return self.words[word]

    def _mask_token(self, token: int) -> int:
        """BERT's 80 % mask, 10 % random, 10 % unchanged."""
        draw = self.rng.random()
        if draw < 0.8:
            return self.tokenizer.mask_token_id
        return self.rng.randrange(len(self.tokenizer)) if draw < 0.9 else token

    def _collate(self, rows: list[tuple[list[int], list[int], list[int]]]) -> Batch:
        length = max(len(ids) for ids, _, _ in rows)
        fill = (self.tokenizer.pad_token_id, 0, IGNORED)
        ids, segments, targets = (torch.tensor([row[part] + [fill[part]] * (length - len(row[part])) for row in rows]) for part in range(3))
        return Batch(ids, segments, (ids != self.tokenizer.pad_token_id).long(), targets)


def _changed_words(original: list[str], said: list[str]) -> set[int]:
    """Positions in ``said`` of the words that a diff against ``original`` does not keep; a moved word counts where it went."""
    matcher = difflib.SequenceMatcher(None, original, said, autojunk=False)
    return {i for tag, _, _, start, end in matcher.get_opcodes() if tag != "equal" for i in range(start, end)}


SHIPPED = {
    "teacher": Settings("teacher", steps=6500, learning_rate=8e-4),
    "student": Settings("student", steps=2600, learning_rate=2.5e-3),
}


class Pretraining:
    """One pretraining: everything that its next step depends on, so that it can be written to a file and go on from there."""

    def __init__(self, settings: Settings) -> None:
        torch.manual_seed(settings.seed)
        facts = islice(corpus.paraphrases(settings.seed), settings.vocabulary_facts)
        texts = [text for _, _, told in facts for pair in told.values() for text in pair]
        self.settings = settings
        model, self.tokenizer = ARCHITECTURES[settings.architecture](texts, settings.vocabulary_size)
        self.trainer, self.sampler = Pretrainer(model), Sampler(self.tokenizer, settings)
        self.optimizer = torch.optim.AdamW(
            self.trainer.parameters(), settings.learning_rate, (0.9, 0.98), weight_decay=settings.weight_decay
        )
        warmup = max(1, round(settings.warmup * settings.steps))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / settings.steps)))
        )
        self.step, self.seconds = 0, 0.0
        self.averages = dict.fromkeys(("masked_loss", "detection_loss", "detected_exactly"), 0.0)

    def advance(self) -> None:
        """Train on one batch, half of it for each objective."""
        start, half = time.perf_counter(), self.settings.batch_size // 2
        with torch.autocast("cpu", torch.bfloat16):
            masked = self.trainer.masked_loss(self.sampler.masked(half))
            detection, exact = self.trainer.detection_loss(self.sampler.detection(half))
        self.optimizer.zero_grad()
        (detection + self.settings.masked_weight * masked).backward()
        nn.utils.clip_grad_norm_(self.trainer.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        current = (masked.item(), detection.item(), exact.item())
        kept = 0.98 if self.step else 0.0
        self.averages = {name: kept * old + (1 - kept) * new for (name, old), new in zip(self.averages.items(), current, strict=True)}
        self.step += 1
        self.seconds += time.perf_counter() - start

    def describe(self) -> str:
        """How far it is, how well it does, and the seconds left."""
        masked, detection, exact = self.averages.values()
        left = self.seconds / self.step * (self.settings.steps - self.step)
        return (
            f"step {self.step}/{self.settings.steps}  masked {masked:.3f}  detection {detection:.4f}  exact {exact:.3f}  "
            f"{self.seconds:.0f} s, {left:.0f} s left"
        )

    def keep(self, path: Path) -> None:
        """Write the state to a file, in one piece."""
        parts = {name: getattr(self, name).state_dict() for name in PARTS}
        own = {"settings": asdict(self.settings), "step": self.step, "seconds": self.seconds, "averages": self.averages}
        partial = path.with_suffix(".partial")
        torch.save(parts | own | {"random": self.sampler.rng.getstate()}, partial)
        os.replace(partial, path)

    def go_on_from(self, path: Path) -> None:
        """Take up the state that :meth:`keep` wrote.

        Raises
        ------
        KdbookError
            If it was kept with other settings.
        """
        state = torch.load(path, weights_only=True)
        if state["settings"] != asdict(self.settings):
            raise KdbookError(f"{str(path)!r} belongs to a pretraining with other settings; remove it to start again")
        for name in PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.step, self.seconds, self.averages = state["step"], state["seconds"], state["averages"]
        self.sampler.rng.setstate(state["random"])


def pretrain(settings: Settings, output: Path, report: Callable[[str], None] = print) -> None:
    """Pretrain an encoder and write it to ``output`` in Hugging Face layout, with a model card.

    An interrupted pretraining goes on from the state that it kept beside ``output`` a hundred steps ago or less, and ends
    as it would have. ``report`` gets a line with losses, the share of corrupted pairs whose every token is judged rightly,
    and the seconds left, as often.
    """
    pretraining = Pretraining(settings)
    state = output.with_name(f"{output.name}.state")
    if state.is_file():
        pretraining.go_on_from(state)
        report(f"going on after step {pretraining.step}")
    while pretraining.step < settings.steps:
        pretraining.advance()
        if pretraining.step % REPORT_EVERY == 0 or pretraining.step == settings.steps:
            report(pretraining.describe())
            pretraining.keep(state)
    _save(pretraining.trainer.model, pretraining.tokenizer, output)
    _describe(pretraining, output)
    state.unlink()


def _describe(pretraining: Pretraining, output: Path) -> None:
    """Write settings, losses, time and hash beside the weights, and the model card."""
    settings, seconds = pretraining.settings, round(pretraining.seconds)
    weights = hashlib.sha256((output / "model.safetensors").read_bytes()).hexdigest()
    record = asdict(settings) | {"seconds": seconds, **pretraining.averages, "sha256": weights}
    (output / "pretraining.json").write_text(json.dumps(record, indent=2) + "\n")
    table = "\n".join(f"| {name} | {value} |" for name, value in asdict(settings).items())
    name, pairs = settings.architecture, settings.steps * settings.batch_size
    (output / "README.md").write_text(CARD.format(name=name, pairs=pairs, seconds=seconds, settings=table, sha256=weights))


CARD = """---
license: apache-2.0
language: [en, de]
---
# A compact {name} encoder, pretrained on generated English and German sentences

    kdbook pretrain {name} DIRECTORY

made it in {seconds} seconds from {pairs:,} generated sentence pairs without labels, half of them for translation language
modelling, half for replaced-token detection. None of the pairs occurs in the corpus that it is fine-tuned on. It knows
the words of the generated corpus and spells all others; it is meant for the exercises of this book and for nothing else.

| setting | value |
|---|---|
{settings}

SHA-256 of `model.safetensors`: `{sha256}`. The architecture is in `config.json`, the final losses are in `pretraining.json`.
"""


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, output: Path) -> None:
    model.save_pretrained(output)
    AutoModel.from_pretrained(output).save_pretrained(output)  # the bare encoder, without the heads
    tokenizer.save_pretrained(output)
