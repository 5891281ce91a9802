"""The generated corpus: exact, deterministic, without shortcuts, and without overlap between splits."""

import random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from kdbook.data.generated import corpus

ITEMS = {"train": 2000, "validation": 200, "test": 1000}


@pytest.fixture(scope="module")
def splits() -> dict[str, pd.DataFrame]:
    return corpus.generate(ITEMS, seed=0)


def pairs_of(frame: pd.DataFrame) -> set[frozenset[str]]:
    return {frozenset(pair) for pair in zip(frame["sentence1"], frame["sentence2"], strict=True)}


def test_sizes_and_languages(splits):
    for split, items in ITEMS.items():
        assert (
            splits[split]
            .groupby("id")["language"]
            .apply(list)
            .map(lambda languages: languages == ["en", "de"])
            .all()
        )
        assert splits[split]["id"].nunique() == items


def test_an_item_has_one_label_and_edit_in_both_languages(splits):
    assert (splits["train"].groupby("id")[["label", "edit", "pattern"]].nunique() == 1).all(axis=None)


def test_no_pair_is_shared_between_splits_or_items(splits):
    seen = [pairs_of(frame) for frame in splits.values()]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
    assert sum(map(len, seen)) == sum(map(len, splits.values()))


def test_same_seed_same_rows_other_seed_other_rows():
    first, again, other = (corpus.generate({"train": 50}, seed)["train"] for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first["sentence1"].equals(other["sentence1"])


def test_many_patterns_and_kinds_of_edit(splits):
    assert len(corpus.patterns()) >= 50
    edits = splits["train"].groupby("label")["edit"].unique()
    assert {"swapped names", "swapped places", "other year", "other name", "opposite", "other word"} <= set(
        edits[0]
    )
    assert {"reordered", "other voice", "synonym", "converse"} <= set(edits[1])


def test_every_word_class_is_used_and_every_form_fills_its_slots():
    used = {word_class for pattern in corpus.patterns() for word_class in pattern.slots.values()}
    assert used == set(corpus.lexicon())
    for pattern in corpus.patterns():
        for form in pattern.forms.values():
            for parts in form.values():
                assert {part.name for part in parts if isinstance(part, corpus.Slot)} == set(pattern.slots)


@given(seed=st.integers(0, 10**9))
@settings(max_examples=200, deadline=None)
def test_rendered_sentences_are_clean(seed):
    rng = random.Random(seed)
    pattern, values = corpus.fact(rng, corpus.patterns())
    for form, texts in pattern.forms.items():
        for language in texts:
            text = corpus.render(pattern, form, language, values, rng)
            assert text == text.strip() and text.endswith(".") and "  " not in text
            assert not set("{}[]|~/") & set(text)
            assert not text[0].islower()


@pytest.mark.parametrize("columns", [["sentence1", "sentence2"], ["sentence1"], ["sentence2"]])
def test_no_shortcut_through_single_words_or_one_sentence(splits, columns):
    texts = {split: splits[split][columns].agg(" ".join, axis=1) for split in ("train", "test")}
    counter = CountVectorizer(min_df=2)
    model = LogisticRegression(max_iter=300, C=0.1).fit(
        counter.fit_transform(texts["train"]), splits["train"]["label"]
    )
    assert model.score(counter.transform(texts["test"]), splits["test"]["label"]) < 0.60


@given(share=st.floats(0, 0.49), seed=st.integers(0, 99))
@settings(max_examples=8, deadline=None)
def test_label_noise_flips_about_the_share_the_same_in_both_languages(splits, share, seed):
    clean = splits["train"]
    noisy = corpus.with_label_noise(clean, share, seed)
    wrong = noisy["label"] != noisy["true_label"]
    assert abs(wrong.mean() - share) < 0.04
    assert (wrong.groupby(noisy["id"]).nunique() == 1).all()
    pd.testing.assert_frame_equal(noisy.drop(columns="label"), clean.drop(columns="label"))
    pd.testing.assert_frame_equal(noisy, corpus.with_label_noise(clean, share, seed))
