"""Large arrays and tables are digested once in a moment, and have the same digest as without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from jupyter_mlpipe.keys.moment import forget, once, one_moment
from jupyter_mlpipe.keys.values import Digester

N = 100_000


def _frame(first: float = 0.0) -> pd.DataFrame:
    frame = pd.DataFrame(np.random.default_rng(0).random((N, 5)))
    frame.iloc[0, 0] = first
    return frame.assign(
        text="abc",
        kind=pd.Categorical(["a", "b"] * (N // 2)),
        day=pd.Timestamp("2020-01-01"),
        count=pd.array([1, None] * (N // 2), dtype="Int64"),
        thing=[("a", 1)] * N,
    )


def _array() -> Any:
    return np.random.default_rng(1).random((1000, 500))


def _twice() -> Any:
    array = _array()
    return [array, array]


VALUES: dict[str, Callable[[], Any]] = {
    "a table": _frame,
    "tables of one memory": lambda: [frame := _frame(), frame, frame.iloc[1:]],
    "an array": _array,
    "an array twice": _twice,
    "equal arrays": lambda: [_array(), _array()],
    "views": lambda: [array := _array(), array[:, ::2], array.T, array[::-1], array[1:]],
    "other shapes of one memory": lambda: [array := _array(), array.reshape(-1), array.view("i8")],
    "an array and a table": lambda: [array := _array(), pd.DataFrame(array, copy=False)],
    "an Arrow table": lambda: pa.table({"a": np.arange(N), "b": ["x", "y"] * (N // 2)}),
    "texts": lambda: np.array(["abc", "de"] * N),
    "objects": lambda: np.array([{"a": 1}] * N, dtype=object),
}


@pytest.mark.parametrize("kind", VALUES)
def test_a_moment_changes_no_digest(kind: str) -> None:
    value = VALUES[kind]()
    alone = Digester({}).digest_value(value)
    with one_moment():
        assert [Digester({}).digest_value(value) for _ in range(2)] == [alone] * 2


def test_what_reaches_a_table_reaches_the_same_in_a_moment() -> None:
    frame, reached = _frame(), []
    with one_moment():
        for _ in range(2):
            digester = Digester({})
            digester.digest_value(frame)
            reached.append(list(digester.reach.modules))
    assert reached[0] == reached[1]
    assert {"numpy", "pandas"} <= {*reached[0]}


def test_values_of_one_moment_differ_whatever_memory_is_used_again() -> None:
    with one_moment():
        digests = {Digester({}).digest_value(_frame(first)) for first in range(30)}
        digests |= {Digester({}).digest_value(_array() + number) for number in range(30)}
    assert len(digests) == 60


def test_a_change_between_two_moments_is_seen() -> None:
    frame, array = _frame(), _array()
    with one_moment():
        before = [Digester({}).digest_value(value) for value in (frame, array)]
    frame.iloc[5, 2] = 7.0
    array[3, 3] = 7.0
    with one_moment():
        after = [Digester({}).digest_value(value) for value in (frame, array)]
    assert all(old != new for old, new in zip(before, after, strict=True))


def test_a_moment_ends_where_code_of_the_user_runs() -> None:
    array = _array()
    with one_moment():
        before = Digester({}).digest_value(array)
        array[3, 3] = 7.0
        forget()
        assert Digester({}).digest_value(array) != before


def test_moments_inside_a_moment_are_the_same_one() -> None:
    asked = []
    with one_moment(), one_moment():
        once("a", None, lambda: asked.append(1))
    once("a", None, lambda: asked.append(2))
    with one_moment():
        with one_moment():
            once("a", None, lambda: asked.append(3))
        once("a", None, lambda: asked.append(4))
    assert asked == [1, 2, 3]
