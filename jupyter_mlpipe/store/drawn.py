"""Which values are parts of one figure of Matplotlib: each of them holds all of it.

An axes refers to its figure, and the figure to it, so neither changes alone, and a pickle of one is a pickle
of both. Seen from what they say of themselves: to take a figure apart costs as much as to store it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jupyter_mlpipe.keys.imported import imported

_MAX_DEPTH = 3


def figure_of(value: Any, depth: int = _MAX_DEPTH) -> Any:
    """Return the figure that an artist, or all that a container holds, is on; None for anything else."""
    artist = imported("matplotlib.artist")
    if artist is None:
        return None
    if isinstance(value, artist.Artist):
        figure = value.figure
        while figure is not None and figure.figure not in (None, figure):
            figure = figure.figure  # of a figure inside of another one
        return figure
    return figure_of_all(_members(value), depth - 1) if depth else None


def figure_of_all(values: Iterable[Any], depth: int = _MAX_DEPTH) -> Any:
    """Return the figure that all of the values are on; None where there is no such one."""
    found = None
    for value in values:
        figure = figure_of(value, depth)
        if figure is None or (found is not None and figure is not found):
            return None
        found = figure
    return found


def _members(value: Any) -> Iterable[Any]:
    kind = type(value)
    if kind in (list, tuple) or (
        isinstance(value, list | tuple) and kind.__module__.startswith("matplotlib.")
    ):
        return value  # type: ignore[no-any-return]
    if kind is dict:
        return value.values()  # type: ignore[no-any-return]
    numpy = imported("numpy")
    if numpy is not None and kind is numpy.ndarray and value.dtype.hasobject:
        return value.flat  # type: ignore[no-any-return]
    return ()
