"""Bytes on disk by the BLAKE3 digest of their content. Knows nothing of what they mean."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, TypeVar

from blake3 import blake3

from jupyter_mlpipe.errors import ArtifactCorruptError, ArtifactMissingError, StoreError
from jupyter_mlpipe.keys.stats import identity
from jupyter_mlpipe.store.aside import put_back
from jupyter_mlpipe.store.blobs import INLINE_BYTES, Blob
from jupyter_mlpipe.store.disk import BINARY, explain, make_folder, rename
from jupyter_mlpipe.store.mapping import map_file
from jupyter_mlpipe.store.writer import ObjectWriter

_STALE_SECONDS = 24 * 3600.0


_T = TypeVar("_T")

Mark = tuple[str, int, int, int, int, int]
"""A digest, and the identity (`jupyter_mlpipe.keys.stats`) of the file whose bytes were found to have it."""


class Source(Protocol):
    """Where objects come from that a folder does not have, and where those written to it go as well."""

    def has(self, digest: str, size: int) -> bool:
        """Tell, without reading it, whether an object is there and is not known to be damaged."""

    def fetch(self, digest: str, path: str) -> bool:
        """Write an object's bytes to a file; False where it is not there. They are not verified yet."""

    def send(self, digest: str, size: int, path: str) -> None:
        """Keep an object there as well, given the file that holds it."""

    def reject(self, digest: str, *, is_damaged: bool = False) -> None:
        """Count an object as missing; what is damaged is moved aside there."""


class _Threads:
    """Digests with several threads, but not in a fork of a process that has done so.

    The threads stay in that process, and the fork would wait for them for ever.
    """

    def __init__(self) -> None:
        self._n_most = blake3.AUTO
        self._are_there = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._note_fork)

    def digest(self, view: memoryview) -> str:
        self._are_there = True
        return blake3(view, max_threads=self._n_most).hexdigest()

    def _note_fork(self) -> None:
        if self._are_there:
            self._n_most = 1


_THREADS = _Threads()


class Objects:
    """The folders ``objects/``, ``tmp/`` and ``quarantine/`` of a store.

    Parameters
    ----------
    source
        Where all objects are, where these folders are but a copy.
    """

    def __init__(self, root: Path, source: Source | None = None) -> None:
        self.root = root
        self._source = source
        self._folder = os.path.join(root, "objects")
        self._tmp = os.path.join(root, "tmp")
        self._verified: set[Mark] = set()
        # In a store that cannot be written, a bad file cannot be moved aside: remembered instead.
        self._rejected: set[str] = set()

    def path(self, digest: str) -> str:
        return os.path.join(self._folder, digest[:2], digest)

    def sweep(self) -> None:
        """Remove temporaries that a killed process left behind more than a day ago."""
        with contextlib.suppress(OSError), os.scandir(self._tmp) as entries:
            oldest = time.time() - _STALE_SECONDS
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < oldest:
                        os.unlink(entry.path)

    def writer(self, expected_bytes: int = 0, *, inline_bytes: int = INLINE_BYTES) -> ObjectWriter:
        return ObjectWriter(self, expected_bytes, inline_bytes)

    def put(self, content: bytes, *, inline_bytes: int = INLINE_BYTES) -> Blob:
        with self.writer(len(content), inline_bytes=inline_bytes) as out:
            out.write(content)
            return out.finish()

    def has(self, blob: Blob) -> bool:
        """Tell whether the bytes are there with their size; their digest is checked on reading."""
        if blob.inline is not None:
            return True
        if self.size(blob.object) == blob.size and blob.object not in self._rejected:
            return True
        return self._source is not None and self._source.has(blob.object, blob.size)

    def size(self, digest: str) -> int:
        """Return how many bytes an object has; -1 where it is not there."""
        try:
            return self._find(digest, os.stat).st_size
        except OSError:
            return -1

    def _find(self, digest: str, look: Callable[[str], _T]) -> _T:
        path = self.path(digest)
        try:
            return look(path)
        except FileNotFoundError:
            # It may be about to be removed, by a process that has not seen that it is needed, or was killed.
            with contextlib.suppress(OSError):
                put_back(self.root, path)
            return look(path)

    def is_whole(self, blob: Blob) -> bool:
        """Tell whether the bytes are there and are those that were written: they are read, once a process."""
        if blob.inline is not None:
            return True
        with contextlib.suppress(OSError):
            if _mark(blob.object, os.stat(self.path(blob.object))) in self._verified:
                return blob.object not in self._rejected
        try:
            self.read(blob)
        except (ArtifactMissingError, ArtifactCorruptError):
            return False
        except StoreError:
            if self._source is not None:
                raise  # it could not be asked for, which says nothing of whether it is there
            return False
        return True

    def read(self, blob: Blob) -> memoryview:
        """Return the bytes, verified: a private memory map where they are a file.

        Where it can be written to, nobody else sees that, and only the pages written to are copied.

        Raises
        ------
        ArtifactMissingError, ArtifactCorruptError
            What does not match is moved aside and counts as missing from then on.
        """
        if self._source is None or blob.inline is not None:
            return self._read(blob)
        try:
            return self._read(blob)
        except (ArtifactMissingError, ArtifactCorruptError):
            self._bring(blob, self._source)
            return self._read(blob)

    def _read(self, blob: Blob) -> memoryview:
        if blob.inline is not None:
            if len(blob.inline) != blob.size or blake3(blob.inline).hexdigest() != blob.object:
                raise ArtifactCorruptError(_corrupt(f"Content {blob.object[:12]} kept in a record"))
            return memoryview(blob.inline)
        path = self.path(blob.object)
        if blob.object in self._rejected:
            raise ArtifactMissingError(_missing(path))
        try:
            fd = self._find(blob.object, lambda path: os.open(path, os.O_RDONLY | BINARY))
        except (FileNotFoundError, NotADirectoryError):
            raise ArtifactMissingError(_missing(path)) from None
        except OSError as error:
            raise explain(error, path) from error
        try:
            found = os.fstat(fd)
            if found.st_size != blob.size:
                self._move_aside(blob.object)
                raise ArtifactCorruptError(
                    _corrupt(f"{path} has {found.st_size:,} bytes where {blob.size:,} were written")
                )
            if not blob.size:
                return memoryview(b"")
            view = memoryview(map_file(fd, self.root))
        finally:
            os.close(fd)
        mark = _mark(blob.object, found)
        if mark not in self._verified:
            if _THREADS.digest(view) != blob.object:
                self._move_aside(blob.object)
                raise ArtifactCorruptError(_corrupt(f"The bytes in {path} are not those that were written"))
            self._verified.add(mark)
        return view

    def _bring(self, blob: Blob, source: Source) -> None:
        """Get an object from the source, verified."""
        try:
            fd, temporary = self.create_temporary()
            os.close(fd)
            try:
                if not source.fetch(blob.object, temporary):
                    raise ArtifactMissingError(_missing(self.path(blob.object)))
                size, digest = os.stat(temporary).st_size, blake3().update_mmap(temporary).hexdigest()
                if (size, digest) != (blob.size, blob.object):
                    source.reject(blob.object, is_damaged=True)
                    raise ArtifactCorruptError(
                        _corrupt(f"The bytes of object {blob.object[:12]} are not those that were written")
                    )
                self._place(temporary, digest, size)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary)
        except OSError as error:
            raise explain(error, self.root, blob.size) from error

    def keep(self, content: bytes) -> None:
        """Keep bytes that came from the source, under their own digest."""
        try:
            fd, temporary = self.create_temporary()
            with os.fdopen(fd, "wb") as file:
                file.write(content)
            self._place(temporary, blake3(content).hexdigest(), len(content))
        except OSError as error:
            raise explain(error, self.root, len(content)) from error

    def verified(self) -> set[Mark]:
        """Return what this process has written or verified."""
        return set(self._verified)

    def trust(self, marks: Iterable[Mark]) -> None:
        """Take objects for verified that another process of this machine has just written or verified."""
        self._verified.update(marks)

    def quarantine(self, digest: str) -> None:
        """Move an object aside, so that it counts as missing."""
        if self._source is not None:
            self._source.reject(digest)
        self._move_aside(digest)

    def _move_aside(self, digest: str) -> None:
        aside = os.path.join(self.root, "quarantine")
        try:
            make_folder(aside)
            os.replace(self.path(digest), os.path.join(aside, f"{digest}-{time.time_ns()}"))
        except FileNotFoundError:
            pass
        except OSError:
            self._rejected.add(digest)

    def create_temporary(self) -> tuple[int, str]:
        """Open a new file for writing, in the file system where it will be renamed."""
        path = os.path.join(self._tmp, f"{os.getpid()}-{secrets.token_hex(8)}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY
        try:
            return os.open(path, flags, 0o600), path
        except FileNotFoundError:
            # The first write, or the folder was removed while this process was running.
            make_folder(self._tmp)
            return os.open(path, flags, 0o600), path

    def adopt(self, temporary: str, digest: str, size: int) -> None:
        """Rename a finished temporary to its digest, or discard it where the object exists."""
        self._place(temporary, digest, size)
        if self._source is not None:
            self._source.send(digest, size, self.path(digest))

    def _place(self, temporary: str, digest: str, size: int) -> None:
        path = self.path(digest)
        try:
            exists = os.stat(path).st_size == size and digest not in self._rejected
            if self._source is not None:
                exists = False  # what is sent on is what was written, not what a disk has made of it
            if exists:
                # Its record is still to come: to whoever prunes it must not look like an old orphan.
                os.utime(path)
        except OSError:
            exists = False
        if exists:
            os.unlink(temporary)
            return
        rename(temporary, path)
        self._rejected.discard(digest)
        with contextlib.suppress(OSError):
            found = os.stat(path)
            if found.st_size == size:
                self._verified.add(_mark(digest, found))


def _mark(digest: str, found: os.stat_result) -> Mark:
    return (digest, *identity(found))


def _missing(path: str) -> str:
    return f"{path} is no longer in the store. Run the step that makes it again."


def _corrupt(what: str) -> str:
    return f"{what}. It was moved aside and counts as missing: run the step that makes it again."
