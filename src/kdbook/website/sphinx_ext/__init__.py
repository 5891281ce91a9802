"""The Sphinx extension of the book: train what is missing, execute what is out of date, write the
downloads.
"""

from sphinx.application import Sphinx

from kdbook.website.sphinx_ext import (
    accessible,
    addresses,
    assets,
    conditional_prose,
    downloads,
    failures,
    freshness,
    mathml,
    outputs,
    parallel,
    publish,
    scripts,
)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register everything with Sphinx."""
    publish.setup(app)
    app.connect("config-inited", addresses.configure)
    app.connect("builder-inited", failures.forget)
    app.connect("builder-inited", parallel.read_in_parallel)
    app.connect("builder-inited", freshness.train_missing)
    app.connect("env-get-outdated", freshness.outdated_chapters)
    app.connect("env-before-read-docs", freshness.prepare)
    app.connect("source-read", freshness.stamp)
    app.connect("env-updated", freshness.remember)
    app.connect("html-page-context", scripts.choose, priority=900)
    app.connect("html-page-context", downloads.add_buttons, priority=900)
    app.connect("build-finished", failures.report_last, priority=300)
    app.connect("build-finished", addresses.list_all_pages, priority=400)  # before sphinx-sitemap writes it
    app.connect("build-finished", downloads.write)
    app.connect("build-finished", assets.subset_fonts)
    app.add_directive("only-for", conditional_prose.OnlyForDirective)
    accessible.setup(app)
    mathml.setup_renderer(app)
    outputs.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
