"""The two compact architectures, from the same families as the full-size models, and their tokenizers.

Teacher: DeBERTa-v2 (He et al. 2021, relative positions), as ``microsoft/mdeberta-v3-base``. Student:
XLM-RoBERTa (Conneau et al. 2020, absolute positions), as
``nreimers/mMiniLMv2-L6-H384-distilled-from-XLMR-Large``.

``initializer_range`` is 0.08 instead of 0.02: at these widths attention otherwise stays flat for many epochs.
Half of the heads, in all layers but the last, start with equal query and key projections, so that a token
attends to the same token elsewhere from the first step (Trockman and Kolter 2023, "Mimetic Initialization of
Self-Attention Layers"); comparing two sentences begins with finding the same word in the other one.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    DebertaV2Config,
    DebertaV2ForMaskedLM,
    DebertaV2Tokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
    XLMRobertaTokenizer,
)

MAX_TOKENS = 256
INITIALIZER_RANGE = 0.08
SAME_TOKEN_SCORE = 7.0
# Letters, digits and signs of both languages, so that any text can be spelt even where a word is unknown.
ALPHABET = list(
    "abcdefghijklmnopqrstuvwxyzäöüßABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÜ0123456789.,;:!?'\"`„“”’()-–/&%éèáàçñó"
)
DEBERTA_SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]")
XLMR_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def teacher(texts: Iterable[str], vocabulary_size: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A DeBERTa-v2 encoder with 4 layers of width 128, randomly initialised, and its tokenizer."""
    vocab = _unigram(texts, vocabulary_size, DEBERTA_SPECIAL, unknown="[UNK]")
    tokenizer = DebertaV2Tokenizer(
        vocab=vocab, unk_id=DEBERTA_SPECIAL.index("[UNK]"), model_max_length=MAX_TOKENS
    )
    config = DebertaV2Config(  # type: ignore[call-arg]
        vocab_size=len(tokenizer),
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=512,
        max_position_embeddings=MAX_TOKENS,
        type_vocab_size=2,
        relative_attention=True,
        position_buckets=64,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        initializer_range=INITIALIZER_RANGE,
        hidden_dropout_prob=0.0,  # models this small do not overfit, dropout only slows them down
        attention_probs_dropout_prob=0.0,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = DebertaV2ForMaskedLM(config)
    _match_same_tokens(model.deberta.encoder, "query_proj", "key_proj")
    return model, tokenizer


def student(texts: Iterable[str], vocabulary_size: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """An XLM-RoBERTa encoder with 3 layers of width 64, randomly initialised, and its tokenizer."""
    vocab = _unigram(texts, vocabulary_size, XLMR_SPECIAL, unknown="<unk>")
    tokenizer = XLMRobertaTokenizer(vocab=vocab, model_max_length=MAX_TOKENS)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=MAX_TOKENS + 2,  # positions start behind the padding index
        type_vocab_size=1,
        initializer_range=INITIALIZER_RANGE,
        hidden_dropout_prob=0.0,  # models this small do not overfit, dropout only slows them down
        attention_probs_dropout_prob=0.0,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = XLMRobertaForMaskedLM(config)
    _match_same_tokens(model.roberta.encoder, "query", "key")
    return model, tokenizer


ARCHITECTURES = {"teacher": teacher, "student": student}


def _match_same_tokens(encoder: Any, query_name: str, key_name: str) -> None:
    """Make half of the heads attend to the same token, in all layers but the last."""
    for layer in encoder.layer[:-1]:
        attention = layer.attention.self
        query, key = getattr(attention, query_name), getattr(attention, key_name)
        width = attention.attention_head_size
        half = attention.num_attention_heads // 2 * width
        # the score of a normalised token with itself
        expected = INITIALIZER_RANGE**2 * query.in_features * width**0.5
        with torch.no_grad():
            query.weight[:half] *= (SAME_TOKEN_SCORE / expected) ** 0.5
            key.weight[:half] = query.weight[:half]


def _spelling(texts: Iterable[str], size: int, special: tuple[str, ...], unknown: str) -> list[str]:
    """Pieces of a unigram vocabulary that is trained on ``texts``, without the ``special`` tokens."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    trainer = trainers.UnigramTrainer(
        vocab_size=size,
        special_tokens=list(special),
        unk_token=unknown,
        initial_alphabet=ALPHABET,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    vocabulary = json.loads(tokenizer.to_str())["model"]["vocab"]
    return [piece for piece, _ in vocabulary if piece not in special]


def _unigram(
    texts: Iterable[str], size: int, special: tuple[str, ...], unknown: str
) -> list[tuple[str, float]]:
    """Pieces and log probabilities of a unigram vocabulary in which every word of ``texts`` stays whole.

    Pieces that the trainer finds, and single letters, spell all other words.
    """
    texts = list(texts)
    counts = Counter(word for text in texts for word in re.findall(r"\w+", text))
    words = {f"▁{word}": math.log(count / counts.total()) for word, count in counts.items()}
    # Equally unlikely pieces spell a word in as few as possible. The trainer's own scores are sums over its
    # threads, and differ a little from one training to the next.
    trained = (piece for piece in _spelling(texts, size, special, unknown) if piece not in words)
    spelling = dict.fromkeys(trained, math.log(0.5 / counts.total()))
    by_score = sorted((spelling | words).items(), key=lambda entry: (-entry[1], entry[0]))
    return [(token, 0.0) for token in special] + by_score
