"""Shapes of encoders of the hub that the shipped profiles name, so that a study can be planned and rehearsed without the hub.

The numbers are those of the checkpoints' ``config.json``; weights and vocabularies are not part of this package.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

PIECES = 8_000  # of a vocabulary that is trained on a study's rows; it divides words about as far as those of the checkpoints do
PUBLISHED: dict[str, dict[str, Any]] = {
    "microsoft/mdeberta-v3-base": {
        "model_type": "deberta-v2",
        "vocab_size": 251_000,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "max_position_embeddings": 512,
        "type_vocab_size": 0,
        "relative_attention": True,
        "position_buckets": 256,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "layer_norm_eps": 1e-7,
    },
    "nreimers/mMiniLMv2-L6-H384-distilled-from-XLMR-Large": {
        "model_type": "xlm-roberta",
        "vocab_size": 250_002,
        "hidden_size": 384,
        "num_hidden_layers": 6,
        "num_attention_heads": 12,
        "intermediate_size": 1536,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
    },
}


def configuration(name: str) -> Any:
    """The configuration of a checkpoint (as in :func:`kdbook.encoders.locate`), downloaded only if it stands neither here nor on disk."""
    from transformers import AutoConfig

    from kdbook import encoders

    if name in PUBLISHED:
        shape = dict(PUBLISHED[name])
        return AutoConfig.for_model(shape.pop("model_type"), **shape)
    return AutoConfig.from_pretrained(str(encoders.locate(name).path), trust_remote_code=False)


def random(name: str, texts: Iterable[str], folder: Path) -> Path:
    """Write an encoder of this shape with random weights, and a tokenizer of its class and size, into a new folder."""
    from transformers import AutoModel, DebertaV2Tokenizer, XLMRobertaTokenizer

    from kdbook.encoders.architectures import DEBERTA_SPECIAL, XLMR_SPECIAL, pieces

    config = configuration(name)
    special = DEBERTA_SPECIAL if config.model_type == "deberta-v2" else XLMR_SPECIAL
    unknown = next(mark for mark in special if mark.lower() in ("[unk]", "<unk>"))
    found = pieces(texts, PIECES, special, unknown)
    unused = [(f"<unused{number}>", -100.0) for number in range(config.vocab_size - len(special) - len(found))]
    vocab = [(mark, 0.0) for mark in special] + found + unused
    tokenizer: Any
    if config.model_type == "deberta-v2":
        tokenizer = DebertaV2Tokenizer(vocab=vocab, unk_id=special.index(unknown), model_max_length=config.max_position_embeddings)
    else:
        tokenizer = XLMRobertaTokenizer(vocab=vocab, model_max_length=config.max_position_embeddings - 2)
    AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
