"""Pretraining and study have words in common, and neither patterns nor the edit that is held out."""

import random
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from pretraining import facts

from kdbook.data.generated import corpus


def test_study_and_pretraining_share_no_sentence_pattern():
    """Not even one that differs in nothing but the word class of a slot."""
    study, pretraining = corpus.patterns(), facts.patterns()
    assert len(pretraining) >= len(study)
    assert not {pattern.name for pattern in study} & {pattern.name for pattern in pretraining}

    def literal(parts):
        return tuple("{}" if isinstance(part, corpus.Slot) else part for part in parts)

    forms, others = (
        {literal(parts) for pattern in patterns for form in pattern.forms.values() for parts in form.values()}
        for patterns in (study, pretraining)
    )
    assert not forms & others


def test_every_word_class_is_used_and_every_form_fills_its_slots():
    used = {word_class for pattern in facts.patterns() for word_class in pattern.slots.values()}
    own = facts.lexicon().keys() - corpus.lexicon().keys()
    assert own <= used <= set(facts.lexicon())
    assert all(facts.lexicon()[name] == values for name, values in corpus.lexicon().items())
    for pattern in facts.patterns():
        for form in pattern.forms.values():
            for parts in form.values():
                assert {part.name for part in parts if isinstance(part, corpus.Slot)} == set(pattern.slots)


@given(seed=st.integers(0, 10**9))
@settings(max_examples=200, deadline=None)
def test_sentences_of_study_and_pretraining_are_clean_and_of_known_words(seed):
    rng = random.Random(seed)
    pattern, values = corpus.fact(rng, [*corpus.patterns(), *facts.patterns()])
    for form, texts in pattern.forms.items():
        for language in texts:
            text = corpus.render(pattern, form, language, values, rng)
            assert set(re.findall(r"\w+", text.lower())) <= {word.lower() for word in facts.words()}
            assert text == text.strip() and text.endswith(".") and "  " not in text
            assert not set("{}[]|~/") & set(text)
            assert not text[0].islower()


def test_the_edit_that_is_held_out_never_occurs():
    rng = random.Random(0)
    stated = [corpus.fact(rng, facts.patterns()) for _ in range(2000)]
    edits = {corpus.changing_edit(*each, rng, facts.EDIT_WEIGHTS)[1] for each in stated}
    assert edits and corpus.OPPOSITE not in edits
    assert corpus.OPPOSITE in {corpus.changing_edit(*each, rng)[1] for each in stated}
