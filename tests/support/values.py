"""Values of all kinds that a step may give, each made by a function of its own.

A process that makes one of them twice, or another process that makes it, must get the same value.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import importlib
import operator
import re
import string
import types
import uuid
import zoneinfo
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

Make = Callable[[], Any]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


class Money(float):
    pass


class Colour(enum.Enum):
    RED = 1
    BLUE = "b"


class Access(enum.IntFlag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: float = 0.5


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    name: str
    rows: list[int]


@dataclasses.dataclass
class Result:
    score: float
    weights: np.ndarray
    table: pd.DataFrame
    parent: Result | None = None


class Labelled(pd.DataFrame):
    _metadata = ["label"]  # noqa: RUF012 - as pandas has it

    @property
    def _constructor(self) -> type[Labelled]:
        return Labelled


class Tagged(dict):  # type: ignore[type-arg]
    pass


class Measured(np.ndarray):  # type: ignore[type-arg]
    unit: str


class WithSlots:
    __slots__ = ("a", "b")


class FailureError(Exception):
    def __init__(self, code: int, *, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


def with_note(error: BaseException) -> BaseException:
    error.__notes__ = ["while reading"]
    return error


def caused() -> BaseException:
    try:
        try:
            raise KeyError("a")
        except KeyError as error:
            raise FileNotFoundError(2, "no such file", "b") from error
    except FileNotFoundError as error:
        return error


def filled(value: Any, **attributes: Any) -> Any:
    for name, part in attributes.items():
        setattr(value, name, part)
    return value


def closure() -> Any:
    total = [0]
    return lambda x, by=2: total[0] + x * by


def moments() -> pd.DatetimeIndex:
    return pd.date_range("2024-01-01", periods=3, freq="D")


def series_of(*values: Any, dtype: Any = None) -> pd.DataFrame:
    return pd.DataFrame({"a": pd.Series(list(values), dtype=dtype)})


def indexed(index: Any) -> pd.DataFrame:
    return pd.DataFrame({"a": np.arange(len(index))}, index=index)


PLAIN: dict[str, Make] = {
    "none": lambda: None,
    "true": lambda: True,
    "int": lambda: 7,
    "huge int": lambda: -(10**5000),
    "float": lambda: 0.1,
    "negative zero": lambda: -0.0,
    "nan": lambda: float("nan"),
    "inf": lambda: float("-inf"),
    "complex": lambda: complex(-0.0, float("inf")),
    "text": lambda: "naïve \ud800 \x00 🦆",
    "bytes": lambda: bytes(range(256)),
    "bytearray": lambda: bytearray(b"ab"),
    "tuple": lambda: (1, "a", (2.5, None), ()),
    "list": lambda: [1, [2, [3, True]], []],
    "set": lambda: {1, "a", (2, 3)},
    "frozenset": lambda: frozenset({b"x", 2.5}),
    "set of texts": lambda: {f"w{i}" for i in range(50)},
    "dict": lambda: {"b": 1, "a": [1, 2], "~": ["tuple", []]},
    "dict of any keys": lambda: {1: "a", (1, 2): None, "1": 2.0, None: False},
    "range": lambda: range(3, 30, 4),
    "slice": lambda: slice(None, 5, None),
    "ellipsis": lambda: [...],
    "bare ellipsis": lambda: ...,
    "numpy float": lambda: np.float64(0.1),
    "numpy float32 nan": lambda: np.float32("nan"),
    "numpy int8": lambda: np.int8(-3),
    "numpy bool": lambda: np.bool_(True),
    "numpy text": lambda: np.str_("abc"),
    "numpy moment": lambda: np.datetime64("2024-02-29T12:00", "ms"),
    "numpy moment of 10 minutes": lambda: np.datetime64(5, "10m"),
    "numpy no moment": lambda: np.datetime64("NaT"),
    "metrics": lambda: {"auc": np.float64(0.9), "n": [np.int64(3)]},
    "long text": lambda: "x" * 3_000_000,
}
ARRAYS: dict[str, Make] = {
    "array": lambda: rng().random((100, 3)),
    "fortran": lambda: np.asfortranarray(rng().random((100, 3))),
    "strided": lambda: rng().random((100, 3))[::2, 1:],
    "negative strides": lambda: np.arange(12.0).reshape(3, 4)[::-1, ::-1],
    "transposed": lambda: rng().random((4, 5, 6)).transpose(1, 2, 0),
    "broadcast": lambda: np.broadcast_to(np.arange(3.0), (4, 3)),
    "read-only": lambda: np.frombuffer(b"abcdefgh", np.uint16),
    "0-d": lambda: np.array(3.5),
    "0-d bool": lambda: np.array(False),
    "empty": lambda: np.empty((0, 3), np.int16),
    "empty fortran": lambda: np.empty((3, 0, 2), order="F"),
    "bool array": lambda: rng().random(1000) > 0.5,
    "half": lambda: np.array([1, np.nan, -0.0], np.float16),
    "complex": lambda: np.array([1j, complex("nan")], np.complex64),
    "moments": lambda: np.array(["2024-01-01", "NaT"], "M8[us]"),
    "moments by 25 s": lambda: np.array([1, 2], "M8[25s]"),
    "spans of any unit": lambda: np.array([1, 2], "m8"),
    "text array": lambda: np.array(["a", "bcd"]),
    "bytes array": lambda: np.array([b"a", b"bcd\x00e"]),
    "big endian": lambda: np.arange(3, dtype=">i4"),
    "big endian text": lambda: np.array(["ä", "bcd"], ">U3"),
    "raw": lambda: np.array([b"abc", b"de"], "V3"),
    "record": lambda: np.array([(1, 2.5, b"x")], dtype=[("a", "i4"), ("b", "f8"), ("c", "S3")]),
    "nested record": lambda: np.zeros(2, [("a", [("b", "i2"), ("c", "U2", (2,))]), ("", ">f4")]),
    "record with a title": lambda: np.zeros(2, [(("long name", "a"), "i4"), ("b", "f8")]),
    "record with gaps": lambda: np.zeros(
        2, np.dtype({"names": ["a", "b"], "formats": ["i1", "f8"], "offsets": [0, 16], "itemsize": 32})
    ),
    "part of a record": lambda: np.zeros(2, [("a", "i4"), ("b", "f8"), ("c", "i1")])[["a", "c"]],
    "aligned record": lambda: np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "type with a note": lambda: np.zeros(2, np.dtype("i4", metadata={"unit": "m"})),
    "record whose records have a note": lambda: np.zeros(
        2, [("a", [("b", np.dtype("i4", metadata={"unit": "m"}), (2,))], (3,))]
    ),
    "object array": lambda: np.array([1, "a", None], dtype=object),
    "object array, fortran": lambda: np.asfortranarray([[1, "a"], [None, 2.5]], dtype=object),
    "ragged": lambda: np.array([np.arange(3), np.arange(2)], dtype=object),
    "longdouble": lambda: np.array([1, 0.1], np.longdouble),
    "texts of any length": lambda: np.array(["a", "b" * 100, "ü"], np.dtypes.StringDType()),
    "texts or none": lambda: np.array(["a", None], np.dtypes.StringDType(na_object=None)),
    "masked": lambda: np.ma.array([1, 2, 3], mask=[False, True, False], fill_value=7),
    "masked, nothing masked": lambda: np.ma.array([1, 2, 3]),
    "masked for good": lambda: np.ma.array([1.5, 2], mask=[False, True], hard_mask=True),
    "of a class of ours": lambda: filled(np.arange(3).view(Measured), unit="m"),
    "limits of a type": lambda: [np.finfo("f4"), np.iinfo("i2")],
    "recarray": lambda: np.rec.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
    "character array": lambda: np.array(["a", "b"]).view(np.char.chararray),
    "list of arrays": lambda: [np.arange(3), {"x": np.arange(100_000)}],
    "list of read-only arrays": lambda: [filled_flags(np.arange(3)), filled_flags(np.arange(100_000.0))],
    "generator": lambda: np.random.default_rng(5),
    "old generator": lambda: np.random.RandomState(5),
    "dtype": lambda: np.dtype([("a", "i4")]),
    "ufunc": lambda: np.add,
    "polynomial": lambda: np.polynomial.Polynomial([1, 2, 3]),
    "poly1d": lambda: np.poly1d([1, 2]),
    "vectorized": lambda: np.vectorize(operator.neg, otypes=[float]),
    "index expression": lambda: np.s_[1:3, ..., None],
    "object scalar": lambda: np.void(b"abc"),
    "record scalar": lambda: np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")])[0],
    "longdouble scalar": lambda: np.longdouble(0.1),
}


def filled_flags(array: Any) -> Any:
    array.flags.writeable = False
    return array


FRAMES: dict[str, Make] = {
    "numbers": lambda: pd.DataFrame({"a": [1, 2, 3], "b": [0.5, np.nan, -0.0], "c": [True, False, True]}),
    "small types": lambda: pd.DataFrame({t: np.arange(3).astype(t) for t in ("i1", "u2", "u8", "f4", "f2")}),
    "str": lambda: pd.DataFrame({"s": ["a", None, "ccc"], "e": ["", "ü", "x"]}),
    "string": lambda: pd.DataFrame(
        {"p": pd.array(["a", None], "string"), "q": pd.array(["a", None], "string[python]")}
    ),
    "strings of Python, NaN": lambda: series_of("a", np.nan, dtype=pd.StringDtype("python", na_value=np.nan)),
    "nullable": lambda: pd.DataFrame(
        {
            "i": pd.array([1, None, 3], "Int32"),
            "f": pd.array([0.5, None, 2], "Float64"),
            "b": pd.array([True, None, False], "boolean"),
        }
    ),
    "nullable, none missing": lambda: pd.DataFrame({"i": pd.array([1, 2], "UInt8"), "f": pd.array([1, 2.5])}),
    "nullable, NaN within": lambda: pd.DataFrame(
        {"f": pd.arrays.FloatingArray(np.array([np.nan, 1.0]), np.array([False, True]))}
    ),
    "moments": lambda: pd.DataFrame(
        {
            "ns": moments().as_unit("ns"),
            "s": pd.DatetimeIndex(["2024-01-01", None, "1800-01-01"]).as_unit("s"),
            "tz": moments().tz_localize("Europe/Paris"),
            "utc": moments().tz_localize("UTC"),
            "fixed": moments().tz_localize(dt.timezone(dt.timedelta(hours=-3))),
            "zone": moments().tz_localize(zoneinfo.ZoneInfo("Asia/Kolkata")),
            "delta": moments() - moments()[1],
        }
    ),
    "moments in seconds of a zone": lambda: series_of(
        "2024-10-27 02:30", None, dtype="datetime64[s, UTC]"
    ).assign(b=lambda f: f.a.dt.tz_convert("America/New_York")),
    "a zone with a name": lambda: pd.DataFrame(
        {"a": moments().tz_localize(dt.timezone(dt.timedelta(hours=1), "here"))}
    ),
    "spans in ms": lambda: pd.DataFrame({"a": np.array([5, "NaT"], "m8[ms]")}),
    "categories": lambda: pd.DataFrame(
        {
            "s": pd.Categorical(["b", None, "a"], categories=["b", "a", "unused"], ordered=True),
            "i": pd.Categorical([3, 1, 3]),
            "m": pd.Categorical(moments()),
        }
    ),
    "categories that are intervals": lambda: pd.DataFrame({"c": pd.cut([1, 5, 9, np.nan], [0, 3, 6, 10])}),
    "categories with a name": lambda: series_of().assign(
        a=pd.Categorical(["x"] * 0, categories=pd.Index(["x", "y"], name="kind"))
    ),
    "categories of any object": lambda: series_of(
        (1, 2), "a", dtype=pd.CategoricalDtype(pd.Index([(1, 2), "a"], dtype=object, tupleize_cols=False))
    ),
    "no categories": lambda: pd.DataFrame({"c": pd.Categorical([None, None])}),
    "categories that are a range": lambda: pd.DataFrame(
        {"c": pd.Categorical.from_codes([0, 2, -1], categories=pd.RangeIndex(3))}
    ),
    "many categories": lambda: pd.DataFrame({"c": pd.Categorical(np.arange(300))}),
    "arrow types": lambda: pd.DataFrame({"a": pd.array([1, None], pd.ArrowDtype(pa.int16()))}),
    "arrow types, nested": lambda: pd.DataFrame(
        {
            "l": pd.array([[1, None], None], pd.ArrowDtype(pa.list_(pa.int64()))),
            "s": pd.array(
                [{"x": 1, "y": "a"}, None], pd.ArrowDtype(pa.struct([("x", pa.int8()), ("y", pa.string())]))
            ),
            "m": pd.array([[("k", 1)], None], pd.ArrowDtype(pa.map_(pa.string(), pa.int8()))),
            "d": pd.array([decimal.Decimal("1.10"), None], pd.ArrowDtype(pa.decimal128(5, 2))),
            "t": pd.array([dt.time(1, 2), None], pd.ArrowDtype(pa.time64("us"))),
            "z": pd.array([dt.datetime(2024, 1, 1), None], pd.ArrowDtype(pa.timestamp("ns", "Asia/Tokyo"))),
            "b": pd.array([b"x", None], pd.ArrowDtype(pa.binary())),
        }
    ),
    "arrow dictionary": lambda: pd.DataFrame(
        {"d": pd.arrays.ArrowExtensionArray(pa.array(["a", None, "a"]).dictionary_encode())}
    ),
    "object": lambda: series_of("a", 1, None, dtype=object),
    "object strings": lambda: series_of("a", "b", dtype=object),
    "objects of all kinds": lambda: series_of(
        decimal.Decimal("1.10"),
        dt.date(2024, 1, 1),
        dt.time(1),
        {"a": [1]},
        np.nan,
        pd.NaT,
        pd.NA,
        uuid.UUID(int=5),
        Path("a"),
        b"x",
        1j,
        Fraction(1, 3),
        dtype=object,
    ),
    "one list in two cells": lambda: pd.DataFrame({"o": [[1]] * 2}),
    "period": lambda: pd.DataFrame({"p": pd.period_range("2024", periods=3, freq="M")}),
    "intervals": lambda: pd.DataFrame({"p": pd.arrays.IntervalArray.from_breaks([0, 1.5, 3], closed="left")}),
    "complex": lambda: pd.DataFrame({"c": [1j, 2]}),
    "sparse": lambda: pd.DataFrame({"s": pd.arrays.SparseArray([0, 0, 1])}),
    "sparse, NaN": lambda: pd.DataFrame({"s": pd.arrays.SparseArray([np.nan, 1.5, np.nan])}),
    "sparse in blocks": lambda: pd.DataFrame({"s": pd.arrays.SparseArray([0, 0, 1, 1], kind="block")}),
    "no columns": lambda: pd.DataFrame(index=["a", "b"]),
    "no rows": lambda: pd.DataFrame({"a": np.empty(0), "s": pd.array([], "str")}),
    "nothing": lambda: pd.DataFrame(),
    "columns only": lambda: pd.DataFrame(columns=["a", "b"]),
    "no columns of a kind": lambda: pd.DataFrame(index=pd.RangeIndex(3), columns=pd.Index([], dtype="str")),
    "no rows of moments": lambda: pd.DataFrame({"a": [1]}, index=moments()[:1]).iloc[:0],
    "int labels": lambda: pd.DataFrame(rng().random((3, 2)), columns=[5, 3]),
    "range labels": lambda: pd.DataFrame(rng().random((3, 2))),
    "float labels": lambda: pd.DataFrame([[1, 2]], columns=[0.5, np.nan]),
    "bool labels": lambda: pd.DataFrame([[1, 2]], columns=[True, False]),
    "small int labels": lambda: pd.DataFrame([[1, 2]], columns=pd.Index([1, 2], dtype="int8")),
    "mixed labels": lambda: pd.DataFrame(
        [[1, 2, 3]], columns=pd.Index([1, "a", ("t", 2)], tupleize_cols=False)
    ),
    "enum labels": lambda: pd.DataFrame([[1, 2]], columns=list(Colour)),
    "same label twice": lambda: pd.DataFrame([[1, 2.5]], columns=["a", "a"]),
    "no label": lambda: pd.DataFrame([[1, 2]], columns=["a", None]),
    "label name": lambda: pd.DataFrame([[1, 2]], columns=pd.Index(["a", "b"], name="what")),
    "label name that is a tuple": lambda: pd.DataFrame([[1, 2]], columns=pd.Index(["a", "b"], name=("w", 1))),
    "object labels": lambda: pd.DataFrame([[1, 2]], columns=pd.Index(["a", "b"], dtype=object)),
    "string labels": lambda: pd.DataFrame([[1, 2]], columns=pd.Index(["a", "b"], dtype="string")),
    "category labels": lambda: pd.DataFrame([[1, 2]], columns=pd.CategoricalIndex(["a", "b"])),
    "interval labels": lambda: pd.DataFrame([[1, 2]], columns=pd.interval_range(0, 2)),
    "period labels": lambda: pd.DataFrame([[1, 2]], columns=pd.period_range("2024", periods=2, freq="M")),
    "deep labels": lambda: pd.DataFrame(
        [[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", None])
    ),
    "deep labels, some gone": lambda: pd.DataFrame(
        [[1, 2, 3]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", None), ("c", 2)])
    ).iloc[:, :2],
    "deep labels of moments": lambda: pd.DataFrame(
        [[1, 2, 3]], columns=pd.MultiIndex.from_product([["a"], moments()])
    ),
    "moment labels": lambda: pd.DataFrame([[1, 2, 3]], columns=moments()),
    "range index": lambda: indexed(pd.RangeIndex(5, 9, 2, name="i")),
    "range index, backwards": lambda: indexed(pd.RangeIndex(3, 0, -1)),
    "int index": lambda: indexed([5, 3]),
    "unsigned index": lambda: indexed(pd.Index([5, 3], dtype="uint8")),
    "float index": lambda: indexed([0.5, np.nan, -0.0]),
    "bool index": lambda: indexed(pd.Index([True, False])),
    "str index": lambda: indexed(pd.Index(["x", "y"], name="k")),
    "string index": lambda: indexed(pd.Index(["x", None], dtype="string")),
    "object index": lambda: indexed(pd.Index(["x", 1, None], dtype=object)),
    "nullable index": lambda: indexed(pd.Index(pd.array([1, None], "Int64"))),
    "arrow index": lambda: indexed(pd.Index(pd.array([1, None], pd.ArrowDtype(pa.int8())))),
    "complex index": lambda: indexed(pd.Index([1j, 2])),
    "daily index": lambda: indexed(moments()),
    "daily index in ns": lambda: indexed(moments().as_unit("ns")),
    "business days": lambda: indexed(pd.bdate_range("2024-01-04", periods=3)),
    "own business days": lambda: indexed(
        pd.bdate_range("2024-01-04", periods=3, freq="C", weekmask="Mon Wed Fri", holidays=["2024-01-05"])
    ),
    "every three hours and a half": lambda: indexed(pd.date_range("2024", periods=3, freq="210min")),
    "weeks": lambda: indexed(pd.date_range("2024", periods=3, freq="W-WED")),
    "ends of quarters": lambda: indexed(pd.date_range("2024", periods=3, freq="QE-FEB")),
    "an offset of our own": lambda: indexed(
        pd.date_range("2024", periods=3, freq=pd.DateOffset(months=1, days=2))
    ),
    "hourly zone index": lambda: pd.Series(
        [1, 2], index=pd.date_range("2024", periods=2, freq="2h", tz="UTC")
    ),
    "daily index in a zone": lambda: indexed(
        pd.date_range("2024-10-26", periods=3, freq="D", tz="Europe/Paris", name="when")
    ),
    "hours across a change of clocks": lambda: indexed(
        pd.date_range("2024-10-27", periods=5, freq="h", tz="Europe/Paris")
    ),
    "moment index": lambda: indexed(pd.DatetimeIndex(["2024-05-05", "2023-01-01", None])),
    "span index": lambda: indexed(pd.timedelta_range("1h", periods=3, freq="2h")),
    "period index": lambda: indexed(pd.period_range("2024", periods=3, freq="Q-MAR", name="q")),
    "interval index": lambda: indexed(pd.interval_range(0, 3, closed="both")),
    "interval index of moments": lambda: indexed(pd.IntervalIndex.from_breaks(moments())),
    "deep index": lambda: indexed(pd.MultiIndex.from_product([["x"], [3, 1, 2]], names=["k", "n"])),
    "deep index without names": lambda: indexed(pd.MultiIndex.from_arrays([[1, 2], ["a", "b"]])),
    "deep index, same name twice": lambda: indexed(
        pd.MultiIndex.from_arrays([[1, 2], ["a", "b"]], names=["n", "n"])
    ),
    "deep index of one level": lambda: indexed(pd.MultiIndex.from_arrays([[1, 2]], names=["k"])),
    "deep index, unused level": lambda: pd.DataFrame(
        {"a": range(4)}, index=pd.MultiIndex.from_product([["x", "y"], [1.5, None]])
    ).iloc[:2],
    "deep index of moments": lambda: indexed(pd.MultiIndex.from_product([moments(), pd.Categorical(["a"])])),
    "deep index of zones": lambda: indexed(
        pd.MultiIndex.from_product([moments().tz_localize("Asia/Tokyo"), [True]])
    ),
    "deep index of intervals": lambda: indexed(
        pd.MultiIndex.from_product([pd.interval_range(0, 2), pd.period_range("2024", periods=1, freq="D")])
    ),
    "deep index, no rows": lambda: pd.DataFrame(
        {"a": []}, index=pd.MultiIndex.from_arrays([[], []], names=["a", "b"])
    ),
    "deep index that is sorted": lambda: indexed(
        pd.MultiIndex.from_product([["y", "x"], [2, 1]]).sort_values()
    ),
    "category index": lambda: pd.Series([1, 2], index=pd.CategoricalIndex(["a", "b"])),
    "grouped": lambda: pd.DataFrame({"k": list("aab"), "v": [1, 2, 3.5]}).groupby("k").agg(["mean", "sum"]),
    "pivoted": lambda: pd.DataFrame({"k": list("aab"), "l": list("xyx"), "v": [1, 2, 3]}).pivot(
        index="k", columns="l", values="v"
    ),
    "described": lambda: pd.DataFrame({"k": list("aab"), "v": [1, 2, 3]}).describe(include="all"),
    "series": lambda: pd.Series([1.5, 2], name="s"),
    "series without a name": lambda: pd.Series(["a", None]),
    "series named by tuple": lambda: pd.Series([1], name=("a", 1)),
    "series named by a number": lambda: pd.Series([1], name=np.int64(3)),
    "series named by a moment": lambda: pd.Series([1], name=pd.Timestamp("2024-01-01")),
    "series without rows": lambda: pd.Series([], dtype="Int64", name="n"),
    "series of periods": lambda: pd.Series(pd.period_range("2024", periods=2, freq="D")),
    "slice": lambda: pd.DataFrame({"a": np.arange(100), "s": ["x"] * 100})[10:50:3],
    "filtered": lambda: pd.DataFrame({"a": np.arange(100), "s": ["x"] * 100}).query("a % 2 == 1"),
    "wide": lambda: pd.DataFrame(rng().random((2, 3000))),
    "views of one array": lambda: pd.DataFrame(rng().random((5, 6)), copy=False)[[0, 3, 5]],
    "attrs": lambda: filled(pd.DataFrame({"a": [1]}), attrs={"source": "here", "n": (1, 2)}),
    "attrs that hold an array": lambda: filled(pd.DataFrame({"a": [1]}), attrs={"w": np.arange(3)}),
    "attrs that hold a table": lambda: filled(pd.Series([1]), attrs={"w": pd.DataFrame({"a": [1]})}),
    "flags": lambda: pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False),
    "own attribute": lambda: filled(pd.Series([1, 2]), limit=5),
    "table of a class of ours": lambda: filled(Labelled({"a": [1, 2]}), label="mine"),
    "bad text": lambda: series_of("\ud800", "a", dtype=object),
    "index alone": lambda: pd.Index(["a", "b"], name="k"),
    "moment index alone": lambda: pd.date_range("2024", periods=3, freq="MS", tz="UTC"),
    "deep index alone": lambda: pd.MultiIndex.from_product([["a"], [1, 2]]),
    "range index alone": lambda: pd.RangeIndex(3),
    "interval index alone": lambda: pd.interval_range(0, 3),
    "categorical alone": lambda: pd.Categorical(["a", "b", None]),
    "nullable array alone": lambda: pd.array([1, None, 3]),
    "strings alone": lambda: pd.array(["a", None]),
    "sparse alone": lambda: pd.arrays.SparseArray([0, 1]),
    "moment": lambda: pd.Timestamp("2024-01-01", tz="Europe/Paris"),
    "span": lambda: pd.Timedelta("1h"),
    "one period": lambda: pd.Period("2024", "M"),
    "one interval": lambda: pd.Interval(0, 1, "left"),
    "missing": lambda: pd.NA,
    "no moment": lambda: pd.NaT,
    "offset": lambda: pd.offsets.CustomBusinessDay(holidays=["2024-01-05"]),
    "category type": lambda: pd.CategoricalDtype(["a", "b"], ordered=True),
}
TABLES: dict[str, Make] = {
    "table": lambda: pa.table({"a": [1, None], "s": ["x", "y"], "l": [[1], []]}),
    "table with metadata": lambda: pa.table({"a": [1]}).replace_schema_metadata({"k": "v"}),
    "fields with metadata": lambda: pa.table(
        [pa.array([1])], schema=pa.schema([pa.field("a", pa.int8(), nullable=False, metadata={"unit": "m"})])
    ),
    "same name twice": lambda: pa.table([[1], ["a"]], names=["a", "a"]),
    "dictionary": lambda: pa.table({"d": pa.array(["a", "b", "a"]).dictionary_encode()}),
    "ordered dictionary": lambda: pa.table(
        {"d": pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int8()), ["b", "a"], ordered=True)}
    ),
    "dictionary with a null": lambda: pa.table({"d": pa.array(["a", None, "a"]).dictionary_encode("encode")}),
    "chunks": lambda: pa.concat_tables([pa.table({"a": [1]}), pa.table({"a": [2, 3]})]),
    "no rows": lambda: pa.table({"a": pa.array([], pa.int8())}),
    "no columns": lambda: pa.table({}),
    "rows without columns": lambda: pa.table({"a": [1, 2]}).select([]),
    "nested": lambda: pa.table(
        {
            "s": [{"x": 1, "y": [None, "a"]}, None],
            "m": pa.array([[("k", 1)], None], pa.map_("string", "int8")),
        }
    ),
    "types": lambda: pa.table(
        {
            str(type_): pa.array([None, None], type_)
            for type_ in [
                pa.date32(),
                pa.date64(),
                pa.time32("s"),
                pa.time64("us"),
                pa.duration("s"),
                pa.float16(),
                pa.decimal128(5, 2),
                pa.decimal256(50, 2),
                pa.binary(3),
                pa.large_binary(),
                pa.string_view(),
                pa.month_day_nano_interval(),
                pa.list_(pa.int8(), 2),
                pa.large_list(pa.int8()),
                pa.null(),
                pa.timestamp("ns", "+01:00"),
                pa.bool_(),
                pa.list_view(pa.int8()),
            ]
        }
    ),
    "union": lambda: pa.table(
        {
            "u": pa.UnionArray.from_sparse(
                pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]
            )
        }
    ),
    "runs": lambda: pa.table({"r": pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"])}),
    "extension": lambda: pa.table({"u": pa.array([b"x" * 16], pa.uuid())}),
    "sliced": lambda: pa.table({"a": list(range(100)), "s": [str(i) for i in range(100)]}).slice(10, 5),
    "batch": lambda: pa.record_batch({"a": [1, None]}),
    "arrow array": lambda: pa.array(["a", None]),
    "chunked array": lambda: pa.chunked_array([[1], [2, None]]),
    "arrow scalar": lambda: pa.scalar(5, pa.int8()),
    "schema": lambda: pa.schema([("a", pa.int8())], metadata={"k": "v"}),
    "arrow type": lambda: pa.struct([("x", pa.int8())]),
    "arrow buffer": lambda: pa.py_buffer(b"abc"),
}
OTHER: dict[str, Make] = {
    "not implemented": lambda: NotImplemented,
    "deque": lambda: collections.deque([1, [2]], maxlen=5),
    "defaultdict of a lambda": lambda: collections.defaultdict(lambda: 5, {"a": 1}),
    "defaultdict": lambda: collections.defaultdict(list, {"a": [1]}),
    "ordered dict": lambda: collections.OrderedDict(b=1, a=2),
    "counter": lambda: collections.Counter("abca"),
    "chain map": lambda: collections.ChainMap({"a": 1}, {"a": 2, "b": 3}),
    "named tuple": lambda: Point(1),
    "enum": lambda: Colour.BLUE,
    "flag": lambda: Access.READ | Access.WRITE,
    "frozen dataclass with slots": lambda: Slotted("a", [1, 2]),
    "dataclass": lambda: Result(
        0.5, np.arange(3), pd.DataFrame({"a": [1]}), Result(1, np.zeros(0), pd.DataFrame())
    ),
    "slots, one of them empty": lambda: filled(WithSlots(), a=[1]),
    "dict of a class of ours": lambda: filled(Tagged(a=1), note="x"),
    "float subclass": lambda: Money(2.5),
    "simple namespace": lambda: types.SimpleNamespace(a=1, b=[2]),
    "mapping proxy": lambda: types.MappingProxyType({"a": 1}),
    "regex": lambda: re.compile(r"a(?P<x>b+)", re.IGNORECASE),
    "template": lambda: string.Template("$a"),
    "path": lambda: Path("a/b"),
    "pure path": lambda: PurePosixPath("/a"),
    "decimal": lambda: decimal.Decimal("1.10"),
    "decimal that is no number": lambda: [decimal.Decimal("-0"), decimal.Decimal("Infinity")],
    "fraction": lambda: Fraction(1, 3),
    "date": lambda: dt.date(2024, 2, 29),
    "time": lambda: dt.time(1, 2, 3, tzinfo=dt.UTC),
    "datetime of a zone, second time": lambda: dt.datetime(
        2024, 10, 27, 2, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Paris"), fold=1
    ),
    "timedelta": lambda: dt.timedelta(days=-1, microseconds=5),
    "zone": lambda: zoneinfo.ZoneInfo("Asia/Kolkata"),
    "fixed zone": lambda: dt.timezone(dt.timedelta(hours=2), "here"),
    "uuid": lambda: uuid.UUID(int=5),
    "exception": lambda: FailureError(3, detail="x"),
    "exception with a note": lambda: with_note(KeyError("a")),
    "exception with a cause": caused,
    "group of exceptions": lambda: ExceptionGroup("several", [ValueError("a"), TypeError("b")]),
    "exception class": lambda: ValueError,
    "builtin function": lambda: len,
    "module": lambda: operator,
    "generic alias": lambda: dict[str, list[int]],
    "union of types": lambda: int | None,
    "partial": lambda: functools.partial(operator.mul, 2),
    "bound method": lambda: Tagged(a=1).get,
    "method of a class": lambda: Money.fromhex,
    "item getter": lambda: operator.itemgetter(1, "a"),
    "lambda": lambda: lambda x, y=(1, 2): x + y[0],
    "closure": closure,
    "random": lambda: __import__("random").Random(5),
    "bytes in a list, large": lambda: [bytes(range(256)) * 1000, bytearray(range(256)) * 1000],
    "text file in memory": lambda: __import__("io").StringIO("abc"),
    "iterator of a list": lambda: iter([1, 2, 3]),
    "very many small things": lambda: [{"a": i, "b": [str(i)]} for i in range(30_000)],
    "frames in a dict": lambda: {"train": pd.DataFrame({"a": [1, 2]}), "names": ["a"]},
    "deep nesting": lambda: functools.reduce(lambda inner, _: [inner], range(200), []),
    "everything in one": lambda: {
        "frame": FRAMES["categories"](),
        "array": ARRAYS["fortran"](),
        "table": TABLES["dictionary"](),
        "result": OTHER["dataclass"](),
        ("a", 1): [Colour.RED, {Slotted("x", []).name}],
        "f": len,
    },
    "one list under two names": lambda: [inner := [1], inner, {"x": inner}],
    "one array under two names": lambda: [inner := np.arange(50_000), {"x": inner}],
    "one frame under two names": lambda: [inner := pd.DataFrame({"a": [1]}), (inner,)],
    "a list that holds itself": lambda: (loop := [1]).append(loop) or loop,
    "an object that holds itself": lambda: (ring := types.SimpleNamespace()).__setattr__("me", ring) or ring,
}


def scipy_sparse(kind: str, array: bool = True) -> Any:
    sparse = importlib.import_module("scipy.sparse")
    dense = np.array([[0, 1.5, 0], [2, 0, 0], [0, 0, 0]])
    return getattr(sparse, f"{kind}_{'array' if array else 'matrix'}")(dense)


SPARSE: dict[str, Make] = {
    **{f"{kind} array": functools.partial(scipy_sparse, kind) for kind in
       ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")},
    "csr matrix": functools.partial(scipy_sparse, "csr", False),
}  # fmt: skip


def fitted(module: str, name: str, **options: Any) -> Any:
    data = rng().random((40, 3))
    kind = getattr(importlib.import_module(f"sklearn.{module}"), name)
    return kind(**options).fit(data, (data[:, 0] > 0.5).astype(int))


def pipeline() -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

    table = pd.DataFrame({"a": rng().random(40), "c": pd.Categorical(list("xy") * 20)})
    prepare = ColumnTransformer(
        [
            ("n", make_pipeline(SimpleImputer(), FunctionTransformer(np.log1p)), ["a"]),
            ("c", OneHotEncoder(), ["c"]),
        ]
    )
    search = GridSearchCV(
        make_pipeline(prepare, LogisticRegression()), {"logisticregression__C": [0.1, 1]}, cv=2
    )
    search.fit(table, [0, 1] * 20)
    # How long each fit took.
    search.cv_results_ = {n: v for n, v in search.cv_results_.items() if "time" not in n}
    search.refit_time_ = 0.0
    return search


SKLEARN: dict[str, Make] = {
    "unfitted": lambda: importlib.import_module("sklearn.svm").SVC(C=2),
    "linear": lambda: fitted("linear_model", "LinearRegression"),
    "forest": lambda: fitted("ensemble", "RandomForestClassifier", n_estimators=3, random_state=0),
    "boosting": lambda: fitted("ensemble", "HistGradientBoostingClassifier", max_iter=3, random_state=0),
    "neighbours": lambda: fitted("neighbors", "KNeighborsClassifier"),
    "clusters": lambda: fitted("cluster", "KMeans", n_clusters=2, random_state=0, n_init=1),
    "network": lambda: fitted("neural_network", "MLPClassifier", max_iter=300, random_state=0, tol=1e-2),
    "scaler": lambda: fitted("preprocessing", "StandardScaler"),
    "search over a pipeline": pipeline,
}


def figure() -> Any:
    from matplotlib.figure import Figure

    drawn = Figure()
    left, right = drawn.subplots(1, 2)
    left.plot([1, 2, 3], label="a")
    left.legend()
    right.imshow(np.arange(6).reshape(2, 3))
    right.set_title("$x^2$")
    return drawn


FIGURES: dict[str, Make] = {
    "figure": figure,
    "axes": lambda: figure().axes,
    "colours": lambda: importlib.import_module("matplotlib.colors").ListedColormap(["r", "b"]),
}


def in_polars(make: Callable[[Any], Any]) -> Make:
    return lambda: make(importlib.import_module("polars"))


POLARS: dict[str, Make] = {
    "table": in_polars(
        lambda pl: pl.DataFrame({"a": [1, None], "s": ["x", "y"], "t": [dt.datetime(2024, 1, 1), None]})
    ),
    "types": in_polars(
        lambda pl: pl.DataFrame(
            {
                str(t): pl.Series([1, None], dtype=t)
                for t in (
                    pl.Int8,
                    pl.UInt8,
                    pl.Int16,
                    pl.UInt16,
                    pl.Int32,
                    pl.UInt32,
                    pl.UInt64,
                    pl.Float32,
                    pl.Float64,
                )
            }
            | {
                "b": [True, None],
                "d": [dt.date(2024, 1, 1), None],
                "u": [dt.timedelta(1), None],
                "n": pl.Series([None, None], dtype=pl.Null),
                "h": [dt.time(1), None],
                "x": [b"x", None],
            }
        )
    ),
    "moments": in_polars(
        lambda pl: pl.DataFrame(
            {u: pl.Series([dt.datetime(2024, 1, 1), None], dtype=pl.Datetime(u)) for u in ("ms", "us", "ns")}
            | {"z": pl.Series([dt.datetime(2024, 1, 1), None], dtype=pl.Datetime("us", "Asia/Tokyo"))}
        )
    ),
    "nested": in_polars(
        lambda pl: pl.DataFrame(
            {
                "l": [[1, 2], None],
                "s": [{"x": 1, "y": "a"}, None],
                "a": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int8, 2)),
            }
        )
    ),
    "categories": in_polars(
        lambda pl: pl.DataFrame(
            {
                "c": pl.Series(["a", "b", "a", None], dtype=pl.Categorical),
                "e": pl.Series(["a", "b", "a", None], dtype=pl.Enum(["b", "a", "unused"])),
            }
        )
    ),
    "decimals": in_polars(lambda pl: pl.DataFrame({"d": [decimal.Decimal("1.10"), None]})),
    "no rows": in_polars(lambda pl: pl.DataFrame(schema={"a": pl.Int8, "s": pl.String})),
    "no columns": in_polars(lambda pl: pl.DataFrame()),
    "rows without columns": in_polars(lambda pl: pl.DataFrame(height=3)),
    "chunks": in_polars(
        lambda pl: pl.concat([pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [2]})], rechunk=False)
    ),
    "series": in_polars(lambda pl: pl.Series("s", ["x", None])),
    "series without rows": in_polars(lambda pl: pl.Series("", [], dtype=pl.Int8)),
    "lazy": in_polars(lambda pl: pl.LazyFrame({"a": [1, 2]}).filter(pl.col("a") > 1)),
    "expression": in_polars(lambda pl: (pl.col("a") * 2).meta.serialize(format="json")),
    "in a dict": in_polars(lambda pl: {"train": pl.DataFrame({"a": [1, 2]}), "n": [pl.Series([1])]}),
    "type": in_polars(lambda pl: pl.Datetime("ms", "UTC")),
}


def in_torch(make: Callable[[Any], Any]) -> Make:
    def made() -> Any:
        torch = importlib.import_module("torch")
        torch.manual_seed(0)
        return make(torch)

    return made


def trained(torch: Any) -> Any:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    return {"model": model.eval(), "optimizer": optimizer}


_TORCH_DTYPES = (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "bfloat16",
    "float32", "float64", "complex32", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2",
)  # fmt: skip
TORCH: dict[str, Make] = {
    **{
        f"tensor of {name}": in_torch(
            lambda torch, name=name: torch.tensor([0, 1, 1]).to(getattr(torch, name))
        )
        for name in _TORCH_DTYPES
    },
    "tensor": in_torch(lambda torch: torch.rand(100, 300)),
    "0-d": in_torch(lambda torch: torch.tensor(2.5)),
    "empty": in_torch(lambda torch: torch.empty(0, 3)),
    "with a gradient": in_torch(lambda torch: torch.ones(3, requires_grad=True)),
    "gradient found": in_torch(lambda torch: filled(torch.ones(3, requires_grad=True), grad=torch.ones(3))),
    "parameter": in_torch(lambda torch: torch.nn.Parameter(torch.rand(3))),
    "transposed": in_torch(lambda torch: torch.rand(3, 4).T),
    "strided": in_torch(lambda torch: torch.rand(8, 4)[::2, 1:]),
    "expanded": in_torch(lambda torch: torch.rand(1, 4).expand(3, 4)),
    "two of one storage": in_torch(lambda torch: [whole := torch.rand(4, 4), whole[1:], whole.view(16)]),
    "conjugate": in_torch(lambda torch: torch.tensor([1 + 2j]).conj()),
    "sparse": in_torch(lambda torch: torch.eye(3).to_sparse()),
    "compressed": in_torch(lambda torch: torch.eye(3).to_sparse_csr()),
    "quantized": in_torch(lambda torch: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)),
    "own attribute": in_torch(lambda torch: filled(torch.ones(3), label="x")),
    "module": in_torch(lambda torch: trained(torch)["model"]),
    "module and optimizer": in_torch(trained),
    "state": in_torch(lambda torch: trained(torch)["model"].state_dict()),
    "tied weights": in_torch(
        lambda torch: (lambda a, b: filled(torch.nn.ModuleList([a, filled(b, weight=a.weight)])))(
            torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
        )
    ),
    "dtype": in_torch(lambda torch: torch.bfloat16),
    "device": in_torch(lambda torch: torch.device("cpu")),
    "size": in_torch(lambda torch: torch.ones(2, 3).shape),
    "generator": in_torch(lambda torch: torch.Generator().manual_seed(5).get_state()),
    "data": in_torch(lambda torch: torch.utils.data.TensorDataset(torch.arange(3), torch.ones(3))),
}


def boosted() -> Any:
    xgboost = importlib.import_module("xgboost")
    data = rng().random((40, 3))
    return xgboost.XGBClassifier(n_estimators=2, max_depth=2, n_jobs=1).fit(data, data[:, 0] > 0.5)


XGBOOST: dict[str, Make] = {"model": boosted, "booster": lambda: boosted().get_booster()}

FAMILIES: dict[str, dict[str, Make]] = {
    "plain": PLAIN,
    "array": ARRAYS,
    "pandas": FRAMES,
    "arrow": TABLES,
    "other": OTHER,
    "scipy": SPARSE,
    "sklearn": SKLEARN,
    "matplotlib": FIGURES,
    "polars": POLARS,
    "torch": TORCH,
    "xgboost": XGBOOST,
}
VALUES: dict[str, Make] = {
    f"{family}: {name}": make for family, values in FAMILIES.items() for name, make in values.items()
}
