"""A file that is written in one go and bears the digest of its content in the end."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from blake3 import blake3

from jupyter_mlpipe.store.blobs import Blob
from jupyter_mlpipe.store.disk import explain, make_room, start_writing, synchronise
from jupyter_mlpipe.store.mapping import MAPPED_BYTES, is_local

_BUFFER_BYTES = 1 << 18  # smaller writes are gathered; Arrow pads its buffers with writes of a few bytes
_OVERLAP_BYTES = 1 << 20  # from here on, hashing beside the write pays for a thread
_PIECE_BYTES = 32 << 20  # after which the disk may begin to write


class Place(Protocol):
    """Where a file is written to; see `jupyter_mlpipe.store.objects.Objects`."""

    @property
    def root(self) -> Path:
        """The store's folder."""

    def create_temporary(self) -> tuple[int, str]:
        """Open a new file for writing, in the file system where it will be renamed."""

    def adopt(self, temporary: str, digest: str, size: int) -> None:
        """Rename a finished temporary to its digest, or discard it where the object exists."""


class ObjectWriter:
    """A write-only binary file whose name becomes the digest of what was written to it.

    As a context manager it removes its temporary unless `finish` was reached.
    """

    closed = False

    def __init__(self, place: Place, expected_bytes: int, inline_bytes: int) -> None:
        self._place = place
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
            self._place.adopt(self._temporary, digest, self._n_written)
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
            self._fd, self._temporary = self._place.create_temporary()
            if self._expected_bytes >= MAPPED_BYTES and is_local(self._place.root):
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
            raise explain(error, self._place.root, needed) from error
