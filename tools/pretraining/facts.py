"""What the compact encoders are pretrained on: facts of other patterns than those of the study."""

import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from kdbook.data.generated import corpus
from kdbook.data.generated.corpus import Lexicon, Pattern, Value

FOLDER = Path(__file__).parent
# No word is replaced by its opposite, so the study can show how encoders do on an edit that is new to them.
EDIT_WEIGHTS = {edit: weight for edit, weight in corpus.EDIT_WEIGHTS.items() if edit != corpus.OPPOSITE}


@cache
def lexicon() -> Lexicon:
    """The word classes of the study and those of pretraining alone."""
    study = corpus.lexicon()
    own = corpus.parsed_lexicon((FOLDER / "lexicon.toml").read_text("utf-8"))
    when = (
        *_phrases("in", "im Jahr", study["year"][::5]),
        *_phrases("on", "am", study["weekday"]),
        *_phrases("in", "im", study["month"]),
        *own.pop("season"),
    )
    where = (*_phrases("in", "in", study["city"]), *own.pop("spot"))
    return {**study, **own, "when": when, "where": where}


@cache
def patterns() -> tuple[Pattern, ...]:
    """All sentence patterns of pretraining, in the order of their file."""
    return corpus.parsed_patterns((FOLDER / "patterns.toml").read_text("utf-8"), lexicon())


@cache
def words() -> tuple[str, ...]:
    """Every word of the patterns of study and pretraining and of the lexicon, in both languages, in order."""
    every = [*corpus.patterns(), *patterns()]
    forms = [form for pattern in every for form in pattern.forms.values()]
    parts = [part for form in forms for language in corpus.LANGUAGES for part in form[language]]
    texts = [part for part in parts if isinstance(part, str)]
    texts += [choice for part in parts if isinstance(part, tuple) for choice in part]
    values = [value for word_class in lexicon().values() for value in word_class]
    texts += [text for value in values for text in (*value.en, *value.de, *value.de_participle)]
    return tuple(sorted({word for text in texts for word in re.findall(r"\w+", text)}))


def paraphrases(seed: int) -> Iterator[str]:
    """Endless sentences: each fact twice in English and twice in German."""
    rng = random.Random(seed)
    while True:
        pattern, values = corpus.fact(rng, patterns())
        forms = corpus.two_forms(pattern, rng)
        for language in corpus.LANGUAGES:
            for form in forms:
                yield corpus.render(pattern, form, language, values, rng)


def _phrases(english: str, german: str, values: tuple[Value, ...]) -> tuple[Value, ...]:
    """The values behind a preposition."""
    return tuple(Value((f"{english} {each.en[0]}",), (f"{german} {each.de[0]}",), ()) for each in values)
