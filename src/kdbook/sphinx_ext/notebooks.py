"""A chapter as a notebook that needs neither this repository nor Sphinx.

What MyST-NB has executed (``jupyter_execute/*.ipynb``) still holds MyST's roles and directives, which Jupyter, VS Code and
Colab show raw, and imports a package that a reader does not have. Here they become plain Markdown, and a first cell
installs the package.
"""

import ast
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.colon_fence import colon_fence_plugin
from nbformat import NotebookNode

from kdbook.errors import KdbookError
from kdbook.sphinx_ext import data_dependent

ROLE = re.compile(r"\{(?P<name>[\w:-]+)\}`(?P<text>[^`]+)`")
TITLED = re.compile(r"(?P<title>.+?)\s*<(?P<target>[^<>]+)>", re.DOTALL)
DIRECTIVE = re.compile(r"\{(?P<name>[\w:-]+)\}\s*(?P<argument>.*)")
OPTION = re.compile(r":(?P<name>[\w-]+):\s*(?P<value>.*)")
LABEL = re.compile(r"^\([\w-]+\)=\n", re.MULTILINE)
WORDS_A_MINUTE = 200  # MyST counts with the same
HIDDEN = {"hide-input", "remove-input", "hide-cell", "remove-cell"}
ADMONITIONS = {"note", "tip", "warning", "important", "caution", "seealso"}


@dataclass(frozen=True)
class Site:
    """What the notebooks of a site refer to.

    The ``title`` of the site, ``titles`` of its pages, names of the ``chapters`` that are notebooks, ``citations`` by key, the
    ``address`` of the site, the code of the first cell, ``setup``, and whether it is made with ``own_data``.
    """

    title: str
    titles: Mapping[str, str]
    chapters: Collection[str]
    citations: Mapping[str, str]
    address: str
    setup: str
    own_data: bool = False

    def page(self, source: Path) -> str:
        """Address of the page that is made from a source file."""
        return f"{self.address}/{source.parent.name}/{source.stem}.html"


def take_home(executed: NotebookNode, page: Path, site: Site, outputs: bool) -> NotebookNode:
    """The notebook of a chapter, with or without its outputs.

    Raises
    ------
    KdbookError
        If the chapter ``page`` uses a role or directive that has no plain form here.
    """
    about = f"*A chapter of [{site.title}]({site.page(page)}). Run the first cell first; it installs what the chapter needs.*"
    cells = [nbformat.v4.new_markdown_cell(about, id="about"), nbformat.v4.new_code_cell(site.setup, id="setup")]
    for number, cell in enumerate(executed.cells):
        name = f"cell-{number}"
        if cell.cell_type == "markdown":
            cells.append(nbformat.v4.new_markdown_cell(plain(cell.source, page, site), id=name))
        else:
            hidden = {"jupyter": {"source_hidden": True}} if HIDDEN & set(cell.metadata.get("tags", [])) else {}
            kept = {"outputs": cell.outputs, "execution_count": cell.execution_count} if outputs else {}
            cells.append(nbformat.v4.new_code_cell(cell.source, id=name, metadata=hidden, **kept))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def plain(text: str, page: Path, site: Site) -> str:
    """MyST as Markdown that any notebook reader renders."""
    lines = LABEL.sub("", text).splitlines()
    parts, at = [], 0
    for token in MarkdownIt("commonmark").use(colon_fence_plugin).parse("\n".join(lines)):
        if token.level == 0 and token.map and (directive := _directive(token)):
            start, end = token.map
            parts += [_inline("\n".join(lines[at:start]), page, site), _block(directive, token.content, page, site)]
            at = end
    parts.append(_inline("\n".join(lines[at:]), page, site))
    return "\n\n".join(part.strip("\n") for part in parts if part.strip())


def _directive(token: Token) -> re.Match[str] | None:
    return DIRECTIVE.fullmatch(token.info.strip()) if token.type in ("fence", "colon_fence") else None


def _block(directive: re.Match[str], content: str, page: Path, site: Site) -> str:
    name, argument = directive["name"], directive["argument"].strip()
    options, body = _options(content)
    if name == "literalinclude":
        return f"```python\n{_source((page.parent / argument).resolve(), options['pyobject'])}\n```"
    if name == "math":
        return f"$$\n{body}\n$$"
    if name in ("figure", "image"):
        return f"![{options.get('alt', '')}]({site.address}/_static/{Path(argument).name})\n\n{plain(body, page, site)}"
    if name == "with":
        return plain(body, page, site) if data_dependent.holds(argument, site.own_data) else ""
    if name == "nb-exec-table":
        return f"*The table of execution times is on [the page of this chapter]({site.page(page)}).*"
    inside = plain(body, page, site)
    if name == "dropdown":
        return f"<details>\n<summary>{argument}</summary>\n\n{inside}\n\n</details>"
    if name == "admonition" or name in ADMONITIONS:
        title = _inline(argument, page, site) or name.capitalize()
        return "\n".join(f"> {line}".rstrip() for line in [f"**{title}**", "", *inside.splitlines()])
    raise KdbookError(f"{page.name}: the directive {name!r} has no form in a downloaded notebook")


def _options(content: str) -> tuple[dict[str, str], str]:
    """The options at the head of a directive, and the rest."""
    lines, options = content.splitlines(), {}
    while lines and (found := OPTION.fullmatch(lines[0])):
        options[found["name"]] = found["value"]
        del lines[0]
    return options, "\n".join(lines).strip("\n")


def _inline(text: str, page: Path, site: Site) -> str:
    def replaced(role: re.Match[str]) -> str:
        name, content = role["name"], " ".join(role["text"].split())
        titled = TITLED.fullmatch(content)
        title, target = (titled["title"], titled["target"]) if titled else ("", content)
        if name == "cite:p":
            return f"({'; '.join(site.citations[key.strip()] for key in target.split(','))})"
        if name == "doc":
            link = f"{target}.ipynb" if target in site.chapters else site.page(page.with_stem(target))
            return f"[{title or site.titles[target]}]({link})"
        if name == "term":
            return f"[{title or target}]({site.page(page.with_stem('glossary'))})"
        if name == "math":
            return f"${content}$"
        if name == "sub-ref" and target == "wordcount-minutes":
            return str(max(1, round(len(page.read_text("utf-8").split()) / WORDS_A_MINUTE)))
        raise KdbookError(f"{page.name}: the role {name!r} has no form in a downloaded notebook")

    return ROLE.sub(replaced, text)


def _source(path: Path, name: str) -> str:
    """The text of one function of a module, as Sphinx's ``literalinclude`` shows it."""
    text = path.read_text("utf-8")
    node = next(node for node in ast.parse(text).body if getattr(node, "name", None) == name)
    return ast.get_source_segment(text, node) or ""
