"""What a chapter's cell reported when it failed.

Sphinx drops the messages of a process that reads chapters and fails; jupyter-cache keeps the traceback.
"""

from jupyter_cache import get_cache
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)


def log_tracebacks(app: Sphinx, error: Exception | None) -> None:
    """Log the tracebacks of the chapters of a build that failed."""
    settings = getattr(app.env, "mystnb_config", None)
    if not error or not settings:
        return
    chapters = {str(app.env.doc2path(name)) for name in app.env.found_docs}
    for record in get_cache(settings.execution_cache_path).list_project_records():
        if record.traceback and record.uri in chapters:
            logger.error("%s failed:\n%s", record.uri, record.traceback)
