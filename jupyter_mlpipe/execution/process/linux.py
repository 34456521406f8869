"""The processes of a step on Linux, whose `/proc` answers within microseconds; what only Linux has, besides.

Its functions are those of `jupyter_mlpipe.execution.process.processes`, and those of the fork server.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import re
import resource
import signal
import time
from typing import NoReturn

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_KEEP_SIZE, _PUNCH_HOLE = 1, 2
# Looked up once: processes that are forked for a step ask at once.
_prctl = ctypes.CDLL(None).prctl
_BOTH = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
_OWN = re.compile(rb"^(?:RssAnon|RssShmem):\s+(\d+) kB", re.MULTILINE)
_TRANSFERRED = re.compile(rb"rchar: (\d+)\nwchar: (\d+)")
_SHARES = re.compile(rb"^(?:Pss_Anon|Pss_Shmem):\s+(\d+) kB", re.MULTILINE)


def adopt_orphans() -> None:
    """Become the parent of what descends from this process and has lost its own: daemons, above all."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with(parent: int) -> None:
    """Have this process killed when its parent ends; leave at once where that has ended already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def children_of(pid: int) -> list[int]:
    """Return the children of a process; none where it is gone."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    return found


def family_of(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    found = [pid]
    for member in found:
        found += children_of(member)
    return found


def used_memory(pid: int, limit: int) -> int:
    """Return the bytes of memory that a process and its descendants take.

    Files that are mapped do not count: the system takes their memory back as it likes. What several
    processes share is divided between them, which takes a while to find out: only where the sum, which
    counts it several times, is above `limit`.
    """
    family = family_of(pid)
    total = _sum(family, "status", _OWN)
    return total if total <= limit else _sum(family, "smaps_rollup", _SHARES) or total


def _sum(pids: list[int], name: str, pattern: re.Pattern[bytes]) -> int:
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/{name}", "rb") as file:
            total += sum(map(int, pattern.findall(file.read()))) * 1024
    return total


def count_out_of_memory() -> int | None:
    """Return how many processes the system has killed because memory ran out; None where it does not say."""
    with contextlib.suppress(OSError), open("/proc/vmstat", "rb") as file:
        if (found := re.search(rb"^oom_kill (\d+)", file.read(), re.MULTILINE)) is not None:
            return int(found[1])
    return None


def peak_memory() -> int:
    """Return the most bytes that this process, or one of its ended children, has had in memory."""
    return max(resource.getrusage(who).ru_maxrss for who in _BOTH) * 1024


def used_so_far() -> dict[str, float]:
    """Return what this process and its ended children have used: see `Record.used`.

    Bytes are those of all reads and writes, from memory, pipes and connections too; files that are mapped
    do not count. Where the system does not tell, they are left out.
    """
    cpu_seconds = sum(found.ru_utime + found.ru_stime for found in map(resource.getrusage, _BOTH))
    used: dict[str, float] = {"cpu_seconds": round(cpu_seconds, 6)}
    with contextlib.suppress(OSError), open("/proc/self/io", "rb") as file:
        if (found := _TRANSFERRED.match(file.read())) is not None:
            used |= {"bytes_read": int(found[1]), "bytes_written": int(found[2])}
    return used


def started_ns() -> int:
    """Return when this process started, in nanoseconds since 1970."""
    with open("/proc/self/stat") as file:
        n_ticks = int(file.read().rpartition(")")[2].split()[19])
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    return int((time.time() - since_boot + n_ticks / os.sysconf("SC_CLK_TCK")) * 1e9)


def open_memory(name: str) -> tuple[int, int]:
    """Return descriptors of a file in memory: one to write to its end, one to read from its beginning."""
    writing = os.memfd_create(name, os.MFD_CLOEXEC)
    # Appending: a child process that opens /dev/stdout anew must not write over the rest.
    fcntl.fcntl(writing, fcntl.F_SETFL, os.O_APPEND)
    return writing, os.open(f"/proc/self/fd/{writing}", os.O_RDWR | os.O_CLOEXEC)


def give_back(descriptor: int, n_bytes: int) -> None:
    """Give the first bytes of a file in memory back to the system."""
    # A hole, and not a truncation: truncating would lose what is written in between.
    fallocate = ctypes.CDLL(None).fallocate
    fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    fallocate(descriptor, _KEEP_SIZE | _PUNCH_HOLE, 0, n_bytes)


def end_within(seconds: int) -> None:
    """Have this process killed after a time."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)


def end_here(status: int) -> NoReturn:
    """End this process at once; the fork server ends what it has started."""
    os._exit(status)
