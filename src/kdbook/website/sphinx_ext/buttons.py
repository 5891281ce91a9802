"""The download menu of a page."""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from kdbook.settings import environment
from kdbook.website.notebooks import FOLDER
from kdbook.website.sphinx_ext.addresses import GITHUB
from kdbook.website.sphinx_ext.downloads import ALL_CHAPTERS, WITH_OUTPUTS
from kdbook.website.sphinx_ext.freshness import built_with

COLAB = "https://colab.research.google.com/github"  # it opens notebooks that a branch on GitHub has
BRANCH = "notebooks"  # to which .github/workflows/book.yml pushes them


def add(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Add the notebooks of a chapter to the theme's download menu, and Colab for a repository on GitHub."""
    if page not in built_with(app.env):
        return
    name = Path(page).name
    with_outputs = f"{name}{WITH_OUTPUTS}.ipynb"
    files = (
        (f"{name}.ipynb", ".ipynb", "Notebook, to run it", "download-notebook-button"),
        (with_outputs, ".ipynb with outputs", "Notebook with outputs", "download-executed-notebook-button"),
        (ALL_CHAPTERS, "all, .zip", "Notebooks of all chapters", "download-all-button"),
    )
    links = [(context["pathto"](f"{FOLDER}/{file}", 1), *rest) for file, *rest in files]
    repository = environment.read().repository or ""
    if repository.startswith(GITHUB):
        address = f"{COLAB}/{repository.removeprefix(GITHUB)}/blob/{BRANCH}/{name}.ipynb"
        links.append((address, "Open in Colab", "Run this chapter on Colab", "open-in-colab-button"))
    keys = ("url", "text", "tooltip", "label")
    buttons = [dict(zip(keys, link, strict=True), type="link", icon="fas fa-code") for link in links]
    for group in context["header_buttons"]:
        if group.get("label") == "download-buttons":
            group["buttons"][:0] = buttons
