"""Columns and indexes of pandas to Arrow and back, for exactly those that come back equal to the bit.

Own conversions, not pyarrow's: those turn NaN into null, infer types of objects, and depend on
pandas' options of the day.
"""

from __future__ import annotations

import datetime as dt
import inspect
import zoneinfo
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas
import pyarrow as pa

from jupyter_mlpipe.store.layout import canonical, one_chunk
from jupyter_mlpipe.store.plain import pack, unpack

# The stubs of pandas lack what extension arrays are built from.
pd: Any = pandas
Spec = dict[str, Any]
_INDEXES = frozenset(
    {
        *(pd.Index, pd.DatetimeIndex, pd.TimedeltaIndex, pd.CategoricalIndex, pd.PeriodIndex),
        pd.IntervalIndex,
    }
)
_TAKES_MISSING = "na_value" in inspect.signature(pd.StringDtype).parameters  # from pandas 2.3 on
_NUMBERS = frozenset("iuf")
_UNITS = frozenset((unit, 1) for unit in ("s", "ms", "us", "ns"))
# Without a type of Arrow, such as complex numbers: as their bytes.
_RAW = frozenset("iufcmM")
_PADDED = frozenset({np.dtype(np.longdouble).str, np.dtype(np.clongdouble).str})


class InexactError(Exception):
    """The value is better off with another codec."""


def pack_array(array: Any) -> tuple[Spec, Any]:
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
        if missing == "nan" and not _TAKES_MISSING:
            raise InexactError
        column = canonical(one_chunk(pa.array(array, type=pa.large_string())))
        return {"kind": "string", "storage": dtype.storage, "missing": missing}, column
    if kind is pd.PeriodDtype:
        name = dtype.name.removeprefix("period[").removesuffix("]")
        if pd.PeriodDtype(name) != dtype:
            raise InexactError
        return {"kind": "period", "freq": name}, _pack_numpy(array.asi8)[1]
    if kind is pd.IntervalDtype:
        sides, columns = zip(
            *(pack_index(side, materialise=True) for side in (array.left, array.right)), strict=True
        )
        return (
            {"kind": "interval", "sides": sides, "closed": dtype.closed},
            pa.StructArray.from_arrays([column for (column,) in columns], ["left", "right"]),
        )
    if kind is pd.CategoricalDtype:
        if array.categories.name is not None:
            raise InexactError
        categories, (levels,) = pack_index(array.categories, materialise=True)
        if pa.types.is_nested(levels.type) and not pa.types.is_struct(levels.type):
            raise InexactError
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


def text_type(spec: Spec) -> Any:
    """Return the type of text that `pack_array` describes."""
    missing = {} if spec["missing"] == "NA" else {"na_value": np.nan}
    return pd.StringDtype(spec["storage"], **missing)


def unpack_array(spec: Spec, column: Any) -> Any:
    kind = spec["kind"]
    if kind == "numpy":
        return _unpack_numpy(spec, column)
    if kind == "tz":
        moments = pd.DatetimeIndex(_unpack_numpy(spec, column), copy=True)
        return moments.tz_localize("UTC").tz_convert(_unpack_zone(spec["tz"])).array
    if kind == "string":
        return text_type(spec).__from_arrow__(column)
    if kind == "period":
        ordinals = _unpack_numpy({"dtype": "<i8"}, column).copy()
        return pd.arrays.PeriodArray(ordinals, dtype=pd.PeriodDtype(spec["freq"]))
    if kind == "interval":
        sides = [unpack_index(side, [column.field(i)]) for i, side in enumerate(spec["sides"])]
        return pd.arrays.IntervalArray.from_arrays(*sides, closed=spec["closed"])
    if kind == "category":
        categories = unpack_index(spec["categories"], [column.dictionary])
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
    if dtype.metadata or array.ndim != 1:
        raise InexactError
    if dtype.kind in "mM" and dtype.isnative and np.datetime_data(dtype) in _UNITS:
        unit = np.datetime_data(dtype)[0]
        arrow_type = pa.timestamp(unit) if dtype.kind == "M" else pa.duration(unit)
    elif dtype.kind in _NUMBERS and dtype.isnative and dtype.itemsize <= 8:
        arrow_type = pa.from_numpy_dtype(dtype)
    elif dtype.kind in _RAW and dtype.str not in _PADDED:
        arrow_type = pa.binary(dtype.itemsize)
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


def pack_index(index: Any, *, materialise: bool = False) -> tuple[Spec, list[Any]]:
    """Return how to rebuild an index, and its columns; `materialise` gives even a range one."""
    kind = type(index)
    if kind is pd.MultiIndex:
        if materialise:
            raise InexactError
        return _pack_levels(index)
    spec: Spec = {"name": pack(index.name)}
    if kind is pd.RangeIndex:
        spec |= {"kind": "range", "range": [index.start, index.stop, index.step]}
        return spec, [pa.array(index.to_numpy())] if materialise else []
    if kind not in _INDEXES:
        raise InexactError
    freq = getattr(index, "freq", None) if kind is not pd.PeriodIndex else None
    if freq is not None:
        if not has_text(freq):
            raise InexactError
        spec["freq"] = freq.freqstr
    dtype, column = pack_array(index.array)
    return {**spec, "kind": "values", "dtype": dtype}, [column]


def has_text(freq: Any) -> bool:
    """Tell whether the text of a frequency says all of it."""
    try:
        return bool(pd.tseries.frequencies.to_offset(freq.freqstr) == freq)
    except ValueError:
        return False


def _pack_levels(index: Any) -> tuple[Spec, list[Any]]:
    levels, columns = [], []
    for level, codes in zip(index.levels, index.codes, strict=True):
        level_spec, (values,) = pack_index(level, materialise=True)
        # Arrow cannot read back a dictionary whose values are in a dictionary.
        if pa.types.is_nested(values.type) or pa.types.is_dictionary(values.type):
            raise InexactError
        levels.append(level_spec)
        columns.append(_dictionary(codes, values))
    names = pack(list(index.names))
    return {"names": names, "kind": "multi", "levels": levels, "sorted": index.sortorder}, columns


def unpack_index(spec: Spec, columns: list[Any]) -> Any:
    if spec["kind"] == "range":
        return pd.RangeIndex(*spec["range"], name=unpack(spec["name"]))
    if spec["kind"] == "multi":
        return pd.MultiIndex(
            levels=[
                unpack_index(level, [column.dictionary])
                for level, column in zip(spec["levels"], columns, strict=True)
            ],
            codes=[_codes(column) for column in columns],
            sortorder=spec["sorted"],
            names=unpack(spec["names"]),
            verify_integrity=False,
        )
    array = unpack_array(spec["dtype"], columns[0])
    index = pd.Index(array, name=unpack(spec["name"]), copy=isinstance(array, np.ndarray))
    if "freq" in spec:
        index.freq = spec["freq"]
    return index


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
