"""Every line that a step prints, in a file of the store, where that is more than is kept elsewhere.

A file is begun when there is too much, so that a step which prints little pays nothing, and when a step
fails. It can be read while it grows, and stays where the step fails or is killed. When it succeeds, the file
becomes an object of its record.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable

from blake3 import blake3

from jupyter_mlpipe.store.blobs import Blob
from jupyter_mlpipe.store.disk import BINARY, make_folder, synchronise
from jupyter_mlpipe.store.objects import Objects


class WholeLog:
    """The log of one attempt; one of an earlier attempt goes when this one begins.

    Parameters
    ----------
    path
        Where it is to be.
    tell
        Called with the path when there is a file: if this process is killed, somebody else writes the rest.
    """

    def __init__(self, path: str, tell: Callable[[str], None]) -> None:
        self._path = path
        self._tell = tell
        self._fd = -1
        self._digest = blake3()
        self._size = 0
        with contextlib.suppress(OSError):
            os.unlink(path)

    @property
    def has_begun(self) -> bool:
        return self._size > 0

    def begin(self, texts: Iterable[str]) -> None:
        """Make the file, with what has been printed so far."""
        with contextlib.suppress(OSError):  # a store that cannot be written, which is told at the end
            make_folder(os.path.dirname(self._path))
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | BINARY, 0o600)
            self._tell(self._path)
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Write what has been printed since. Where the disk is full there is no file any more."""
        content = text.encode(errors="backslashreplace")
        self._size += len(content)
        if self._fd < 0:
            return
        self._digest.update(content)
        try:
            while content:
                content = content[os.write(self._fd, content) :]
        except OSError:
            self._give_up()

    def keep(self, texts: Iterable[str]) -> None:
        """Have a file also of little: the step has failed, and has no record."""
        if not self.has_begun:
            self.begin(texts)

    def _give_up(self) -> None:
        os.close(self._fd)
        self._fd = -1
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def store(self, objects: Objects) -> Blob | None:
        """Make the file an object; None where there is none."""
        if self._fd < 0:
            return None
        fd, self._fd = self._fd, -1
        try:
            synchronise(fd)
            if not os.path.samestat(os.fstat(fd), os.stat(self._path)):
                return None  # that of another attempt, which counts this one as lost
            digest = self._digest.hexdigest()
            objects.adopt(self._path, digest, self._size)
        except OSError:
            return None  # what was shown is kept as ever
        finally:
            os.close(fd)
        return Blob(digest, self._size)
