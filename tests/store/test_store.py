"""Values come back as they went in, and as a private copy."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
import zoneinfo
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from jupyter_mlpipe.store.store import Store, open_store

RNG = np.random.default_rng(0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def same(a: Any, b: Any) -> bool:
    """Compare by type and bits, nested."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return np.float64(a).tobytes() == np.float64(b).tobytes()
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(map(same, a, b)) and all(map(same, a.values(), b.values()))
    if isinstance(a, np.ndarray):
        same_layout = a.flags.f_contiguous == b.flags.f_contiguous or a.ndim == 0
        return a.dtype == b.dtype and a.shape == b.shape and same_layout and _elements(a) == _elements(b)
    if isinstance(a, np.generic):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b, check_freq=True, check_column_type=True, check_flags=True)
        assert a.attrs == b.attrs
        same_index(a.columns, b.columns)
        same_index(a.index, b.index)
        return all(same_column(a.iloc[:, i], b.iloc[:, i]) for i in range(a.shape[1]))
    if isinstance(a, pd.Series):
        pd.testing.assert_series_equal(a, b, check_freq=True, check_flags=True)
        assert type(a.name) is type(b.name)
        same_index(a.index, b.index)
        return same_column(a, b)
    if isinstance(a, pa.Table):
        return a.equals(b, check_metadata=True)
    return bool(a == b)


def _elements(array: np.ndarray) -> Any:
    return array.tolist() if array.dtype.hasobject else array.tobytes()


def same_column(a: pd.Series, b: pd.Series) -> bool:
    if isinstance(a.dtype, pd.CategoricalDtype):
        same_index(a.cat.categories, b.cat.categories)
        assert a.cat.codes.dtype == b.cat.codes.dtype
    assert a.dtype == b.dtype
    assert a.array.__class__ is b.array.__class__
    if isinstance(a.dtype, np.dtype) and not a.dtype.hasobject:
        return a.to_numpy().tobytes() == b.to_numpy().tobytes()
    return True


def same_index(a: pd.Index, b: pd.Index) -> None:
    assert type(a) is type(b)
    pd.testing.assert_index_equal(a, b, exact=True)
    assert a.names == b.names
    assert getattr(a, "freq", None) == getattr(b, "freq", None)
    assert a.dtype == b.dtype
    if isinstance(a, pd.MultiIndex):
        for left, right in zip(a.levels, b.levels, strict=True):
            same_index(left, right)
        assert [c.dtype for c in a.codes] == [c.dtype for c in b.codes]


class Money(float):
    pass


PLAIN: dict[str, Any] = {
    "none": None,
    "true": True,
    "int": 7,
    "huge int": -(10**5000),
    "float": 0.1,
    "negative zero": -0.0,
    "nan": float("nan"),
    "inf": float("-inf"),
    "complex": complex(-0.0, float("inf")),
    "text": "naïve \ud800 \x00 🦆",
    "bytes": bytes(range(256)),
    "bytearray": bytearray(b"ab"),
    "tuple": (1, "a", (2.5, None), ()),
    "list": [1, [2, [3, True]], []],
    "set": {1, "a", (2, 3)},
    "frozenset": frozenset({b"x", 2.5}),
    "dict": {"b": 1, "a": [1, 2], "~": ["tuple", []]},
    "dict of any keys": {1: "a", (1, 2): None, "1": 2.0, None: False},
    "range": range(3, 30, 4),
    "slice": slice(None, 5, None),
    "ellipsis": [...],
    "numpy float": np.float64(0.1),
    "numpy float32 nan": np.float32("nan"),
    "numpy int8": np.int8(-3),
    "numpy bool": np.bool_(True),
    "numpy text": np.str_("abc"),
    "numpy moment": np.datetime64("2024-02-29T12:00", "ms"),
    "metrics": {"auc": np.float64(0.9), "n": [np.int64(3)]},
    "long text": "x" * 3_000_000,
}
ARRAYS: dict[str, Any] = {
    "array": RNG.random((100, 3)),
    "fortran": np.asfortranarray(RNG.random((100, 3))),
    "strided": RNG.random((100, 3))[::2, 1:],
    "transposed": RNG.random((4, 5, 6)).transpose(1, 2, 0),
    "0-d": np.array(3.5),
    "empty": np.empty((0, 3), np.int16),
    "bool array": RNG.random(1000) > 0.5,
    "moments": np.array(["2024-01-01", "NaT"], "M8[us]"),
    "text array": np.array(["a", "bcd"]),
    "big endian": np.arange(3, dtype=">i4"),
    "record": np.array([(1, 2.5, b"x")], dtype=[("a", "i4"), ("b", "f8"), ("c", "S3")]),
    "aligned record": np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "object array": np.array([1, "a", None], dtype=object),
    "matrix": np.matrix([[1, 2], [3, 4]]),
    "list of arrays": [np.arange(3), {"x": np.arange(100_000)}],
}
MOMENTS = pd.date_range("2024-01-01", periods=3, freq="D")
FRAMES: dict[str, Any] = {
    "numbers": pd.DataFrame({"a": [1, 2, 3], "b": [0.5, np.nan, -0.0], "c": [True, False, True]}),
    "small types": pd.DataFrame({t: np.arange(3).astype(t) for t in ("i1", "u2", "u8", "f4", "f2")}),
    "str": pd.DataFrame({"s": ["a", None, "ccc"], "e": ["", "ü", "x"]}),
    "string": pd.DataFrame(
        {"p": pd.array(["a", None], "string"), "q": pd.array(["a", None], "string[python]")}
    ),
    "nullable": pd.DataFrame(
        {
            "i": pd.array([1, None, 3], "Int32"),
            "f": pd.array([0.5, None, 2], "Float64"),
            "b": pd.array([True, None, False], "boolean"),
        }
    ),
    "moments": pd.DataFrame(
        {
            "ns": MOMENTS.as_unit("ns"),
            "s": pd.DatetimeIndex(["2024-01-01", None, "1800-01-01"]).as_unit("s"),
            "tz": MOMENTS.tz_localize("Europe/Paris"),
            "utc": MOMENTS.tz_localize("UTC"),
            "fixed": MOMENTS.tz_localize(dt.timezone(dt.timedelta(hours=-3))),
            "zone": MOMENTS.tz_localize(zoneinfo.ZoneInfo("Asia/Kolkata")),
            "delta": MOMENTS - MOMENTS[1],
        }
    ),
    "categories": pd.DataFrame(
        {
            "s": pd.Categorical(["b", None, "a"], categories=["b", "a", "unused"], ordered=True),
            "i": pd.Categorical([3, 1, 3]),
            "m": pd.Categorical(MOMENTS),
        }
    ),
    "arrow types": pd.DataFrame({"a": pd.array([1, None], pd.ArrowDtype(pa.int16()))}),
    "object": pd.DataFrame({"o": pd.Series(["a", 1, None], dtype=object)}),
    "object strings": pd.DataFrame({"o": pd.Series(["a", "b"], dtype=object)}),
    "period": pd.DataFrame({"p": pd.period_range("2024", periods=3, freq="M")}),
    "intervals": pd.DataFrame({"p": pd.cut([1, 2, 3], 2)}),
    "complex": pd.DataFrame({"c": [1j, 2]}),
    "sparse": pd.DataFrame({"s": pd.arrays.SparseArray([0, 0, 1])}),
    "no columns": pd.DataFrame(index=["a", "b"]),
    "no rows": pd.DataFrame({"a": np.empty(0), "s": pd.array([], "str")}),
    "nothing": pd.DataFrame(),
    "int labels": pd.DataFrame(RNG.random((3, 2)), columns=[5, 3]),
    "range labels": pd.DataFrame(RNG.random((3, 2))),
    "mixed labels": pd.DataFrame([[1, 2, 3]], columns=pd.Index([1, "a", ("t", 2)], tupleize_cols=False)),
    "same label twice": pd.DataFrame([[1, 2.5]], columns=["a", "a"]),
    "label name": pd.DataFrame([[1, 2]], columns=pd.Index(["a", "b"], name="what")),
    "object labels": pd.DataFrame([[1, 2]], columns=pd.Index(["a", "b"], dtype=object)),
    "deep labels": pd.DataFrame(
        [[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", None])
    ),
    "moment labels": pd.DataFrame([[1, 2, 3]], columns=MOMENTS),
    "range index": pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(5, 9, 2, name="i")),
    "int index": pd.DataFrame({"a": [1, 2]}, index=[5, 3]),
    "str index": pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="k")),
    "daily index": pd.DataFrame({"a": [1, 2, 3]}, index=MOMENTS),
    "hourly zone index": pd.Series([1, 2], index=pd.date_range("2024", periods=2, freq="2h", tz="UTC")),
    "moment index": pd.DataFrame({"a": [1, 2]}, index=pd.DatetimeIndex(["2024-05-05", "2023-01-01"])),
    "deep index": pd.DataFrame(
        {"a": [1, 2, 3]}, index=pd.MultiIndex.from_product([["x"], [3, 1, 2]], names=["k", "n"])
    ),
    "deep index, unused level": pd.DataFrame(
        {"a": range(4)}, index=pd.MultiIndex.from_product([["x", "y"], [1.5, None]])
    ).iloc[:2],
    "category index": pd.Series([1, 2], index=pd.CategoricalIndex(["a", "b"])),
    "series": pd.Series([1.5, 2], name="s"),
    "series without a name": pd.Series(["a", None]),
    "series named by tuple": pd.Series([1], name=("a", 1)),
    "slice": pd.DataFrame({"a": np.arange(100), "s": ["x"] * 100})[10:50:3],
    "filtered": pd.DataFrame({"a": np.arange(100), "s": ["x"] * 100}).query("a % 2 == 1"),
    "wide": pd.DataFrame(RNG.random((2, 300))),
}
FRAMES["attrs"] = FRAMES["numbers"].copy()
FRAMES["attrs"].attrs = {"source": "here", "n": (1, 2)}
FRAMES["flags"] = FRAMES["numbers"].set_flags(allows_duplicate_labels=False)
TABLES: dict[str, Any] = {
    "table": pa.table({"a": [1, None], "s": ["x", "y"], "l": [[1], []]}),
    "table with metadata": pa.table({"a": [1]}).replace_schema_metadata({"k": "v"}),
    "dictionary": pa.table({"d": pa.array(["a", "b", "a"]).dictionary_encode()}),
    "chunks": pa.concat_tables([pa.table({"a": [1]}), pa.table({"a": [2, 3]})]),
    "no rows": pa.table({"a": pa.array([], pa.int8())}),
    "no columns": pa.table({}),
}
OTHER: dict[str, Any] = {
    "date": dt.date(2024, 2, 29),
    "decimal": decimal.Decimal("1.10"),
    "fraction": Fraction(1, 3),
    "uuid": uuid.UUID(int=5),
    "path": Path("a/b"),
    "float subclass": Money(2.5),
    "frames in a dict": {"train": FRAMES["numbers"], "names": ["a"]},
    "timestamp": pd.Timestamp("2024-01-01", tz="UTC"),
    "exception": ValueError,
}
ALL = {
    f"{family}: {name}": value
    for family, values in
    [("plain", PLAIN), ("array", ARRAYS), ("pandas", FRAMES), ("arrow", TABLES), ("other", OTHER)]
    for name, value in values.items()
}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_what_comes_back_equals_what_went_in(store: Store, name: str) -> None:
    artifact = store.put_value(ALL[name])
    # As another process would: nothing remembered from the writing.
    assert same(ALL[name], open_store(store.root).get_value(artifact))


@pytest.mark.parametrize(
    ("family", "codec", "exceptions"),
    [
        (PLAIN, "json", {"long text"}),
        (ARRAYS, "npy", {"object array", "matrix", "list of arrays", "aligned record"}),
        (
            FRAMES,
            "arrow",
            {"object", "object strings", "period", "intervals", "complex", "sparse", "moment labels"},
        ),
        (TABLES, "arrow", {"no columns"}),
        (OTHER, "pickle", set()),
    ],
)
def test_codec_follows_from_the_type(
    store: Store, family: dict[str, Any], codec: str, exceptions: set[str]
) -> None:
    pickled = {name for name, value in family.items() if store.put_value(value).codec != codec}
    assert pickled == exceptions
