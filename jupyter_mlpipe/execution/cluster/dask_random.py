"""Dask draws random numbers in the notebook's process, and must not change what cells draw."""

from __future__ import annotations

import random
import sys

_DRAWING = (
    "dask.sizeof",
    "distributed.comm.core",
    "distributed.protocol.compression",
    "distributed.scheduler",
    "distributed.utils_comm",
    "distributed.worker",
)


def leave_random_numbers_alone() -> None:
    """Have Dask draw from a generator of its own: it runs in the notebook's process, beside its cells."""
    own = random.Random()
    for name in _DRAWING:
        module = sys.modules.get(name)
        if getattr(module, "random", None) is random:
            setattr(module, "random", own)  # noqa: B010
        if getattr(module, "randint", None) == random.randint:
            setattr(module, "randint", own.randint)  # noqa: B010
