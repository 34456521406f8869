"""Arrays of Arrow in one piece, as their digests have them, the store keeps them, and steps get them.

How values are cut into chunks, and what a slice hides, depends on how they came about.
"""

from __future__ import annotations

import contextlib
from typing import Any

from jupyter_mlpipe.keys.imported import imported


def is_one_piece(value: Any) -> bool:
    """Tell of an array, or of one in chunks, whether it has all its values and no others."""
    chunks = getattr(value, "chunks", [value])
    return len(chunks) == 1 and not chunks[0].offset


def in_one_piece(value: Any, arrow: Any) -> Any:
    """Return an equal array, or one in chunks; the same where Arrow cannot make it one piece."""
    if isinstance(value, arrow.Array):
        return copied(value, arrow)
    chunks = copied(arrow.table({"": value}), arrow).combine_chunks().column(0).chunks
    return arrow.chunked_array(chunks or [arrow.array([], value.type)], value.type)


def copied(value: Any, arrow: Any) -> Any:
    """Return a table or an array with memory of its own, where its type can be copied so."""
    numpy = imported("numpy")
    positions = range(len(value)) if numpy is None else numpy.arange(len(value))
    with contextlib.suppress(arrow.ArrowException):
        return value.take(arrow.array(positions, arrow.int64()))
    return value
