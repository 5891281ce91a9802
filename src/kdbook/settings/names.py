"""Names that come from users or data: of classes, languages, columns and arms."""

import unicodedata
from itertools import zip_longest
from typing import Annotated

from pydantic import AfterValidator, Field

LOOK_ALIKES = str.maketrans(
    "АВЕЅІЈКМНОРСТУХаеѕіјкорсухһԁԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧοανιυ", "ABESIJKMHOPCTYXaesijkopcyxhdqwABEZHIKMNOPTYXoaviu"
)
UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}  # controls, halves of characters, and line and paragraph separators


def name_problem(name: str) -> str:
    """Why a text can't be a name that pages, figures and files show; empty if it can.

    HTML and XML have no way to write control characters, and a line break is no part of a name.
    """
    for character in name:
        if unicodedata.category(character) in UNPRINTABLE or _is_noncharacter(character):
            return f"the name {name[:60]!r} contains the character U+{ord(character):04X}; remove it"
    return ""


def skeleton(name: str) -> str:
    """The same text for names that look alike.

    They may differ in case, in blanks, in the form of Unicode, in characters that can't be seen, in letters
    of Greek or Cyrillic that look like Latin ones, or in how a number is written.
    """
    seen = (character for character in unicodedata.normalize("NFKC", name) if not _is_invisible(character))
    folded = " ".join("".join(seen).translate(LOOK_ALIKES).casefold().replace("_", "-").split())
    try:
        return str(float(folded))
    except ValueError:
        return folded


def difference(name: str, other: str) -> str:
    """In words, the first character in which two names differ that look alike."""
    pairs = zip_longest(name, other, fillvalue="")
    number, (one, two) = next((number, pair) for number, pair in enumerate(pairs, 1) if pair[0] != pair[1])
    if not (one and two):
        return f"character {number}, U+{ord(one or two):04X}, is {'missing' if one else 'too many'}"
    return f"character {number} is U+{ord(two):04X} instead of U+{ord(one):04X}"


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f"


def _is_noncharacter(character: str) -> bool:
    code = ord(character)
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def refuse_unprintable(text: str) -> str:
    """The text itself.

    Raises
    ------
    ValueError
        If it has characters that no page can show.
    """
    if problem := name_problem(text):
        raise ValueError(problem)
    return text


Name = Annotated[str, Field(min_length=1), AfterValidator(refuse_unprintable)]
