"""What of the notebook's settings a step is given."""

from __future__ import annotations

import random

from jupyter_mlpipe.keys.given import STATES, Affected, Snapshot


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
