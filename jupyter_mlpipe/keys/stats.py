"""Digests of files, known by what the file system says of them, so that an unchanged file costs a `stat`.

Device, inode, size, mtime and ctime tell one state of a file from another, but for what happens within
one tick of the file system's clock. So, as in git's index, a file that was changed only just before it was
read is read again the next time. What is known of large files is kept in the store's folder as well, for
other processes and later kernels: one line a file, each with a check, so that torn lines count for nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import time

from blake3 import blake3

Identity = tuple[int, int, int, int, int]
"""Device, inode, size in bytes, mtime and ctime in nanoseconds."""

NAME = "stats"
_TICK_NS = 2_000_000_000  # of FAT, the coarsest there is
_KEPT_BYTES = 1 << 16  # smaller files are read as fast as they are looked up
_CHUNK_BYTES = 1 << 24
_MAX_LINES = 50_000
_TRIES = 3


def identity(found: os.stat_result) -> Identity:
    # The ctime cannot be set: a file that was written to, or replaced, has another.
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class StatMemo:
    """Digests of files by their identity."""

    def __init__(self) -> None:
        self._known: dict[Identity, str] = {}
        self._folder = ""
        self._is_read = False

    @property
    def folder(self) -> str:
        """Where it is kept beyond this process; empty where it is not."""
        return self._folder

    def keep_in(self, folder: str) -> None:
        """Keep what is known in a folder, and use what is known there."""
        if folder != self._folder:
            self._folder, self._is_read = folder, False

    def digest(self, path: str) -> str:
        """Return the digest of a file's content.

        Raises
        ------
        OSError
            It cannot be read.
        """
        for _ in range(_TRIES):
            looked_at = time.time_ns()
            found = os.stat(path)
            if not stat.S_ISREG(found.st_mode):
                # To open a pipe waits for whoever writes to it.
                raise OSError(errno.EINVAL, "It is not a regular file", path)
            known = self._find(found)
            if known is not None:
                return known
            content = _read(path)
            if identity(os.stat(path)) == identity(found):
                # Else it was changed while it was read, or since.
                break
        if looked_at - max(found.st_mtime_ns, found.st_ctime_ns) > _TICK_NS:
            self._note(found, content)
        return content

    def _find(self, found: os.stat_result) -> str | None:
        known = self._known.get(identity(found))
        if known is None and found.st_size >= _KEPT_BYTES and not self._is_read:
            self._is_read = True
            self._known = {**self._read_kept(), **self._known}
            known = self._known.get(identity(found))
        return known

    def _note(self, found: os.stat_result, content: str) -> None:
        self._known[identity(found)] = content
        if self._folder and found.st_size >= _KEPT_BYTES:
            # A store that cannot be written, or is full, has no part in what is right.
            with contextlib.suppress(OSError):
                _append(os.path.join(self._folder, NAME), _line(identity(found), content))

    def _read_kept(self) -> dict[Identity, str]:
        if not self._folder:
            return {}
        path = os.path.join(self._folder, NAME)
        try:
            with open(path, "rb") as file:
                lines = file.read().splitlines()
        except OSError:
            return {}
        if len(lines) > _MAX_LINES:
            # What another process adds in between is digested once more.
            lines = lines[-_MAX_LINES // 2 :]
            with contextlib.suppress(OSError):
                temporary = f"{path}.{secrets.token_hex(6)}"
                _append(temporary, b"\n".join(lines) + b"\n")
                os.replace(temporary, path)
        return dict(filter(None, map(_parse, lines)))


MEMO = StatMemo()
"""What this process knows."""


def _read(path: str) -> str:
    # Not mapped: where somebody cuts a mapped file short, the process is gone.
    hasher = blake3()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            hasher.update(chunk)
    return hasher.hexdigest()


def _line(known: Identity, content: str) -> bytes:
    text = " ".join(map(str, (*known, content))).encode()
    return b"%s %s\n" % (text, _check(text))


def _parse(line: bytes) -> tuple[Identity, str] | None:
    text, _, check = line.rpartition(b" ")
    if _check(text) != check:
        return None
    *numbers, content = text.decode().split()
    device, inode, size, mtime, ctime = map(int, numbers)
    return (device, inode, size, mtime, ctime), content


def _check(text: bytes) -> bytes:
    return blake3(text).hexdigest(4).encode()


def _append(path: str, lines: bytes) -> None:
    # One write to a file opened for appending: lines of several processes do not mix.
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(fd, lines)
    finally:
        os.close(fd)
