"""What processes that a step forks see of files: they tell it at once, for they may be killed at any time.

They write lines to a file in memory that is there before the first of them is forked (on Linux). So do
Python's own workers that are started anew (`workers.py`); other programs tell nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import IO, Any

_READ_BYTES = 1 << 20


class Forks:
    """Hears what forked processes tell, from `start` until `stop`.

    Parameters
    ----------
    begin
        Called in a forked process with what tells: from then on, what that process sees is to be told.
    hear
        Called here with what was told: by `listen`, at the next fork, for that process knows it then, and at
        the end.

    Attributes
    ----------
    has_lost
        Whether a process was killed in the middle of a word.
    """

    def __init__(self, begin: Callable[[Callable[..., None]], None], hear: Callable[..., None]) -> None:
        self._begin = begin
        self._hear = hear
        self._told: IO[bytes] | None = None
        self._place = ""
        self._status: tuple[int, int] | None = None
        self._lost: list[IO[bytes]] = []
        self._rest = b""
        self._heard_bytes = 0
        self._is_forked = False
        self.has_lost = False

    def start(self) -> None:
        _LISTENING[:] = [self]
        if not _IS_REGISTERED and hasattr(os, "register_at_fork"):
            _IS_REGISTERED.append(True)
            os.register_at_fork(before=_before_fork, after_in_child=_after_fork)

    def stop(self) -> None:
        if self in _LISTENING:
            _LISTENING.clear()
        if self._told is not None:
            self._hear_told(self._told)
            self.has_lost = self.has_lost or bool(self._rest)
            self._told.close()
            self._told = None

    def listen(self) -> None:
        """Hear what was told so far; nothing in a forked process, which tells."""
        if self._told is not None and not self._is_forked:
            self._hear_told(self._told)

    def before_fork(self) -> None:
        self.listen()
        self._open()

    def place(self) -> str | None:
        """Return the path by which other processes of this user find what they tell to; None without one."""
        self._open()
        return self._place or None

    def tell_to(self, place: str) -> None:
        """Be as in a process that was forked by the one that has this place."""
        self._told, self._place = open(place, "ab", buffering=0), place  # noqa: SIM115 - until this process ends
        self._status = _status(self._told)
        self.after_fork()

    def _open(self) -> None:
        if self._told is None and hasattr(os, "memfd_create"):
            import fcntl

            descriptor = os.memfd_create("seen")
            fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_APPEND)
            self._told = os.fdopen(descriptor, "r+b", buffering=0)
            self._place = f"/proc/{os.getpid()}/fd/{descriptor}"
            self._status = _status(self._told)

    def after_fork(self) -> None:
        self._is_forked = True
        if self._told is not None:
            self._begin(self._tell)

    def _open_again(self, told: IO[bytes]) -> bool:
        """Open what the code has closed with all that it did not open: another file may have its number."""
        if self._lost and self._lost[-1] is told:
            return False  # nobody hears any more, or it is being opened
        self._lost.append(told)  # it would close that other one
        try:
            self._told = open(self._place, "ab", buffering=0)  # noqa: SIM115 - until this process ends
        except OSError:
            return False
        return True

    def _hear_told(self, told: IO[bytes]) -> None:
        while piece := os.pread(told.fileno(), _READ_BYTES, self._heard_bytes):
            self._heard_bytes += len(piece)
            *lines, self._rest = (self._rest + piece).split(b"\n")
            for line in filter(None, lines):
                try:
                    message = json.loads(line)
                except ValueError:
                    self.has_lost = True
                else:
                    self._hear(*message)

    def _tell(self, *message: Any) -> None:
        assert self._told is not None
        if _status(self._told) != self._status and not self._open_again(self._told):
            return
        # Appended as one piece, apart from a line that a process has left which was killed within it.
        self._told.write(b"\n" + json.dumps(message).encode() + b"\n")


def _status(told: IO[bytes]) -> tuple[int, int] | None:
    try:
        found = os.fstat(told.fileno())
    except OSError:
        return None
    return found.st_dev, found.st_ino


# Python takes no function out again that is called at forks.
_LISTENING: list[Forks] = []
_IS_REGISTERED: list[bool] = []


def _before_fork() -> None:
    for forks in _LISTENING:
        forks.before_fork()


def _after_fork() -> None:
    for forks in _LISTENING:
        forks.after_fork()
