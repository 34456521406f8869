"""Python's collector of cycles, kept waiting where thousands of steps are made that stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_MANY = 20_000


@contextmanager
def paused_collector() -> Iterator[None]:
    """Collect no cycles within the block, nor the decorated function.

    All that a plan makes lives on, so there is nothing to find; yet the collector would go through the whole
    heap, the notebook's data included: of a plan of thousands of steps that was a third of the time. Where
    very many were made they count as old at once, as the collector would find after it had gone through them.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if gc.get_count()[0] > _MANY and not gc.get_freeze_count():  # what somebody froze stays frozen
                gc.freeze()
                gc.unfreeze()  # into the oldest generation
            gc.enable()
