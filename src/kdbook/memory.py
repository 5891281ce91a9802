"""The largest amount of memory that this process has held, libraries included."""

import resource
from pathlib import Path

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_PEAK = "VmHWM:"


def reset() -> None:
    """Count the peak from now on; on systems other than Linux it stays that of the whole process (``man 5 proc``)."""
    if _CLEAR.exists():
        _CLEAR.write_text("5")


def peak() -> int:
    """Bytes at the peak since :func:`reset`."""
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(_PEAK))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
