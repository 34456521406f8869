"""A value that a thread sets for the time of a block."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

_T = TypeVar("_T")


class ThreadValue(threading.local, Generic[_T]):
    """What each thread has on its own; at first the same."""

    def __init__(self, value: _T) -> None:  # called anew in each thread
        self.value = value

    @contextlib.contextmanager
    def set_to(self, value: _T) -> Iterator[None]:
        """Have another value within the block."""
        before, self.value = self.value, value
        try:
            yield
        finally:
            self.value = before
