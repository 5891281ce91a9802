"""Previews of the pages on other sites: the library imports matplotlib only in a build that writes a page."""

import sys
from contextlib import redirect_stdout
from importlib import import_module
from io import StringIO

from sphinx.application import Sphinx
from sphinx.builders import Builder

LIBRARY = "sphinxext.opengraph"
CARDS = f"{LIBRARY}._social_cards"


def import_without_cards() -> None:
    """Import the library as it is where matplotlib is not installed, before Sphinx does."""
    if CARDS not in sys.modules:
        sys.modules[CARDS] = None  # type: ignore[assignment]  # importing it fails then
        with redirect_stdout(StringIO()):  # it says that matplotlib is not installed
            import_module(LIBRARY)
        del sys.modules[CARDS]


def import_cards(app: Sphinx, builder: Builder) -> None:
    """Give the library what it left out, before several processes write pages."""
    library, cards = import_module(LIBRARY), import_module(CARDS)
    for name in ("DEFAULT_SOCIAL_CONFIG", "create_social_card"):
        setattr(library, name, getattr(cards, name))
