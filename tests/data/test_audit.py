"""Every row is kept or dropped for one reason, and the counts add up."""

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbook.data.audit import REASONS, audit

SENTENCES = st.sampled_from(["A b.", "NS", "", "  ", "C d.", " NS "])
ROWS = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(["en", "de"]), SENTENCES, SENTENCES, st.integers(0, 1)),
    min_size=1,
    max_size=20,
    unique_by=lambda row: row[:2],
)


def frame(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["id", "language", "sentence1", "sentence2", "label"])


@settings(deadline=None)
@given(ROWS)
def test_read_is_kept_plus_dropped(rows):
    result = audit(frame(*rows))
    counts = result.counts()
    assert counts["read"].sum() == len(rows) == len(result.kept) + len(result.dropped)
    assert (counts["read"] == counts["kept"] + counts[list(REASONS)].sum(axis=1)).all()
    assert set(result.kept["label"]) <= {0, 1}
    assert not result.kept.duplicated(["language", "id"]).any()
    assert (result.kept.groupby("id")["label"].nunique() == 1).all()


def reasons(*rows) -> list[str | None]:
    result = audit(frame(*rows))
    return [result.dropped["reason"].get(index) for index in range(len(rows))]


def test_each_reason():
    assert reasons(("1", "en", "NS", "b", 1)) == ["placeholder"]
    assert reasons(("1", "en", "a", " ", 1)) == ["blank"]
    assert reasons(("1", "en", "a", "b", 1), ("1", "de", "c", "d", 0)) == ["conflict", "conflict"]
    assert reasons(("1", "en", "a", "b", 1), ("1", "de", "NS", "NS", 0)) == [None, "placeholder"]


def test_ids_whose_labels_differ_are_counted_before_anything_is_dropped():
    assert (
        audit(
            frame(("1", "en", "a", "b", 1), ("1", "de", "NS", "NS", 0), ("2", "en", "a", "b", 1))
        ).differing_ids()
        == 1
    )
