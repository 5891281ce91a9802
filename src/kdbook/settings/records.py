"""Results that scripts of ``bench`` and ``tools`` keep for shipped profiles; no build computes them.

They have a folder of their own, so that a page that shows one is executed again when it changes.
"""

import json
from importlib.resources import files
from typing import Any

RECORDS = "records"


def read(profile: str, kind: str) -> Any:
    """The record of a kind, such as ``"tuning"``, that is kept for a profile; None if there is none."""
    path = files(__package__) / RECORDS / f"{profile}.{kind}.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else None
