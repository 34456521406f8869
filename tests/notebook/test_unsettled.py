"""Which steps had not settled when a cell was run: said later, as it was then."""

from __future__ import annotations

from jupyter_mlpipe.notebook.steps.unsettled import Unsettled

ALL = ("c", "b", "a")


def test_steps_that_are_open_are_given_in_the_order_of_the_notebook() -> None:
    unsettled = Unsettled()
    for place, step in enumerate("abc"):
        unsettled.expect(step, place)
    earlier = unsettled.look(3)
    assert earlier(ALL) == ("a", "b", "c")
    assert earlier(("c", "other", "a")) == ("a", "c")


def test_what_settles_or_opens_later_changes_no_earlier_look() -> None:
    unsettled = Unsettled()
    unsettled.expect("a", 0)
    first = unsettled.look(9)
    unsettled.expect("b", 1)
    second = unsettled.look(9)
    unsettled.settle("a")
    third = unsettled.look(9)
    unsettled.settle("b")
    unsettled.expect("a", 0)
    fourth = unsettled.look(9)
    assert [look(ALL) for look in (first, second, third, fourth)] == [("a",), ("a", "b"), ("b",), ("a",)]


def test_only_what_stands_above_counts_and_without_what_is_left_out() -> None:
    unsettled = Unsettled()
    for place, step in enumerate("abc"):
        unsettled.expect(step, place)
    assert unsettled.look(1)(ALL) == ("a",)
    assert unsettled.look(2, without=["a"])(ALL) == ("b",)


def test_a_step_keeps_the_place_that_it_had_at_a_look() -> None:
    unsettled = Unsettled()
    unsettled.expect("a", 0)
    above = unsettled.look(1)
    unsettled.settle("a")  # its component is removed, and comes again at the end
    unsettled.expect("a", 2)
    assert above(ALL) == ("a",)
    assert unsettled.look(1)(ALL) == ()


def test_cells_that_wait_for_their_steps_leave_nothing_to_remember() -> None:
    unsettled = Unsettled()
    for _ in range(100):
        for place, step in enumerate("abc"):
            assert unsettled.look(place)(ALL) == ()
            unsettled.expect(step, place)
            unsettled.settle(step)
    assert not unsettled
    assert not unsettled._closed
