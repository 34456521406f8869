"""Whether a value was changed in place, where that can be told without encoding its content.

Of pandas' frames copy-on-write tells: a shallow copy shares its blocks with the frame until somebody writes
to one of the two; then the writer gets blocks of its own. (pandas 3;
https://pandas.pydata.org/docs/user_guide/copy_on_write.html) A container of texts and numbers, of which there
may be millions, is what it was if it holds the same objects in the same order.
"""

from __future__ import annotations

import itertools
import operator
import sys
from typing import Any

from jupyter_mlpipe.keys.libraries import frame_attributes

_PLAIN = frozenset({str, bytes, int, float, complex, bool, type(None)})


def keep(value: Any) -> Any:
    """Return what to compare a value with later; None where nothing would tell."""
    kind = type(value)
    if kind in (list, set) and _PLAIN.issuperset(map(type, value)):
        return [*value]
    if kind is dict and _PLAIN.issuperset(map(type, value)) and _PLAIN.issuperset(map(type, value.values())):
        return [*value, *value.values()]
    return _keep_frame(value)


def is_untouched(before: Any, value: Any) -> bool:
    """Tell whether a value still is what `keep` saw. False also where it cannot be told."""
    if type(before) is not list:
        return _is_same_frame(before, value)
    present = itertools.chain(value, value.values()) if type(value) is dict else value
    n_present = 2 * len(value) if type(value) is dict else len(value)
    return len(before) == n_present and all(map(operator.is_, before, present))


def _keep_frame(value: Any) -> Any:
    pandas: Any = sys.modules.get("pandas")
    if pandas is None or type(value) not in (pandas.DataFrame, pandas.Series) or _major(pandas) < 3:
        return None
    return None if frame_attributes(value) else value.copy(deep=False)


def _is_same_frame(before: Any, value: Any) -> bool:
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
