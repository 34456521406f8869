"""What a step is sent: large arrays stay the notebook's own memory until then, and never change."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from jupyter_mlpipe.errors import EncodingError
from jupyter_mlpipe.keys.payload import LivePickle, dump_closure, dump_live, load_closure
from jupyter_mlpipe.keys.values import Digester

N = 200_000


def _frame() -> pd.DataFrame:
    return pd.DataFrame({"a": np.arange(N), "b": np.arange(N) / 7, "text": ["abc"] * N})


def _fixed() -> Any:
    array = np.arange(N)
    array.flags.writeable = False
    return array


VALUES: dict[str, Callable[[], Any]] = {
    "array": lambda: np.arange(N),
    "by columns": lambda: np.arange(N).reshape(2, -1).T,
    "with gaps": lambda: np.arange(2 * N)[::2],
    "not to be written to": _fixed,
    "table": _frame,
    "Arrow table": lambda: pa.table({"a": np.arange(N)}),
    "inside containers": lambda: {"small": [1, 2], "large": [np.arange(N), _frame()]},
}


@pytest.mark.parametrize("kind", VALUES)
def test_sealed_it_holds_what_was_there(kind: str) -> None:
    value = VALUES[kind]()
    live = dump_live({"v": value}, {})
    assert isinstance(live, LivePickle)
    loaded = load_closure(live.seal(), {})["v"]
    assert Digester({}).digest_value(loaded) == Digester({}).digest_value(value)


def test_what_is_loaded_can_be_written_to_and_is_nobody_elses() -> None:
    array = np.arange(N)
    live = dump_live({"v": array, "same": array}, {})
    assert isinstance(live, LivePickle)
    loaded = load_closure(live.seal(), {})
    loaded["v"][0] = 7
    assert (loaded["same"][0], array[0]) == (7, 0)


def test_views_of_one_memory_stay_that() -> None:
    array = np.arange(N)
    live = dump_live({"v": array, "view": array[10:]}, {})
    assert isinstance(live, LivePickle)
    loaded = load_closure(live.seal(), {})
    loaded["v"][10] = 7
    assert loaded["view"][0] == 7


def test_small_values_are_pickled_at_once() -> None:
    values = [1, 2]
    payload = dump_live({"v": values, "few": np.arange(10)}, {})
    values.append(3)
    assert isinstance(payload, bytes)
    assert load_closure(payload, {})["v"] == [1, 2]


@pytest.mark.parametrize("kind", ["array", "table"])
def test_what_was_changed_since_is_not_sent(kind: str) -> None:
    value = VALUES[kind]()
    live = dump_live({"v": value}, {})
    assert isinstance(live, LivePickle)
    if kind == "array":
        value[5] = -1
    else:
        value["a"].array._ndarray[5] = -1
    with pytest.raises(EncodingError, match="changed since in place"):
        live.seal()


def test_memory_that_was_given_back_is_not_looked_at() -> None:
    array = np.arange(100 * N)
    payloads = [dump_live({"v": value}, {}) for value in (array, array.reshape(100, -1).T)]
    array.resize(10, refcheck=False)
    for live in payloads:
        assert isinstance(live, LivePickle)
        with pytest.raises(EncodingError, match="changed since in place"):
            live.seal()


def test_what_is_small_is_as_it_was_beside_what_is_large() -> None:
    words = ["a"]
    live = dump_live({"v": np.arange(N), "words": words}, {})
    words.append("b")
    assert isinstance(live, LivePickle)
    assert load_closure(live.seal(), {})["words"] == ["a"]


def test_another_process_gets_it_sealed() -> None:
    sent = pickle.loads(pickle.dumps(dump_live({"v": np.arange(N)}, {})))
    assert isinstance(sent, bytes)
    assert load_closure(sent, {})["v"][-1] == N - 1


def test_it_is_equal_where_the_content_is() -> None:
    first, second, other = (dump_live({"v": np.arange(N) + n}, {}) for n in (0, 0, 1))
    assert first == second
    assert first != other


def test_what_arrow_has_in_pieces_comes_in_one_without_a_copy_here() -> None:
    whole = pa.table({"a": np.arange(N), "s": ["x"] * N})
    parts = pa.concat_tables([whole.slice(0, 3), whole.slice(3, N // 2), whole.slice(3 + N // 2)])
    live = dump_live({"table": parts, "column": parts["a"], "array": whole["a"].chunk(0).slice(2)}, {})
    assert isinstance(live, LivePickle)
    own = {buffer.address for column in whole.columns for buffer in column.chunk(0).buffers() if buffer}
    assert {np.frombuffer(buffer.raw(), "u1").ctypes.data for buffer in live.buffers} <= own
    loaded = load_closure(live.seal(), {})
    assert loaded["table"].equals(whole)
    assert [column.num_chunks for column in loaded["table"].columns] == [1, 1]
    assert (loaded["column"].num_chunks, loaded["column"].chunk(0).offset) == (1, 0)
    assert (loaded["array"].offset, loaded["array"][0].as_py(), len(loaded["array"])) == (0, 2, N - 2)
    nothing = load_closure(dump_closure({"v": pa.chunked_array([], pa.int8())}, {}), {})["v"]
    assert (nothing.num_chunks, len(nothing)) == (1, 0)
