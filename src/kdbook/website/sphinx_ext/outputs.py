"""Outputs of cells: text from data is shown character by character."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform


def setup(app: Sphinx) -> None:
    """Register the transform."""
    app.add_transform(ExactOutputs)


class ExactOutputs(SphinxTransform):
    """Keeps typographic quotes, dashes and ellipses for the prose; a class called ``a--b`` stays that."""

    default_priority = 700  # before SphinxSmartQuotes

    def apply(self, **kwargs: Any) -> None:
        """Mark the outputs as Sphinx expects it."""
        for node in self.document.findall(nodes.container):
            if node.get("nb_element") == "cell_code_output":
                node["support_smartquotes"] = False
