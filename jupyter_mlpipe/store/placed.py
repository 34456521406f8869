"""`File` and `Folder` as artifacts: a list of what is in them, and each file's bytes as they are.

The list is what is encoded; the bytes are objects beside it, shared with all that has the same content.
Whoever reads such an artifact gets a copy on disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_mlpipe.errors import EncodingError, PlaceError
from jupyter_mlpipe.keys.places import Entry, entries_of, local_place
from jupyter_mlpipe.keys.remote import copies_folder
from jupyter_mlpipe.model.files import File, Folder, Place
from jupyter_mlpipe.model.resources import describe_bytes
from jupyter_mlpipe.store.blobs import Blob
from jupyter_mlpipe.store.disk import BINARY, explain, make_folder
from jupyter_mlpipe.store.encoding import Codec, Encoding, Sink
from jupyter_mlpipe.store.objects import Objects

_CHUNK_BYTES = 1 << 22
_STALE_S = 24 * 3600.0
_KINDS: dict[str, type[Place]] = {"file": File, "folder": Folder}


@dataclass(frozen=True, slots=True)
class Kept:
    """What a stored `File` or `Folder` is decoded to, before there is a copy of it."""

    kind: type[Place]
    name: str
    entries: tuple[Entry, ...]

    def blobs(self) -> Iterator[Blob]:
        """Give the objects that hold the bytes of its files."""
        for entry in self.entries:
            if entry.is_file:
                yield Blob(entry.digest, entry.size)


def encode(value: Any, namespace: Mapping[str, object]) -> Encoding | None:
    """Look at what is in a place.

    Raises
    ------
    EncodingError
        It is not there, or cannot be read.
    """
    if not isinstance(value, Place):
        return None
    try:
        entries = entries_of(value)
    except PlaceError as error:
        raise EncodingError(str(error)) from None
    listed = {
        "kind": type(value).__name__.lower(),
        "name": value.name,
        "entries": [[e.path, e.digest, e.size, e.is_executable, e.link] for e in entries],
    }
    content = json.dumps(listed, ensure_ascii=True, separators=(",", ":")).encode()

    def write(out: Sink) -> None:
        out.write(content)

    def keep(objects: Objects) -> None:
        root = str(local_place(value))
        for entry in entries:
            if entry.is_file:
                _keep(objects, os.path.join(root, entry.path) if entry.path else root, entry)

    n_bytes = sum(entry.size for entry in entries)
    n_files = sum(entry.is_file for entry in entries)
    what = value.name if isinstance(value, File) else f"{value.name}/, {n_files:,} files"
    preview = f"{what}, {describe_bytes(n_bytes)}"
    return Encoding(write, preview, len(content), keep=keep)


def decode(view: memoryview, namespace: dict[str, Any] | None) -> Kept:
    found = json.loads(bytes(view))
    return Kept(_KINDS[found["kind"]], found["name"], tuple(Entry(*entry) for entry in found["entries"]))


def _keep(objects: Objects, path: str, entry: Entry) -> None:
    blob = Blob(entry.digest, entry.size)
    if objects.has(blob):
        return
    try:
        with open(path, "rb", buffering=0) as file, objects.writer(entry.size, inline_bytes=-1) as out:
            while chunk := file.read(_CHUNK_BYTES):
                out.write(chunk)
            written = out.finish()
    except OSError as error:
        raise EncodingError(f"'{path}' cannot be read: {error}") from None
    if written != blob:
        raise EncodingError(f"'{path}' was changed while it was stored. Wait for what writes to it")


class Copies:
    """Copies on disk of what is stored: never the stored bytes themselves, so that they can be changed.

    Parameters
    ----------
    root
        Of the store.
    """

    def __init__(self, objects: Objects, root: str) -> None:
        self._objects = objects
        self._root = root
        self._keeps_own = False
        self._own = ""  # where these are, once there are some

    @property
    def _folder(self) -> str:
        return copies_folder(self._root)

    def keep_own(self) -> None:
        """Give copies that nobody else is given, from now on, until `remove_own`."""
        self._keeps_own = True

    def remove_own(self) -> None:
        if self._own:
            shutil.rmtree(self._own, ignore_errors=True)

    def place(self, kept: Kept, digest: str) -> Place:
        """Return a copy of what was stored, with the content that it had.

        Outside of steps it is where it was the last time, unless somebody has changed it since.

        Raises
        ------
        ArtifactMissingError, ArtifactCorruptError
            Bytes of it are gone, or are not those that were written.
        """
        if self._keeps_own:
            if not self._own:
                self._own = os.path.join(self._folder, f"step-{os.getpid()}-{secrets.token_hex(4)}")
            return self._make(kept, os.path.join(self._own, secrets.token_hex(4)))
        number = 1
        while True:
            folder = os.path.join(self._folder, digest[:16] + (f"-{number}" if number > 1 else ""))
            place = kept.kind(os.path.join(folder, kept.name))
            try:
                if entries_of(place) == kept.entries:
                    return place
            except PlaceError:
                if not os.path.lexists(folder):
                    return self._make(kept, folder)
            number += 1

    def _make(self, kept: Kept, folder: str) -> Place:
        temporary = f"{folder}.{secrets.token_hex(4)}.part"
        try:
            make_folder(temporary)
            self._write(kept, os.path.join(temporary, kept.name))
            # Where another process has just made it, this is another copy.
            with contextlib.suppress(OSError):
                os.rename(temporary, folder)
                return kept.kind(os.path.join(folder, kept.name))
            return kept.kind(os.path.join(temporary, kept.name))
        except BaseException as error:
            shutil.rmtree(temporary, ignore_errors=True)
            if isinstance(error, OSError):
                raise explain(error, self._folder, sum(entry.size for entry in kept.entries)) from error
            raise

    def _write(self, kept: Kept, path: str) -> None:
        if kept.kind is Folder:
            os.mkdir(path)
        for entry in kept.entries:
            target = os.path.join(path, entry.path) if entry.path else path
            if not entry.is_file:
                os.symlink(entry.link, target) if entry.link else os.mkdir(target)
                continue
            view = self._objects.read(Blob(entry.digest, entry.size))
            mode = 0o777 if entry.is_executable else 0o666
            fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, mode)
            try:
                left = view
                while left.nbytes:
                    left = left[os.write(fd, left) :]
            finally:
                os.close(fd)

    def sweep(self) -> None:
        """Remove what killed processes left behind more than a day ago."""
        oldest = time.time() - _STALE_S
        with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.startswith("step-") or entry.name.endswith(".part"):
                    with contextlib.suppress(OSError):
                        if entry.stat().st_mtime < oldest:
                            shutil.rmtree(entry.path, ignore_errors=True)


CODEC = Codec("files", 1, encode, decode)
