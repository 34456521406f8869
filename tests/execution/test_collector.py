"""The collector of cycles waits within a block, and is afterwards as it was."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from jupyter_mlpipe.execution.runs.collector import paused_collector


@pytest.fixture(autouse=True)
def _enabled() -> Iterator[None]:
    gc.enable()
    yield
    gc.enable()


def test_it_waits_within_a_block_also_where_that_fails() -> None:
    found = []

    @paused_collector()
    def fail() -> None:
        found.append(gc.isenabled())
        raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert found == [False]
    assert gc.isenabled()


def test_a_block_within_another_does_not_end_the_pause() -> None:
    @paused_collector()
    def inner() -> bool:
        return gc.isenabled()

    with paused_collector():
        assert not inner()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_who_has_turned_it_off_keeps_it_so() -> None:
    gc.disable()
    with paused_collector():
        pass
    assert not gc.isenabled()
