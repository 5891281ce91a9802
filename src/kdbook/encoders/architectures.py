"""The two compact architectures, of the full setting's own families, and their tokenizers.

Teacher: DeBERTa-v2 (He et al. 2021, relative positions), as ``microsoft/mdeberta-v3-base``.
Student: XLM-RoBERTa (Conneau et al. 2020, absolute positions), as ``nreimers/mMiniLMv2-L6-H384-distilled-from-XLMR-Large``.

``initializer_range`` is 0.08 instead of 0.02: at these widths attention otherwise stays flat for many epochs.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable

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
# Letters, digits and signs of both languages, so that any text can be spelt even where a word is unknown.
ALPHABET = list("abcdefghijklmnopqrstuvwxyzäöüßABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÜ0123456789.,;:!?'\"`„“”’()-–/&%éèáàçñó")
DEBERTA_SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]")
XLMR_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def teacher(texts: Iterable[str], vocabulary_size: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A DeBERTa-v2 encoder with 4 layers of width 128, randomly initialised, and its tokenizer."""
    vocab = _unigram(texts, vocabulary_size, DEBERTA_SPECIAL, unknown="[UNK]")
    tokenizer = DebertaV2Tokenizer(vocab=vocab, unk_id=DEBERTA_SPECIAL.index("[UNK]"), model_max_length=MAX_TOKENS)
    config = DebertaV2Config(
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
        pad_token_id=tokenizer.pad_token_id,
    )
    return DebertaV2ForMaskedLM(config), tokenizer


def student(texts: Iterable[str], vocabulary_size: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """An XLM-RoBERTa encoder with 2 layers of width 64, randomly initialised, and its tokenizer."""
    vocab = _unigram(texts, vocabulary_size, XLMR_SPECIAL, unknown="<unk>")
    tokenizer = XLMRobertaTokenizer(vocab=vocab, model_max_length=MAX_TOKENS)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=MAX_TOKENS + 2,  # positions start behind the padding index
        type_vocab_size=1,
        initializer_range=INITIALIZER_RANGE,
        pad_token_id=tokenizer.pad_token_id,
    )
    return XLMRobertaForMaskedLM(config), tokenizer


ARCHITECTURES = {"teacher": teacher, "student": student}


def _unigram(texts: Iterable[str], size: int, special: tuple[str, ...], unknown: str) -> list[tuple[str, float]]:
    """Pieces and log probabilities of a unigram vocabulary in which every word of ``texts`` stays whole.

    Pieces that the trainer finds, and single letters, spell all other words.
    """
    texts = list(texts)
    counts = Counter(word for text in texts for word in re.findall(r"\w+", text))
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    trainer = trainers.UnigramTrainer(
        vocab_size=size, special_tokens=list(special), unk_token=unknown, initial_alphabet=ALPHABET, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    pieces = dict(json.loads(tokenizer.to_str())["model"]["vocab"])
    words = {f"▁{word}": math.log(count / counts.total()) for word, count in counts.items()}
    spelling = {piece: score for piece, score in pieces.items() if piece not in special and piece not in words}
    by_score = sorted((spelling | words).items(), key=lambda entry: (-entry[1], entry[0]))
    return [(token, 0.0) for token in special] + by_score
