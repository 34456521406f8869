"""Modules that this process has imported."""

from __future__ import annotations

import sys
from typing import Any


def imported(name: str) -> Any:
    """Return a module that was imported; None where it was not, or another thread is still at it.

    The thread that starts the cluster imports NumPy while a cell is digested: no value is of it by then.
    """
    module = sys.modules.get(name)
    return None if getattr(getattr(module, "__spec__", None), "_initializing", False) else module
