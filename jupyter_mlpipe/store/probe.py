"""Whether another process, perhaps elsewhere, sees the same store: each reads what the other wrote."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

from jupyter_mlpipe.errors import StoreError
from jupyter_mlpipe.store.bucket import Bucket
from jupyter_mlpipe.store.disk import explain, make_folder
from jupyter_mlpipe.store.place import is_remote, local_folder


class Probe:
    """A file in the store at `address`, for another process to read.

    Parameters
    ----------
    name
        Told to the other one, so that it finds the file; a new one by default.
    """

    def __init__(self, address: str, name: str = "") -> None:
        self.name = name or f"probe-{secrets.token_hex(12)}"
        self._bucket = Bucket(address) if is_remote(address) else None
        # Where pruning removes what a killed process has left.
        self._path = local_folder(address) / "tmp" / self.name

    def write(self) -> None:
        """Write it; raises StoreError where that cannot be."""
        if self._bucket is not None:
            self._bucket.write({self._remote: self._content})
            return
        try:
            make_folder(str(self._path.parent))
            self._path.write_bytes(self._content)
        except OSError as error:
            raise explain(error, self._root) from error

    def is_there(self) -> bool:
        """Tell whether it can be read as it was written; raises StoreError where that cannot be tried."""
        if self._bucket is not None:
            return self._bucket.read([self._remote]).get(self._remote) == self._content
        try:
            return self._path.read_bytes() == self._content
        except FileNotFoundError:
            return False
        except OSError as error:
            raise explain(error, self._root) from error

    def remove(self) -> None:
        """Remove it, if it is there."""
        with contextlib.suppress(StoreError, OSError):
            if self._bucket is not None:
                self._bucket.remove(self._remote)
            else:
                self._path.unlink(missing_ok=True)

    @property
    def _content(self) -> bytes:
        return self.name.encode()

    @property
    def _remote(self) -> str:
        return f"tmp/{self.name}"

    @property
    def _root(self) -> Path:
        return self._path.parent.parent


def answer(address: str, name: str, reply: str) -> str:
    """Read the file of the other side and write one for it; return why that does not work, else nothing."""
    try:
        if not Probe(address, name).is_there():
            return (
                f"the store at {address} is another one there, or none: what the notebook writes is not seen"
            )
        Probe(address, reply).write()
    except StoreError as error:
        return str(error)
    return ""
