"""The files of a store, for those who look after it: those in a folder, and what any place must offer."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from jupyter_mlpipe.errors import ArtifactCorruptError, ArtifactMissingError, StoreError
from jupyter_mlpipe.store import aside
from jupyter_mlpipe.store.blobs import Blob
from jupyter_mlpipe.store.disk import explain
from jupyter_mlpipe.store.locks import NoLocksError, can_lock, hold, oldest_live, remove_unheld
from jupyter_mlpipe.store.logs import FOLDER, KEPT_S
from jupyter_mlpipe.store.objects import Objects

if TYPE_CHECKING:
    from jupyter_mlpipe.store.store import Store

WITHOUT_LOCKS_S = 24 * 3600.0
"""So long what was used may be needed by somebody, where nobody can say that he needs it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file of the store.

    Parameters
    ----------
    used_ns
        When it was written or last used, in ns since 1970.
    """

    path: str
    size: int
    used_ns: int

    @property
    def name(self) -> str:
        """The last part of its path: a key, or a digest."""
        return os.path.basename(self.path)


class Shelves(Protocol):
    """The files of a store, wherever they are."""

    @property
    def address(self) -> str:
        """What people call the place."""

    def files(self, kind: str) -> Iterable[Found]:
        """Give the files of a kind: ``records``, ``objects``, ``leftovers``."""

    def contents(self, files: Sequence[Found]) -> Iterator[bytes | None]:
        """Give the content of records, in their order; None for what is gone.

        Raises
        ------
        StoreError
            One cannot be read.
        """

    def is_trusted(self, file: Found) -> bool:
        """Tell whether a record may be used here."""

    def check(self, file: Found) -> bool:
        """Read an object; False where its bytes are not those that were written: it is moved aside."""

    def now(self) -> float:
        """Return the time by the clock that gives files theirs, in seconds since 1970."""

    def latest(self, now: float) -> float:
        """Return since when what was used is kept though nobody says that he needs it."""

    def cutoff(self, latest: float) -> float:
        """Return since when what was used may be needed at this moment."""

    def alone(self) -> AbstractContextManager[None]:
        """Keep others from pruning; raises StoreError where another process does."""

    def remove(self, file: Found, latest: float) -> bool:
        """Remove a file; False where it has been used since it was seen, or is gone."""


class FolderShelves:
    """The files of a store in a folder of this machine."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._objects = Objects(store.root)  # which has verified nothing yet

    @property
    def address(self) -> str:
        return str(self._store.root)

    def files(self, kind: str) -> Iterator[Found]:
        if kind == "leftovers":
            yield from old_logs(self._store.root)
        for name in ("tmp", "quarantine", aside.FOLDER) if kind == "leftovers" else (kind,):
            yield from _files(os.path.join(self._store.root, name))

    def contents(self, files: Sequence[Found]) -> Iterator[bytes | None]:
        for file in files:
            try:
                with open(file.path, "rb") as opened:
                    yield opened.read()
            except FileNotFoundError:
                yield None
            except OSError as error:
                # It may hold what others need: it must not pass for one that is torn.
                raise explain(error, self._store.root) from error

    def is_trusted(self, file: Found) -> bool:
        return True

    def check(self, file: Found) -> bool:
        try:
            self._objects.read(Blob(file.name, file.size))
        except ArtifactMissingError:
            pass  # removed since
        except ArtifactCorruptError:
            return False
        return True

    def now(self) -> float:
        with contextlib.suppress(OSError):
            fd, path = self._store.objects.create_temporary()
            try:
                return os.fstat(fd).st_mtime
            finally:
                os.close(fd)
                os.unlink(path)
        return time.time()

    def latest(self, now: float) -> float:
        return now if can_lock(self._store.leases.folder) else now - WITHOUT_LOCKS_S

    def cutoff(self, latest: float) -> float:
        return min(latest, oldest_live(self._store.leases.folder))

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        held = None
        with contextlib.suppress(NoLocksError):
            held = hold(os.path.join(self._store.root, "pruning"))
            if held is None:
                raise StoreError(
                    f"The store at {self.address} is being pruned by another process. Wait for it."
                )
        try:
            aside.put_all_back(self._store.root)
            remove_unheld(self._store.leases.folder)
            remove_unheld(self._store.claims.folder)
            yield
        finally:
            if held is not None:
                held.release()

    def remove(self, file: Found, latest: float) -> bool:
        root = self._store.root
        path = aside.path_aside(root, file.path)
        try:
            if not self._is_unused(file, file.path, latest):
                return False
            os.rename(file.path, path)
            if self._is_unused(file, path, latest):
                os.unlink(path)
                return True
            aside.put_back(root, file.path)
        except FileNotFoundError:
            pass  # removed by others, or put back by whoever needed it
        return False

    def _is_unused(self, file: Found, path: str, latest: float) -> bool:
        unchanged = os.stat(path).st_mtime_ns == file.used_ns
        return unchanged and is_idle(file, self.cutoff(latest))


def is_idle(file: Found, cutoff: float) -> bool:
    """Tell whether a file was last used before a time, in seconds since 1970."""
    return file.used_ns < cutoff * 1e9


def old_logs(root: str | os.PathLike[str]) -> Iterator[Found]:
    """Give the logs of failed steps, in a folder of this machine, that have been kept for long enough."""
    oldest = time.time() - KEPT_S
    return (file for file in _files(os.path.join(root, FOLDER)) if is_idle(file, oldest))


def remove_log(file: Found) -> bool:
    """Remove one; False where its step has been tried again since it was seen."""
    try:
        if os.stat(file.path).st_mtime_ns != file.used_ns:
            return False
        os.unlink(file.path)
    except FileNotFoundError:
        return False
    return True


def _files(folder: str) -> Iterator[Found]:
    for root, _folders, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            try:
                status = os.stat(path, follow_symlinks=False)
            except OSError:
                continue  # gone since
            yield Found(path, status.st_size, status.st_mtime_ns)
