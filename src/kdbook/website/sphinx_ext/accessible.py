"""What the libraries below omit for readers who use a keyboard or a screen reader."""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.writers.html5 import HTML5Translator

# A list may contain nothing but its items, and docutils puts the back links of citations among them.
CITATION_LIST = ('role="list" class="citation-list"', 'class="citation-list"')
# A wide table can be scrolled with the keyboard only if it can be focused.
TABLE = ('class="pst-scrollable-table-container"', 'class="pst-scrollable-table-container" tabindex="0"')
OUTPUT_CLASSES = ["output", "text_html"]
HEAD = re.compile(r"<thead>.*?</thead>", re.DOTALL)
HEADER_CELL = re.compile(r"<th(?=[ >])(?![^>]* scope=)")  # of which a screen reader asks what it heads


def setup(app: Sphinx) -> None:
    """Register the transform, the visitors and the language of pages."""
    app.connect("html-page-context", set_language)
    app.add_post_transform(FocusableOutputs)
    app.add_node(nodes.citation, override=True, html=(_visit_citation, _depart("citation")))
    app.add_node(nodes.entry, override=True, html=(_visit_entry, _depart("entry")))
    app.add_node(nodes.table, override=True, html=(_visit_table, _depart("table")))


def set_language(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Mark a page as written in the language that its front matter names, if it names one."""
    language = (context.get("meta") or {}).get("language")
    if language:
        context["language"] = language


class FocusableOutputs(SphinxPostTransform):
    """Lets wide HTML outputs of cells be focused, and so be scrolled with the keyboard; their tables get
    scopes.
    """

    default_priority = 900
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Write the container of each output with a ``tabindex``."""
        for node in list(self.document.findall(nodes.raw)):
            if node.get("format") == "html" and node["classes"] == OUTPUT_CLASSES:
                content = scoped(node.astext())
                html = f'<div class="{" ".join(OUTPUT_CLASSES)}" tabindex="0">\n{content}</div>\n'
                node.replace_self(nodes.raw("", html, format="html"))


def scoped(html: str) -> str:
    """Tables whose header cells state whether they head a column or a row."""
    columns = HEAD.sub(lambda head: HEADER_CELL.sub('<th scope="col"', head[0]), html)
    return HEADER_CELL.sub('<th scope="row"', columns)


def _visit_entry(translator: HTML5Translator, node: nodes.entry) -> None:
    start = len(translator.body)
    type(translator).visit_entry(translator, node)
    scope = "col" if isinstance(node.parent.parent, nodes.thead) else "row"
    written = (HEADER_CELL.sub(f'<th scope="{scope}"', part) for part in translator.body[start:])
    translator.body[start:] = written


def _visit_citation(translator: HTML5Translator, node: nodes.citation) -> None:
    start = len(translator.body)
    type(translator).visit_citation(translator, node)
    if (
        not isinstance(node.parent[node.parent.index(node) - 1], nodes.citation)
        or node.parent.index(node) == 0
    ):
        _replace(translator.body, start, CITATION_LIST)


def _visit_table(translator: HTML5Translator, node: nodes.table) -> None:
    start = len(translator.body)
    type(translator).visit_table(translator, node)
    _replace(translator.body, start, TABLE)


def _depart(name: str) -> Any:
    def depart(translator: HTML5Translator, node: nodes.Element) -> None:
        getattr(type(translator), f"depart_{name}")(translator, node)

    return depart


def _replace(body: list[str], start: int, change: tuple[str, str]) -> None:
    """Replace a text in what was written since ``start``.

    Fails loudly once a library writes something else.
    """
    old, new = change
    for number in range(start, len(body)):
        if old in body[number]:
            body[number] = body[number].replace(old, new)
            return
    raise ExtensionError(f"no {old!r} was written; kdbook's accessibility fix for it needs to be revised")
