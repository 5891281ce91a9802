"""Surface statistics of texts."""

import pandas as pd

from kdbook.data.audit import texts


def word_overlap(pairs: pd.DataFrame) -> pd.Series:
    """Jaccard overlap of the word sets of the two texts of each row, between 0 and 1."""
    texts_of_rows = zip(pairs["sentence1"], pairs["sentence2"], strict=True)
    return pd.Series(
        [_jaccard(_words(a), _words(b)) for a, b in texts_of_rows], index=pairs.index, dtype=float
    )


def _words(text: str) -> set[str]:
    return set(text.lower().strip(". ").split())


def _jaccard(first: set[str], second: set[str]) -> float:
    return len(first & second) / len(first | second) if first | second else 1.0


def word_counts(rows: pd.DataFrame) -> pd.Series:
    """Number of words, separated by spaces, in all texts of each row."""
    return rows[texts(rows)].map(lambda text: len(text.split())).sum(axis=1)
