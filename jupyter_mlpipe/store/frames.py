"""pandas to Arrow columns and back, for exactly those frames that come back equal to the bit.

Own conversions, not pyarrow's: those turn NaN into null, infer types of objects, and depend on
pandas' options of the day.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas
import pyarrow as pa

from jupyter_mlpipe.keys.libraries import frame_attributes
from jupyter_mlpipe.store.layout import canonical, one_chunk
from jupyter_mlpipe.store.plain import NotPlainError, pack, unpack

# The stubs of pandas lack what extension arrays are built from.
pd: Any = pandas
Spec = dict[str, Any]
_PARALLEL_BYTES = 16 << 20
_NUMBERS = frozenset("iuf")


class InexactError(Exception):
    """The value is better off with another codec."""


def is_frame(value: Any) -> bool:
    # Subclasses (GeoDataFrame) carry more than their columns.
    return type(value) in (pd.DataFrame, pd.Series) and not frame_attributes(value)


def pack_frame(value: Any) -> tuple[Spec, list[str], list[Any]]:
    """Return how to rebuild `value`, and its Arrow columns by name."""
    try:
        spec: Spec = {"attrs": pack(value.attrs), "unique": not value.flags.allows_duplicate_labels}
        if type(value) is pd.Series:
            spec |= {"kind": "series", "name": pack(value.name)}
            names = [str(value.name)]
            columns = [value.array]
        else:
            spec |= {"kind": "frame", "labels": _pack_labels(value.columns)}
            names = [str(label) for label in value.columns]
            columns = [value.iloc[:, i].array for i in range(value.shape[1])]
        packed = [_pack_array(column) for column in columns]
        spec["dtypes"] = [dtype for dtype, _ in packed]
        spec["index"], index_columns = _pack_index(value.index)
    except (NotPlainError, pa.ArrowException, UnicodeEncodeError) as error:
        raise InexactError from error
    spec["length"] = len(value)
    return (
        spec,
        [*names, *(f"index {i}" for i in range(len(index_columns)))],
        [
            *(column for _, column in packed),
            *index_columns,
        ],
    )


def unpack_frame(spec: Spec, columns: list[Any]) -> Any:
    dtypes = spec["dtypes"]
    arrays = [_unpack_array(dtype, column) for dtype, column in zip(dtypes, columns, strict=False)]
    index = _unpack_index(spec["index"], columns[len(dtypes) :])
    if spec["kind"] == "series":
        array = arrays[0]
        # Extension arrays are made anew by _unpack_array, NumPy arrays are views of the file.
        copied = array.copy() if isinstance(array, np.ndarray) else array
        value: Any = pd.Series(copied, index=index, name=unpack(spec["name"]), copy=False)
    else:
        value = _assemble(arrays, index, _unpack_labels(spec["labels"]))
    attrs = unpack(spec["attrs"])
    if attrs:
        value.attrs = attrs
    if spec["unique"]:
        value.flags.allows_duplicate_labels = False
    return value


def _assemble(arrays: list[Any], index: Any, labels: Any) -> Any:
    """Return the frame of `arrays`, NumPy columns of one type in one block, as pandas keeps them."""
    create = getattr(getattr(pd.api, "internals", None), "create_dataframe_from_blocks", None)
    if create is None:
        # Before pandas 3: from a dict it gathers the columns by type, too, in one thread.
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
    copies = []
    for dtype, places in by_type.items():
        block = np.empty((len(places), len(index)), dtype)
        copies += [(row, arrays[i]) for row, i in zip(block, places, strict=True)]
        blocks.append((block, np.array(places)))
    if sum(source.nbytes for _, source in copies) > _PARALLEL_BYTES:
        # Most of the time goes to the first touch of fresh memory, which two threads share.
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda pair: np.copyto(*pair), copies))
    else:
        for row, source in copies:
            np.copyto(row, source)
    return create(blocks, index=index, columns=labels)


def _pack_array(array: Any) -> tuple[Spec, Any]:
    dtype = array.dtype
    kind = type(dtype)
    if isinstance(dtype, np.dtype) or type(array) is pd.arrays.NumpyExtensionArray:
        return _pack_numpy(array.to_numpy())
    if kind is pd.DatetimeTZDtype:
        moments = array.tz_convert(None).to_numpy()
        spec, column = _pack_numpy(moments)
        return {**spec, "kind": "tz", "tz": _pack_zone(dtype.tz)}, column
    if kind is pd.StringDtype:
        missing = "NA" if dtype.na_value is pd.NA else "nan"
        column = canonical(one_chunk(pa.array(array, type=pa.large_string())))
        return {"kind": "string", "storage": dtype.storage, "missing": missing}, column
    if kind is pd.CategoricalDtype:
        if array.categories.name is not None:
            raise InexactError
        categories, (levels,) = _pack_index(array.categories, materialise=True)
        return (
            {"kind": "category", "categories": categories, "ordered": bool(dtype.ordered)},
            _dictionary(array.codes, levels),
        )
    if kind is pd.ArrowDtype:
        if isinstance(dtype.pyarrow_dtype, pa.BaseExtensionType) or pa.types.is_dictionary(
            dtype.pyarrow_dtype
        ):
            raise InexactError
        return {"kind": "arrow"}, canonical(one_chunk(pa.array(array)))
    if isinstance(array, (pd.arrays.IntegerArray, pd.arrays.FloatingArray, pd.arrays.BooleanArray)):
        return _pack_masked(array)
    raise InexactError


def _unpack_array(spec: Spec, column: Any) -> Any:
    kind = spec["kind"]
    if kind == "numpy":
        return _unpack_numpy(spec, column)
    if kind == "tz":
        moments = pd.DatetimeIndex(_unpack_numpy(spec, column), copy=True)
        return moments.tz_localize("UTC").tz_convert(_unpack_zone(spec["tz"])).array
    if kind == "string":
        missing = pd.NA if spec["missing"] == "NA" else np.nan
        return pd.StringDtype(storage=spec["storage"], na_value=missing).__from_arrow__(column)
    if kind == "category":
        categories = _unpack_index(spec["categories"], [column.dictionary])
        dtype = pd.CategoricalDtype(categories, ordered=spec["ordered"])
        return pd.Categorical.from_codes(_codes(column), dtype=dtype, validate=False)
    if kind == "arrow":
        return pd.ArrowDtype(column.type).__from_arrow__(column)
    if kind == "masked":
        return _unpack_masked(spec, column)
    raise ValueError(f"unknown kind of column {kind!r}")


def _pack_numpy(array: np.ndarray[Any, Any]) -> tuple[Spec, Any]:
    dtype = array.dtype
    spec = {"kind": "numpy", "dtype": dtype.str}
    if dtype.kind == "b":
        return spec, pa.array(array, type=pa.bool_())
    if not dtype.isnative or dtype.metadata or array.ndim != 1:
        raise InexactError
    if dtype.kind in "mM":
        unit = np.datetime_data(dtype)[0]
        if unit not in ("s", "ms", "us", "ns"):
            raise InexactError
        arrow_type = pa.timestamp(unit) if dtype.kind == "M" else pa.duration(unit)
    elif dtype.kind in _NUMBERS and dtype.itemsize <= 8:
        arrow_type = pa.from_numpy_dtype(dtype)
    else:
        raise InexactError
    # The very bytes, without a mask: NaN and NaT stay what they are, and nothing is copied.
    flat = np.ascontiguousarray(array).view(np.uint8)
    return spec, pa.Array.from_buffers(arrow_type, len(array), [None, pa.py_buffer(flat)], null_count=0)


def _unpack_numpy(spec: Spec, column: Any) -> np.ndarray[Any, Any]:
    dtype = np.dtype(spec["dtype"])
    if dtype.kind == "b":
        return np.asarray(column.to_numpy(zero_copy_only=False))
    values = column.buffers()[1]
    if not len(column) or values is None:
        return np.empty(0, dtype)
    return np.frombuffer(values, dtype, count=len(column), offset=column.offset * dtype.itemsize)


def _pack_masked(array: Any) -> tuple[Spec, Any]:
    mask = array.isna()
    values = array.to_numpy(dtype=array.dtype.numpy_dtype, na_value=0)
    spec = {"kind": "masked", "dtype": array.dtype.numpy_dtype.str}
    # from_pandas=False: a NaN in Float64 is not a missing value.
    return spec, pa.array(values, mask=mask if mask.any() else None, from_pandas=False)


def _unpack_masked(spec: Spec, column: Any) -> Any:
    dtype = np.dtype(spec["dtype"])
    missing = np.array(column.is_null().to_numpy(zero_copy_only=False))
    values = np.array(
        _unpack_numpy(spec, column.fill_null(False) if dtype.kind == "b" else column)  # fresh and writable
    )
    make: Callable[..., Any] = {
        "b": pd.arrays.BooleanArray,
        "f": pd.arrays.FloatingArray,
    }.get(dtype.kind, pd.arrays.IntegerArray)
    return make(values, missing)


def _dictionary(codes: Any, levels: Any) -> Any:
    codes = np.asarray(codes)
    missing = codes == -1
    return pa.DictionaryArray.from_arrays(
        pa.array(np.where(missing, 0, codes).astype(codes.dtype), mask=missing if missing.any() else None),
        levels,
        safe=False,
    )


def _codes(column: Any) -> np.ndarray[Any, Any]:
    filled = column.indices.fill_null(-1)
    return np.array(filled.to_numpy(zero_copy_only=False))


def _pack_index(index: Any, *, materialise: bool = False) -> tuple[Spec, list[Any]]:
    """Return how to rebuild an index, and its columns; `materialise` gives even a range one."""
    kind = type(index)
    spec: Spec = {"name": pack(index.name)} if index.nlevels == 1 else {"names": pack(list(index.names))}
    if kind is pd.RangeIndex:
        spec |= {"kind": "range", "range": [index.start, index.stop, index.step]}
        return spec, [pa.array(index.to_numpy())] if materialise else []
    if kind is pd.MultiIndex:
        if materialise:
            raise InexactError
        levels, columns = [], []
        for level, codes in zip(index.levels, index.codes, strict=True):
            level_spec, (values,) = _pack_index(level, materialise=True)
            levels.append(level_spec)
            columns.append(_dictionary(codes, values))
        return {**spec, "kind": "multi", "levels": levels, "sorted": index.sortorder}, columns
    if kind not in (pd.Index, pd.DatetimeIndex, pd.TimedeltaIndex, pd.CategoricalIndex):
        raise InexactError
    freq = getattr(index, "freq", None)
    if freq is not None:
        spec["freq"] = freq.freqstr
        if pd.tseries.frequencies.to_offset(freq.freqstr) != freq:
            raise InexactError
    dtype, column = _pack_array(index.array)
    return {**spec, "kind": "values", "dtype": dtype}, [column]


def _unpack_index(spec: Spec, columns: list[Any]) -> Any:
    if spec["kind"] == "range":
        return pd.RangeIndex(*spec["range"], name=unpack(spec["name"]))
    if spec["kind"] == "multi":
        return pd.MultiIndex(
            levels=[
                _unpack_index(level, [column.dictionary])
                for level, column in zip(spec["levels"], columns, strict=True)
            ],
            codes=[_codes(column) for column in columns],
            sortorder=spec["sorted"],
            names=unpack(spec["names"]),
            verify_integrity=False,
        )
    array = _unpack_array(spec["dtype"], columns[0])
    index = pd.Index(array, name=unpack(spec["name"]), copy=isinstance(array, np.ndarray))
    if "freq" in spec:
        index.freq = spec["freq"]
    return index


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
    if type(index) is not pd.Index:
        raise InexactError
    dtype = index.dtype
    if isinstance(dtype, pd.StringDtype):
        named = {"storage": dtype.storage, "missing": "NA" if dtype.na_value is pd.NA else "nan"}
        texts = [None if text is dtype.na_value else text for text in index.tolist()]
        return {**spec, "kind": "text", "dtype": named, "values": pack(texts)}
    if not isinstance(dtype, np.dtype) or dtype.kind not in "Obiuf":
        raise InexactError
    return {**spec, "kind": "values", "dtype": dtype.str, "values": pack(index.tolist())}


def _unpack_labels(spec: Spec) -> Any:
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
        missing = pd.NA if spec["dtype"]["missing"] == "NA" else np.nan
        text = pd.StringDtype(storage=spec["dtype"]["storage"], na_value=missing)
        return pd.Index(values, dtype=text, name=name)
    return pd.Index(values, dtype=np.dtype(spec["dtype"]), name=name, tupleize_cols=False)


def _pack_zone(zone: dt.tzinfo) -> Any:
    if type(zone) is zoneinfo.ZoneInfo and zone.key:
        return ["zone", zone.key]
    if type(zone) is dt.timezone:
        offset = zone.utcoffset(None)
        if zone == dt.UTC:
            return ["utc", 0]
        if dt.timezone(offset).tzname(None) == zone.tzname(None):
            return ["offset", [offset.days, offset.seconds, offset.microseconds]]
    raise InexactError


def _unpack_zone(found: Any) -> dt.tzinfo:
    kind, payload = found
    if kind == "utc":
        return dt.UTC
    return zoneinfo.ZoneInfo(payload) if kind == "zone" else dt.timezone(dt.timedelta(*payload))
