"""Which files and folders a process opens by whatever code: Linux tells (fanotify), in given folders.

What this process opens counts, and what those do that it has started. Without special rights it is not told
who opened something but this one: then anybody may have been such a process, once it has started some. Where
the system has no such thing, or does not allow it (before Linux 5.13, in many containers), nothing is seen.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# https://man7.org/linux/man-pages/man7/fanotify.7.html
_CLOEXEC, _NONBLOCK = 0x1, 0x2
_REPORT_FOLDER_AND_NAME = 0x400 | 0x800
_MARK_ADD = 0x1
_OPEN, _ON_CHILD, _OVERFLOW, _FOLDERS = 0x20, 0x08000000, 0x4000, 0x40000000
_AT_FDCWD, _FOLLOW = -100, 0x400
_FOLDER_AND_NAME = 2
_EVENT = struct.Struct("=IBBHQii")  # length, version, -, where records begin, mask, descriptor, process
_RECORD = struct.Struct("=BBH8x")  # kind, -, length, file system
_HANDLE = struct.Struct("=Ii")  # bytes, kind
_HANDLE_BYTES = 128
_MAX_FOLDERS = 1000
_READ_BYTES = 1 << 20

_C: Any = ctypes.CDLL(None) if sys.platform == "linux" else None


class Opens:
    """Notes what this process opens in folders from `watch` on.

    What it holds ends with the process: to end it before takes the system some 12 ms.
    """

    def __init__(self) -> None:
        self._folders: list[str] = []
        self._descriptor = -1
        self._has_missed = False

    def watch(self, folders: Iterable[str]) -> None:
        if not hasattr(_C, "fanotify_init") or not hasattr(_C, "name_to_handle_at"):
            return
        self._descriptor = _C.fanotify_init(_CLOEXEC | _NONBLOCK | _REPORT_FOLDER_AND_NAME, os.O_RDONLY)
        if self._descriptor < 0:
            return
        mask = ctypes.c_uint64(_OPEN | _ON_CHILD | _FOLDERS)
        for folder, _ in zip(folders, range(_MAX_FOLDERS), strict=False):
            if _C.fanotify_mark(self._descriptor, _MARK_ADD, mask, _AT_FDCWD, os.fsencode(folder)) == 0:
                self._folders.append(folder)

    def sees(self, folder: str) -> bool:
        """Tell whether all that was opened in a folder itself has been taken."""
        return folder in self._folders and not self._has_missed

    def take(self, *, has_children: bool = False) -> tuple[set[str], set[str]]:
        """Return the paths of what this process has opened, and of what those have that it has started.

        Those of folders end with a slash: they were listed, most likely.

        Parameters
        ----------
        has_children
            Whether this process has started others: what nobody knows any more may have been one.
        """
        if self._descriptor < 0:
            return set(), set()
        by_process: dict[int, set[tuple[bytes, bytes]]] = {}
        for process, folder, name in self._read():
            by_process.setdefault(process, set()).add((folder, name))
        own = by_process.pop(os.getpid(), set())
        others = set().union(*(o for process, o in by_process.items() if _descends(process, has_children)))
        if not own and not others:
            return set(), set()
        by_handle = {handle: folder for folder in self._folders if (handle := _handle_of(folder))}
        return _paths(own, by_handle), _paths(others, by_handle)

    def _read(self) -> Iterator[tuple[int, bytes, bytes]]:
        while True:
            try:
                content = os.read(self._descriptor, _READ_BYTES)
            except OSError:
                return
            at = 0
            while at < len(content):
                length, _, _, header, mask, _, process = _EVENT.unpack_from(content, at)
                self._has_missed |= bool(mask & _OVERFLOW)
                end = b"/" if mask & _FOLDERS else b""
                for folder, name in _folder_and_name(content[at + header : at + length]):
                    yield process, folder, name + end
                at += length


def _paths(opened: Iterable[tuple[bytes, bytes]], folders: Mapping[bytes, str]) -> set[str]:
    found = {os.path.join(folders[f], os.fsdecode(name)) for f, name in opened if f in folders}
    # A folder is told of by itself, too: as the one of the name "." in it.
    return {path[:-2] if path.endswith("/./") else path for path in found}


def _descends(process: int, has_children: bool) -> bool:
    """Tell whether a process may descend from this one."""
    own = os.getpid()
    above = process
    while above > 1:
        if above == own:
            return True
        try:
            with open(f"/proc/{above}/stat", "rb") as file:
                above = int(file.read().rpartition(b")")[2].split()[1])
        except OSError:
            return has_children  # it has ended
    return has_children and process <= 0


def _folder_and_name(records: bytes) -> Iterator[tuple[bytes, bytes]]:
    while len(records) >= _RECORD.size + _HANDLE.size:
        kind, _, length = _RECORD.unpack_from(records)
        if kind == _FOLDER_AND_NAME:
            start = _RECORD.size
            n_bytes, _ = _HANDLE.unpack_from(records, start)
            end = start + _HANDLE.size + n_bytes
            yield records[start:end], records[end:length].partition(b"\0")[0]
        records = records[length:]


def _handle_of(folder: str) -> bytes:
    """Return what the system knows a folder by; nothing where it is gone."""
    held = ctypes.create_string_buffer(_HANDLE.pack(_HANDLE_BYTES, 0), _HANDLE.size + _HANDLE_BYTES)
    mount = ctypes.c_int()
    if _C.name_to_handle_at(_AT_FDCWD, os.fsencode(folder), held, ctypes.byref(mount), _FOLLOW) != 0:
        return b""
    n_bytes, _ = _HANDLE.unpack_from(held.raw)
    return held.raw[: _HANDLE.size + n_bytes]
