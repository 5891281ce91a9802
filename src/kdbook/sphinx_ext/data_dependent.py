"""Prose that is true of some data alone: of pairs that mean the same or not, as in PAWS-X, or of all others."""

from typing import ClassVar

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from kdbook.sphinx_ext import freshness

PARAPHRASES, OTHERS = "paraphrases", "other data"


def holds(kind: str, of_own: bool) -> bool:
    """Whether prose for this kind of data is to be shown, with data of one's own or without."""
    if kind not in (PARAPHRASES, OTHERS):
        raise ValueError(f"there is no kind of data {kind!r}. Choose from: {PARAPHRASES}, {OTHERS}")
    return (kind == OTHERS) == of_own


class With(SphinxDirective):
    """``:::{with} paraphrases`` or ``:::{with} other data``: its content is shown with data of that kind."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar = {}

    def run(self) -> list[nodes.Node]:
        """The content, or nothing."""
        of_own = freshness.current_study().profile.data.columns is not None
        return self.parse_content_to_nodes() if holds(self.arguments[0], of_own) else []
