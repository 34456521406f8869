"""Whether a pandas frame was changed in place: copy-on-write tells without looking at its content.

A shallow copy shares its blocks with the frame until somebody writes to one of the two; then the writer
gets blocks of its own. (pandas 3; https://pandas.pydata.org/docs/user_guide/copy_on_write.html)
"""

from __future__ import annotations

import sys
from typing import Any

from jupyter_mlpipe.keys.libraries import frame_attributes


def keep_frame(value: Any) -> Any:
    """Return a shallow copy of a frame to compare it with later; None where that would tell nothing."""
    pandas: Any = sys.modules.get("pandas")
    if pandas is None or type(value) not in (pandas.DataFrame, pandas.Series) or _major(pandas) < 3:
        return None
    return None if frame_attributes(value) else value.copy(deep=False)


def is_same_frame(before: Any, value: Any) -> bool:
    """Tell whether a frame still is what `keep_frame` saw. False also where it cannot be told."""
    if type(before) is not type(value) or before.attrs != value.attrs or frame_attributes(value):
        return False
    if before.ndim == 1 and before.name is not value.name:
        return False
    if before.flags.allows_duplicate_labels != value.flags.allows_duplicate_labels:
        return False
    axes = zip(before.axes, value.axes, strict=True)
    if not all(a.is_(b) and a.names == b.names for a, b in axes):
        return False
    blocks, present = before._mgr.blocks, value._mgr.blocks
    return len(blocks) == len(present) and all(map(_is_same_block, blocks, present))


def _is_same_block(before: Any, block: Any) -> bool:
    if before.dtype == object or before.mgr_locs.as_array.tolist() != block.mgr_locs.as_array.tolist():
        return False  # what is inside of objects is not told by the block
    return _memory(before.values) == _memory(block.values) != ()


def _memory(values: Any) -> tuple[Any, ...]:
    """Return what identifies the memory of a block's values; empty where it is not known."""
    numpy: Any = sys.modules["numpy"]
    if isinstance(values, numpy.ndarray):
        found = values.__array_interface__
        return (found["data"][0], found["shape"], found["strides"], found["typestr"])
    arrow = getattr(values, "_pa_array", None)
    if arrow is not None:
        # Arrow's own arrays never change: a change is another array.
        return tuple((b.address, b.size) for chunk in arrow.chunks for b in chunk.buffers() if b is not None)
    inner = [getattr(values, name, None) for name in ("_ndarray", "_data", "_codes", "_mask")]
    parts = [_memory(part) for part in inner if isinstance(part, numpy.ndarray)]
    return tuple(parts)


def _major(pandas: Any) -> int:
    return int(pandas.__version__.partition(".")[0])
