"""Which scripts a page loads."""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from kdbook.website.sphinx_ext.build import build_of

DEMO = "student-demo.js"


def choose(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Leave out the demo, which compares two sentences, where the data are of another kind, and thebe.

    Jupyter Book includes thebe twice; the pages have no live cells, and the second copy is an error.
    """
    unused = None if build_of(app).study.profile.data.task == "paraphrase" else DEMO
    context["script_files"] = [
        script
        for script in context["script_files"]
        if not _is_thebe(script) and Path(str(script.filename)).name != unused
    ]


def _is_thebe(script: Any) -> bool:
    return "thebe" in f"{script.filename} {getattr(script, 'attributes', {}).get('body', '')}".lower()
