"""How values are stored: by which codec, under which digest; what is refused. For what comes back see
`test_round_trips`."""

from __future__ import annotations

import pickle
import sqlite3
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression

from jupyter_mlpipe.errors import EncodingError
from jupyter_mlpipe.keys import views
from jupyter_mlpipe.store import arrays
from jupyter_mlpipe.store.comparing import are_same
from jupyter_mlpipe.store.sharing import find_groups
from jupyter_mlpipe.store.store import Store, open_store
from tests.support.strict import difference
from tests.support.values import FAMILIES, FRAMES

RNG = np.random.default_rng(0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


@pytest.mark.parametrize(
    ("family", "name", "codec"),
    [
        ("plain", "dict of any keys", "json"),
        ("plain", "numpy moment", "json"),
        ("plain", "long text", "pickle"),
        ("array", "fortran", "npy"),
        ("array", "nested record", "npy"),
        ("array", "object array", "pickle"),
        ("pandas", "moments", "arrow"),
        ("pandas", "intervals", "arrow"),
        ("pandas", "deep labels of moments", "arrow"),
        ("pandas", "complex", "arrow"),
        ("pandas", "object", "pickle"),
        ("pandas", "sparse", "pickle"),
        ("arrow", "nested", "arrow"),
        ("arrow", "rows without columns", "arrow"),
        ("other", "dataclass", "pickle"),
    ],
)
def test_codec_follows_from_the_value(store: Store, family: str, name: str, codec: str) -> None:
    assert store.put_value(FAMILIES[family][name]()).codec == codec


@pytest.mark.parametrize("name", ["numbers", "str", "moments", "nullable", "categories", "deep index"])
def test_layout_and_history_of_a_table_do_not_enter_its_digest(store: Store, name: str) -> None:
    frame = FRAMES[name]()
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
    for there in (lambda table: table, lambda table: [table], lambda table: table["a"]):
        stored = [store.put_value(there(table)) for table in (whole, parts)]
        assert stored[0].digest == stored[1].digest
        found = store.get_value(stored[1])
        table = found[0] if isinstance(found, list) else found
        column = table["a"] if isinstance(table, pa.Table) else table
        assert (column.num_chunks, column.chunk(0).offset) == (1, 0)


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


def test_views_of_arrays_come_back_as_they_lie_without_what_is_between(store: Store) -> None:
    narrow = RNG.random((30_000, 4))
    for view in (narrow[:, 1], narrow[::-1, :2], narrow.reshape(100, 300, 4)[:, 2:, ::3]):
        stored = store.put_value(view)
        assert stored.size < view.nbytes + 1000
        found = store.get_value(stored)
        assert np.array_equal(found, view)
        assert found.strides == view.strides
        assert store.put_value(found).digest == stored.digest
    assert store.put_value(narrow).digest != store.put_value(np.asfortranarray(narrow)).digest


def test_views_of_very_wide_arrays_have_the_digest_of_their_content(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = RNG.random((30_000, 40))[:, 1]
    monkeypatch.setattr(views, "_SPREAD_BYTES", 1 << 20)
    monkeypatch.setattr(arrays, "_CHUNK_BYTES", 1 << 12)  # copied out in pieces
    assert store.put_value(wide).digest == store.put_value(wide.copy()).digest


def test_a_view_comes_back_as_one_of_the_array_that_it_was_made_of(store: Store) -> None:
    whole = np.arange(12.0)
    grid = whole.reshape(3, 4)
    values = {"whole": whole, "grid": grid, "part": grid[:, 1:3]}
    made = store.put_values(values, {})
    found = store.get_all(made["part"])
    assert found["whole"].base is None
    assert found["whole"].flags.owndata
    assert found["grid"].base is found["part"].base is found["whole"]
    assert store.put_values(found, {}) == made
    # The array itself has no name.
    table = np.arange(6).reshape(2, 3)
    found = store.get_all(store.put_values({"table": table, "row": table[1]}, {})["row"])
    assert found["row"].base is found["table"].base
    assert found["row"].base.shape == (6,)


def test_views_of_one_array_inside_a_value_stay_views(store: Store) -> None:
    whole = np.arange(9.0)
    found = store.get_value(store.put_value([whole, {"first": whole[:2]}, whole.reshape(3, 3)]))
    found[1]["first"][0] = 7
    assert found[0][0] == found[2][0, 0] == 7
    table = np.zeros((1000, 1000))
    columns = [table[:, 0], table[:, 1]]
    # Without the columns between and beside them.
    assert store.put_value(columns).size < 2 * columns[0].nbytes + 1000


def test_expressions_that_share_symbols_are_stored_apart(store: Store) -> None:
    sympy = pytest.importorskip("sympy")
    x, y = sympy.symbols("x y")
    matrix = sympy.Matrix([[x, y]])
    values = {"x": x, "sum": x + y, "listed": [x, x * y], "matrix": matrix, "beside": [matrix]}
    assert find_groups(values, {}) == [("beside", "matrix")]
    assert store.get_value(store.put_value(x + y)) == x + y


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


def test_small_values_make_no_file(store: Store) -> None:
    artifact = store.put_value({"auc": 0.5})
    assert artifact.blob.inline is not None
    assert store.has(artifact)
    assert [path.name for path in store.root.rglob("*")] == [".gitignore"]


@pytest.mark.parametrize(
    ("value", "type_", "preview"),
    [
        (pd.DataFrame(np.zeros((336_776, 19))), f"{pd.DataFrame.__module__}.DataFrame", "336,776 × 19"),
        (pd.Series(["a"]), f"{pd.Series.__module__}.Series", f"{pd.Series(['a']).dtype}[1]"),
        # Kept as pickles: cells of any objects, as all texts are before pandas 3.
        (
            pd.DataFrame({"a": [{}, "x"], "b": [1, 2]}, dtype=object),
            f"{pd.DataFrame.__module__}.DataFrame",
            "2 × 2",
        ),
        (pd.Series([{}, set()]), f"{pd.Series.__module__}.Series", "object[2]"),
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
    assert difference(value, store.get_value(artifact)) == ""
    assert store.put_value({"a": value["a"].copy(), "b": [value["b"][0].copy()]}).digest == artifact.digest


@pytest.mark.parametrize(
    "type_", [pa.date32(), pa.time64("us"), pa.duration("s"), pa.float16(), pa.decimal128(5, 2)]
)
def test_missing_values_of_any_arrow_type_come_back(store: Store, type_: pa.DataType) -> None:
    table = pa.table({"a": pa.array([None, None], type_), "b": pa.array([None, True]), "n": pa.nulls(2)})
    table = table.append_column("l", pa.array([None, b"x"], pa.large_binary()))
    assert difference(table, store.get_value(store.put_value(table))) == ""


def test_chunks_of_a_polars_table_do_not_enter_its_digest(store: Store) -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"a": [1, None], "s": ["x", "y"], "l": [[1], []]})
    parts = pl.concat([frame[:1], frame[1:]], rechunk=False)
    assert store.put_value(parts).digest == store.put_value(frame).digest


@pytest.mark.parametrize("name", ["numbers", "object", "deep index", "deep labels", "sparse"])
def test_a_table_inside_another_value_counts_by_its_content(store: Store, name: str) -> None:
    frame = FRAMES[name]()
    again = pd.concat([frame, frame]).iloc[: len(frame)].set_axis(frame.index)
    pieces = pd.DataFrame({i: frame.iloc[:, i] for i in reversed(range(frame.shape[1]))}, index=frame.index)
    pieces = pieces[sorted(pieces)].set_axis(frame.columns, axis=1)
    digests = {store.put_value([{"train": table}]).digest for table in (frame, again, pieces)}
    assert len(digests) == 1


def test_a_tensor_that_was_computed_comes_back_without_its_history(store: Store) -> None:
    torch = pytest.importorskip("torch")
    weight = torch.ones(3, requires_grad=True)
    found = store.get_value(store.put_value([(weight * 2).sum()]))[0]
    assert found.item() == 6
    # Else it would look as if the gradient of the weight had been found.
    with pytest.raises(RuntimeError, match="does not require grad"):
        found.backward()


@pytest.mark.parametrize("between", [0, 1])
def test_an_optimizer_comes_back_watched_by_the_scheduler_of_its_learning_rate(
    store: Store, recwarn: pytest.WarningsRecorder, between: int
) -> None:
    torch = pytest.importorskip("torch")
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for round_ in range(3):
        if round_ == between:
            optimizer, scheduler = store.get_value(store.put_value((optimizer, scheduler)))
        (weight.sum() * 2).backward()
        optimizer.step()
        scheduler.step()
    assert not [str(w.message) for w in recwarn.list]


def test_what_is_stored_together_goes_on_sharing_and_leaves_out_what_cannot_be_stored(store: Store) -> None:
    rows: list[int] = [1, 2]
    stuck = [rows, (i for i in range(3))]
    made = store.put_values({"rows": rows, "table": [rows], "stuck": stuck})
    assert sorted(made) == ["rows", "table"]
    found = store.get_all(made["rows"])
    assert found["table"][0] is found["rows"]
    assert made["rows"].digest == store.put_value(rows).digest


def draw(height: float) -> dict[str, Any]:
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots(1, 2)
    lines = axes[0].plot([0, height])
    bars = axes[1].bar([1, 2], [3, 4])
    return {"axes": axes, "bars": bars, "fig": figure, "left": axes[0], "lines": lines, "by": {"l": lines}}


def test_parts_of_one_figure_are_stored_together_and_count_as_one() -> None:
    drawn = draw(1.0)
    others = {"x": np.arange(3), "labels": ["a"], "n": 2, "table": pd.DataFrame({"a": [1]})}
    assert find_groups({**drawn, **others}, {}) == [tuple(sorted(drawn))]
    assert find_groups({**drawn, "more": [drawn["left"], 1]}, {}) == [tuple(sorted([*drawn, "more"]))]


def test_two_figures_are_stored_together_only_where_they_share(store: Store) -> None:
    one, other = draw(1.0), draw(1.0)
    both = {"one": one["fig"], "ax": one["left"], "other": other["fig"], "bars": other["bars"]}
    assert find_groups(both, {}) == [("ax", "one"), ("bars", "other")]
    image = one["left"].imshow([[1, 2]])
    other["left"].imshow([[1, 2]], cmap=image.get_cmap(), norm=image.norm)
    assert find_groups(both, {}) == [("ax", "bars", "one", "other")]


def test_parts_of_a_figure_come_back_as_its_parts_with_one_digest_for_all(store: Store) -> None:
    made = store.put_values(draw(1.0))
    found = store.get_all(made["fig"])
    assert found["axes"][0] is found["left"] is found["fig"].axes[0]
    assert found["lines"][0] is found["by"]["l"][0] is found["left"].lines[0]
    assert found["bars"] is found["axes"][1].containers[0]
    again = store.put_values(draw(1.0))
    assert {name: each.digest for name, each in made.items()} == {n: a.digest for n, a in again.items()}
    assert len({each.digest for each in made.values()}) == len(made)
    taller = store.put_values(draw(2.0))
    assert all(made[name].digest != taller[name].digest for name in made)


def test_parts_of_a_figure_that_cannot_be_stored_are_left_out(store: Store) -> None:
    drawn = draw(1.0)
    drawn["fig"].stuck = (i for i in range(3))
    assert store.put_values({"fig": drawn["fig"], "lines": drawn["lines"]}) == {}


def test_values_that_were_stored_together_are_compared_as_one(store: Store) -> None:
    rows = [1, 2]
    artifact = store.put_values({"rows": rows, "table": [rows]})["rows"]
    before, now = store.get_all(artifact), store.get_all(artifact)
    assert are_same(before, now, {})
    now["rows"].append(3)
    assert not are_same(before, now, {})


def test_who_reads_a_figure_has_not_changed_it(store: Store) -> None:
    artifact = store.put_values(draw(1.0))["fig"]
    before, now = store.get_all(artifact), store.get_all(artifact)
    assert now["left"].get_title() == ""
    assert now["left"].lines[0] is now["lines"][0]
    assert are_same(before, now, {})
    now["left"].set_title("b")
    assert not are_same(before, now, {})


class Borrowed:
    """Gives its state in arrays that it makes for that, some of them views of one memory."""

    def __reduce__(self) -> tuple[Any, ...]:
        memory = np.arange(8.0)
        return list, ([memory[:5], memory[3:], *(np.full((2, 3), i) for i in range(40))],)


def test_arrays_that_live_only_while_a_value_is_pickled_are_not_taken_for_others(store: Store) -> None:
    borrowed = Borrowed()
    found = store.get_all(store.put_values({"a": borrowed, "b": [borrowed]})["a"])["a"]
    assert [part.tolist() for part in found] == [part.tolist() for part in borrowed.__reduce__()[1][0]]


def test_one_value_alone_is_not_stored_together(store: Store) -> None:
    assert store.put_values({"rows": [1], "stuck": [(i for i in range(3))]}) == {}
