"""Whether the vocabulary of an encoder covers the languages of some texts."""

import pandas as pd

from kdbook.data import texts
from kdbook.encoders import checkpoints, packed

TOKENIZER = "tokenizer.json"
UNKNOWN = ("<unk>", "[UNK]")  # the piece for what no other covers
ROWS_TRIED = 500  # of each language
SHORTEST_WORD = 4  # letters; shorter ones may rightly be split into letters
LARGEST_SHARE = 0.2  # of the words; about 0.05 in a language that the vocabulary was made for


def remarks(checkpoint: str, rows: pd.DataFrame) -> list[str]:
    """The languages of some rows that an encoder of this package can hardly read, each in one line."""
    if not checkpoint.startswith(checkpoints.EMBEDDED):
        return []
    return [
        f"{share:.0%} of the words in {language!r} are unknown to {checkpoint} or split into pieces of less "
        "than two letters; choose encoders that were made for this language, with --teacher and --student"
        for language, share in unreadable_words(checkpoint, rows).items()
        if share > LARGEST_SHARE
    ]


def unreadable_words(checkpoint: str, rows: pd.DataFrame) -> dict[str, float]:
    """The share of words with an unknown piece, or with pieces of less than two letters, by language."""
    from tokenizers import Tokenizer

    is_packed = checkpoint.removeprefix(checkpoints.EMBEDDED) in packed.NAMES
    text = packed.tokenizer() if is_packed else _tokenizer_of(checkpoint)
    tokenizer = Tokenizer.from_str(text)
    unknown = {tokenizer.token_to_id(piece) for piece in UNKNOWN}
    shares = {}
    for language, of_language in rows.groupby("language", sort=False):
        joined = of_language[texts(rows)].head(ROWS_TRIED).agg(" ".join, axis=1)
        words = [word for text in joined for word in text.split() if len(word) >= SHORTEST_WORD]
        pieces = [each.ids for each in tokenizer.encode_batch(words, add_special_tokens=False)]
        unread = [
            not unknown.isdisjoint(ids) or 2 * len(ids) > len(word)
            for word, ids in zip(words, pieces, strict=True)
        ]
        shares[str(language)] = sum(unread) / max(1, len(words))
    return shares


def _tokenizer_of(checkpoint: str) -> str:
    return (checkpoints.locate(checkpoint).path / TOKENIZER).read_text("utf-8")
