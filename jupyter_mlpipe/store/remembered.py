"""Records that were read, so that a plan does not read them again: the latest, and those that somebody holds.

A notebook runs for weeks, and most of what it has ever looked up is asked for by nobody any more.
"""

from __future__ import annotations

import weakref
from collections import deque

from jupyter_mlpipe.store.records import Record

Stamp = tuple[int, int, int, int]
"""By which a file is known to be as it was read."""

_LATEST = 500
"""So many look-ups are kept. Steps of larger pipelines are held by the runs that the notebook has of them."""


class _Known(weakref.ref[Record]):
    __slots__ = ("key", "stamp")
    key: str
    stamp: Stamp


class RememberedRecords:
    """Records by key, each with the stamp of its file; several threads may use it."""

    def __init__(self) -> None:
        known: dict[str, _Known] = {}

        def forget(gone: weakref.ref[Record]) -> None:
            assert isinstance(gone, _Known)
            if known.get(gone.key) is gone:
                known.pop(gone.key, None)

        self._known = known
        self._forget = forget
        self._latest: deque[Record] = deque(maxlen=_LATEST)

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: str) -> tuple[Stamp, Record] | None:
        """Return what was remembered last."""
        known = self._known.get(key)
        if known is None or (record := known()) is None:
            return None
        self._latest.append(record)
        return known.stamp, record

    def put(self, key: str, stamp: Stamp, record: Record) -> None:
        """Remember a record that has been read."""
        known = _Known(record, self._forget)
        known.key, known.stamp = key, stamp
        self._known[key] = known
        self._latest.append(record)

    def drop(self, key: str) -> None:
        """Have it read again the next time."""
        self._known.pop(key, None)

    def clear(self) -> None:
        """Have all read again."""
        self._known.clear()
        self._latest.clear()
