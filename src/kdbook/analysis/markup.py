"""Text from data as Markdown that shows it character by character.

Names of classes, languages, columns and files come from the author of the data. A page may contain them only
through these functions: otherwise they could be markup, mathematics, a template or HTML.
"""

import re
from collections.abc import Sequence

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
