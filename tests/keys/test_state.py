"""What local modules keep is told by content, however much it is."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jupyter_mlpipe.keys.state import STATE, watch

_TEXT = """
import numpy as np

array = np.zeros(400_000)
table = [0.0] * 400_000
cache = {}

class Box:
    def __init__(self):
        self.weights = [0] * 400_000

box = Box()

def load(key):
    if key not in cache:
        cache[key] = [key] * 400_000
    return cache[key]
"""


@pytest.fixture
def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "keeper_of_much.py").write_text(_TEXT)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("keeper_of_much")
    watch(module, _TEXT)
    yield module
    del sys.modules["keeper_of_much"]


def _told() -> dict[str, Any]:
    changed = STATE.changed().items()
    return {place.partition(":")[2]: kept.value for place, kept in changed if "keeper_of_much" in place}


@pytest.mark.parametrize(
    ("name", "change", "look"),
    [
        ("array", lambda m: m.array.__setitem__(3, 1), lambda v: v[3]),
        ("table", lambda m: m.table.__setitem__(3, 1), lambda v: v[3]),
        ("box.weights", lambda m: m.box.weights.__setitem__(3, 1), lambda v: v[3]),
    ],
    ids=["array", "list", "in an object"],
)
def test_a_large_value_changed_in_place_is_told(
    keeper: ModuleType, name: str, change: Callable[[Any], None], look: Callable[[Any], Any]
) -> None:
    assert _told() == {}
    change(keeper)
    told = _told()
    assert told.keys() == {name}
    assert look(told[name]) == 1


def test_a_large_value_that_was_told_is_told_when_it_is_as_before(keeper: ModuleType) -> None:
    keeper.table[3] = 1
    _told()
    keeper.table[3] = 0.0
    assert _told()["table"][3] == 0.0  # to say nothing would leave a 1 where it had been sent


def test_what_is_made_when_it_is_first_asked_for_is_not_told(keeper: ModuleType) -> None:
    keeper.load(7)
    assert _told() == {}
