"""Names that could be taken for markup, and what each sink shows of a name."""

import io
import re
from html import unescape
from unittest.mock import patch

from hypothesis import strategies as st

from kdbook.pages import figures, markup
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


def shown_on_page(names: list[str]) -> list[str]:
    """Names in the paragraphs and the table of a page, as MyST renders it with the settings of the book."""
    from docutils import nodes
    from docutils.core import publish_doctree
    from myst_parser.docutils_ import Parser

    paragraphs = [f"Classes: {markup.emphasized(name)}, {markup.strong(name)}." for name in names]
    rows = [f"| {markup.plain(name)} | {markup.code(name)} |" for name in names]
    warnings = io.StringIO()
    document = publish_doctree(
        "\n\n".join([*paragraphs, "\n".join(["| a | b |", "|---|---|", *rows])]),
        parser=Parser(),
        settings_overrides={
            "myst_enable_extensions": ["amsmath", "colon_fence", "deflist", "dollarmath"],
            "warning_stream": warnings,
            "report_level": 1,
        },
    )
    assert not warnings.getvalue()
    for tag in list(document.findall(nodes.raw)):
        assert tag.astext() in ("<span>", "</span>")
        tag.parent.remove(tag)
    cells = [cell.astext() for cell in document.findall(nodes.entry)][2:]
    sentences = [node.astext() for node in document.findall(nodes.paragraph)][: len(names)]
    shown = []
    for number, name in enumerate(names):
        agree = (
            sentences[number] == f"Classes: {name}, {name}." and cells[2 * number] == cells[2 * number + 1]
        )
        shown.append(cells[2 * number] if agree else sentences[number])
    return shown


def shown_in_terminal(names: list[str]) -> list[str]:
    """Names in a table of the command line."""
    from kdbook.cli import console

    output = io.StringIO()
    with patch("sys.stdout", output), patch.dict("os.environ", {"COLUMNS": "500"}):
        console.print_table([{"a": name} for name in names], ["a"])
    return [row.strip("│").strip() for row in output.getvalue().splitlines()[3:-1]]


def shown_in_figure(names: list[str]) -> list[str]:
    """Names in the legend of a figure, drawn as SVG."""
    figure, axes = figures.empty(8, 2 + 0.3 * len(names))
    line = axes.plot([0, 1])[0]
    axes.legend([line for _ in names], [figures.shortened(name) for name in names])
    drawing = io.StringIO()
    with patch("builtins.print"):
        figures.finished(figure).savefig(drawing, format="svg")
    legend = drawing.getvalue().partition('id="legend_1"')[2]
    texts = re.findall(r"<text [^>]*>(.*?)</text>", legend, re.DOTALL)
    shown = [unescape(re.sub("<[^>]+>", "", text)) for text in texts]
    long = {figures.shortened(name): name for name in names}
    return [long.get(text, text) for text in shown]


def shown_in_profile(names: list[str]) -> list[str]:
    """Names in a profile that was written and read again."""
    import tomllib

    from kdbook.data.new_profile import ProfileRequest, toml

    read = tomllib.loads(toml(ProfileRequest("a.csv", tuple(names), names[0]), tuple(names)))
    assert read["data"]["languages"] == names and read["data"]["columns"]["label"] == names[0]
    return list(read["data"]["columns"]["texts"])


SINKS = {
    "page": shown_on_page,
    "terminal": shown_in_terminal,
    "figure": shown_in_figure,
    "profile": shown_in_profile,
}
