"""The words that the compact encoders know."""

import re
from functools import cache

from kdbook.data.generated import corpus


@cache
def words() -> tuple[str, ...]:
    """Every word of the patterns of both files and of the lexicon, in both languages, in order."""
    forms = [
        form
        for file in (corpus.STUDY, corpus.PRETRAINING)
        for each in corpus.patterns(file)
        for form in each.forms.values()
    ]
    parts = [part for form in forms for language in corpus.LANGUAGES for part in form[language]]
    texts = [part for part in parts if isinstance(part, str)]
    texts += [choice for part in parts if isinstance(part, tuple) for choice in part]
    values = [value for word_class in corpus.lexicon().values() for value in word_class]
    texts += [text for value in values for text in (*value.en, *value.de, *value.de_participle)]
    return tuple(sorted({word for text in texts for word in re.findall(r"\w+", text)}))
