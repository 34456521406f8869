"""Files as a step left them: kept as objects, and written again from there.

Knows nothing of who wrote them, or when they are to be written again.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from jupyter_mlpipe.errors import RestoreError
from jupyter_mlpipe.model.resources import describe_bytes
from jupyter_mlpipe.store.blobs import INLINE_BYTES, Blob
from jupyter_mlpipe.store.disk import BINARY, is_space_error
from jupyter_mlpipe.store.objects import Objects

WrittenKind = Literal["file", "link", "folder", "removed", "mode"]
_CHUNK_BYTES = 1 << 22
_MAX_KEPT = 2000
_MAX_INLINE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of what one step wrote is kept; of the rest only the digest is known."""

    file_bytes: int = 256 << 20
    step_bytes: int = 1 << 30


class Written(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a step left at one path.

    Parameters
    ----------
    path
        As seen from the notebook's folder, from the user's home (``~/``), or in full.
    digest
        Of the content that it left; of a link, where it leads. Of what was removed, the digest of what was
        there before: empty where that is not known.
    mode
        Permission bits.
    blob
        The content, where it is kept.
    sets_mode
        The step set the bits itself. Else they are those of a file that is made anew.
    careful
        What is there may be the user's, or the step may look at it first: it is never replaced. Only where
        nothing is there, it is written.
    """

    path: str
    kind: WrittenKind
    digest: str = ""
    mode: int = 0
    blob: Blob | None = None
    sets_mode: bool = False
    careful: bool = False


class FileKeeper:
    """Takes what one step wrote into the store, within limits."""

    def __init__(self, objects: Objects, limits: Limits) -> None:
        self._objects = objects
        self._limits = limits
        self._left_bytes = limits.step_bytes
        self._left_inline = _MAX_INLINE_BYTES
        self._left_files = _MAX_KEPT

    def keep(self, path: str) -> Blob | None:
        """Store a file's content; None where it is too large, or changes while it is read."""
        with open(path, "rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            size = before.st_size
            if size > min(self._limits.file_bytes, self._left_bytes) or not self._left_files:
                return None
            inline = min(INLINE_BYTES, self._left_inline)
            with self._objects.writer(size, inline_bytes=inline if size <= inline else -1) as out:
                while chunk := file.read(_CHUNK_BYTES):
                    out.write(chunk)
                after = os.fstat(file.fileno())
                if (after.st_size, after.st_mtime_ns) != (size, before.st_mtime_ns):
                    return None
                blob = out.finish()
        self._left_bytes -= size
        self._left_files -= 1
        if blob.inline is not None:
            self._left_inline -= size
        return blob


def write_file(objects: Objects, blob: Blob, path: str, mode: int, *, sets_mode: bool = False) -> None:
    """Write content to a path: aside, then renamed, so that there is the old file or the new one.

    A file that is there keeps its permission bits, as it does when code opens it for writing; a link keeps
    leading to the file.

    Raises
    ------
    RestoreError
        It cannot be written: says why and what to do.
    ArtifactMissingError, ArtifactCorruptError
        The store does not have the content any more.
    """
    content = objects.read(blob)
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(6)}.mlpipe")
    with explained(path, blob.size):
        os.makedirs(folder, exist_ok=True)
        if not sets_mode:
            with contextlib.suppress(OSError):
                mode = stat.S_IMODE(os.stat(target).st_mode)
        try:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, 0o600)
            try:
                left = content
                while left.nbytes:
                    left = left[os.write(fd, left) :]
                os.chmod(temporary, mode)
            finally:
                os.close(fd)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


@contextlib.contextmanager
def explained(path: str, size: int = 0) -> Any:
    """Say what an error of the system means for a file that is to be as a step left it."""
    try:
        yield
    except OSError as error:
        if is_space_error(error):
            why, remedy = f"no space is left for {describe_bytes(size)}", "Free space on that disk"
        else:
            why, remedy = error.strerror or str(error), "See that it can be written there"
        where = error.filename or path
        raise RestoreError(
            f"'{path}' cannot be made as the step left it: {why} ({where}). {remedy}, and run the cell "
            "again: what is in the store stays there. Files that came before this one are as they should be."
        ) from error
