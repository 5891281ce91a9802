"""The Sphinx extension of the book: train what is missing, execute what is out of date, write the
downloads.
"""

from sphinx.application import Sphinx

from kdbook.website.sphinx_ext import (
    accessible,
    addresses,
    buttons,
    conditional_prose,
    demo,
    downloads,
    failures,
    freshness,
    mathml,
    outputs,
    parallel,
    patches,
    publish,
)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register everything with Sphinx."""
    publish.setup(app)
    app.connect("config-inited", addresses.configure)
    app.connect("builder-inited", failures.forget)
    app.connect("builder-inited", patches.apply)
    app.connect("builder-inited", parallel.share_cores)
    app.connect("builder-inited", freshness.train_missing)
    app.connect("env-get-outdated", freshness.outdated_chapters)
    app.connect("env-before-read-docs", freshness.prepare)
    app.connect("env-before-read-docs", downloads.forget)
    app.connect("source-read", freshness.stamp)
    app.connect("env-updated", freshness.remember)
    app.connect("html-page-context", patches.remove_thebe, priority=900)
    app.connect("html-page-context", demo.leave_out, priority=900)
    app.connect("html-page-context", buttons.add, priority=900)
    app.connect("build-finished", failures.report_last, priority=300)
    # both before the default priority, at which sphinx-external-toc and sphinx-sitemap write
    app.connect("build-finished", addresses.lead_to_first_page, priority=400)
    app.connect("build-finished", addresses.list_all_pages, priority=400)
    app.connect("build-finished", downloads.write)
    app.connect("build-finished", demo.write)
    app.add_directive("only-for", conditional_prose.OnlyForDirective)
    accessible.setup(app)
    mathml.setup_renderer(app)
    outputs.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
