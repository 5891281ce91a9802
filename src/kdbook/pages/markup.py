"""Markdown from numbers, names and texts: parts of sentences.

Names of classes, languages, columns and files come from the author of the data. A page may contain them only
through these functions, which show them character by character: otherwise they could be markup, mathematics,
a template or HTML.
"""

import re
from collections.abc import Iterable, Sequence

from kdbook.settings.arms import DISTILLED, LINEAR, TRANSFER
from kdbook.settings.data import ALL
from kdbook.stats.estimates import Estimate, Relation

LANGUAGE_NAMES = {
    "en": "English",
    "de": "German",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "tr": "Turkish",
    "zh": "Chinese",
    ALL: "All",
}
DOLLAR = "<span>&#36;</span>"  # an element of its own, since viewers of notebooks look for pairs in the page


def plain(text: str) -> str:
    """Markdown, within one paragraph, a heading or a table, that renders as exactly this text.

    Whatever is neither a letter, a digit nor a space is written as a character reference, which CommonMark
    never takes for markup (section 2.5 of its specification).
    """
    return "".join(map(_reference, text))


def emphasized(text: str) -> str:
    """A text in italics."""
    return f"*{plain(text)}*" if text else ""


def strong(text: str) -> str:
    """A text in bold."""
    return f"**{plain(text)}**" if text else ""


def code(text: str) -> str:
    """A text in the font of code."""
    is_simple = text.isprintable() and text == text.strip() and not set(text) & set("`|$")
    return f"`{text}`" if text and is_simple else plain(text)


def fence(code: Sequence[str]) -> str:
    """A fence for code blocks that contain these texts."""
    longest = max(map(len, re.findall("`+", "\n".join(code))), default=0)
    return "`" * max(3, longest + 1)


def _reference(character: str) -> str:
    if character == "$":
        return DOLLAR
    if character == " " or character.isalnum() or (character.isprintable() and not character.isascii()):
        return character
    return f"&#{ord(character)};"


def points(estimate: Estimate) -> str:
    """A difference of accuracies in points, with its sign."""
    return f"{100 * estimate.value:+.1f}"


def interval(estimate: Estimate) -> str:
    """The 95% confidence interval of a difference, in points."""
    return f"95% CI {100 * estimate.low:+.1f} to {100 * estimate.high:+.1f}"


def in_points(estimate: Estimate) -> str:
    """A difference in points, with its 95% confidence interval."""
    return f"{points(estimate)} points ({interval(estimate)})"


def margin_in_points(margin: float | None) -> str:
    """The largest difference that does not matter; empty without one."""
    return "" if margin is None else f"{100 * margin:g} points"


def relation(estimate: Estimate) -> str:
    """What may be said about a difference beside its margin; without one, whether there is a difference."""
    if estimate.margin is None:
        return {Relation.BETTER: "better", Relation.WORSE: "worse"}.get(estimate.relation, "inconclusive")
    return estimate.relation.value.format(margin_in_points(estimate.margin))


def arm_name(arm: str) -> str:
    """What a sentence calls an arm."""
    if arm in (DISTILLED, TRANSFER):
        return f"{arm} student"
    return "linear model" if arm == LINEAR else plain(arm)


def test_rows(test: str) -> str:
    """What a sentence calls a test set."""
    return "all test rows" if test == ALL else f"the {language_name(test)} test rows"


def language_name(test: str) -> str:
    """The English name of a language code, or the code."""
    return plain(LANGUAGE_NAMES.get(test, test))


def count(number: int, noun: str) -> str:
    """A number with its noun, in the plural if needed."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def times(ratio: float) -> str:
    """A ratio in words."""
    return f"{ratio:.1f} times" if ratio >= 1 else f"only {ratio:.2f} times"


def conjunction(parts: Iterable[str]) -> str:
    """The parts in one enumeration: ``a, b and c``."""
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
