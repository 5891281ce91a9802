"""Where the site and its source are published, which only the environment knows, and the footer."""

import html
from importlib.metadata import version
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

from kdbook.settings import environment

FOOTER = (
    "<p>Version {version}. Code and text are licensed under Apache-2.0. The page Reproducibility explains "
    "how to cite this book.{downloads}</p>"
)
GITHUB = "https://github.com/"
LATEST = "{repository}/releases/latest/download"  # to which .github/workflows/release.yml adds both files
DOWNLOADS = (
    f' Of the latest release: <a href="{LATEST}/book.pdf">PDF</a>, '
    f'<a href="{LATEST}/runs.zip">finished runs</a> for <code>kdbook import</code>.'
)

REDIRECT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<meta http-equiv="refresh" content="0; url={page}">
</head>
<body><a href="{page}">{title}</a></body>
</html>
"""


def configure(app: Sphinx, config: Config) -> None:
    """Set the address that notebooks, the sitemap and previews link to, the footer, and the buttons that
    lead to the repository.
    """
    variables = environment.read()
    config.html_baseurl = variables.site.rstrip("/") + "/"
    config.ogp_site_url = config.html_baseurl
    repository = variables.repository or ""
    has_releases = repository.startswith(GITHUB)
    downloads = DOWNLOADS.format(repository=html.escape(repository.rstrip("/"))) if has_releases else ""
    footer = FOOTER.format(version=version("kdbook"), downloads=downloads)
    options: dict[str, object] = {"extra_footer": footer}
    if repository:
        options |= {
            "repository_url": repository,
            "use_repository_button": True,
            "use_edit_page_button": True,
            "use_issues_button": True,
        }
    config.html_theme_options = config.html_theme_options | options


def lead_to_first_page(app: Sphinx, error: Exception | None) -> None:
    """Write the page of the site's address; that of sphinx-external-toc has neither a language nor a link."""
    if error or app.builder.name != "html" or app.config.master_doc == "index":
        return
    title, page = html.escape(app.config.html_title), f"{app.config.master_doc}.html"
    Path(app.outdir, "index.html").write_text(REDIRECT.format(title=title, page=page), "utf-8")


def list_all_pages(app: Sphinx, error: Exception | None) -> None:
    """Let the sitemap name every page; sphinx-sitemap knows only those that this build has written."""
    if error or not hasattr(app, "sitemap_links"):
        return
    links = {(f"{page}.html", None) for page in app.env.found_docs}
    while not app.sitemap_links.empty():
        links.add(app.sitemap_links.get())
    for link in sorted(links):
        app.sitemap_links.put(link)
