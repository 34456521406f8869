"""Where components stand, and whether they wait for each other: without looking at all of them."""

from __future__ import annotations

import pytest

from jupyter_mlpipe.errors import CycleError
from jupyter_mlpipe.keys.given import Snapshot
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.notebook.steps.order import Order
from jupyter_mlpipe.notebook.steps.placed import Placed
from jupyter_mlpipe.notebook.steps.unsettled import Unsettled


class Notebook:
    def __init__(self) -> None:
        self.components: dict[str, Placed] = {}
        self.order = Order(self.components)

    def add(self, name: str, *upstream: str) -> None:
        place = self.order.new_place()
        component = Component(name, "", "")
        self.components[name] = Placed(component, Snapshot(), place, Unsettled().look(place))
        self.read(name, *upstream)

    def read(self, name: str, *upstream: str) -> None:
        self.components[name].upstream = upstream
        self.order.note(name)

    def remove(self, name: str) -> None:
        del self.components[name]
        self.order.forget(name)


@pytest.fixture
def notebook() -> Notebook:
    # a -> b -> c
    made = Notebook()
    made.add("a")
    made.add("b", "a")
    made.add("c", "b")
    return made


def test_components_are_sorted_as_they_were_first_registered(notebook: Notebook) -> None:
    notebook.remove("a")
    notebook.add("a")
    assert notebook.order.sort({"c", "a", "b"}) == ["b", "c", "a"]


def test_components_that_wait_for_each_other_are_refused_until_they_do_not(notebook: Notebook) -> None:
    notebook.order.check()
    notebook.read("a", "c")
    with pytest.raises(CycleError, match="'a'"):
        notebook.order.check()
    notebook.read("a")
    notebook.order.check()


def test_a_component_that_reads_itself_is_refused(notebook: Notebook) -> None:
    notebook.read("a", "a")
    with pytest.raises(CycleError):
        notebook.order.check()


def test_one_that_comes_again_may_wait_for_those_that_still_ask_for_it(notebook: Notebook) -> None:
    notebook.remove("a")
    notebook.order.check()
    notebook.add("a", "c")
    with pytest.raises(CycleError):
        notebook.order.check()


def test_what_is_below_is_told_where_it_may_stand_above(notebook: Notebook) -> None:
    assert not notebook.order.below("a")  # none of it stands above
    notebook.add("d")
    notebook.read("b", "d")
    assert notebook.order.below("d") == {"d", "b", "c"}
    assert not notebook.order.below("unknown")
