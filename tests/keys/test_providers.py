"""Differences of settings: what is found is what has to be done to get there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mlpipe.keys.providers import (
    LIST,
    change_list,
    differences,
    joined_lists,
    list_differences,
    list_without_own,
    without_own,
)

lists = st.lists(st.sampled_from("abcdef"), unique=True, max_size=6)


@given(lists, lists)
def test_a_changed_list_is_made_of_the_one_before(old, new):
    found = list(old)
    if changes := list_differences({LIST: old}, {LIST: new}):
        change_list(found, changes)
        change_list(found, changes)  # as often as the step is reused
    assert found == new


@pytest.mark.parametrize(
    ("new", "front", "back"),
    [("xab", ["x"], []), ("abx", [], ["x"]), ("xaby", ["x"], ["y"]), ("ba", ["b"], []), ("b", [], [])],
)
def test_what_was_put_into_a_list_goes_where_it_was_put_in_another_one(new, front, back):
    changes = list_differences({LIST: "ab"}, {LIST: new})
    assert (changes["front"], changes["back"]) == (front, back)
    other = ["1", "a", "b", "2"]
    change_list(other, changes)
    assert other[: len(front)] == front
    assert other[len(other) - len(back) :] == back


@given(lists, lists, lists)
def test_two_changes_of_a_list_are_one(first, second, third):
    one = list_differences({LIST: first}, {LIST: second})
    two = list_differences({LIST: second}, {LIST: third})
    found = list(first)
    if joined := joined_lists(one, two):
        change_list(found, joined)
    assert sorted(found) == sorted(third)


def test_what_is_not_set_any_more_is_none():
    assert differences({"a": 1, "b": 2}, {"a": 1, "c": 3}) == {"c": 3, "b": None}
    assert differences({"a": 1}, {"a": 1}) == {}


def test_what_code_set_itself_is_not_what_it_was_given():
    assert without_own({"a": 5, "b": 2}, {"b": 2}, {"a": 5}) == {"b": 2}
    assert without_own({"a": 5}, {"a": 4}, {"a": 5}) == {"a": 4}
    assert without_own({"a": 6}, {"a": 4}, {"a": 5}) == {"a": 6}
    assert without_own({}, {"a": 4}, {"a": None}) == {"a": 4}
    own = list_differences({LIST: "a"}, {LIST: "xa"})
    assert list_without_own(own, {}, own) == {}
    assert list_without_own({}, {}, own) == {}
