"""Batches for pretraining: facts of the corpus, told twice, with masked or replaced words.

In half of the pairs, some words that both sentences share are exchanged for words drawn from the vocabulary,
the same in both. Such sentences mean nothing, but whether they state the same is as clear as before; so an
encoder learns to compare words whatever they are, and meets those of the study as well.
"""

import difflib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from kdbook.data.generated import corpus
from pretraining import facts

IGNORED = -100  # targets that F.cross_entropy leaves out
CORRUPTED_SHARE = 0.85
TRANSLATED_SHARE = 0.5
EXCHANGED_SHARE = 0.5  # of the pairs
EXCHANGED_WORDS = 0.25  # of the words that both sentences of such a pair share

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class PretrainingSettings:
    """How to pretrain one encoder; ``steps`` of ``batch_size`` pairs, half of them for each objective.

    ``bfloat16`` computes in 16 bits where that is precise enough; the smallest models gain no time from it.
    """

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
    bfloat16: bool = True


@dataclass(frozen=True)
class Batch:
    """Token ids, segments and attention mask of shape (pairs, tokens), and the targets of one objective."""

    ids: Tensor
    segments: Tensor
    mask: Tensor
    targets: Tensor


class Sampler:
    """Draws facts from the corpus and turns them into batches of one tokenizer's tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, settings: PretrainingSettings) -> None:
        self.tokenizer, self.settings = tokenizer, settings
        self.rng = random.Random(settings.seed)
        self.words: dict[str, list[int]] = {}

    def masked(self, pairs: int) -> Batch:
        """A batch for translation language modelling."""
        return self._collate([self._masked_pair() for _ in range(pairs)])

    def detection(self, pairs: int) -> Batch:
        """A batch for replaced-token detection."""
        return self._collate([self._corrupted_pair() for _ in range(pairs)])

    def _sentences(self, corrupt: bool, translate: bool) -> tuple[str, str, str]:
        """First sentence, second sentence, and the second sentence before it was corrupted."""
        rng = self.rng
        pattern, values = corpus.fact(rng, facts.patterns())
        forms = corpus.two_forms(pattern, rng)
        first = rng.choice(corpus.LANGUAGES)
        second = rng.choice(corpus.LANGUAGES) if translate else first
        edited = corpus.changing_edit(pattern, values, rng, facts.EDIT_WEIGHTS)[0] if corrupt else values
        wording = rng.getrandbits(32)
        original, corrupted = (
            corpus.render(pattern, forms[1], second, stated, random.Random(wording))
            for stated in (values, edited)
        )
        told = corpus.render(pattern, forms[0], first, values, rng)
        if rng.random() < EXCHANGED_SHARE:
            return self._with_exchanged_words(told, corrupted, original)
        return told, corrupted, original

    def _with_exchanged_words(self, first: str, second: str, original: str) -> tuple[str, str, str]:
        """The sentences with other words in the place of some that the first and the original share."""
        shared = sorted(set(_WORD.findall(first)) & set(_WORD.findall(original)))
        others = {
            word: self.rng.choice(facts.words()) for word in shared if self.rng.random() < EXCHANGED_WORDS
        }

        def exchange(sentence: str) -> str:
            return _WORD.sub(lambda match: others.get(match[0], match[0]), sentence)

        return exchange(first), exchange(second), exchange(original)

    def _masked_pair(self) -> tuple[list[int], list[int], list[int]]:
        first, second, _ = self._sentences(corrupt=False, translate=self.rng.random() < TRANSLATED_SHARE)
        ids, segments, targets = [], [], []
        for word, tokens, segment in self._words(first, second):
            hide = word is not None and self.rng.random() < self.settings.masked
            ids += [self._mask_token(token) if hide else token for token in tokens]
            targets += tokens if hide else [IGNORED] * len(tokens)
            segments += [segment] * len(tokens)
        return ids, segments, targets

    def _corrupted_pair(self) -> tuple[list[int], list[int], list[int]]:
        first, second, original = self._sentences(
            corrupt=self.rng.random() < CORRUPTED_SHARE, translate=False
        )
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
        """The input as AutoMM lays it out, [CLS] first [SEP] second [SEP], word by word.

        None marks special tokens.
        """
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
        """BERT's 80% mask, 10% random, 10% unchanged."""
        draw = self.rng.random()
        if draw < 0.8:
            return int(self.tokenizer.mask_token_id)
        return self.rng.randrange(len(self.tokenizer)) if draw < 0.9 else token

    def _collate(self, rows: list[tuple[list[int], list[int], list[int]]]) -> Batch:
        length = max(len(ids) for ids, _, _ in rows)
        fill = (self.tokenizer.pad_token_id, 0, IGNORED)
        ids, segments, targets = (
            torch.tensor([row[part] + [fill[part]] * (length - len(row[part])) for row in rows])
            for part in range(3)
        )
        return Batch(ids, segments, (ids != self.tokenizer.pad_token_id).long(), targets)


def _changed_words(original: list[str], edited: list[str]) -> set[int]:
    """Positions in ``edited`` of the words that a diff against ``original`` does not keep.

    A moved word counts once.
    """
    matcher = difflib.SequenceMatcher(None, original, edited, autojunk=False)
    return {i for tag, _, _, start, end in matcher.get_opcodes() if tag != "equal" for i in range(start, end)}
