"""Bytes on disk by the BLAKE3 digest of their content. Knows nothing of what they mean."""

from __future__ import annotations

import base64
import contextlib
import errno
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from blake3 import blake3

from jupyter_mlpipe.errors import ArtifactCorruptError, ArtifactMissingError, StoreError, StoreFullError
from jupyter_mlpipe.keys.stats import identity
from jupyter_mlpipe.model.resources import describe_bytes
from jupyter_mlpipe.store.mapping import map_file

INLINE_BYTES = 1024  # content up to this size lives in the record: a tiny step writes one file
_BUFFER_BYTES = 1 << 18  # smaller writes are gathered; Arrow pads its buffers with writes of a few bytes
_OVERLAP_BYTES = 1 << 20  # from here on, hashing beside the write pays for a thread
_STALE_SECONDS = 24 * 3600.0
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


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
    """Return the blob of `blob_to_json`."""
    inline: bytes | None = None
    if "text" in entry:
        inline = entry["text"].encode("ascii")
    elif "base64" in entry:
        inline = base64.b64decode(entry["base64"], validate=True)
    return Blob(entry["object"], entry["size"], inline)


def is_space_error(error: OSError) -> bool:
    """Tell whether a file could not be written for want of space."""
    return error.errno in _NO_SPACE


class Objects:
    """The folders ``objects/``, ``tmp/`` and ``quarantine/`` of a store."""

    def __init__(self, root: Path) -> None:
        self.root = root
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
        try:
            return os.stat(self.path(blob.object)).st_size == blob.size and blob.object not in self._rejected
        except OSError:
            return False

    def is_whole(self, blob: Blob) -> bool:
        """Tell whether the bytes are there and are those that were written: they are read, once a process."""
        if blob.inline is not None:
            return True
        try:
            if _mark(blob.object, os.stat(self.path(blob.object))) in self._verified:
                return blob.object not in self._rejected
            self.read(blob)
        except (OSError, StoreError):
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
        if blob.inline is not None:
            if len(blob.inline) != blob.size or blake3(blob.inline).hexdigest() != blob.object:
                raise ArtifactCorruptError(_corrupt(f"Content {blob.object[:12]} kept in a record"))
            return memoryview(blob.inline)
        path = self.path(blob.object)
        if blob.object in self._rejected:
            raise ArtifactMissingError(_missing(path))
        try:
            fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except (FileNotFoundError, NotADirectoryError):
            raise ArtifactMissingError(_missing(path)) from None
        except OSError as error:
            raise explain(error, path) from error
        try:
            found = os.fstat(fd)
            if found.st_size != blob.size:
                self.quarantine(blob.object)
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
            if blake3(view, max_threads=blake3.AUTO).hexdigest() != blob.object:
                self.quarantine(blob.object)
                raise ArtifactCorruptError(_corrupt(f"The bytes in {path} are not those that were written"))
            self._verified.add(mark)
        return view

    def verified(self) -> set[Mark]:
        """Return what this process has written or verified."""
        return set(self._verified)

    def trust(self, marks: Iterable[Mark]) -> None:
        """Take objects for verified that another process of this machine has just written or verified."""
        self._verified.update(marks)

    def quarantine(self, digest: str) -> None:
        """Move an object aside, so that it counts as missing."""
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
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            return os.open(path, flags, 0o600), path
        except FileNotFoundError:
            # The first write, or the folder was removed while this process was running.
            make_folder(self._tmp)
            return os.open(path, flags, 0o600), path

    def adopt(self, temporary: str, digest: str, size: int) -> None:
        """Rename a finished temporary to its digest, or discard it where the object exists."""
        path = self.path(digest)
        try:
            exists = os.stat(path).st_size == size and digest not in self._rejected
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
        self._n_written = 0
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
                    n_written = os.write(self._fd, left)
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


def _mark(digest: str, found: os.stat_result) -> Mark:
    return (digest, *identity(found))


def _missing(path: str) -> str:
    return f"{path} is no longer in the store. Run the step that makes it again."


def _corrupt(what: str) -> str:
    return f"{what}. It was moved aside and counts as missing: run the step that makes it again."
