"""Order among steps."""

from __future__ import annotations

import pytest

from jupyter_mlpipe.errors import CycleError
from jupyter_mlpipe.model.graph import ancestors, descendants, topological_order

# a --> b --> d, a --> c --> d, e
DIAMOND = {"d": ("b", "c"), "c": ("a",), "b": ("a",), "a": (), "e": ()}


def test_each_step_comes_after_those_it_reads_from() -> None:
    order = topological_order(DIAMOND)
    assert sorted(order) == sorted(DIAMOND)
    for step, above in DIAMOND.items():
        assert all(order.index(name) < order.index(step) for name in above)


def test_the_order_given_is_kept_where_it_is_free() -> None:
    assert topological_order({"x": (), "y": (), "z": ()}) == ["x", "y", "z"]


def test_ancestors_and_descendants_hold_their_own() -> None:
    assert ancestors(DIAMOND, ["b"]) == ["a", "b"]
    assert sorted(ancestors(DIAMOND, ["d"])) == ["a", "b", "c", "d"]
    assert descendants(DIAMOND, ["c"]) == ["c", "d"]


def test_a_cycle_names_its_steps() -> None:
    with pytest.raises(CycleError) as caught:
        topological_order({"a": ("c",), "b": ("a",), "c": ("b",), "d": ()})
    for name in ("'a'", "'b'", "'c'"):
        assert name in str(caught.value)
    assert "'d'" not in str(caught.value)


def test_a_long_chain_is_no_problem() -> None:
    chain = {str(i): (str(i - 1),) if i else () for i in reversed(range(20_000))}
    assert topological_order(chain)[:3] == ["0", "1", "2"]
