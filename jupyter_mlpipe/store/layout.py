"""One layout for equal Arrow columns, so that equal tables give equal bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute


def one_chunk(column: Any) -> Any:
    """Return a column as one array; raises ArrowInvalid where its strings are too many for that."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    combined = column.combine_chunks()
    if isinstance(combined, pa.ChunkedArray):
        raise pa.ArrowInvalid("the column does not fit one array")
    return combined


def canonical(column: Any) -> Any:
    """Return an equal array with nothing below missing values.

    What lies there, and in the unused bits of the mask, depends on how the array came about.
    Nested and dictionary types are returned as they are.
    """
    if not column.null_count:
        return column
    blank = _blank(column.type)
    if blank is None:
        return column
    filled = column.fill_null(blank)
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_boolean(column.type):
        return pa.array(filled.to_numpy(zero_copy_only=False), mask=~valid)
    if filled.offset:
        return column
    mask = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(column.type, len(column), [mask, *filled.buffers()[1:]])


def _blank(type_: Any) -> Any:
    types = pa.types
    if types.is_boolean(type_):
        return pa.scalar(False)
    if types.is_integer(type_) or types.is_floating(type_) or types.is_temporal(type_):
        if types.is_interval(type_):
            return None
        return pa.scalar(0.0 if types.is_floating(type_) else 0, type_)
    if types.is_string(type_) or types.is_large_string(type_):
        return pa.scalar("", type_)
    if types.is_binary(type_) or types.is_large_binary(type_):
        return pa.scalar(b"", type_)
    return None
