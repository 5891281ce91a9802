"""Text from data stays text on a page, in a notebook, in a figure, in a model card and in a terminal."""

import unicodedata

import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from sinks import HOSTILE, NAMES, SINKS

from kdbook.pages import markup
from kdbook.settings.names import name_problem

MARKDOWN = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin)


def rendered(markdown: str) -> str:
    html = MARKDOWN.render(markdown)
    return BeautifulSoup(html, "html.parser").get_text().removesuffix("\n")


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("form", [markup.plain, markup.emphasized, markup.strong, markup.code])
def test_hostile_names_are_shown_as_they_are(name, form):
    assert rendered(f"before {form(name)}, after") == f"before {name}, after"
    assert rendered(form(name)) == name


@settings(deadline=None)
@given(NAMES)
def test_any_name_is_shown_as_it_is(name):
    for form in (markup.plain, markup.emphasized, markup.strong, markup.code):
        assert rendered(f"a {form(name)}: b") == f"a {name}: b"
    table = f"| head |\n|---|\n| {markup.plain(name)} |"
    cell = BeautifulSoup(MARKDOWN.render(table), "html.parser").td
    assert cell.get_text() == name and not cell.find_all(lambda tag: tag.name != "span")


def test_every_character_that_a_name_may_have_is_shown_as_it_is():
    characters = (chr(code) for code in range(0x3000) if unicodedata.category(chr(code)) != "Cs")
    allowed = [character for character in characters if not name_problem(character)]
    for start in range(0, len(allowed), 500):
        text = "".join(f"a{character}b" for character in allowed[start : start + 500])
        assert rendered(markup.plain(text)) == text


@pytest.mark.parametrize("sink", SINKS)
def test_every_sink_shows_hostile_names_as_they_are(sink, recwarn):
    assert SINKS[sink](HOSTILE) == HOSTILE
    assert not recwarn.list
