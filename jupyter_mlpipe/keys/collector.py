"""Python's collector of cycles: as code has set it, and kept waiting where thousands of steps are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_mlpipe.keys.providers import Changes, Provider, State

_MANY = 20_000
_USUAL = {"enabled": True, "thresholds": gc.get_threshold(), "debug": 0}

_paused: list[None] = []  # an entry for each block that has stopped it, and is to start it again


@contextmanager
def paused_collector() -> Iterator[None]:
    """Collect no cycles within the block, nor the decorated function.

    All that a plan makes lives on, so there is nothing to find; yet the collector would go through the whole
    heap, the notebook's data included: of a plan of thousands of steps that was a third of the time. Where
    very many were made they count as old at once, as the collector would find after it had gone through them.
    """
    was_enabled = gc.isenabled()
    if was_enabled:
        _paused.append(None)
    gc.disable()
    try:
        yield
    finally:
        if was_enabled and _paused:
            _paused.pop()
            if gc.get_count()[0] > _MANY and not gc.get_freeze_count():  # what somebody froze stays frozen
                gc.freeze()
                gc.unfreeze()  # into the oldest generation
            gc.enable()


def _read(_gc: Any) -> State:
    enabled = gc.isenabled() or bool(_paused)
    return {"enabled": enabled, "thresholds": gc.get_threshold(), "debug": gc.get_debug()}


def _write(_gc: Any, changes: Changes) -> None:
    if changes.get("enabled"):
        gc.enable()
    elif "enabled" in changes:
        _paused.clear()  # no block starts it again
        gc.disable()
    if "thresholds" in changes:
        gc.set_threshold(*changes["thresholds"])
    if "debug" in changes:
        gc.set_debug(changes["debug"])


COLLECTOR = Provider("gc", "gc", _read, lambda gc: _USUAL, _write)
