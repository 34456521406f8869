"""Values of all kinds come back as they went in, to be changed by whoever gets them, and have one digest.

What the values are is in `tests.support.values`, what "as they went in" means in `tests.support.strict`.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_mlpipe.store.store import Store, open_store
from tests.support.strict import difference
from tests.support.values import VALUES

ROOT = Path(__file__).parents[2]
OPTIONAL = {"polars", "torch", "xgboost"}
PADDED = {"array: longdouble", "array: longdouble scalar"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def make(name: str) -> Any:
    family = name.partition(":")[0]
    if family in OPTIONAL:
        pytest.importorskip(family)
    with warnings.catch_warnings():
        # Such as of a network that has not converged.
        warnings.simplefilter("ignore")
        return VALUES[name]()


def objects(store: Store) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (store.root / "objects").rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.filterwarnings("ignore:.*(quantize|TypedStorage|Sparse CSR)")
def test_a_value_comes_back_as_it_went_in(store: Store, name: str) -> None:
    value = make(name)
    artifact = store.put_value(value)
    before = objects(store)
    # As another process would: nothing remembered from the writing.
    found = open_store(store.root).get_value(artifact)
    assert difference(value, found) == ""
    spoil(found)
    assert objects(store) == before
    assert difference(value, store.get_value(artifact)) == ""
    assert store.put_value(make(name)).digest == artifact.digest


def spoil(value: Any, seen: set[int] | None = None) -> None:
    """Change all of a value that can be changed in place."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    library = type(value).__module__.partition(".")[0]
    parts: list[Any] = []
    if isinstance(value, np.ndarray):
        parts = value.reshape(-1).tolist() if value.dtype.hasobject else []
        if value.flags.writeable:
            value[...] = np.zeros((), value.dtype)
    elif isinstance(value, pd.DataFrame):
        value.attrs["spoiled"] = True
        for i in range(value.shape[1] if len(value) else 0):
            # A cell that holds a list is not set so.
            with contextlib.suppress(TypeError, ValueError):
                value.iat[0, i] = value.iat[-1, i]
    elif isinstance(value, pd.Series):
        value[:] = value.iloc[::-1].array
    elif library == "torch" and hasattr(value, "zero_"):
        with sys.modules["torch"].no_grad(), contextlib.suppress(NotImplementedError, RuntimeError):
            value.zero_()
    elif isinstance(value, (dict, list, set, bytearray)):
        parts = [*value.values()] if isinstance(value, dict) else [*value]
        value.clear()
    elif isinstance(value, tuple):
        parts = [*value]
    elif library in ("sklearn", "tests", "types", "scipy") and not isinstance(value, type | types.ModuleType):
        parts = [*getattr(value, "__dict__", {}).values()]
    for part in parts:
        spoil(part, seen)


@pytest.mark.parametrize(
    "name", [name for name in VALUES if name.partition(":")[0] in ("pandas", "arrow", "polars")]
)
def test_a_table_that_came_back_has_the_digest_that_it_had(store: Store, name: str) -> None:
    if name == "pandas: objects of all kinds":
        pytest.skip("which texts in its cells are one object is another matter")
    artifact = store.put_value(make(name))
    assert store.put_value(store.get_value(artifact)).digest == artifact.digest


DIGESTS = """
import importlib.util, sys, warnings
warnings.simplefilter("ignore")
from jupyter_mlpipe.store.store import open_store
from tests.support.values import VALUES
store = open_store(sys.argv[1])
for name, make in VALUES.items():
    family = name.partition(":")[0]
    if family not in ("polars", "torch", "xgboost") or importlib.util.find_spec(family):
        print(name, store.put_value(make()).digest, sep="\\t")
"""


def test_another_process_gives_the_same_digests(tmp_path: Path) -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", DIGESTS, str(tmp_path / seed)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    first, second = (dict(line.split("\t") for line in run.communicate()[0].splitlines()) for run in runs)
    assert [run.returncode for run in runs] == [0, 0]
    assert len(first) > 300
    # The padding of a long double is whatever was there.
    assert {name for name in first if first[name] != second[name]} <= PADDED


@pytest.mark.parametrize("n_rows", [10, 200_000])
def test_the_values_of_a_small_table_can_be_written_to(store: Store, n_rows: int) -> None:
    # As of a table that got a column later on; where all came at once, pandas gives them read-only.
    table = pd.DataFrame({"a": np.arange(n_rows, dtype=float), "b": 1.0})
    table.insert(0, "c", 2.0)
    found = open_store(store.root).get_value(store.put_value(table))
    found.values[:] = 7.0
    pd.testing.assert_frame_equal(found, table)


def test_to_store_records_leaves_alone_which_warnings_were_shown(store: Store) -> None:
    """Warnings are filtered for all threads at once: the code of a step may be running beside."""
    value = make("array: nested record")
    code = "import warnings\nwarnings.warn('seen', UserWarning)"
    namespace: dict[str, Any] = {}
    with warnings.catch_warnings(record=True) as shown:
        warnings.resetwarnings()
        exec(code, namespace)
        store.put_value(value)
        exec(code, namespace)
    assert [str(warning.message) for warning in shown] == ["seen"]


def test_a_figure_of_plotly_keeps_the_order_of_its_properties_and_its_arrays(store: Store) -> None:
    go = pytest.importorskip("plotly.graph_objects")
    frames = [go.Frame(name="late", data=[go.Bar(y=[1])])]
    figure = go.Figure(go.Scatter(y=np.arange(3), name="a", mode="lines"), frames=frames)
    figure.update_layout(yaxis={"zeroline": True, "color": "red"}, autosize=False)
    found = store.get_value(store.put_value(figure))
    assert list(found.data[0].y) == [0, 1, 2]
    assert found.to_json() == figure.to_json()
    for one in (figure, found):
        one.layout.yaxis.color = "blue"
        one.data[0].line.width = 2
        one.frames[0].name = "later"
        one.add_trace(go.Bar(y=[1])).update_traces(opacity=0.5)
    assert found.to_json() == figure.to_json()


def test_a_part_of_a_plotly_figure_keeps_the_order_of_its_properties(store: Store) -> None:
    go = pytest.importorskip("plotly.graph_objects")
    trace = go.Scatter(y=np.arange(3), name="a", mode="lines", line={"width": 2, "color": "red"})
    trace.fill = "tozeroy"
    trace.line.dash = "dot"
    found = store.get_value(store.put_value(trace))
    assert list(found) == list(trace)
    assert list(found.line) == list(trace.line)
    found.line.color = "blue"
    assert go.Figure(found).data[0].line.color == "blue"
