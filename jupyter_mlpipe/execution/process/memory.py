"""The memory limits of steps, watched from their worker: a step may be in C code, or have many processes.

A limit of the system's would count address space, which libraries reserve at will, or needs rights that a
worker does not have.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jupyter_mlpipe.execution.process.processes import used_memory

_PAUSE_S = 0.05
_LOOK_AGAIN_S = 0.01


class MemoryWatch:
    """Looks at the memory of steps, in one thread, which lives while there is a step with a limit."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._watched: dict[int, tuple[int, Callable[[int], None]]] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, pid: int, limit: int, on_excess: Callable[[int], None]) -> Iterator[None]:
        """Watch a process and its descendants.

        Parameters
        ----------
        limit
            In bytes; 0 for none.
        on_excess
            Called once, from the thread, with the bytes that are used where these are more.
        """
        if limit:
            with self._condition:
                self._watched[pid] = limit, on_excess
                if self._thread is None:
                    self._thread = threading.Thread(target=self._follow, name="mlpipe-memory", daemon=True)
                    self._thread.start()
        try:
            yield
        finally:
            with self._condition:
                self._watched.pop(pid, None)
                self._condition.notify()

    def _follow(self) -> None:
        while True:
            with self._condition:
                if not self._watched:
                    self._thread = None
                    return
                watched = list(self._watched.items())
            for pid, (limit, on_excess) in watched:
                if (used := _used(pid, limit)) > limit:
                    with self._condition:
                        is_there = self._watched.pop(pid, None) is not None
                    if is_there:
                        on_excess(used)
            with self._condition:
                self._condition.wait(_PAUSE_S)


def _used(pid: int, limit: int) -> int:
    used = used_memory(pid, limit)
    if used <= limit:
        return used
    # Processes that ended while it was added up have left their share to those that were looked at later.
    time.sleep(_LOOK_AGAIN_S)
    return min(used, used_memory(pid, limit))
