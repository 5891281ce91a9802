"""Names that could be taken for markup, and what each sink shows of a name."""

import io
import re
from html import unescape
from unittest.mock import patch

from hypothesis import strategies as st

from kdbook.analysis import canvas
from kdbook.settings.names import name_problem

HOSTILE = [
    "{{ 7*6 }}",
    "{{ cycler.__init__.__globals__.os.getcwd() }}",
    "{% raw %}",
    "<b onclick=alert(1)>bold</b>",
    "<script>alert(1)</script>",
    "<!-- x -->",
    "$1^$",
    "$5-$10",
    r"\frac{1}{2}",
    "_other",
    "__init__",
    "*", "**", "***", "~~x~~", "`x`", "``", "[x](y)", "![x](y)", "[[x]]", "[^1]", "{term}`x`", "{doc}`index`",
    "# x", "- x", "1. x", "> x", "+++", "---", "===", ":::{note}", "```", "| a | b |", "(label)=", "% comment",
    "a--b", '"quoted"', "it's", "...", "(c)", ":smile:", "&amp;", "&#42;", "https://example.org/?a=b&c=d",
    "[red]x[/red]", "[/]", "负面", "سلبي", "नकारात्मक", "😀", "e\u0301", "a\u00a0b", "a\u200bb", "\ufeffx",
    "x" * 30,
    "%41", "?", "../x", "C:\\x", "nan", "None", "true", "\\", "\\*",
]  # fmt: skip
PIECES = [
    "{{",
    "}}",
    "{%",
    "<",
    ">",
    "$",
    "*",
    "_",
    "`",
    "[",
    "]",
    "(",
    ")",
    "|",
    "\\",
    "&",
    "#",
    ":",
    "~",
    "^",
    "!",
]
NAMES = (
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4)), min_size=1, max_size=8)
    .map("".join)
    .map(str.strip)
    .filter(lambda name: name and not name_problem(name))
)


def shown_in_terminal(name: str) -> str:
    """A name in a table of the command line."""
    from kdbook.cli import console

    output = io.StringIO()
    with patch("sys.stdout", output), patch.dict("os.environ", {"COLUMNS": "500"}):
        console.print_table([{"a": name}], ["a"])
    row = output.getvalue().splitlines()[3]
    return row.strip("│").strip()


def shown_in_figure(name: str) -> str:
    """A name in the legend of a figure, drawn as SVG."""
    figure, axes = canvas.empty(3, 2)
    canvas.add_legend(axes, [(axes.plot([0, 1])[0], name)])
    drawing = io.StringIO()
    with patch("builtins.print"):
        canvas.finished(figure).savefig(drawing, format="svg")
    texts = re.findall(r"<text [^>]*>(.*?)</text>", drawing.getvalue(), re.DOTALL)
    shown = [unescape(re.sub("<[^>]+>", "", text)) for text in texts]
    return next((text for text in shown if text == canvas.shortened(name)), shown[-1] if shown else "")
