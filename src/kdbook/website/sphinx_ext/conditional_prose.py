"""A directive for prose that is true of some data only."""

from typing import ClassVar

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from kdbook.website.prose import is_shown
from kdbook.website.sphinx_ext.build import build_of


class OnlyForDirective(SphinxDirective):
    """``:::{only-for} paraphrase`` or ``:::{only-for} classification``: its content is shown for that task
    only.
    """

    has_content = True
    required_arguments = 1
    option_spec: ClassVar = {}

    def run(self) -> list[nodes.Node]:
        """The content, or nothing."""
        task = build_of(self.env.app).study.profile.data.task
        return self.parse_content_to_nodes() if is_shown(self.arguments[0], task) else []
