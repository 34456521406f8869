"""What a value holds is told by bytes, whatever its kind, and can be made again."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from jupyter_mlpipe.keys.contents import take_content


@pytest.mark.parametrize(
    ("value", "change"),
    [
        ({"a": {"b": []}}, lambda v: v["a"]["b"].append(1)),
        (deque([1]), lambda v: v.append(2)),
        (np.zeros(2), lambda v: v.put(0, 1)),
        (LinearRegression(), lambda v: v.fit([[0], [1]], [0, 1])),
        (iter([1, 2]), next),
        ((i * i for i in range(3)), next),
    ],
    ids=lambda part: type(part).__name__,
)
def test_a_change_is_seen_and_none_is_not(value: Any, change: Callable[[Any], object]) -> None:
    before = take_content(value)
    assert before == take_content(value)
    change(value)
    assert before != take_content(value)


def test_what_comes_back_is_as_it_was_and_nobody_elses() -> None:
    value = {"list": [1], "function": take_content}
    content = take_content(value)
    value["list"].append(2)
    assert content.restore() == {"list": [1], "function": take_content}
    assert content.restore()["list"] is not content.restore()["list"]


def test_what_cannot_be_pickled_stands_for_itself() -> None:
    lock = threading.Lock()
    content = take_content([lock])
    assert content.restore()[0] is lock
    assert not content.is_whole


def test_of_what_is_large_a_digest_tells() -> None:
    value = [np.zeros(10_000), "text"]
    before = take_content(value, 1000)
    assert len(before.pickled) < 1000
    assert before == take_content(value, 1000)
    value[0][5000] = 1
    assert before != take_content(value, 1000)
