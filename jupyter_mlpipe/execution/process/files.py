"""Digests of files and folders that a step read, to be compared before its result is reused."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterator, Mapping

from blake3 import blake3

from jupyter_mlpipe.keys.stats import MEMO

MISSING = "missing"
ABSENT = "absent"  # nothing is at the path; `THERE`: something is, whatever it holds
THERE = "there"
CHANGED = "changed while it was read"  # never the digest of anything
_NAMES = "names "
_STATES = "states "
_MATCHES = "matches "
_SIZE = "size "
_STATE = "state "
_AND = " and "
_MAGIC = re.compile(r"[*?[]")


def digest_as_before(path: str, before: str) -> str:
    """Return what is to be compared with `before`: of a folder, its names or its files' states."""
    if before in (ABSENT, THERE):
        return there_digest(path)
    if before.startswith(_SIZE):
        return size_digest(path)
    if is_state(before):
        state = state_digest(path)
        return joint_digest(state, file_digest(path)) if _AND in before else state
    if before.startswith(_NAMES):
        return names_digest(path)
    if before.startswith(_STATES):
        return states_digest(path)
    if before.startswith(_MATCHES):
        return matches_digest(path)
    return file_digest(path)


def there_digest(path: str) -> str:
    return THERE if os.path.lexists(path) else ABSENT


def size_digest(path: str) -> str:
    try:
        return f"{_SIZE}{os.stat(path).st_size}"
    except OSError:
        return ABSENT


def state_digest(path: str) -> str:
    """Return what can be known of a file without opening it, as far as it is not of this machine."""
    try:
        found = os.stat(path)
    except OSError:
        return ABSENT
    return f"{_STATE}{found.st_mode} {found.st_size} {found.st_mtime_ns}"


def is_state(digest: str) -> bool:
    return digest.startswith(_STATE)


def joint_digest(state: str, content: str) -> str:
    """Return one digest of what is known of a file without opening it, and of its content."""
    return state + _AND + content


def is_names(digest: str) -> bool:
    """Tell whether a digest is one of a folder's names."""
    return digest.startswith(_NAMES)


def names_digest(folder: str, changes: Mapping[str, bool] | None = None) -> str:
    """Return a digest of what a folder holds, by names.

    Parameters
    ----------
    changes
        Names that it will hold, or not, when they have been made or removed.
    """
    try:
        held = set(os.listdir(folder))
    except OSError:
        held = set()
        if not changes or not any(changes.values()):
            return MISSING
    for name, is_there in (changes or {}).items():
        (held.add if is_there else held.discard)(name)
    names = sorted(filter(_counts, held))
    return _NAMES + blake3("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()


def states_digest(folder: str) -> str:
    """Return a digest of which files a folder holds and when they were written; for large folders."""
    states = [(path, found.st_size, found.st_mtime_ns) for path, found in files_in(folder)]
    return _STATES + blake3(repr(states).encode("utf-8", "surrogateescape")).hexdigest()


def matches_digest(pattern: str) -> str:
    """Return a digest of which files a pattern such as ``data/*.csv`` stands for."""
    above = len(folder_of(pattern))
    paths = "\0".join(path[above:] for path, _ in files_in(pattern))
    return _MATCHES + blake3(paths.encode("utf-8", "surrogateescape")).hexdigest()


def is_pattern(path: str) -> bool:
    return glob.has_magic(path) and not os.path.lexists(path)


def folder_of(pattern: str) -> str:
    """Return the folder in which all that matches a pattern lies."""
    return os.path.dirname(_MAGIC.split(pattern, maxsplit=1)[0])


def files_in(folder: str) -> list[tuple[str, os.stat_result]]:
    """Return the files below a folder, or those that match a pattern; hidden ones left out."""
    found = []
    for path in sorted(glob.iglob(folder, recursive=True)) if is_pattern(folder) else _below(folder):
        try:
            status = os.stat(path)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            found.append((path, status))
    return found


def _below(folder: str) -> Iterator[str]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(filter(_counts, folders))
        for name in sorted(filter(_counts, names)):
            yield os.path.join(root, name)


def _counts(name: str) -> bool:
    return not name.startswith(".") and name != "__pycache__"


def file_digest(path: str) -> str:
    """Return the digest of a file's content, or `MISSING` where there is none to read."""
    try:
        return MEMO.digest(path)
    except OSError:
        return MISSING
