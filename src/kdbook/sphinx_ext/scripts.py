"""Which scripts a page loads."""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from kdbook.sphinx_ext import freshness

DEMO = "student-demo.js"


def choose(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Leave out what is of no use: the demo, which compares two sentences, with other data, and thebe.

    Jupyter Book includes thebe twice; the pages have no live cells, and the second copy is an error.
    """
    unused = DEMO if freshness.current_study().profile.data.columns else None
    scripts = context["script_files"]
    context["script_files"] = [script for script in scripts if not _of_thebe(script) and Path(str(script.filename)).name != unused]


def _of_thebe(script: Any) -> bool:
    return "thebe" in f"{script.filename} {getattr(script, 'attributes', {}).get('body', '')}".lower()
