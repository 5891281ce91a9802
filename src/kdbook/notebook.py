"""Whether this process is the kernel of a notebook; asked without importing IPython."""

import sys
from typing import Any


def shell() -> Any:
    """IPython's shell in the kernel of a notebook, None in any other process."""
    found = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return found if hasattr(found, "kernel") else None
