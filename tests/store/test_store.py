"""Values come back as they went in, and as a private copy."""

from __future__ import annotations

import datetime as dt
import decimal
import pickle
import sqlite3
import subprocess
import sys
import threading
import uuid
import zoneinfo
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression

from jupyter_mlpipe.errors import EncodingError
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
    "masked": np.ma.array([1, 2, 3], mask=[False, True, False]),
    "recarray": np.rec.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
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
        (ARRAYS, "npy", {"object array", "masked", "recarray", "list of arrays", "aligned record"}),
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


def test_values_that_come_back_are_private_and_writable(store: Store) -> None:
    frame = FRAMES["numbers"].assign(s=["a", "b", "c"], when=MOMENTS, n=pd.array([1, None, 3], "Int64"))
    array = np.arange(100_000.0)
    value = {"deep": array}
    originals = [frame, array, value, frame["a"], pd.Series(MOMENTS)]
    artifacts = [store.put_value(original) for original in originals]
    frame2, array2, value2, series2, moments2 = map(store.get_value, artifacts)
    frame2.loc[0, "a"] = 50
    frame2.loc[1, ["s", "n"]] = ["new", 7]
    frame2.loc[0, "when"] = pd.NaT
    frame2["c"] = frame2["c"] & False
    array2[0] = value2["deep"][0] = 5
    series2.iloc[0] = 9
    moments2.iloc[0] = pd.NaT
    for artifact, original in zip(artifacts, originals, strict=True):
        assert same(original, open_store(store.root).get_value(artifact))


@pytest.mark.parametrize("name", ["numbers", "str", "moments", "nullable", "categories", "deep index"])
def test_layout_and_history_of_a_table_do_not_enter_its_digest(store: Store, name: str) -> None:
    frame = FRAMES[name]
    padded = pd.concat([frame, frame, frame])
    variants = [
        frame.copy(),
        padded.iloc[len(frame) : 2 * len(frame)].set_axis(frame.index),
        pd.DataFrame({label: frame[label] for label in reversed(frame.columns)})[list(frame.columns)],
        store.get_value(store.put_value(frame)),
    ]
    assert {store.put_value(variant).digest for variant in variants} == {store.put_value(frame).digest}


def test_memory_order_of_a_frame_does_not_enter_its_digest(store: Store) -> None:
    values = RNG.random((50, 4))
    frames = [
        pd.DataFrame(values),
        pd.DataFrame(np.asfortranarray(values)),
        pd.DataFrame(values.repeat(2, 0))[::2],
    ]
    frames[2] = frames[2].reset_index(drop=True)
    assert len({store.put_value(frame).digest for frame in frames}) == 1


def test_chunks_of_a_table_do_not_enter_its_digest(store: Store) -> None:
    whole = pa.table({"a": list(range(10)), "d": pa.array(list("abcabcabca")).dictionary_encode()})
    parts = pa.concat_tables([whole.slice(0, 3), whole.slice(3, 5), whole.slice(8)])
    assert store.put_value(whole).digest == store.put_value(parts).digest


def test_what_lies_below_missing_values_does_not_enter_a_digest(store: Store) -> None:
    def column(mask: bytes, hidden: int) -> Any:
        values = np.array([1, hidden, 3])
        return pa.Array.from_buffers(pa.int64(), 3, [pa.py_buffer(mask), pa.py_buffer(values)])

    columns = [column(b"\x05", 0), column(b"\xf5", 99)]
    assert columns[0].equals(columns[1])
    assert len({store.put_value(pa.table({"a": values})).digest for values in columns}) == 1
    frames = [pd.DataFrame({"a": pd.array(values, pd.ArrowDtype(pa.int64()))}) for values in columns]
    frames += [
        pd.DataFrame({"a": pd.arrays.IntegerArray(np.array([1, n, 3]), np.array([0, 1, 0], bool))})
        for n in (0, 9)
    ]
    assert len({store.put_value(frame).digest for frame in frames}) == 2


def test_views_of_arrays_have_the_digest_of_their_content(store: Store) -> None:
    big = RNG.random((3_000_000, 2))  # copied out in pieces
    assert store.put_value(big[:, 1]).digest == store.put_value(big[:, 1].copy()).digest
    assert store.put_value(big).digest != store.put_value(np.asfortranarray(big)).digest


def test_values_that_differ_in_type_or_bits_differ_in_digest(store: Store) -> None:
    values: list[Any] = [1, 1.0, True, "1", b"1", [1], (1,), {1}, np.int64(1), np.int32(1), 0.0, -0.0]
    values += [
        np.array(1),
        np.array([1]),
        np.array([1.0]),
        pd.Series([1]),
        pd.DataFrame([1]),
        {"a": 1},
        {1: "a"},
    ]
    assert len({store.put_value(value).digest for value in values}) == len(values)


DIGESTS = """
import sys, numpy as np, pandas as pd, pyarrow as pa
from jupyter_mlpipe.store.store import open_store
store = open_store(sys.argv[1])
words = {f"w{i}" for i in range(50)}
for value in [words, {"a": words, "b": frozenset(words)}, [1.5, {"x": (1, 2)}],
              pd.DataFrame({"a": np.arange(9), "s": list("abcabcabc")}).astype({"s": "category"}),
              np.arange(1000.0).reshape(10, 100), pa.table({"a": [1, None]})]:
    print(store.put_value(value).digest)
"""


def test_another_process_gives_the_same_digests(tmp_path: Path) -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", DIGESTS, str(tmp_path / seed)],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert len(set(runs[0].split())) == 6


def test_one_list_under_two_names_stays_one(store: Store) -> None:
    inner: list[int] = []
    first, second = store.get_value(store.put_value([inner, inner]))
    assert first is second
    loop: list[Any] = []
    loop.append(loop)
    again = store.get_value(store.put_value(loop))
    assert again[0] is again


def test_small_values_make_no_file(store: Store) -> None:
    artifact = store.put_value({"auc": 0.5})
    assert artifact.blob.inline is not None
    assert store.has(artifact)
    assert [path.name for path in store.root.rglob("*")] == [".gitignore"]


@pytest.mark.parametrize(
    ("value", "type_", "preview"),
    [
        (pd.DataFrame(np.zeros((336_776, 19))), "pandas.DataFrame", "336,776 × 19"),
        (pd.Series(["a"]), "pandas.Series", "str[1]"),
        (np.zeros((100, 3)), "numpy.ndarray", "float64[100, 3]"),
        (np.float64(0.25), "numpy.float64", "np.float64(0.25)"),
        (0.25, "float", "0.25"),
        ("x" * 5000, "str", repr("x" * 60) + "… (5,000)"),
        (list(range(1000)), "list", "list of 1,000"),
        (LinearRegression(), "sklearn.linear_model._base.LinearRegression", "LinearRegression"),
    ],
)
def test_artifacts_are_described_for_people(store: Store, value: Any, type_: str, preview: str) -> None:
    artifact = store.put_value(value)
    assert (artifact.type, artifact.preview) == (type_, preview)


@pytest.mark.parametrize(
    ("value", "name", "advice"),
    [
        ((i for i in range(3)), "generator", "Make it a list"),
        (threading.Lock(), "lock", "Make it where it is used"),
        ({"a": [threading.RLock()]}, "RLock", "Make it where it is used"),
    ],
)
def test_what_is_bound_to_the_process_is_refused(store: Store, value: Any, name: str, advice: str) -> None:
    with pytest.raises(EncodingError, match=f"(?s){name}.*{advice}") as caught:
        store.put_value(value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_file_seen_as_memory_is_refused_and_a_copy_of_it_is_not(store: Store, tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "numbers", dtype="f8", mode="w+", shape=(3,))
    with pytest.raises(EncodingError, match=r"(?s)memmap is a file seen as memory.*where it is read"):
        store.put_value(mapped[1:])
    assert list(store.get_value(store.put_value(mapped.copy()))) == [0, 0, 0]


def test_vectorized_functions_are_stored_after_they_were_called(store: Store) -> None:
    double = np.vectorize(lambda x: 2 * x, otypes=[float])
    double([1])
    assert list(store.get_value(store.put_value(double))([1, 2])) == [2, 4]


def test_open_files_and_connections_are_refused(store: Store) -> None:
    with open(__file__) as file, pytest.raises(EncodingError, match=r"TextIOWrapper is an open file"):
        store.put_value(file)
    connection = sqlite3.connect(":memory:")
    with pytest.raises(EncodingError, match="connect where it is used"):
        store.put_value(connection)
    connection.close()


def test_values_of_notebook_classes_need_their_class(store: Store) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec("class Point:\n    def __init__(self, x): self.x = x", namespace)
    artifact = store.put_value([namespace["Point"](3)], namespace)
    assert set(artifact.needs) == {"Point"}
    (point,) = store.get_value(artifact, namespace)
    assert type(point) is namespace["Point"]
    assert point.x == 3


def test_large_arrays_inside_other_values_are_kept_beside_the_pickle(store: Store) -> None:
    value = {"a": np.arange(1_000_000.0), "b": [np.arange(10_000, dtype="i1").repeat(10)]}
    artifact = store.put_value(value)
    assert same(value, store.get_value(artifact))
    assert store.put_value({"a": value["a"].copy(), "b": [value["b"][0].copy()]}).digest == artifact.digest


@pytest.mark.parametrize(
    "type_", [pa.date32(), pa.time64("us"), pa.duration("s"), pa.float16(), pa.decimal128(5, 2)]
)
def test_missing_values_of_any_arrow_type_come_back(store: Store, type_: pa.DataType) -> None:
    table = pa.table({"a": pa.array([None, None], type_), "b": pa.array([None, True]), "n": pa.nulls(2)})
    table = table.append_column("l", pa.array([None, b"x"], pa.large_binary()))
    assert same(table, store.get_value(store.put_value(table)))


def test_polars_tables_come_back(store: Store) -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"a": [1, None], "s": ["x", "y"], "t": [dt.datetime(2024, 1, 1), None]})
    artifact = store.put_value(frame)
    assert artifact.codec == "arrow"
    again = store.get_value(artifact)
    assert again.equals(frame)
    assert again.schema == frame.schema
    assert store.put_value(pl.concat([frame[:1], frame[1:]])).digest == artifact.digest
    assert store.get_value(store.put_value(frame["s"])).equals(frame["s"], check_names=True)


def test_what_is_stored_together_goes_on_sharing_and_leaves_out_what_cannot_be_stored(store: Store) -> None:
    rows: list[int] = [1, 2]
    stuck = [rows, (i for i in range(3))]
    made = store.put_values({"rows": rows, "table": [rows], "stuck": stuck})
    assert sorted(made) == ["rows", "table"]
    found = store.get_all(made["rows"])
    assert found["table"][0] is found["rows"]
    assert made["rows"].digest == store.put_value(rows).digest


def test_one_value_alone_is_not_stored_together(store: Store) -> None:
    assert store.put_values({"rows": [1], "stuck": [(i for i in range(3))]}) == {}
