"""Where modules of ``kdbook.analysis`` are today: downloaded notebooks import their old names."""

import sys
from importlib import import_module

MOVED = {
    "bootstrap": "stats.bootstrap",
    "calibration": "stats.calibration",
    "calls": "pages.calls",
    "canvas": "pages.figures",
    "cascade": "stats.predictions",
    "comparisons": "stats.comparisons",
    "costs": "stats.costs",
    "curves": "pages.curves",
    "descriptions": "pages.descriptions",
    "estimates": "stats.estimates",
    "fidelity": "stats.fidelity",
    "figures": "pages.figures",
    "finding": "pages.finding",
    "markup": "pages.markup",
    "metrics": "stats.metrics",
    "moderation": "stats.moderation",
    "phrases": "pages.markup",
    "predictions": "stats.predictions",
    "probability_sentences": "pages.sentences",
    "provenance": "pages.provenance",
    "resampling": "stats.resampling",
    "sentences": "pages.sentences",
    "tables": "pages.tables",
}

for _old, _new in MOVED.items():
    sys.modules[f"{__name__}.{_old}"] = globals()[_old] = import_module(f"kdbook.{_new}")
