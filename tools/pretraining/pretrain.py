"""Pretrain a compact encoder on generated text.

Two objectives, half of every batch each:

* Translation language modelling (Conneau and Lample 2019): two sentences that state the same fact, in one
  language or in both, are joined in one input; 30% of the words are masked, so that a masked word is best
  found in the other sentence.
* Replaced-token detection (Clark et al. 2020, ELECTRA): words of the second sentence are exchanged with each
  other or with words of the same class; every token is classified as original or replaced. The replacements
  are as fluent as the original, so only the comparison with the first sentence reveals them.

The second objective is near the task of the study: most of the edits that it marks change the label there.
The sentence patterns are others, and opposites are never among the edits.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # as everywhere
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from kdbook.atomic import atomic
from kdbook.errors import KdbookError
from pretraining import facts
from pretraining.architectures import ARCHITECTURES
from pretraining.sampling import IGNORED, Batch, PretrainingSettings, Sampler

REPORT_EVERY = 100  # steps
PARTS = ("trainer", "optimizer", "schedule")


class Pretrainer(nn.Module):
    """An encoder with a head for each objective."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model: Any = model
        self.uses_segments = model.config.type_vocab_size > 1
        self.detector = nn.Linear(model.config.hidden_size, 1)

    def encode(self, batch: Batch) -> Tensor:
        """Hidden states of shape (pairs, tokens, width)."""
        segments = {"token_type_ids": batch.segments} if self.uses_segments else {}
        output = self.model.base_model(input_ids=batch.ids, attention_mask=batch.mask, **segments)
        states: Tensor = output.last_hidden_state
        return states

    def masked_loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of the masked tokens."""
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


SHIPPED = {
    "teacher": PretrainingSettings("teacher", steps=6500, learning_rate=1.2e-3),
    "student": PretrainingSettings("student", steps=3000, learning_rate=2.5e-3, bfloat16=False),
}


class Pretraining:
    """One pretraining: everything that its next step depends on, so that it can be written to a file and go
    on from there.
    """

    def __init__(self, settings: PretrainingSettings) -> None:
        torch.manual_seed(settings.seed)
        texts = [*islice(facts.paraphrases(settings.seed), 4 * settings.vocabulary_facts)]
        texts.append(" ".join(facts.words()))
        self.settings = settings
        model, self.tokenizer = ARCHITECTURES[settings.architecture](texts, settings.vocabulary_size)
        self.trainer, self.sampler = Pretrainer(model), Sampler(self.tokenizer, settings)
        self.optimizer = torch.optim.AdamW(
            self.trainer.parameters(), settings.learning_rate, (0.9, 0.98), weight_decay=settings.weight_decay
        )
        warmup = max(1, round(settings.warmup * settings.steps))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / settings.steps))),
        )
        self.step, self.seconds = 0, 0.0
        self.averages = dict.fromkeys(("masked_loss", "detection_loss", "detected_exactly"), 0.0)

    def advance(self) -> None:
        """Train on one batch, half of it for each objective."""
        start, half = time.perf_counter(), self.settings.batch_size // 2
        with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.bfloat16):
            masked = self.trainer.masked_loss(self.sampler.masked(half))
            detection, exact = self.trainer.detection_loss(self.sampler.detection(half))
        self.optimizer.zero_grad()
        (detection + self.settings.masked_weight * masked).backward()
        nn.utils.clip_grad_norm_(self.trainer.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        latest = {
            "masked_loss": masked.item(),
            "detection_loss": detection.item(),
            "detected_exactly": exact.item(),
        }
        memory = 0.98 if self.step else 0.0
        self.averages = {
            name: memory * self.averages[name] + (1 - memory) * value for name, value in latest.items()
        }
        self.step += 1
        self.seconds += time.perf_counter() - start

    def describe(self) -> str:
        """How far it is, how well it does, and the seconds left."""
        masked, detection, exact = self.averages.values()
        left = self.seconds / self.step * (self.settings.steps - self.step)
        return (
            f"step {self.step}/{self.settings.steps}  masked {masked:.3f}  detection {detection:.4f}  "
            f"exact {exact:.3f}  "
            f"{self.seconds:.0f} s, {left:.0f} s left"
        )

    def save(self, path: Path) -> None:
        """Write the state to a file, in one piece."""
        parts = {name: getattr(self, name).state_dict() for name in PARTS}
        state = {
            "settings": asdict(self.settings),
            "step": self.step,
            "seconds": self.seconds,
            "averages": self.averages,
        }
        with atomic(path) as partial:
            torch.save(parts | state | {"random": self.sampler.rng.getstate()}, partial)

    def resume_from(self, path: Path) -> None:
        """Continue from the state that :meth:`save` wrote.

        Raises
        ------
        KdbookError
            If it was saved with other settings.
        """
        state = torch.load(path, weights_only=True)
        if state["settings"] != asdict(self.settings):
            raise KdbookError(
                f"{str(path)!r} belongs to a pretraining with other settings; remove it to start again"
            )
        for name in PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.step, self.seconds, self.averages = state["step"], state["seconds"], state["averages"]
        self.sampler.rng.setstate(state["random"])


def pretrain(settings: PretrainingSettings, output: Path, report: Callable[[str], None] = print) -> None:
    """Pretrain an encoder and write it to ``output`` in Hugging Face layout, with a model card.

    An interrupted pretraining continues from the state that it saved beside ``output`` at most a hundred
    steps ago, and ends as it would have. Every hundred steps ``report`` gets a line with the losses, the
    share of corrupted pairs whose every token is classified correctly, and the seconds left.
    """
    pretraining = Pretraining(settings)
    state = output.with_name(f"{output.name}.state")
    if state.is_file():
        pretraining.resume_from(state)
        report(f"continuing after step {pretraining.step}")
    while pretraining.step < settings.steps:
        pretraining.advance()
        if pretraining.step % REPORT_EVERY == 0 or pretraining.step == settings.steps:
            report(pretraining.describe())
            pretraining.save(state)
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
    card = CARD.format(name=name, pairs=pairs, seconds=seconds, settings=table, sha256=weights)
    (output / "README.md").write_text(card)


CARD = """---
license: apache-2.0
language: [en, de]
---
# A compact {name} encoder, pretrained on generated English and German sentences

    make pretrain ENCODER={name} FOLDER=DIRECTORY

made it in {seconds} seconds from {pairs:,} generated sentence pairs, half of them for translation language
modelling, half for replaced-token detection. The latter marks the words that differ between two sentences,
which is near the task of the corpus that the encoder is fine-tuned on. The two share no sentence pattern, and
no word is replaced by its opposite in pretraining; their words are the same. In half of the pairs, words that
both sentences share were exchanged for other words, so that it learns to compare rather than to recognize
patterns. All other words are spelt. The encoder is meant for the exercises of this book and for nothing else.

| setting | value |
|---|---|
{settings}

SHA-256 of `model.safetensors`: `{sha256}`. The architecture is in `config.json`, the final losses are in
`pretraining.json`.
"""


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, output: Path) -> None:
    model.save_pretrained(output)
    AutoModel.from_pretrained(output).save_pretrained(output)  # the bare encoder, without the heads
    tokenizer.save_pretrained(output)
