"""Whether a process still runs."""

from __future__ import annotations

import psutil


def is_alive(pid: int) -> bool:
    """Return whether a process runs: one that ended and that its parent has not asked about does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
