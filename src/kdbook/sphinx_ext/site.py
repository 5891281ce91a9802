"""Where the site will stand, and where its source is, by the environment: a build does not know either of itself."""

import os
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

ADDRESS = "KDBOOK_SITE"  # such as https://owner.github.io/name
REPOSITORY = "KDBOOK_REPOSITORY"  # such as https://github.com/owner/name
SERVED_LOCALLY = "http://127.0.0.1:8000"  # by make serve


def configure(app: Sphinx, config: Config) -> None:
    """Set the address that notebooks, the sitemap and previews link to, and the button that edits a page."""
    config.html_baseurl = os.environ.get(ADDRESS, SERVED_LOCALLY).rstrip("/") + "/"
    config.ogp_site_url = config.html_baseurl
    if repository := os.environ.get(REPOSITORY):
        options: dict[str, Any] = {"repository_url": repository, "use_repository_button": True, "use_edit_page_button": True}
        config.html_theme_options = config.html_theme_options | options


def list_all_pages(app: Sphinx, error: Exception | None) -> None:
    """Let the sitemap name every page; sphinx-sitemap knows of those alone that this build has written."""
    if error or not hasattr(app, "sitemap_links"):
        return
    links = {(f"{page}.html", None) for page in app.env.found_docs}
    while not app.sitemap_links.empty():
        links.add(app.sitemap_links.get())
    for link in sorted(links):
        app.sitemap_links.put(link)
