"""Writing to the disk of a store: folders, files that are there wholly or not at all, what errors mean."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import secrets
import shutil
import sys
from pathlib import Path
from typing import Any

from jupyter_mlpipe.errors import StoreError, StoreFullError
from jupyter_mlpipe.model.resources import describe_bytes

BINARY = getattr(os, "O_BINARY", 0)
"""For `os.open`: Windows takes bytes for text without it."""

_SYNC_FILE_RANGE_WRITE = 2
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_space_error(error: OSError) -> bool:
    """Tell whether a file could not be written for want of space."""
    return error.errno in _NO_SPACE


def make_folder(path: str) -> None:
    """Make a private folder, and those above it. (`os.makedirs` gives its mode to the last one only.)"""
    try:
        os.mkdir(path, 0o700)
    except FileNotFoundError:
        make_folder(os.path.dirname(path))
        make_folder(path)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


def rename(temporary: str, path: str) -> None:
    """Rename within the store, making the shard's folder where it is not there yet."""
    try:
        os.replace(temporary, path)
    except FileNotFoundError:
        make_folder(os.path.dirname(path))
        os.replace(temporary, path)


def write_aside(path: str, content: bytes, time_ns: int = 0) -> None:
    """Write a small file of a store: aside, then renamed; with a time of its own where one is given."""
    temporary = f"{path}.{secrets.token_hex(6)}"
    try:
        make_folder(os.path.dirname(path))
        with open(temporary, "xb") as file:
            file.write(content)
        if time_ns:
            os.utime(temporary, ns=(time_ns, time_ns))
        rename(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise explain(error, path, len(content)) from error


def make_room(fd: int, n_bytes: int) -> None:
    """Have the file system reserve a file's place at once, rather than piece by piece while it is written."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, n_bytes)


def start_writing(fd: int, offset: int, n_bytes: int) -> None:
    """Have the system begin to write a part of a file to the disk: there is less to wait for in the end."""
    if (begin := _sync_file_range()) is not None:
        begin(fd, offset, n_bytes, _SYNC_FILE_RANGE_WRITE)


@functools.cache
def _sync_file_range() -> Any:
    if sys.platform != "linux":
        return None
    import ctypes

    function = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if function is not None:
        function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return function


def synchronise(fd: int) -> None:
    # The content and its length; time stamps may be lost.
    getattr(os, "fdatasync", os.fsync)(fd)


def explain(error: OSError, path: str | Path, needed_bytes: int = 0) -> StoreError:
    """Return the error of this package that says what `error` means for the store."""
    if error.errno in _NO_SPACE:
        try:
            free = describe_bytes(shutil.disk_usage(path).free)
        except OSError:
            free = "an unknown amount"
        cause = {
            errno.EDQUOT: "your disk quota is used up",
            errno.EFBIG: "the file would be larger than the limit allows",
        }.get(error.errno or 0, "no space is left")
        return StoreFullError(
            f"The store at {path} cannot take {describe_bytes(needed_bytes)} more: {cause} ({free} free). "
            "Free space on that disk, or put the store elsewhere with MLPIPE_STORE, and run it again: "
            "what is stored already is reused."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        why = "the file system is read-only" if error.errno == errno.EROFS else "permission is denied"
        return StoreError(
            f"The store at {path} cannot be used: {why} ({error.filename or path}). What it holds may "
            "still be read. Change the permissions, or put the store elsewhere with MLPIPE_STORE."
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return StoreError(
            f"The store at {path} cannot be used: a file stands where a folder is needed "
            f"({error.filename or path}). Move that file, or put the store elsewhere with MLPIPE_STORE."
        )
    return StoreError(f"The store at {path} cannot be used: {error}.")
