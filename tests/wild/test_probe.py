"""The account of a value tells what code can see of it, and nothing else."""

from __future__ import annotations

import functools
import pickle
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import polars as pl

from tests.wild.probe import describe


def digest(value: Any) -> str:
    found: str = describe(value)["digest"]
    return found


def test_how_a_random_state_came_to_be_does_not_count() -> None:
    seeded = np.random.RandomState()
    seeded.seed(5)
    copied = np.random.RandomState()
    copied.set_state(seeded.get_state(legacy=False))
    assert digest(seeded) == digest(copied)
    copied.random()
    assert digest(seeded) != digest(copied)


def test_what_an_object_remembers_of_calls_does_not_count() -> None:
    table = pd.DataFrame({"a": ["x", "y"], "b": [1, 2]})
    used, fresh = table.groupby("a"), table.groupby("a")
    assert used.ngroups == 2
    doubled, called = (np.vectorize(len, otypes=[int]) for _ in range(2))
    called(["a"])
    assert digest(used.obj["a"]) == digest(fresh.obj["a"])
    assert digest(doubled) == digest(called)


def test_whether_anybody_has_looked_at_a_value_does_not_count() -> None:
    @functools.singledispatch
    def show(x: object) -> str:
        return "object"

    show.__module__ = "__main__"
    before = digest(show)
    assert show(1) == "object"
    assert digest(show) == before
    show.register(int, str)
    assert digest(show) != before
    for value in (functools.partial(len), ValueError("no")):
        before = digest(value)
        assert vars(value) == {}
        assert digest(value) == before
        value.more = 1  # type: ignore[union-attr]
        assert digest(value) != before


def test_attributes_of_an_array_of_the_notebook_count() -> None:
    kind = type("Measured", (np.ndarray,), {"__module__": "__main__"})
    one, other = (np.arange(2.0).view(kind) for _ in range(2))
    one.unit, other.unit = "m", "s"  # type: ignore[attr-defined]
    assert digest(one) != digest(other)


def test_how_polars_and_plotly_arrange_values_does_not_count() -> None:
    column = pl.Series("a", [1.0, None, 2.0]).drop_nulls()
    figure = go.Figure(go.Bar(y=np.array([1, 2]), x=["a", "b"]))
    for value in (column, column.to_frame(), column.to_frame().lazy(), figure, figure.data[0]):
        assert digest(value) == digest(pickle.loads(pickle.dumps(value)))
    assert digest(column) != digest(column + 1)
    assert digest(figure) != digest(go.Figure(go.Bar(y=np.array([1, 3]), x=["a", "b"])))
