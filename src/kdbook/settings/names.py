"""Names that come from users or data: of classes, languages, columns and arms."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator

UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}  # controls, halves of characters, and line and paragraph separators


def name_problem(name: str) -> str:
    """Why a text can't be a name that pages, figures and files show; empty if it can.

    HTML and XML have no way to write control characters, and a line break is no part of a name.
    """
    for character in name:
        if unicodedata.category(character) in UNPRINTABLE or _is_noncharacter(character):
            return f"the name {name[:60]!r} contains the character U+{ord(character):04X}; remove it"
    return ""


def _is_noncharacter(character: str) -> bool:
    code = ord(character)
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def _checked(name: str) -> str:
    if problem := name_problem(name):
        raise ValueError(problem)
    return name


Name = Annotated[str, AfterValidator(_checked)]
