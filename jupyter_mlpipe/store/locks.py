"""Files that a living process holds: the lock on one ends with its process, however that ends.

A *lease* says that a process uses the store, and since when: what was written or used since then is not
removed (`jupyter_mlpipe.store.upkeep`). A *claim* says that a process computes a key: others wait for its
record. Both are promises to others only. Where files cannot be locked, nobody waits, and pruning keeps what
is younger than a day.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
import weakref
from collections.abc import Iterator

from jupyter_mlpipe.store.disk import make_folder

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LEASE_MARGIN_S = 600.0
"""So long before its beginning a lease protects as well: what is used over and over is marked rarely."""
_MAX_NOTE_BYTES = 200
_NO_LOCKS = "this platform has no flock"


class NoLocksError(OSError):
    """Files cannot be locked here."""


class Held:
    """A file that this process holds."""

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self._fd = fd
        _all_held.add(self)

    def begin_earlier(self, seconds: float) -> float:
        """Set the file's time back from now, by the clock of its file system; returns it, in s since 1970."""
        os.utime(self._fd)
        since = os.fstat(self._fd).st_mtime - seconds
        os.utime(self._fd, (since, since))
        return since

    def release(self) -> None:
        """Remove the file and let others hold one of its name."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        with contextlib.suppress(OSError):
            os.unlink(self.path)
        # Said, not left to the closing: a child that was forked meanwhile has the file open too.
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_UN)
        os.close(fd)

    def forget(self) -> None:
        """Close the file in a forked child: it must not hold what its parent holds."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


_all_held: weakref.WeakSet[Held] = weakref.WeakSet()


def _forget_all() -> None:
    for held in list(_all_held):
        held.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def hold(path: str, note: str = "") -> Held | None:
    """Hold a file, made if it is not there; None where another process, or this one, does.

    Parameters
    ----------
    note
        What others read there.

    Raises
    ------
    NoLocksError
        Files cannot be locked here.
    OSError
        The file cannot be made.
    """
    if fcntl is None:
        raise NoLocksError(_NO_LOCKS)  # before a file is made that says nothing
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            make_folder(os.path.dirname(path))
            continue
        with contextlib.ExitStack() as unless_held:
            unless_held.callback(os.close, fd)
            try:
                if not _lock(fd):
                    return None
                # Its holder may have removed it between the two calls: then others would not see this one.
                if _is_at(fd, path):
                    if os.fstat(fd).st_size:  # of one that was killed; ext4 flushes what follows a truncation
                        os.ftruncate(fd, 0)
                    if note:
                        os.write(fd, note.encode()[:_MAX_NOTE_BYTES])
                    unless_held.pop_all()
                    return Held(path, fd)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(path)
                raise


def holder(path: str) -> str | None:
    """Return the note of whoever holds a file; None where nobody does."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        if _lock(fd, shared=True):
            return None
        return os.read(fd, _MAX_NOTE_BYTES).decode(errors="replace")
    except OSError:
        return None
    finally:
        os.close(fd)


class Leases:
    """This process's lease, counted: it begins with the first user and ends with the last one.

    Parameters
    ----------
    named
        The lease says whose it is, for claims.
    """

    def __init__(self, root: str | os.PathLike[str], *, named: bool = False) -> None:
        self.folder = os.path.join(root, "live")
        self._named = named
        self.since = 0.0  # seconds since 1970; 0 without a lease
        self._n_users = 0
        self._lock = threading.Lock()
        self._held: Held | None = None

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Have a lease within the block. A store that cannot be written needs none."""
        self.take()
        try:
            yield
        finally:
            self.give_back()

    def take(self) -> None:
        """Begin to use the store; each call needs one of `give_back`, from any thread."""
        with self._lock:
            self._n_users += 1
            if self._held is not None:
                return
            note = f"pid {os.getpid()} on {socket.gethostname()}" if self._named else ""
            with contextlib.suppress(OSError):
                # Whoever looks for leases at this moment may hold the file that is just being made.
                while self._held is None:
                    path = os.path.join(self.folder, f"{os.getpid()}-{secrets.token_hex(8)}")
                    self._held = hold(path, note)
                # Times are rounded: what is on the edge is marked.
                self.since = self._held.begin_earlier(LEASE_MARGIN_S) + 1.0

    @property
    def path(self) -> str:
        """The file of the lease; OSError where there is none."""
        held = self._held
        if held is None:
            raise NoLocksError("there is no lease")
        return held.path

    def give_back(self) -> None:
        with self._lock:
            self._n_users -= 1
            if not self._n_users and self._held is not None:
                self.since = 0.0
                self._held.release()
                self._held = None


class Claims:
    """Which keys are being computed, by whom: links to the lease of that process, whose lock is seen there.

    No file is made for one: those would be flushed to disk together with what steps write.
    """

    def __init__(self, root: str | os.PathLike[str], leases: Leases) -> None:
        self.folder = os.path.join(root, "claims")
        self._leases = leases

    def claim(self, key: str) -> bool:
        """Say during a lease that this process computes a key; False where another one says so.

        Raises
        ------
        OSError
            It cannot be said here: whoever wants the key computes it.
        """
        lease, path = self._leases.path, os.path.join(self.folder, key)
        make_folder(self.folder)
        while True:
            try:
                os.link(lease, path)
            except FileExistsError:
                if self.claimant(key) is not None:
                    return False
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)  # of a process that was killed
            else:
                return True

    def release(self, key: str) -> None:
        """Say that this process, which has claimed a key, computes it no longer."""
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(self.folder, key))

    def claimant(self, key: str) -> str | None:
        """Return who computes a key, as ``pid 4242 on host``; None where nobody does."""
        return holder(os.path.join(self.folder, key))


def can_lock(folder: str) -> bool:
    """Tell whether files can be locked here."""
    try:
        trial = hold(os.path.join(folder, f"{os.getpid()}-trial-{secrets.token_hex(8)}"))
    except NoLocksError:
        return False
    except OSError:
        return True  # nothing can be written: whether it could be locked is not the question
    if trial is not None:
        trial.release()
    return True


def oldest_live(folder: str) -> float:
    """Return the time of the oldest file that is held, in seconds since 1970; infinity where none is."""
    oldest = float("inf")
    for path in _paths(folder):
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDONLY)
            try:
                if not _lock(fd, shared=True):
                    oldest = min(oldest, os.fstat(fd).st_mtime)
            finally:
                os.close(fd)
    return oldest


def remove_unheld(folder: str) -> None:
    """Remove the files of processes that were killed."""
    for path in _paths(folder):
        with contextlib.suppress(OSError):
            held = hold(path)
            if held is not None:
                held.release()


def _paths(folder: str) -> list[str]:
    try:
        return [os.path.join(folder, name) for name in os.listdir(folder)]
    except OSError:
        return []


def _lock(fd: int, *, shared: bool = False) -> bool:
    """Lock a file; False where another process holds it."""
    if fcntl is None:
        raise NoLocksError(_NO_LOCKS)
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise NoLocksError(*error.args) from error
    return True


def _is_at(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False
