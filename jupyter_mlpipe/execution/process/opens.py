"""Which files and folders a process opens by whatever code: Linux tells (fanotify), in given folders.

With special rights, anywhere: then all that anybody opens is told, and what others open is left out.

What this process opens counts, and what those do that it has started. Without special rights it is not told
who opened something but this one: then anybody may have been such a process, once it has started some. Where
the system has no such thing, or does not allow it (before Linux 5.13, in many containers), nothing is seen.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import struct
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from typing import Any

# https://man7.org/linux/man-pages/man7/fanotify.7.html
_CLOEXEC, _NONBLOCK = 0x1, 0x2
_REPORT_FOLDER_AND_NAME = 0x400 | 0x800
_MARK_ADD, _MARK_MOUNT = 0x1, 0x10
_OPEN, _ON_CHILD, _OVERFLOW, _FOLDERS = 0x20, 0x08000000, 0x4000, 0x40000000
_AT_FDCWD, _FOLLOW = -100, 0x400
_FOLDER_AND_NAME = 2
_EVENT = struct.Struct("=IBBHQii")  # length, version, -, where records begin, mask, descriptor, process
_RECORD = struct.Struct("=BBHQ")  # kind, -, length, file system
_HANDLE = struct.Struct("=Ii")  # bytes, kind
_HANDLE_BYTES = 128
_MAX_FOLDERS = 1000
_MAX_NEXT = 4  # processes: others, and the threads of all that runs, are numbered with them
_READ_BYTES = 1 << 16  # more would be mapped and unmapped for each step
# What is in others is nobody's data, or made up when it is read.
_OF_DISKS = frozenset(
    {
        "ext2",
        "ext3",
        "ext4",
        "xfs",
        "btrfs",
        "zfs",
        "bcachefs",
        "f2fs",
        "tmpfs",
        "overlay",
        "vfat",
        "exfat",
        "ntfs3",
    }
    | {"nfs", "nfs4", "cifs", "smb3", "lustre", "ceph", "9p", "virtiofs", "fuse", "fuseblk", "gpfs", "beegfs"}
)

_NO_DATA = ("/dev", "/proc", "/run", "/sys")

_C: Any = ctypes.CDLL(None) if sys.platform == "linux" else None


class Opens:
    """Notes what this process opens in folders from `watch` on.

    What it holds ends with the process: to end it before takes the system some 12 ms.
    """

    def __init__(self) -> None:
        self._folders: list[str] = []
        self._mounts: list[str] = []
        self._descriptor = -1
        self._anywhere = -1  # by itself: where very much is told, some gets lost
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

    def watch_anywhere(self) -> None:
        """Note also what is opened anywhere on disks, where this process may be told."""
        if self._descriptor < 0 or os.geteuid() != 0:
            return
        self._anywhere = _C.fanotify_init(_CLOEXEC | _NONBLOCK | _REPORT_FOLDER_AND_NAME, os.O_RDONLY)
        mask = ctypes.c_uint64(_OPEN | _FOLDERS)
        for mount in mounts():
            if _C.fanotify_mark(self._anywhere, _MARK_ADD | _MARK_MOUNT, mask, _AT_FDCWD, os.fsencode(mount)):
                continue
            self._mounts.append(mount)

    @property
    def is_open(self) -> bool:
        return self._descriptor >= 0

    def sees(self, folder: str) -> bool:
        """Tell whether all that was opened in a folder itself has been taken."""
        return folder in self._folders and not self._has_missed

    def take(
        self,
        *,
        has_children: bool = False,
        children: Collection[int] = (),
        programs_after: Set[int] = frozenset(),
    ) -> tuple[set[str], set[str]]:
        """Return the paths of what this process has opened, and of what those have that it has started.

        Those of folders end with a slash: they were listed, most likely.

        Parameters
        ----------
        has_children
            Whether this process has started others: what nobody knows any more may have been one.
        children
            Those that are known. Far from the notebook others do not count once they have ended: too much
            is opened there by anybody.
        programs_after
            Numbers of processes: of the next ones, which a shell may have started, those that have ended
            count as well.
        """
        if self._descriptor < 0:
            return set(), set()
        by_process: dict[int, set[_Opened]] = {}
        for process, opened in self._read(self._descriptor):
            by_process.setdefault(process, set()).add(opened)
        if self._mounts:
            self._read_anywhere(by_process, children, programs_after)
        own_opened = by_process.pop(os.getpid(), set())
        others = set().union(
            *(
                o
                for process, o in by_process.items()
                if process in children or _descends(process, has_children=has_children)
            )
        )
        if not own_opened and not others:
            return set(), set()
        by_handle = {handle: folder for folder in self._folders if (handle := _handle_of(folder))}
        folder_of = _Folders(by_handle, self._mounts)
        return _paths(own_opened, folder_of), _paths(others, folder_of)

    def _read_anywhere(
        self, by_process: dict[int, set[_Opened]], children: Collection[int], programs_after: Set[int]
    ) -> None:
        own = os.getpid()
        counts = {own: True, **dict.fromkeys(children, True)}
        newest = 0
        for process, opened in self._read(self._anywhere):
            if process not in counts:
                newest = newest or newest_process()
                counts[process] = _is_between(own, process, newest) and _descends(
                    process, has_children=_is_soon_after(programs_after, process, newest)
                )
            if counts[process]:
                by_process.setdefault(process, set()).add(opened)

    def _read(self, descriptor: int) -> Iterator[tuple[int, _Opened]]:
        while True:
            try:
                content = os.read(descriptor, _READ_BYTES)
            except OSError:
                return
            at = 0
            while at < len(content):
                length, _, _, header, mask, _, process = _EVENT.unpack_from(content, at)
                self._has_missed |= descriptor == self._descriptor and bool(mask & _OVERFLOW)
                end = b"/" if mask & _FOLDERS else b""
                for system, folder, name in _folder_and_name(content[at + header : at + length]):
                    yield process, (system, folder, name + end)
                at += length


_Opened = tuple[int, bytes, bytes]
"""A file system, a folder as that knows it, a name."""


class _Folders:
    """Where folders are, by what the system knows them by."""

    def __init__(self, known: Mapping[bytes, str], mounts: Iterable[str]) -> None:
        self._known = dict(known)
        self._mounts: dict[int, str] = {}
        for mount in mounts:
            with contextlib.suppress(OSError):
                self._mounts.setdefault(os.statvfs(mount).f_fsid, mount)
        self._found: dict[tuple[int, bytes], str] = {}

    def path(self, system: int, handle: bytes) -> str:
        """Return a path; nothing where the folder is gone, or nobody knows."""
        if handle in self._known:
            return self._known[handle]
        if (system, handle) not in self._found:
            found = _open_handle(self._mounts[system], handle) if system in self._mounts else -1
            self._found[system, handle] = ""
            if found >= 0:
                path = os.readlink(f"/proc/self/fd/{found}")
                os.close(found)
                self._found[system, handle] = "" if path.endswith(" (deleted)") else path
        return self._found[system, handle]


def _paths(opened: Iterable[_Opened], folders: _Folders) -> set[str]:
    found = {
        os.path.join(folder, os.fsdecode(name))
        for system, handle, name in opened
        if (folder := folders.path(system, handle))
    }
    # A folder is told of by itself, too: as the one of the name "." in it.
    return {path[:-2] if path.endswith("/./") else path for path in found}


@functools.cache
def mounts() -> tuple[str, ...]:
    """Return where disks are mounted, each place once, as this process first finds it: that takes a while."""
    if _C is None or os.geteuid() != 0:
        return ()
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.partition(" - ") for line in file]
    except OSError:
        return ()
    places = [
        before.split()[4]
        for before, _, after in lines
        if after.partition(" ")[0].partition(".")[0] in _OF_DISKS
    ]
    data = [place for place in dict.fromkeys(places) if not place.startswith(_NO_DATA)]
    return tuple(place for place in data if "\\" not in place)  # of rare characters


def newest_process() -> int:
    """Return the number of the process that the system started last; 0 where it does not say."""
    try:
        with open("/proc/loadavg", "rb") as file:
            return int(file.read().split()[4])
    except OSError:
        return 0


def _is_soon_after(processes: Set[int], process: int, newest: int) -> bool:
    if not processes.isdisjoint(range(process - _MAX_NEXT, process)):
        return True
    # Numbers have begun anew: which came next cannot be told.
    return bool(processes) and process <= newest < os.getpid()


def _is_between(first: int, process: int, last: int) -> bool:
    """Tell whether a process was started after the first and up to the last one; numbers begin anew."""
    return first < process <= last if first <= last else process > first or process <= last


def _descends(process: int, *, has_children: bool) -> bool:
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


def _folder_and_name(records: bytes) -> Iterator[_Opened]:
    while len(records) >= _RECORD.size + _HANDLE.size:
        kind, _, length, system = _RECORD.unpack_from(records)
        if kind == _FOLDER_AND_NAME:
            start = _RECORD.size
            n_bytes, _ = _HANDLE.unpack_from(records, start)
            end = start + _HANDLE.size + n_bytes
            yield system, records[start:end], records[end:length].partition(b"\0")[0]
        records = records[length:]


def _open_handle(mount: str, handle: bytes) -> int:
    """Open a folder by what its file system knows it by; a negative number where that cannot be."""
    try:
        above = os.open(mount, os.O_RDONLY)
    except OSError:
        return -1
    held = ctypes.create_string_buffer(handle, len(handle))
    found: int = _C.open_by_handle_at(above, held, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    os.close(above)
    return found


def _handle_of(folder: str) -> bytes:
    """Return what the system knows a folder by; nothing where it is gone."""
    held = ctypes.create_string_buffer(_HANDLE.pack(_HANDLE_BYTES, 0), _HANDLE.size + _HANDLE_BYTES)
    mount = ctypes.c_int()
    if _C.name_to_handle_at(_AT_FDCWD, os.fsencode(folder), held, ctypes.byref(mount), _FOLLOW) != 0:
        return b""
    n_bytes, _ = _HANDLE.unpack_from(held.raw)
    return held.raw[: _HANDLE.size + n_bytes]
