"""TensorFlow's seed, by what its own modules offer: it is too large to be installed for a test."""

from __future__ import annotations

import random
import sys
from types import ModuleType

import pytest

from jupyter_mlpipe.keys.given import PROVIDERS


class _Context:
    seed: int | None = None

    def __init__(self) -> None:
        self._rng = random.Random()


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    held = _Context()

    def set_global_seed(seed: int | None) -> None:
        held.seed, held._rng = seed, random.Random(seed)

    module = ModuleType("tensorflow.python.eager.context")
    module.__dict__.update(
        context=lambda: held, global_seed=lambda: held.seed, set_global_seed=set_global_seed
    )
    monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_a_seed_travels_with_what_was_drawn_since(context: ModuleType) -> None:
    provider = PROVIDERS["tensorflow"]
    assert provider.changed() == {}
    context.set_global_seed(7)
    seeded = provider.changed()
    first = context.context()._rng.random()
    drawn = provider.changed()
    assert seeded != drawn
    second = context.context()._rng.random()
    provider.write(provider.loaded, seeded)
    assert context.context()._rng.random() == first
    provider.write(provider.loaded, drawn)
    assert context.context()._rng.random() == second


def test_a_seed_that_is_taken_back_is_gone(context: ModuleType) -> None:
    provider = PROVIDERS["tensorflow"]
    context.set_global_seed(7)
    provider.write(provider.loaded, {"seed": None})
    assert provider.changed() == {}
