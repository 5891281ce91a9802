"""What this machine has: cores and memory, on every system."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLEAR_PEAK = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")
PEAK = "VmHWM:"
BYTES_OF_MAXRSS = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kibibytes


def cores() -> int:
    """Cores that this process may use; on systems without affinity, all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_seconds() -> float:
    """Processor time of this process and of those that it has started and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@contextmanager
def pinned_to_one_core() -> Iterator[None]:
    """Keep the calling thread on one core; on systems without affinity, on any."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def memory() -> int:
    """Bytes of memory of this machine."""
    import psutil  # takes a while

    return int(psutil.virtual_memory().total)


def reset_peak_memory() -> None:
    """Start a new peak; on systems other than Linux it stays that of the whole process (``man 5 proc``)."""
    if CLEAR_PEAK.exists():
        CLEAR_PEAK.write_text("5")


def peak_memory() -> int:
    """Bytes that this process held at the peak since :func:`reset_peak_memory`, libraries included."""
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith(PEAK))
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # on Windows, which counts the peak itself
        import psutil

        held = psutil.Process().memory_info()
        return int(getattr(held, "peak_wset", held.rss))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_OF_MAXRSS
