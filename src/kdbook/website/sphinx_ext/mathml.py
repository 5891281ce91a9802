"""Formulas as MathML, which browsers draw themselves: no script, no network, readable for screen readers."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


def setup_renderer(app: Sphinx) -> None:
    """Register the renderer; ``html_math_renderer = "mathml"`` chooses it."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))


def _convert(node: nodes.math | nodes.math_block, display: str) -> str:
    from latex2mathml.converter import convert  # a build that writes no formula need not import it

    return convert(node.astext(), display=display)


def _inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(_convert(node, "inline"))
    raise nodes.SkipNode


def _block(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="math-block" tabindex="0">{_convert(node, "block")}</div>')
    raise nodes.SkipNode
