"""Colormaps that code has registered with Matplotlib, as a setting.

Libraries of plots register theirs when they are imported, which a step may never do. Where it does, after
all, or the notebook does, the name is taken already: by us. Matplotlib would warn, or refuse.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any


def read_colormaps(matplotlib: Any) -> dict[str, Any]:
    """Return what has been registered, by name."""
    registry = matplotlib.colormaps
    builtin = frozenset(registry._builtin_cmaps)  # a tuple of hundreds
    found = {name: cmap for name, cmap in registry._cmaps.items() if name not in builtin}
    for cmap in found.values():
        # They work out their table when they are first used.
        if not cmap._isinit:
            cmap._init()
    return found


def write_colormaps(matplotlib: Any, changes: Mapping[str, Any]) -> None:
    """Register colormaps without a word, and take out those that are None."""
    registry = matplotlib.colormaps
    for name, cmap in changes.items():
        registry.unregister(name)
        if cmap is not None:
            registry.register(cmap, name=name)
            _given_to(registry).add(name)


def _given_to(registry: Any) -> set[str]:
    """Return the names that we have registered, and that a module which is imported may take back."""
    given: set[str] | None = getattr(registry.register, "given", None)
    if given is not None:
        return given
    given = set()
    register = registry.register

    @functools.wraps(register)
    def take_back_and_register(cmap: Any, *, name: str | None = None, force: bool = False) -> None:
        taken = cmap.name if name is None else name
        if taken in given and _is_importing():
            given.discard(taken)
            registry.unregister(taken)
        register(cmap, name=name, force=force)

    vars(take_back_and_register)["given"] = given
    registry.register = take_back_and_register
    return given


def _is_importing() -> bool:
    """Tell whether a module is being imported, which happens once in a process."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if getattr(frame.f_globals.get("__spec__"), "_initializing", False):
            return True
        frame = frame.f_back
    return False
