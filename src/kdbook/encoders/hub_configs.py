"""Configurations of the hub encoders that the shipped profiles name, to plan and rehearse a study without the
hub.

The numbers are those of the checkpoints' ``config.json``; weights and vocabularies are not part of this
package.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kdbook.encoders.checkpoints import locate

VOCABULARY_PIECES = (
    8_000  # splits the words of a study about as finely as the vocabularies of the checkpoints do
)
DEBERTA_SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]")
XLMR_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
CONFIGURATIONS: dict[str, dict[str, object]] = {
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
    """The configuration of a checkpoint, downloaded only if it is neither listed here nor on disk."""
    from transformers import AutoConfig

    if name in CONFIGURATIONS:
        settings = dict(CONFIGURATIONS[name])
        return AutoConfig.for_model(str(settings.pop("model_type")), **settings)
    return AutoConfig.from_pretrained(str(locate(name).path), trust_remote_code=False)


def random_checkpoint(name: str, texts: Iterable[str], folder: Path) -> Path:
    """Write an encoder of this configuration with random weights, and a tokenizer of its class and size."""
    from transformers import AutoModel, DebertaV2Tokenizer, XLMRobertaTokenizer

    config = configuration(name)
    special = DEBERTA_SPECIAL if config.model_type == "deberta-v2" else XLMR_SPECIAL
    unknown = next(mark for mark in special if mark.lower() in ("[unk]", "<unk>"))
    trained = _pieces(texts, special, unknown)
    unused = [
        (f"<unused{number}>", -100.0) for number in range(config.vocab_size - len(special) - len(trained))
    ]
    vocab = [(mark, 0.0) for mark in special] + trained + unused
    tokenizer: Any
    if config.model_type == "deberta-v2":
        longest = config.max_position_embeddings
        tokenizer = DebertaV2Tokenizer(vocab=vocab, unk_id=special.index(unknown), model_max_length=longest)
    else:
        tokenizer = XLMRobertaTokenizer(vocab=vocab, model_max_length=config.max_position_embeddings - 2)
    AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _pieces(texts: Iterable[str], special: tuple[str, ...], unknown: str) -> list[tuple[str, float]]:
    """Pieces and log probabilities of a vocabulary that is trained on some texts, without ``special``."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    trainer = trainers.UnigramTrainer(
        vocab_size=VOCABULARY_PIECES, special_tokens=list(special), unk_token=unknown, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    vocabulary = json.loads(tokenizer.to_str())["model"]["vocab"]
    return [(piece, score) for piece, score in vocabulary if piece not in special]
