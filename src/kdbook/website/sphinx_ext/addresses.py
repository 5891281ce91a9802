"""Where the site and its source are published, which only the environment knows, and the footer."""

from importlib.metadata import version

from sphinx.application import Sphinx
from sphinx.config import Config

from kdbook.settings import environment

FOOTER = (
    "<p>Version {version}. Code and text are licensed under Apache-2.0. The page Reproducibility explains "
    "how to cite this book.</p>"
)


def configure(app: Sphinx, config: Config) -> None:
    """Set the address that notebooks, the sitemap and previews link to, the footer, and the buttons that
    lead to the repository.
    """
    variables = environment.read()
    config.html_baseurl = variables.site.rstrip("/") + "/"
    config.ogp_site_url = config.html_baseurl
    options: dict[str, object] = {"extra_footer": FOOTER.format(version=version("kdbook"))}
    if variables.repository:
        options |= {
            "repository_url": variables.repository,
            "use_repository_button": True,
            "use_edit_page_button": True,
            "use_issues_button": True,
        }
    config.html_theme_options = config.html_theme_options | options


def list_all_pages(app: Sphinx, error: Exception | None) -> None:
    """Let the sitemap name every page; sphinx-sitemap knows only those that this build has written."""
    if error or not hasattr(app, "sitemap_links"):
        return
    links = {(f"{page}.html", None) for page in app.env.found_docs}
    while not app.sitemap_links.empty():
        links.add(app.sitemap_links.get())
    for link in sorted(links):
        app.sitemap_links.put(link)
