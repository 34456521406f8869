"""Modules in archives on the import path, such as wheels: what was taken of these counts, not the file."""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Mapping
from types import FrameType
from typing import Any

from blake3 import blake3

_ZIPIMPORT = "<frozen zipimport>"
_SETTLED_S = 2.0
_Stamp = tuple[int, int, int, int]
_known: dict[str, tuple[_Stamp, Mapping[str, str]]] = {}


def imported_from(archive: Any, frame: FrameType) -> Any:
    """Return the path of what an archive is opened for; None where it is only for the list of what it has.

    Parameters
    ----------
    frame
        Who opens it.
    """
    if frame.f_code.co_filename != _ZIPIMPORT:
        return archive
    entry = frame.f_locals.get("toc_entry")  # its first part is the path of a member
    return os.path.join(archive, os.path.relpath(entry[0], archive)) if entry else None


def archive_of(path: str) -> str | None:
    """Return the file that a path leads into; None where it leads into none."""
    while not os.path.exists(path) and (above := os.path.dirname(path)) != path:
        path = above
    return path if os.path.isfile(path) else None


def member_digest(path: str) -> str | None:
    """Return the digest of what a path inside an archive leads to; None where it leads to nothing."""
    if (archive := archive_of(path)) is None:
        return None
    try:
        return _digests(archive).get(os.path.relpath(path, archive).replace(os.sep, "/"))
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError):
        return None


def _digests(archive: str) -> Mapping[str, str]:
    found = os.stat(archive)
    stamp = found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    known = _known.get(archive)
    if known is not None and known[0] == stamp:
        return known[1]
    with zipfile.ZipFile(archive) as opened:
        digests = {name: blake3(opened.read(name)).hexdigest() for name in opened.namelist()}
    # What was changed just before may change again within the same time.
    if time.time() - found.st_ctime > _SETTLED_S:
        _known[archive] = stamp, digests
    return digests
