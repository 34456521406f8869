"""The records of a store as files, by key: read again when they change, written aside, marked as used."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mlpipe.errors import StoreError
from jupyter_mlpipe.store import records
from jupyter_mlpipe.store.blobs import is_digest
from jupyter_mlpipe.store.disk import BINARY, explain, rename, synchronise
from jupyter_mlpipe.store.locks import Leases
from jupyter_mlpipe.store.mapping import is_local
from jupyter_mlpipe.store.objects import Objects
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.remembered import RememberedRecords, Stamp

if TYPE_CHECKING:
    from jupyter_mlpipe.store.mirror import Mirror


class RecordFiles:
    """The folder ``records/`` of a store, and where it is shared, what is kept in line with it.

    Parameters
    ----------
    objects
        Where files are written aside.
    """

    def __init__(self, root: Path, objects: Objects, leases: Leases, mirror: Mirror | None) -> None:
        self._root = root
        self._objects = objects
        self._leases = leases
        self._mirror = mirror
        self._folder = os.path.join(root, "records")
        # Every cell that runs asks for the records of all steps above it: files are read when they change.
        self._known = RememberedRecords()
        self._unsettled: list[int] = []

    def get(self, key: str) -> Record | None:
        """See `Store.get_record`."""
        if not is_digest(key):
            return None
        path = self._path(key)
        if self._mirror is not None:
            if not self._mirror.bring(key, path, is_run=self._leases.since > 0):
                return None
            if self._mirror.trusts_others():
                self._known.clear()
        try:
            known = self._known.get(key)
            if known is not None:
                status = os.stat(path)
                if known[0] == _stamp(status):
                    if self._mark_used(path, status):
                        # It is read again the next time, with the times that it has then.
                        self._known.drop(key)
                    return known[1]
            fd = os.open(path, os.O_RDONLY | BINARY)
        except OSError:
            return None
        try:
            self._mark_used(path, os.fstat(fd))
            status = os.fstat(fd)
            content = os.read(fd, status.st_size + 1)
        except OSError:
            return None
        finally:
            os.close(fd)
        if self._mirror is not None:
            content = self._mirror.open(key, content) or b""
        record = records.from_bytes(content)
        if record is None or record.key != key:
            return None
        self._known.put(key, _stamp(status), record)
        return record

    def _mark_used(self, path: str, status: os.stat_result) -> bool:
        """Set a record's time during a lease, where it was used last before that; tells whether it did.

        By its path: once it is moved aside to be removed this raises FileNotFoundError, and whoever moves it
        aside after this sees it and puts it back. A store that cannot be written is not pruned either.
        """
        if status.st_mtime >= self._leases.since or self._mirror is not None:
            return False
        try:
            os.utime(path)
        except FileNotFoundError:
            raise
        except OSError:
            return False
        return True

    def put(self, record: Record, *, settles_later: bool = False) -> None:
        """See `Store.put_record`."""
        if not is_digest(record.key):
            raise ValueError(f"{record.key!r} is not a digest")
        content = records.to_bytes(record)
        if self._mirror is not None:
            content = self._mirror.sign(record.key, content)
        temporary = ""
        try:
            fd, temporary = self._objects.create_temporary()
            try:
                left = memoryview(content)
                while left.nbytes:
                    left = left[os.write(fd, left) :]
                if settles_later and is_local(self._root):
                    self._unsettled.append(os.dup(fd))
                else:
                    synchronise(fd)
            finally:
                os.close(fd)
            rename(temporary, self._path(record.key))
        except OSError as error:
            if temporary:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
            raise explain(error, self._root, len(content)) from error
        if self._mirror is not None:
            self._mirror.send_record(record.key, content)

    def settle(self) -> None:
        """See `Store.settle`."""
        while self._unsettled:
            fd = self._unsettled.pop()
            with contextlib.suppress(OSError):
                synchronise(fd)
            os.close(fd)

    def keys(self) -> Iterator[str]:
        """Give the keys of all records, in no order."""
        if self._mirror is not None:
            yield from self._mirror.keys()
            return
        for shard in _names(self._folder):
            yield from _names(os.path.join(self._folder, shard))

    def remove(self, key: str) -> None:
        """Forget what a key gave; its artifacts stay."""
        if is_digest(key):
            try:
                os.unlink(self._path(key))
            except FileNotFoundError:
                pass
            except OSError as error:
                raise explain(error, self._root) from error
            if self._mirror is not None:
                self._mirror.remove_record(key)

    def _path(self, key: str) -> str:
        return os.path.join(self._folder, key[:2], key)


def _stamp(status: os.stat_result) -> Stamp:
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"The store's folder {folder} cannot be read: {error}.") from error
