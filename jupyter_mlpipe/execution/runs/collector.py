"""Python's collector of cycles, kept waiting where thousands of steps are made that stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collector() -> Iterator[None]:
    """Collect no cycles within the block, nor the decorated function.

    All that a plan makes lives on, so there is nothing to find; yet the collector would go through the whole
    heap, the notebook's data included: of a plan of thousands of steps that was a third of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
