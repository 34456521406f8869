"""What of the notebook's settings a step is given."""

from __future__ import annotations

import csv
import random

from jupyter_mlpipe.keys.given import STATES, Affected, Snapshot
from jupyter_mlpipe.keys.process import LIMITS


def test_who_is_given_objects_of_a_library_may_draw_from_its_random_numbers() -> None:
    affected = Affected(states=("numpy.random",))
    assert affected.with_inputs({"torch"}).states == ("numpy.random", "torch.random")
    assert affected.with_inputs({"numpy"}).states == ("numpy.random",)
    assert affected.with_inputs(set()) is affected


def test_states_are_those_of_the_moment_though_they_count_only_later() -> None:
    snapshot = Snapshot()
    snapshot.read()
    before = STATES["random"].state()
    random.random()
    assert snapshot.state("random") == before != STATES["random"].state()


def test_a_setting_that_was_as_usual_stays_so_though_it_is_set_later() -> None:
    usual = csv.field_size_limit()
    snapshot = Snapshot()
    before = snapshot.changes(LIMITS.name)
    assert "csv field" not in before
    snapshot.read()
    csv.field_size_limit(usual + 1)
    try:
        assert snapshot.changes(LIMITS.name) == before
        assert Snapshot(snapshot, {}).changes(LIMITS.name) != before
    finally:
        csv.field_size_limit(usual)
