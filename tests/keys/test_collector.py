"""The collector of cycles waits within a block, and is afterwards as it was."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from jupyter_mlpipe.keys.collector import COLLECTOR, paused_collector


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


def test_what_is_set_within_a_block_stays_set() -> None:
    with paused_collector():
        assert COLLECTOR.changed() == {}
        COLLECTOR.write(gc, {"enabled": False})
    assert not gc.isenabled()
    assert COLLECTOR.changed() == {"enabled": False}


def test_the_many_that_are_made_within_a_block_are_old_at_once() -> None:
    with paused_collector():
        made = [[] for _ in range(30_000)]
    assert gc.get_count()[0] < 30_000
    assert sum(map(len, made)) == 0
    old = {id(each) for each in gc.get_objects(generation=2)}
    assert old.issuperset(map(id, made))


def test_what_somebody_froze_stays_frozen() -> None:
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with paused_collector():
            made = [[] for _ in range(30_000)]
        assert gc.get_freeze_count() == frozen
        assert made
    finally:
        gc.unfreeze()
