"""Digests of files and folders that a step read, to be compared before its result is reused."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping

from blake3 import blake3

from jupyter_mlpipe.execution.process.archives import member_digest
from jupyter_mlpipe.keys.stats import MEMO

MISSING = "missing"
ABSENT = "absent"  # nothing is at the path; `THERE`: something is, whatever it holds
THERE = "there"
NOWHERE = "leads nowhere"  # a link
IS_FOLDER, IS_FILE = "there, a folder", "there, no folder"
CHANGED = "changed while it was read"  # never the digest of anything
_NAMES = "names "
_STATES = "states "
_MATCHES = "matches "
_LINK = "link "
_ATTRIBUTES = "attributes "
# What editors, version control and caches leave in folders.
_NOBODYS = (
    *(".ipynb_checkpoints", ".mlpipe", ".git", ".DS_Store", ".nfs", ".~", ".#", "._", ".virtual_documents"),
    *(".jupyter", ".cache", ".venv", ".vscode", ".idea", ".pytest_cache", ".mypy_cache", ".ruff_cache"),
    *(".hypothesis", ".Trash", ".trash"),
)
AND = " and "  # between digests of several kinds of one file
_MAGIC = re.compile(r"[*?[]")


def digest_as_before(path: str, before: str) -> str:
    """Return what is to be compared with `before`: of a folder, its names or its files' states."""
    return joint_digest(_digest_like(path, part) for part in before.split(AND))


def _digest_like(path: str, before: str) -> str:
    if before in (ABSENT, THERE, NOWHERE):
        return there_digest(path)
    if before in (IS_FOLDER, IS_FILE):
        return (IS_FOLDER if os.path.isdir(path) else IS_FILE) if os.path.exists(path) else ABSENT
    for kind, digest_of in STATUS_DIGESTS.items():
        if before.startswith(f"{kind} "):
            return status_digest(path, digest_of)
    if before.startswith(_LINK):
        return link_digest(path)
    if before.startswith(_ATTRIBUTES):
        return attributes_digest(path)
    if before.startswith(_NAMES):
        return names_digest(path)
    if before.startswith(_STATES):
        return states_digest(path)
    if before.startswith(_MATCHES):
        return matches_digest(path)
    return file_digest(path)


def there_digest(path: str) -> str:
    if not os.path.lexists(path):
        return ABSENT
    return THERE if os.path.exists(path) else NOWHERE


def status_digest(path: str, digest_of: Callable[[os.stat_result], str]) -> str:
    try:
        return digest_of(os.stat(path))
    except OSError:
        return ABSENT


# What can be known of a file without opening it, as far as it is not of this machine.
STATUS_DIGESTS: Mapping[str, Callable[[os.stat_result], str]] = {
    "size": lambda found: f"size {found.st_size}",
    "state": lambda found: f"state {found.st_mode} {found.st_size} {found.st_mtime_ns}",
    "rights": lambda found: f"rights {found.st_mode}",
    "owner": lambda found: f"owner {found.st_uid} {found.st_gid}",
    "last read": lambda found: f"last read {found.st_atime_ns}",
}
_BESIDE_CONTENT = ("state ", "rights ", "owner ", "last read ", _LINK, _ATTRIBUTES)


def link_digest(path: str) -> str:
    """Return where a link leads; nothing where the path is none."""
    try:
        target = os.readlink(path)
    except OSError:
        target = ""
    return _LINK + blake3(os.fsencode(target)).hexdigest()


def attributes_digest(path: str) -> str:
    """Return what a file is marked with beside its content; nothing where the system knows no such marks."""
    marks = []
    with contextlib.suppress(OSError, AttributeError):
        marks = [(name, os.getxattr(path, name)) for name in sorted(os.listxattr(path))]
    return _ATTRIBUTES + blake3(repr(marks).encode()).hexdigest()


def is_beside_content(digest: str) -> bool:
    """Tell whether a digest says of a file what its content does not."""
    return digest.startswith(_BESIDE_CONTENT)


def joint_digest(parts: Iterable[str]) -> str:
    """Return one digest of all that is known of a file."""
    return AND.join(parts)


NO_LINK = _LINK + blake3(b"").hexdigest()


def is_names(digest: str) -> bool:
    """Tell whether a digest is one of a folder's names."""
    return digest.startswith(_NAMES)


def names_digest(folder: str, changes: Mapping[str, str] | None = None) -> str:
    """Return a digest of what a folder holds, by names and which of them are folders.

    Parameters
    ----------
    changes
        By name, what will have become of it: `IS_FOLDER`, `IS_FILE` or `MISSING`.
    """
    marks: dict[str, str] = {}
    try:
        with os.scandir(folder) as held:
            marks = {entry.name: _mark(entry) for entry in held}
    except OSError:
        if not changes or set(changes.values()) == {MISSING}:
            return MISSING
    for name, left in (changes or {}).items():
        marks[name] = "/" if left == IS_FOLDER else ""
        if left == MISSING:
            del marks[name]  # which it may never have had
    names = sorted(
        [n + mark for n, mark in marks.items() if n != "__pycache__" and not n.startswith(_NOBODYS)]
    )
    return _NAMES + blake3("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()


def _mark(entry: os.DirEntry[str]) -> str:
    # Code that goes down from here does not follow links as a rule.
    return ("/" if entry.is_dir() else "") + ("//" if entry.is_symlink() else "")


def states_digest(folder: str) -> str:
    """Return a digest of which files a folder holds and when they were written; for large folders."""
    return digest_states(files_in(folder))


def digest_states(files: Iterable[tuple[str, os.stat_result]]) -> str:
    """Return the digest of a folder's files, as `files_in` gives them."""
    states = [(path, found.st_size, found.st_mtime_ns) for path, found in files]
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
        return member_digest(path) or MISSING
