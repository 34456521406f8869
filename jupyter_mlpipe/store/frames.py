"""Tables of pandas, and the parts of tables, as Arrow columns or as what a pickle holds, and back.

Whatever made them: equal tables give equal columns. What has no exact form in Arrow (cells that are any
objects, sparse columns) makes the whole table a pickle, in which only these parts are as pandas has them.
"""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas
import pyarrow as pa

from jupyter_mlpipe.keys.libraries import frame_attributes
from jupyter_mlpipe.store.columns import (
    InexactError,
    Spec,
    has_text,
    pack_array,
    pack_index,
    text_type,
    unpack_array,
    unpack_index,
)
from jupyter_mlpipe.store.plain import NotPlainError, pack, unpack

pd: Any = pandas
try:
    # pandas 3.0 does not import it by itself.
    from pandas.api.internals import create_dataframe_from_blocks as _create
except ImportError:
    _create = None  # before version 3
_PARALLEL_BYTES = 16 << 20
_MOST_BLOCKS = 4  # of one type
_APART_BYTES = 32 << 20
_APART_COLUMNS = 32
_INEXACT = (InexactError, NotPlainError, pa.ArrowException, UnicodeEncodeError)
_PARTS = (pd.Index, pd.api.extensions.ExtensionArray)


def is_frame(value: Any) -> bool:
    # Subclasses (GeoDataFrame) carry more than their columns.
    return type(value) in (pd.DataFrame, pd.Series)


def shape_of(value: Any) -> str:
    """Return how large a table is, for people: ``336,776 × 19``."""
    return f"{len(value):,} × {value.shape[1]:,}" if value.ndim == 2 else f"{value.dtype}[{len(value):,}]"


def pack_frame(value: Any) -> tuple[Spec, list[str], list[Any]]:
    """Return how to rebuild a table, and its Arrow columns by name; raises InexactError."""
    try:
        if frame_attributes(value):
            raise InexactError
        spec: Spec = {"attrs": pack(value.attrs), "unique": not value.flags.allows_duplicate_labels}
        if type(value) is pd.Series:
            spec |= {"kind": "series", "name": pack(value.name)}
            names = [str(value.name)]
        else:
            spec |= {"kind": "frame", "labels": _pack_labels(value.columns)}
            names = [str(label) for label in value.columns]
        packed = [pack_array(column) for column in _columns(value)]
        spec["dtypes"] = [dtype for dtype, _ in packed]
        spec["index"], index_columns = pack_index(value.index)
    except _INEXACT as error:
        raise InexactError from error
    spec["length"] = len(value)
    names += [f"index {i}" for i in range(len(index_columns))]
    return spec, names, [*(column for _, column in packed), *index_columns]


def unpack_frame(spec: Spec, columns: list[Any], memory: memoryview | None = None) -> Any:
    """Return the table of `pack_frame`, which shares no memory with the columns.

    Except where `memory`, which they lie in, is given: then it is the table's own to write to.
    """
    dtypes = spec["dtypes"]
    arrays = [unpack_array(dtype, column) for dtype, column in zip(dtypes, columns, strict=False)]
    index = unpack_index(spec["index"], columns[len(dtypes) :])
    if spec["kind"] == "series":
        value = _series(arrays[0], index, unpack(spec["name"]), memory)
    else:
        value = _assemble(arrays, index, _unpack_labels(spec["labels"]), memory)
    return _furnish(value, unpack(spec["attrs"]), {}, unique=spec["unique"])


def reduce_part(value: Any) -> tuple[Any, ...] | None:
    """Return how a pickle holds a table, an index or a column; None for what is pickled as it is.

    By content: what pandas itself gives depends on how the table came about, and on what it remembers.
    """
    if is_frame(value):
        own = frame_attributes(value)
        is_series = type(value) is pd.Series
        labels = value.name if is_series else value.columns
        columns = [_packed(column) for column in _columns(value)]
        unique = not value.flags.allows_duplicate_labels
        return rebuild_frame, (is_series, columns, value.index, labels, value.attrs, own, unique)
    if isinstance(value, pd.arrays.SparseArray):
        found = value.sp_index
        is_block = type(found).__name__ == "BlockIndex"
        places = found.to_int_index().indices.copy()
        return rebuild_sparse, (value.sp_values.copy(), places, len(value), is_block, value.fill_value)
    if not isinstance(value, _PARTS) or str(type(value).__module__).partition(".")[0] != "pandas":
        return None
    if (
        type(value) in (pd.DatetimeIndex, pd.TimedeltaIndex)
        and value.freq is not None
        and not has_text(value.freq)
    ):
        # Before pandas 3.1 it is an attribute of the column, which does not keep it.
        spec, column = pack_array(value.array)
        return rebuild_timed, (json.dumps(spec), _compact(column), value.name, value.freq)
    try:
        if isinstance(value, pd.Index):
            spec, columns = pack_index(value)
        else:
            spec, column = pack_array(value)
            columns = [column]
    except _INEXACT:
        return None
    return rebuild_part, (json.dumps(spec), list(map(_compact, columns)), isinstance(value, pd.Index))


def _packed(array: Any) -> tuple[Any, ...]:
    try:
        spec, column = pack_array(array)
    except _INEXACT:
        if isinstance(array, pd.arrays.NumpyExtensionArray):
            return (np.array(array.to_numpy()),)
        return (array,)
    return json.dumps(spec), _compact(column)


def _compact(column: Any) -> Any:
    """Return a column whose buffers hold what is in it and nothing else, as in a file."""
    is_plain = pa.types.is_primitive(column.type) and not pa.types.is_boolean(column.type)
    if is_plain and not column.offset and not column.null_count:
        return column
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([column], [""])
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return pa.ipc.open_stream(sink.getvalue()).read_next_batch().column(0)


# What follows is named in pickles: renaming it makes stored artifacts unreadable.


def rebuild_frame(
    is_series: bool,
    columns: list[tuple[Any, ...]],
    index: Any,
    labels: Any,
    attrs: dict[Any, Any],
    own: dict[str, Any],
    unique: bool,
) -> Any:
    """Return the table of `reduce_part`."""
    arrays = [unpack_array(json.loads(c[0]), c[1]) if len(c) == 2 else c[0] for c in columns]
    if is_series:
        value = _series(arrays[0], index, labels)
    else:
        value = _assemble(arrays, index, labels)
    return _furnish(value, attrs, own, unique=unique)


def rebuild_part(spec: str, columns: list[Any], is_index: bool) -> Any:
    """Return the index or column of `reduce_part`."""
    if is_index:
        return unpack_index(json.loads(spec), columns)
    array = unpack_array(json.loads(spec), columns[0])
    return pd.array(array, copy=True) if isinstance(array, np.ndarray) else array


def rebuild_timed(spec: str, column: Any, name: Any, freq: Any) -> Any:
    """Return the index of `reduce_part` whose frequency is one of the user's own."""
    index = pd.Index(unpack_array(json.loads(spec), column), name=name, copy=True)
    index.freq = freq
    return index


def rebuild_sparse(values: Any, places: Any, length: int, is_block: bool, fill_value: Any) -> Any:
    """Return the sparse column of `reduce_part`."""
    kind = "block" if is_block else "integer"
    make = getattr(pd.arrays.SparseArray, "from_indices", None)
    if make is not None:
        return make(values, places, length, fill_value, kind)
    # Before pandas 3.1.
    found = pd._libs.sparse.IntIndex(length, places)
    found = found.to_block_index() if is_block else found
    return pd.arrays.SparseArray(values, found, fill_value, kind)


def _columns(value: Any) -> list[Any]:
    if type(value) is pd.Series:
        return [value.array]
    return [value.iloc[:, i].array for i in range(value.shape[1])]


def _series(array: Any, index: Any, name: Any, memory: memoryview | None = None) -> Any:
    # Extension arrays are made anew by `unpack_array`, NumPy arrays are views of the file.
    if isinstance(array, np.ndarray):
        mapped = _mapped_blocks([array], [(array.dtype, [0])], memory)
        array = mapped[0][0][0] if mapped else array.copy()
    # Objects that are all text would become another type.
    is_object = isinstance(array, np.ndarray) and array.dtype == object
    return pd.Series(array, index=index, name=name, dtype=object if is_object else None, copy=False)


def _furnish(value: Any, attrs: dict[Any, Any], own: dict[str, Any], *, unique: bool) -> Any:
    if attrs:
        value.attrs = attrs
    for name, part in own.items():
        object.__setattr__(value, name, part)
    if unique:
        value.flags.allows_duplicate_labels = False
    return value


def _assemble(arrays: list[Any], index: Any, labels: Any, memory: memoryview | None = None) -> Any:
    """Return the frame of `arrays`, NumPy columns of one type in one block, as pandas mostly keeps them.

    Those of small tables lie apart. pandas gives `frame.values` of one block as a view that cannot be written
    to, of several as a copy that can; which it was depends on how the table came about, and code that writes
    to the copy must go on working.
    """
    if _create is None:
        value = pd.DataFrame(dict(enumerate(arrays)), index=index, copy=True)
        value.columns = labels
        return value
    by_type: dict[Any, list[int]] = {}
    blocks: list[tuple[Any, Any]] = []
    for i, array in enumerate(arrays):
        if isinstance(array, np.ndarray):
            by_type.setdefault(array.dtype, []).append(i)
        else:
            blocks.append((array, np.array([i])))
    of_numpy = [arrays[i] for places in by_type.values() for i in places]
    if len(of_numpy) <= _APART_COLUMNS and sum(array.nbytes for array in of_numpy) <= _APART_BYTES:
        parts = [(dtype, [i]) for dtype, places in by_type.items() for i in places]
    else:
        parts = list(by_type.items())
    blocks += _mapped_blocks(arrays, parts, memory)
    blocks += _copied_blocks(arrays, parts, len(index))
    return _create(blocks, index=index, columns=labels)


def _mapped_blocks(
    arrays: list[Any], by_type: list[tuple[Any, list[int]]], memory: memoryview | None
) -> list[tuple[Any, Any]]:
    """Return blocks that lie in `memory`, and remove them from `by_type`.

    Columns that follow each other there are one block. Types that do not lie there stay, and those of so
    many blocks that pandas would be slow with them.
    """
    if memory is None:
        return []
    start = np.frombuffer(memory, np.uint8).__array_interface__["data"][0]
    blocks: list[tuple[Any, Any]] = []
    for part in list(by_type):
        dtype, places = part
        offsets = [arrays[i].__array_interface__["data"][0] - start for i in places]
        n_rows, n_bytes = len(arrays[places[0]]), arrays[places[0]].nbytes
        runs: list[list[int]] = []
        for k, offset in enumerate(offsets):
            if k and offset == offsets[k - 1] + n_bytes:
                runs[-1].append(k)
            else:
                runs.append([k])
        lies_there = all(
            0 <= offset <= memory.nbytes - n_bytes and not (start + offset) % dtype.alignment
            for offset in offsets
        )
        if not lies_there or len(runs) > _MOST_BLOCKS:
            continue
        by_type.remove(part)
        for run in runs:
            block = np.ndarray((len(run), n_rows), dtype, memory, offsets[run[0]])
            blocks.append((block, np.array([places[k] for k in run])))
    return blocks


def _copied_blocks(
    arrays: list[Any], by_type: list[tuple[Any, list[int]]], n_rows: int
) -> list[tuple[Any, Any]]:
    blocks: list[tuple[Any, Any]] = []
    copies = []
    for dtype, places in by_type:
        block = np.empty((len(places), n_rows), dtype)
        copies += [(row, arrays[i]) for row, i in zip(block, places, strict=True)]
        blocks.append((block, np.array(places)))
    if sum(source.nbytes for _, source in copies) > _PARALLEL_BYTES:
        # Most of the time goes to the first touch of fresh memory, which two threads share.
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda pair: np.copyto(*pair), copies))
    else:
        for row, source in copies:
            np.copyto(row, source)
    return blocks


def _pack_labels(index: Any) -> Spec:
    """Return the column labels as plain JSON."""
    if type(index) is pd.MultiIndex:
        return {
            "kind": "multi",
            "levels": [_pack_labels(level) for level in index.levels],
            "codes": [codes.tolist() for codes in index.codes],
            "names": pack(list(index.names)),
            "sorted": index.sortorder,
        }
    spec: Spec = {"name": pack(index.name)}
    if type(index) is pd.RangeIndex:
        return {**spec, "kind": "range", "range": [index.start, index.stop, index.step]}
    dtype = index.dtype
    if isinstance(dtype, pd.StringDtype):
        named = {"storage": dtype.storage, "missing": "NA" if dtype.na_value is pd.NA else "nan"}
        texts = [None if text is dtype.na_value else text for text in index.tolist()]
        return {**spec, "kind": "text", "dtype": named, "values": pack(texts)}
    if type(index) is not pd.Index or not isinstance(dtype, np.dtype) or dtype.kind not in "Obiuf":
        how, (column,) = pack_index(index, materialise=True)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, pa.schema([pa.field("", column.type)])) as writer:
            writer.write_table(pa.table([column], [""]))
        return {"kind": "column", "index": how, "values": base64.b64encode(sink.getvalue()).decode()}
    return {**spec, "kind": "values", "dtype": dtype.str, "values": pack(index.tolist())}


def _unpack_labels(spec: Spec) -> Any:
    if spec["kind"] == "column":
        table = pa.ipc.open_stream(base64.b64decode(spec["values"])).read_all()
        return unpack_index(spec["index"], [table.column(0).combine_chunks()])
    if spec["kind"] == "multi":
        return pd.MultiIndex(
            levels=[_unpack_labels(level) for level in spec["levels"]],
            codes=spec["codes"],
            sortorder=spec["sorted"],
            names=unpack(spec["names"]),
            verify_integrity=False,
        )
    name = unpack(spec["name"])
    if spec["kind"] == "range":
        return pd.RangeIndex(*spec["range"], name=name)
    values = unpack(spec["values"])
    if spec["kind"] == "text":
        return pd.Index(values, dtype=text_type(spec["dtype"]), name=name)
    return pd.Index(values, dtype=np.dtype(spec["dtype"]), name=name, tupleize_cols=False)
