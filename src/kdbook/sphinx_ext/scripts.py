"""Which scripts a page loads."""

from typing import Any

from sphinx.application import Sphinx


def drop_thebe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Leave out thebe, which Jupyter Book includes twice; the pages have no live cells, and the second copy is an error."""
    context["script_files"] = [script for script in context["script_files"] if not _of_thebe(script)]


def _of_thebe(script: Any) -> bool:
    return "thebe" in f"{script.filename} {getattr(script, 'attributes', {}).get('body', '')}".lower()
