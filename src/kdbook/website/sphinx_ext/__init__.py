"""The Sphinx extension of the book: train what is missing, execute what is out of date, write the
downloads.
"""

import gc

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
    previews,
    publish,
    scripts,
)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register everything with Sphinx."""
    gc.freeze()  # a build makes many objects that stay, and searching them for garbage takes a tenth of it
    gc.set_threshold(100_000, 50, 100)
    previews.import_without_cards()
    publish.setup(app)
    app.connect("config-inited", addresses.configure)
    app.connect("builder-inited", failures.forget)
    app.connect("builder-inited", parallel.read_in_parallel)
    app.connect("builder-inited", freshness.train_missing)
    app.connect("env-get-outdated", freshness.outdated_chapters)
    app.connect("env-before-read-docs", freshness.prepare)
    app.connect("env-before-read-docs", parallel.share_cores)
    app.connect("source-read", freshness.stamp)
    app.connect("env-updated", freshness.remember)
    app.connect("write-started", previews.import_cards)
    app.connect("html-page-context", scripts.choose, priority=900)
    app.connect("html-page-context", downloads.add_buttons, priority=900)
    app.connect("build-finished", failures.report_last, priority=300)
    # both before the default priority, at which sphinx-external-toc and sphinx-sitemap write
    app.connect("build-finished", addresses.lead_to_first_page, priority=400)
    app.connect("build-finished", addresses.list_all_pages, priority=400)
    app.connect("build-finished", downloads.write)
    app.connect("build-finished", assets.subset_fonts)
    app.add_directive("only-for", conditional_prose.OnlyForDirective)
    accessible.setup(app)
    mathml.setup_renderer(app)
    outputs.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
