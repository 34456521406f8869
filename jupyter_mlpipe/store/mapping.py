"""Files of a store as memory: read without a copy, written to without anyone seeing it."""

from __future__ import annotations

import contextlib
import functools
import mmap
import os
import sys
from pathlib import Path
from typing import Any

MAPPED_BYTES = 4 << 20
"""Values from this size on stay in the map that they were read to; what is smaller is copied out of it."""

_POPULATE_READ = 22  # madvise of Linux 5.14; Python has no name for it
# On a disk of this machine: elsewhere, a file that another machine removes takes its pages along.
_LOCAL = frozenset({"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"})

_KEEPS_FILE = sys.version_info < (3, 13)  # a map of Python's holds its file open
_MAX_OPEN = 256


def map_file(fd: int, root: Path) -> mmap.mmap:
    """Return an open file of the store at `root` as memory, all of it read at once.

    Where it lies on a disk of this machine the map can be written to: a page is a private one from then on.
    """
    if not is_local(root) or not _can_stay():
        populate = getattr(mmap, "MAP_POPULATE", 0)
        if not populate:
            return mmap.mmap(fd, 0, access=mmap.ACCESS_READ)
        # One call instead of a page fault for every 4 kB.
        return mmap.mmap(fd, 0, flags=mmap.MAP_SHARED | populate, prot=mmap.PROT_READ)
    kept: dict[str, Any] = {} if _KEEPS_FILE else {"trackfd": False}
    found = mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE, **kept)
    with contextlib.suppress(OSError, ValueError):
        found.madvise(_POPULATE_READ)
    return found


def _can_stay() -> bool:
    """Tell whether one more open file is nothing to worry about."""
    return not _KEEPS_FILE or len(os.listdir("/proc/self/fd")) < _MAX_OPEN


@functools.lru_cache(maxsize=16)
def is_local(root: Path) -> bool:
    """Tell whether a folder is known to lie on a disk of this machine."""
    if sys.platform != "linux":
        return False
    try:
        device = os.stat(root).st_dev
        number = f"{os.major(device)}:{os.minor(device)}"
        # Not known: of btrfs, whose parts have numbers of their own, and whatever else is not listed so.
        return (_known.get(number) or _file_systems().get(number)) in _LOCAL
    except OSError:
        return False


_known: dict[str, str] = {}


def know_disks() -> None:
    """Look once for all processes that are forked from this one, until something is mounted."""
    _known.clear()
    with contextlib.suppress(OSError):
        _known.update(_file_systems())


def _file_systems() -> dict[str, str]:
    """Return the kind of each file system that is mounted, by its number."""
    found: dict[str, str] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        found.setdefault(before.split()[2], after.split()[0])
    return found
