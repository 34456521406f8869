"""What of the packages on workers stands in a step's key."""

import pytest

from jupyter_mlpipe.errors import ClusterError
from jupyter_mlpipe.execution.cluster.environments import Environments, Reported
from jupyter_mlpipe.keys.environment import absent, find_changed, look_up, mark_of
from jupyter_mlpipe.keys.modules import LocalModules
from jupyter_mlpipe.model.resources import Offer, Resources
from jupyter_mlpipe.model.status import Ingredient

ONE = Resources()


def version(name, number):
    return Ingredient("package", name, f"{name} {number}", number)


def worker(number, offer=None, *others):
    parts = (version("demo", number), *others) if number else (absent("demo"),)
    return Reported(Offer(offer or {"CPU": 1.0}), {"demo": parts, "helpers": (absent("helpers"),)})


def find(workers, resources=ONE, tops=("demo",), given=()):
    return Environments(lambda tops: workers).find(resources, tops, given)


def test_the_workers_packages_count_with_what_they_rest_on():
    found = find(
        {"a": worker("2.0", None, version("rests", "7")), "b": worker("2.0", None, version("rests", "7"))}
    )
    assert [(part.name, part.detail) for part in found.ingredients] == [("demo", "2.0"), ("rests", "7")]
    assert not found.problems
    assert not found.unknown


def test_a_module_that_workers_do_not_have_counts_as_absent_where_the_code_reaches_it():
    assert find({"a": worker("")}).ingredients == (absent("demo"),)
    # Types of the notebook's own modules: an input may be of one.
    assert find({"a": worker("2.0")}, tops=(), given=("helpers",)).ingredients == ()


def test_the_choice_among_workers_that_differ(caplog):
    # The notebook has none of it.
    assert find({"a": worker("2.0"), "b": worker("")}).ingredients == (absent("demo"),)
    most = {"a": worker("2.0"), "b": worker("1.0"), "c": worker("1.0")}
    found = find(most)
    assert [part.detail for part in found.ingredients] == ["1.0"]
    assert found.marks == {mark_of("demo", most["b"].report["demo"])}
    assert "a has demo 2.0, not 1.0 as on b and c" in caplog.text


def test_only_workers_that_could_serve_the_step_are_looked_at():
    workers = {"cpu": worker("1.0"), "gpu": worker("2.0", {"CPU": 1.0, "GPU": 1.0})}
    assert [part.detail for part in find(workers, Resources(gpus=1)).ingredients] == ["2.0"]
    nowhere = find(workers, Resources(gpus=2))
    assert "no worker is there that could serve the step" in nowhere.unknown
    assert find({}).unknown


def test_a_step_that_reaches_no_package_asks_nobody():
    def ask(tops):
        raise AssertionError(tops)

    assert Environments(ask).find(ONE, (), ()).ingredients == ()


def test_a_cluster_that_does_not_answer_is_said_in_the_plan():
    def ask(tops):
        raise ClusterError("nobody answers at tcp://x")

    environments = Environments(ask)
    environments.prepare(["demo"])
    assert environments.find(ONE, ["demo"]).unknown == "nobody answers at tcp://x"


def test_loose_code_on_a_worker_is_a_problem_of_steps_that_reach_it():
    loose = Reported(Offer({"CPU": 1.0}), {"demo": (Ingredient("unhashable", "demo", "", "is loose code"),)})
    assert [reason.name for reason in find({"a": loose}).problems] == ["demo"]
    assert not find({"a": loose}, tops=(), given=("demo",)).problems


@pytest.mark.parametrize("top", ["pandas", "jupyter_mlpipe", "no_such_module"])
def test_the_look_up_is_the_same_wherever_the_environment_is(top):
    found = look_up([top], LocalModules())
    assert found == look_up([top], LocalModules())
    mark = mark_of(top, found[top])
    assert find_changed([mark], LocalModules()) == []
    assert find_changed([f"{top}=another"], LocalModules()) == [top]


def test_what_the_notebook_has_is_looked_up_as_its_closures_have_it():
    from jupyter_mlpipe.cells.compile import compile_cell
    from jupyter_mlpipe.cells.header import parse_header
    from jupyter_mlpipe.keys.closure import take_closure

    body = "import pandas, no_such_module\nx = pandas.DataFrame()"
    component = compile_cell(body, header=parse_header("make"), body=body, cell_id=None, title="")
    modules = LocalModules()
    closure = take_closure(component, {}, (), modules=modules)
    own = {part for part in closure.ingredients if part.kind == "package"}
    assert {part for parts in look_up(closure.tops, modules).values() for part in parts} == own
