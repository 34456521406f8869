"""Bytes on disk by the BLAKE3 digest of their content. Knows nothing of what they mean."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from blake3 import blake3

from jupyter_mlpipe.errors import ArtifactCorruptError, ArtifactMissingError, StoreError
from jupyter_mlpipe.keys.stats import identity
from jupyter_mlpipe.store.aside import put_back
from jupyter_mlpipe.store.disk import (
    BINARY,
    explain,
    make_folder,
    make_room,
    rename,
    start_writing,
    synchronise,
)
from jupyter_mlpipe.store.mapping import MAPPED_BYTES, is_local, map_file

INLINE_BYTES = 1024  # content up to this size lives in the record: a tiny step writes one file
_BUFFER_BYTES = 1 << 18  # smaller writes are gathered; Arrow pads its buffers with writes of a few bytes
_OVERLAP_BYTES = 1 << 20  # from here on, hashing beside the write pays for a thread
_PIECE_BYTES = 32 << 20  # after which the disk may begin to write
_STALE_SECONDS = 24 * 3600.0


_T = TypeVar("_T")
_DIGEST = re.compile(r"[0-9a-f]{8,128}")

Mark = tuple[str, int, int, int, int, int]
"""A digest, and the identity (`jupyter_mlpipe.keys.stats`) of the file whose bytes were found to have it."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Content in the store.

    Parameters
    ----------
    object
        BLAKE3 of the bytes, 64 hex digits.
    inline
        The bytes themselves where they are few; else they are a file under ``objects/``.
    """

    object: str
    size: int
    inline: bytes | None = None


def blob_to_json(blob: Blob) -> dict[str, Any]:
    """Return a blob as plain JSON values."""
    entry: dict[str, Any] = {"object": blob.object, "size": blob.size}
    if blob.inline is not None:
        try:
            entry["text"] = blob.inline.decode("ascii")
        except UnicodeDecodeError:
            entry["base64"] = base64.b64encode(blob.inline).decode()
    return entry


def blob_from_json(entry: Mapping[str, Any]) -> Blob:
    """Return the blob of `blob_to_json`; KeyError, TypeError or ValueError for anything else."""
    inline: bytes | None = None
    if "text" in entry:
        inline = entry["text"].encode("ascii")
    elif "base64" in entry:
        inline = base64.b64decode(entry["base64"], validate=True)
    if not is_digest(entry["object"]):
        raise ValueError("an object is named by its digest")  # else by a path, perhaps, out of the store
    return Blob(entry["object"], entry["size"], inline)


def is_digest(name: str) -> bool:
    """Tell whether something is named by a digest; what others wrote may be named by anything."""
    return _DIGEST.fullmatch(name) is not None


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


class ObjectWriter:
    """A write-only binary file whose name becomes the digest of what was written to it.

    As a context manager it removes its temporary unless `finish` was reached.
    """

    closed = False

    def __init__(self, objects: Objects, expected_bytes: int, inline_bytes: int) -> None:
        self._objects = objects
        self._expected_bytes = expected_bytes
        self._inline_bytes = inline_bytes
        self._hasher = blake3()
        self._pending = bytearray()
        self._n_written = self._n_reserved = 0
        self._fd = -1
        self._temporary = ""

    def __enter__(self) -> ObjectWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.abort()

    def write(self, data: Any) -> int:
        view = memoryview(data)
        if view.format != "B" or view.ndim != 1:
            view = view.cast("B")
        if view.nbytes < _BUFFER_BYTES:
            self._pending += view
            if len(self._pending) >= _BUFFER_BYTES:
                self._flush()
        else:
            self._flush()
            self._write_through(view)
        return view.nbytes

    def flush(self) -> None:
        """Do nothing: file objects are expected to have this."""

    def finish(self) -> Blob:
        """Make what was written durable under its digest, and return it."""
        if self._fd < 0 and len(self._pending) <= self._inline_bytes:
            content = bytes(self._pending)
            return Blob(blake3(content).hexdigest(), len(content), content)
        self._flush()
        with self._explained():
            self._open()
            if self._n_reserved > self._n_written:
                os.ftruncate(self._fd, self._n_written)
            synchronise(self._fd)
            os.close(self._fd)
            self._fd = -1
            digest = self._hasher.hexdigest()
            self._objects.adopt(self._temporary, digest, self._n_written)
            self._temporary = ""
        return Blob(digest, self._n_written)

    def abort(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1
        if self._temporary:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)
            self._temporary = ""

    def _flush(self) -> None:
        if self._pending:
            pending, self._pending = self._pending, bytearray()
            self._write_through(memoryview(pending))

    def _open(self) -> None:
        if self._fd < 0:
            self._fd, self._temporary = self._objects.create_temporary()
            if self._expected_bytes >= MAPPED_BYTES and is_local(self._objects.root):
                make_room(self._fd, self._expected_bytes)
                self._n_reserved = self._expected_bytes

    def _write_through(self, view: memoryview) -> None:
        hashing = None
        if view.nbytes >= _OVERLAP_BYTES:
            # Both release the GIL. A thread of our own, since BLAKE3's pool of threads would not
            # survive a fork in the user's code.
            hashing = threading.Thread(target=self._hasher.update, args=(view,), name="mlpipe-digest")
            hashing.start()
        else:
            self._hasher.update(view)
        try:
            with self._explained():
                self._open()
                left = view
                while left.nbytes:
                    n_written = os.write(self._fd, left[:_PIECE_BYTES])
                    if n_written >= _OVERLAP_BYTES:
                        start_writing(self._fd, self._n_written, n_written)
                    self._n_written += n_written
                    left = left[n_written:]
        finally:
            if hashing is not None:
                hashing.join()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            needed = max(self._expected_bytes, self._n_written + len(self._pending))
            raise explain(error, self._objects.root, needed) from error


def _mark(digest: str, found: os.stat_result) -> Mark:
    return (digest, *identity(found))


def _missing(path: str) -> str:
    return f"{path} is no longer in the store. Run the step that makes it again."


def _corrupt(what: str) -> str:
    return f"{what}. It was moved aside and counts as missing: run the step that makes it again."
