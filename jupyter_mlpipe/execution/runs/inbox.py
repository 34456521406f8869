"""What comes to the runner's thread: what others put there, and what is due at a time."""

from __future__ import annotations

import heapq
import itertools
import queue
import time
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class Inbox(Generic[_Item]):
    """A queue with timers. Anybody may put; one thread takes, and sets timers."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._timers: list[tuple[float, int, _Item]] = []
        self._count = itertools.count()

    def put(self, item: _Item) -> None:
        """Leave something to be taken; from any thread."""
        self._queue.put(item)

    def put_after(self, seconds: float, item: _Item) -> None:
        """Leave something to be taken when so much time has passed."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._count), item))

    def is_empty(self) -> bool:
        """Tell whether there is nothing to be taken at this moment."""
        is_due = bool(self._timers) and self._timers[0][0] <= time.monotonic()
        return not is_due and self._queue.empty()

    def take(self) -> _Item:
        """Return the next item; waits for it. What is due goes first."""
        while True:
            now = time.monotonic()
            if self._timers and self._timers[0][0] <= now:
                return heapq.heappop(self._timers)[2]
            try:
                return self._queue.get(timeout=self._timers[0][0] - now if self._timers else None)
            except queue.Empty:
                continue
