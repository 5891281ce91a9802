"""A chapter as a notebook that needs neither this repository nor Sphinx.

What MyST-NB has executed (``jupyter_execute/*.ipynb``) still contains MyST's roles and directives, which
Jupyter, VS Code and Colab show raw, and imports a package that a reader does not have. Here they become plain
Markdown, and a first cell installs the package. Each role and directive has a handler in :data:`ROLES` or
:data:`DIRECTIVES`.
"""

import ast
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.colon_fence import colon_fence_plugin
from nbformat import NotebookNode
from pybtex.database import Entry

from kdbook.errors import KdbookError
from kdbook.settings.data import Task
from kdbook.study import kept
from kdbook.website.chapters import local_modules
from kdbook.website.prose import is_shown

# A role; or code, which may contain what looks like one.
ROLE = re.compile(
    r"\{(?P<name>[\w:-]+)\}`(?P<text>[^`]+)`"
    r"|(?<!`)(?P<code>`+)(?!`)(?:(?!\n\n).)+?(?<!`)(?P=code)(?!`)",
    re.DOTALL,
)
TITLED = re.compile(r"(?P<title>.+?)\s*<(?P<target>[^<>]+)>", re.DOTALL)
DIRECTIVE = re.compile(r"\{(?P<name>[\w:-]+)\}\s*(?P<argument>.*)")
OPTION = re.compile(r":(?P<name>[\w-]+):\s*(?P<value>.*)")
LABEL = re.compile(r"^\([\w-]+\)=\n", re.MULTILINE)
FOLDER = "notebooks"  # of the downloads on a site
DOWNLOAD = """\
# Downloads the kept results that this chapter shows, and the modules that it imports.
import urllib.request
from pathlib import Path

for file in map(Path, {files}):
    file.parent.mkdir(exist_ok=True)
    urllib.request.urlretrieve(f"{folder}/{{file.name}}", file)
"""
WORDS_PER_MINUTE = 200  # as MyST counts
HIDDEN = {"hide-input", "remove-input", "hide-cell", "remove-cell"}
ADMONITIONS = ("note", "tip", "warning", "important", "caution", "seealso")


@dataclass(frozen=True)
class NotebookContext:
    """What the notebooks of a site refer to.

    The ``title`` of the site, ``titles`` of its pages, names of the ``chapters`` that are notebooks,
    ``citations`` by key, the ``address`` of the site, the code of the first cell, ``setup``, and the ``task``
    of its data.
    """

    title: str
    titles: Mapping[str, str]
    chapters: Collection[str]
    citations: Mapping[str, str]
    address: str
    setup: str
    task: Task = "paraphrase"

    def address_of(self, source: Path) -> str:
        """Address of the page made from a source file."""
        return f"{self.address}/{source.parent.name}/{source.stem}.html"


@dataclass(frozen=True)
class _Directive:
    """A directive of a page: its argument, its options, and the text in it."""

    argument: str
    options: Mapping[str, str]
    body: str
    page: Path
    site: NotebookContext

    def plain_body(self) -> str:
        return plain(self.body, self.page, self.site)


@dataclass(frozen=True)
class _Role:
    """A role of a page: what it points to, and its text if it has one of its own."""

    target: str
    title: str
    page: Path
    site: NotebookContext

    def address_of(self, name: str) -> str:
        return self.site.address_of(self.page.with_stem(name))


def convert(executed: NotebookNode, page: Path, site: NotebookContext, outputs: bool) -> NotebookNode:
    """The notebook of a chapter, with or without its outputs.

    Raises
    ------
    KdbookError
        If the chapter ``page`` uses a role or directive that has no handler.
    """
    about = (
        f"*A chapter of [{site.title}]({site.address_of(page)}). Run the first cell first; it installs "
        "what the chapter needs.*"
    )
    cells = [
        nbformat.v4.new_markdown_cell(about, id="about"),
        nbformat.v4.new_code_cell(site.setup, id="setup"),
    ]
    code = "\n".join(cell.source for cell in executed.cells if cell.cell_type == "code")
    files = [f"kept/{name}.parquet" for name in kept.names_in(code)]
    if files := [*files, *(path.name for path in local_modules(code))]:
        download = DOWNLOAD.format(files=files, folder=f"{site.address}/{FOLDER}")
        cells.append(nbformat.v4.new_code_cell(download, id="files"))
    for number, cell in enumerate(executed.cells):
        name = f"cell-{number}"
        if cell.cell_type == "markdown":
            cells.append(nbformat.v4.new_markdown_cell(plain(cell.source, page, site), id=name))
        else:
            is_hidden = HIDDEN & set(cell.metadata.get("tags", []))
            metadata = {"jupyter": {"source_hidden": True}} if is_hidden else {}
            results = {"outputs": cell.outputs, "execution_count": cell.execution_count} if outputs else {}
            cells.append(nbformat.v4.new_code_cell(cell.source, id=name, metadata=metadata, **results))
            if caption := cell.metadata.get("mystnb", {}).get("figure", {}).get("caption"):
                cells.append(nbformat.v4.new_markdown_cell(f"*{caption}*", id=f"{name}-caption"))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    language = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook: NotebookNode = nbformat.v4.new_notebook(cells=cells, metadata=language)
    return notebook


def plain(text: str, page: Path, site: NotebookContext) -> str:
    """MyST as Markdown that any notebook reader renders.

    Raises
    ------
    KdbookError
        If it uses a role or directive that has no handler.
    """
    lines = LABEL.sub("", text).splitlines()
    parts, position = [], 0
    for token in MarkdownIt("commonmark").use(colon_fence_plugin).parse("\n".join(lines)):
        if token.level == 0 and token.map and (match := _directive(token)):
            start, end = token.map
            parts.append(_inline("\n".join(lines[position:start]), page, site))
            parts.append(_block(match, token.content, page, site))
            position = end
    parts.append(_inline("\n".join(lines[position:]), page, site))
    return "\n\n".join(part.strip("\n") for part in parts if part.strip())


def _directive(token: Token) -> re.Match[str] | None:
    return DIRECTIVE.fullmatch(token.info.strip()) if token.type in ("fence", "colon_fence") else None


def _block(match: re.Match[str], content: str, page: Path, site: NotebookContext) -> str:
    handler = DIRECTIVES.get(match["name"])
    if not handler:
        raise KdbookError(
            f"{page.name}: the directive {match['name']!r} has no form in a downloaded notebook"
        )
    options, body = _options(content)
    return handler(_Directive(match["argument"].strip(), options, body, page, site))


def _options(content: str) -> tuple[dict[str, str], str]:
    """The options at the head of a directive, and the rest."""
    lines = content.splitlines()
    options: dict[str, str] = {}
    while lines and (option := OPTION.fullmatch(lines[0])):
        options[option["name"]] = option["value"]
        del lines[0]
    return options, "\n".join(lines).strip("\n")


def _inline(text: str, page: Path, site: NotebookContext) -> str:
    def replace(match: re.Match[str]) -> str:
        if match["code"]:
            return match[0]
        handler = ROLES.get(match["name"])
        if not handler:
            raise KdbookError(f"{page.name}: the role {match['name']!r} has no form in a downloaded notebook")
        content = " ".join(match["text"].split())
        titled = TITLED.fullmatch(content)
        title, target = (titled["title"], titled["target"]) if titled else ("", content)
        return handler(_Role(target, title, page, site))

    return ROLE.sub(replace, text)


def _code(directive: _Directive) -> str:
    path = (directive.page.parent / directive.argument).resolve()
    return f"```python\n{_source(path, directive.options.get('pyobject'))}\n```"


def _math(directive: _Directive) -> str:
    return f"$$\n{directive.body}\n$$"


def _figure(directive: _Directive) -> str:
    address = f"{directive.site.address}/_static/{Path(directive.argument).name}"
    return f"![{directive.options.get('alt', '')}]({address})\n\n{directive.plain_body()}"


def _conditional_prose(directive: _Directive) -> str:
    return directive.plain_body() if is_shown(directive.argument, directive.site.task) else ""


def _execution_table(directive: _Directive) -> str:
    page = directive.site.address_of(directive.page)
    return f"*The table of execution times is on [the page of this chapter]({page}).*"


def _dropdown(directive: _Directive) -> str:
    return f"<details>\n<summary>{directive.argument}</summary>\n\n{directive.plain_body()}\n\n</details>"


def _admonition(name: str) -> Callable[[_Directive], str]:
    def handler(directive: _Directive) -> str:
        title = _inline(directive.argument, directive.page, directive.site) or name.capitalize()
        lines = [f"**{title}**", "", *directive.plain_body().splitlines()]
        return "\n".join(f"> {line}".rstrip() for line in lines)

    return handler


DIRECTIVES: dict[str, Callable[[_Directive], str]] = {
    "literalinclude": _code,
    "math": _math,
    "figure": _figure,
    "image": _figure,
    "container": _Directive.plain_body,
    "only-for": _conditional_prose,
    "nb-exec-table": _execution_table,
    "dropdown": _dropdown,
    **{name: _admonition(name) for name in ("admonition", *ADMONITIONS)},
}


def _citation(role: _Role) -> str:
    return f"({'; '.join(role.site.citations[key.strip()] for key in role.target.split(','))})"


def citation(entry: Entry) -> str:
    """Authors, year and title, linked where the bibliography has a URL: a notebook has no list of
    references.
    """
    names = [" ".join(person.last_names) for person in entry.persons["author"]]
    more = " et al." if len(names) > 2 else f" and {names[1]}" if len(names) == 2 else ""
    title = entry.fields["title"].replace("{", "").replace("}", "")
    text = f"{names[0]}{more}, {entry.fields['year']}, *{title}*"
    return f"[{text}]({entry.fields['url']})" if "url" in entry.fields else text


def _document(role: _Role) -> str:
    link = f"{role.target}.ipynb" if role.target in role.site.chapters else role.address_of(role.target)
    return f"[{role.title or role.site.titles[role.target]}]({link})"


def _term(role: _Role) -> str:
    return f"[{role.title or role.target}]({role.address_of('glossary')})"


def _inline_math(role: _Role) -> str:
    return f"${role.target}$"


def _reading_time(role: _Role) -> str:
    words = len(role.page.read_text("utf-8").split())
    return str(max(1, round(words / WORDS_PER_MINUTE)))


ROLES: dict[str, Callable[[_Role], str]] = {
    "cite:p": _citation,
    "doc": _document,
    "term": _term,
    "math": _inline_math,
    "sub-ref": _reading_time,
}


def _source(path: Path, name: str | None) -> str:
    """The text of a module, or of one function of it, as Sphinx's ``literalinclude`` shows it."""
    text = path.read_text("utf-8")
    if name is None:
        return text.rstrip()
    node = next(node for node in ast.parse(text).body if getattr(node, "name", None) == name)
    return ast.get_source_segment(text, node) or ""
