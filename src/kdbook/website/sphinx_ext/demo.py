"""The student in the reader's browser, which compares two sentences."""

import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

from kdbook.export import browser
from kdbook.website.sphinx_ext.build import build_of

logger = logging.getLogger(__name__)

FOLDER = "demo"
SCRIPT = "student-demo.js"


def leave_out(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Load no script of the demo where the data are of another kind."""
    if not _compares_sentences(app):
        context["script_files"] = [
            script for script in context["script_files"] if Path(str(script.filename)).name != SCRIPT
        ]


def write(app: Sphinx, error: Exception | None) -> None:
    """Write the first distilled student into the built site."""
    if error or app.builder.name != "html":
        return
    study, folder = build_of(app).study, Path(app.outdir, FOLDER)
    if not (
        _compares_sentences(app) and browser.write(study.get_or_train(study.profile.main_arms[-1]), folder)
    ):
        shutil.rmtree(folder, ignore_errors=True)  # of another profile
        logger.info(
            "the student of this profile is too large or of another kind for a browser; there is no demo"
        )


def _compares_sentences(app: Sphinx) -> bool:
    return build_of(app).study.profile.data.task == "paraphrase"
