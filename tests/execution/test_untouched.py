"""Whether a value was changed in place is told by what it holds, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from jupyter_mlpipe.execution.process.untouched import is_untouched, keep

CHANGES: dict[str, tuple[Any, Callable[[Any], object]]] = {
    "appended": ([1, 2], lambda v: v.append(3)),
    "another object that is equal": ([1, 2], lambda v: v.__setitem__(0, True)),
    "another order": ([1, 2], lambda v: v.reverse()),
    "emptied": (["a"], lambda v: v.clear()),
    "added": ({"a"}, lambda v: v.add("b")),
    "taken out": ({"a", "b"}, lambda v: v.discard("a")),
    "a value": ({"a": 1}, lambda v: v.update(a=2)),
    "a key": ({"a": 1}, lambda v: v.update(b=v.pop("a"))),
    "another order of keys": ({"a": 1, "b": 1}, lambda v: v.update(a=v.pop("a"))),
    "a cell": (pd.DataFrame({"a": [1, 2]}), lambda v: v.__setitem__("a", [1, 3])),
}


@pytest.mark.parametrize("title", CHANGES)
def test_a_change_is_seen(title: str) -> None:
    value, change = CHANGES[title]
    kept = keep(value)
    assert kept is not None
    assert is_untouched(kept, value)
    change(value)
    assert not is_untouched(kept, value)


@pytest.mark.parametrize("value", [[[]], {"a": []}, {("a",)}, object(), 5])
def test_of_others_nothing_is_told(value: object) -> None:
    assert keep(value) is None
