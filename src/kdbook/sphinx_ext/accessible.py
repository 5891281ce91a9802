"""What the libraries below leave out of a page for those who use a keyboard or a screen reader."""

from typing import Any

from sphinx.application import Sphinx

MENDED = {
    # a list may hold nothing but its items, and docutils puts a link for each citation's way back among them
    'role="list" class="citation-list"': 'class="citation-list"',
    # a wide table is scrolled by the keyboard only if it can have the focus
    '<div class="output text_html">': '<div class="output text_html" tabindex="0">',
    '<div class="pst-scrollable-table-container">': '<div class="pst-scrollable-table-container" tabindex="0">',
}


def mend(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Replace such parts in the text of a page."""
    for old, new in MENDED.items():
        context["body"] = context.get("body", "").replace(old, new)
