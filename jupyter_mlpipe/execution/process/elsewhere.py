"""The processes of a step on other systems than Linux, by psutil: what steps need of `linux.py`."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any, NoReturn

import psutil

_GRACE_S = 0.5


def used_memory(pid: int, limit: int) -> int:
    """Return the bytes of memory that a process and its descendants take.

    What several share counts once, which takes a while to find out: only where the sum, which counts it
    several times, is above `limit`.
    """
    family = family_of(pid)
    total = sum(map(_memory_of, family))
    if total <= limit:
        return total
    own_and_shared = [_own_and_shared(process) for process in family]
    return sum(own for own, _ in own_and_shared) + max((shared for _, shared in own_and_shared), default=0)


def _memory_of(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def _own_and_shared(process: psutil.Process) -> tuple[int, int]:
    with contextlib.suppress(psutil.Error):
        found: Any = process.memory_full_info()
        return found.uss, max(0, found.rss - found.uss)
    return 0, _memory_of(process)


def family_of(pid: int) -> list[psutil.Process]:
    """Return a process and all that descend from it; none where it is gone."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def end_all(processes: list[psutil.Process], wait_s: float = 0.0) -> None:
    """Kill what of these lives after a while, in which they may end by themselves."""
    for process in psutil.wait_procs(processes, wait_s)[1] if wait_s else processes:
        with contextlib.suppress(psutil.Error):
            process.kill()


def count_out_of_memory() -> int | None:
    """Return None: only Linux counts what it kills for want of memory."""
    return None


def peak_memory() -> int:
    """Return the most bytes that this process has had in memory; what it has, where nobody knows."""
    try:
        import resource
    except ImportError:
        found: Any = psutil.Process().memory_info()
        return int(getattr(found, "peak_wset", found.rss))
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # in bytes, on macOS


def used_so_far() -> dict[str, float]:
    """Return what this process and its ended children have used: see `Record.used`.

    Windows does not tell of children, macOS not what is read and written.
    """
    used: dict[str, float] = {"cpu_seconds": round(sum(os.times()[:4]), 6)}
    process: Any = psutil.Process()
    if hasattr(process, "io_counters"):
        counted = process.io_counters()
        used |= {"bytes_read": counted.read_bytes, "bytes_written": counted.write_bytes}
    return used


def started_ns() -> int:
    """Return when this process started, in nanoseconds since 1970."""
    return int(psutil.Process().create_time() * 1e9)


def end_within(seconds: int) -> None:
    """Have this process end after a time."""
    timer = threading.Timer(seconds, os._exit, (1,))
    timer.daemon = True
    timer.start()


def end_here(status: int) -> NoReturn:
    """End this process, and what it has started; that may need a moment, to remove shared memory, such as."""
    end_all(family_of(os.getpid())[1:], _GRACE_S)
    os._exit(status)
