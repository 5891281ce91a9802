"""Different values have different hashes, whatever characters they contain."""

import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kdbook.data import digest_rows
from kdbook.hashing import digest_of

CELLS = st.one_of(
    st.none(),
    st.sampled_from(["", "None", "nan", "\x1f", "p\x1fq", "\x1e", "\ud83d\ude00", "😀"]),
    st.text(max_size=3),
)
TABLES = st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=3)


@given(TABLES, TABLES)
@settings(max_examples=500, deadline=None)
def test_tables_with_the_same_hash_are_the_same(one, other):
    assume(one != other)
    digests = [
        digest_rows(pd.DataFrame(rows, columns=["a", "b"], dtype=object), ["a", "b"]) for rows in (one, other)
    ]
    assert digests[0] != digests[1]


def test_a_separator_in_a_text_does_not_move_it_to_the_next_row():
    one, other = (pd.DataFrame({"a": rows}) for rows in (["p\x1fq", "r"], ["p", "q\x1fr"]))
    assert digest_rows(one, ["a"]) != digest_rows(other, ["a"])


def test_missing_texts_and_the_word_for_them_differ():
    frames = [pd.DataFrame({"a": [value]}, dtype=object) for value in (None, "None", "nan", "")]
    assert len({digest_rows(frame, ["a"]) for frame in frames}) == 4


def test_a_pair_of_surrogates_is_not_the_character_that_it_encodes():
    assert digest_of("\ud83d\ude00") != digest_of("😀")
