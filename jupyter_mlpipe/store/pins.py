"""Pins: records that pruning keeps, with all that reusing them needs. An empty file for each, by key."""

from __future__ import annotations

import contextlib
import os

from jupyter_mlpipe.store.disk import explain, make_folder


class Pins:
    """The folder ``pins/`` of a store."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._folder = os.path.join(root, "pins")

    def keys(self) -> frozenset[str]:
        """Return the keys of the records that are pinned."""
        try:
            return frozenset(os.listdir(self._folder))
        except OSError:
            return frozenset()

    def add(self, key: str) -> None:
        """Pin a record; StoreError where that cannot be written."""
        try:
            make_folder(self._folder)
            with open(os.path.join(self._folder, key), "ab"):
                pass
        except OSError as error:
            raise explain(error, self._folder) from error

    def remove(self, key: str) -> None:
        """Unpin a record; nothing where it is not pinned."""
        with contextlib.suppress(FileNotFoundError):
            try:
                os.unlink(os.path.join(self._folder, key))
            except FileNotFoundError:
                raise
            except OSError as error:
                raise explain(error, self._folder) from error
