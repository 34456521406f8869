"""Decisions and their reasons, against a real store."""

import os

import pytest

from jupyter_mlpipe.errors import UnknownStepError
from jupyter_mlpipe.execution.process.files import file_digest
from jupyter_mlpipe.execution.runs.plan import plan_steps
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.closure import Closure
from jupyter_mlpipe.model.component import Component, Options
from jupyter_mlpipe.model.pipeline import FromStep, Step
from jupyter_mlpipe.model.status import Ingredient, Reason
from jupyter_mlpipe.store.history import History
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.store import open_store

NOW = 1_000_000.0


def make_task(name, output, *, reads=(), parameters=None, code="1", problems=(), **options):
    component = Component(name, name, name, outputs=(output,), options=Options(**options))
    bindings = {source.split(".")[1]: FromStep(*source.split(".")) for source in reads}
    ingredients = (Ingredient("code", "", digest("test", name, code), code),)
    return StepTask(
        Step(component, bindings), Closure(ingredients=ingredients, problems=problems), parameters or {}
    )


def chain(**changes):
    """load -> fit -> score, with changes by step."""
    wanted = {
        "load": {"output": "df"},
        "fit": {"output": "model", "reads": ["load.df"]},
        "score": {"output": "auc", "reads": ["fit.model"]},
    }
    return {name: make_task(name, **{**asked, **changes.get(name, {})}) for name, asked in wanted.items()}


class World:
    """A store and a history in which steps are recorded as if they had run."""

    def __init__(self, folder):
        self.store = open_store(folder)
        self.history = History(folder / "history.db")

    def plan(self, tasks, **options):
        return plan_steps(tasks, self.store, self.history, pipeline="p", now=NOW, **options)

    def record(self, tasks, **fields):
        for _ in tasks:
            plan = self.plan(tasks, stop_at_first_run=True)
            if plan.wholly_reused:
                return
            name, decided = list(plan.decided.items())[-1]
            (output,) = tasks[name].step.component.outputs
            known = {"seconds": 2.0, "created_at": NOW, **fields}
            artifact = self.store.put_value([output] * 5000)
            self.store.put_record(
                Record(decided.plan.key, {output: artifact}, ingredients=decided.ingredients, **known)
            )
            self.history.remember("p", name, decided.plan.key, "succeeded", 2.0)


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.history.close()


def decisions(plan):
    return {name: step.decision for name, step in plan.items()}


def test_new_pipeline_runs_at_the_top_and_is_undecided_below(world):
    plan = world.plan(chain())
    assert decisions(plan) == {"load": "run", "fit": "undecided", "score": "undecided"}
    assert plan["load"].reasons == (Reason("new", "", "never ran"),)
    assert plan["fit"].reasons == (Reason("input", "df", "'load' runs: new"),)
    assert not plan.wholly_reused


def test_a_step_below_one_that_runs_says_also_what_of_it_has_changed_itself(world):
    def pipeline(code="1", salt="", **parameters):
        return {
            "load": make_task("load", "df", code=code),
            "fit": make_task("fit", "model", reads=["load.df"], parameters=parameters, salt=salt),
        }

    world.record(pipeline(seed=7))
    above = Reason("input", "df", "'load' runs: code changed")
    assert world.plan(pipeline("2", seed=7))["fit"].reasons == (above,)
    plan = world.plan(pipeline("2", seed=8, salt="a"))
    assert plan["fit"].decision == "undecided"  # with such a table it may have run
    assert plan["fit"].reasons == (
        Reason("parameter", "seed", "7 -> 8"),
        Reason("salt", "", "added: a"),
        above,
    )


def test_recorded_pipeline_is_wholly_reused(world):
    world.record(chain())
    plan = world.plan(chain())
    assert decisions(plan) == {"load": "reuse", "fit": "reuse", "score": "reuse"}
    assert plan.wholly_reused
    assert plan["fit"].reasons == (Reason("reuse", "", "same code, inputs, parameters and packages"),)
    assert plan["fit"].seconds == 2.0


def test_reasons_are_the_parts_that_changed(world):
    world.record(chain(load={"parameters": {"seed": 7}}))
    (reason,) = world.plan(chain(load={"parameters": {"seed": 8}}))["load"].reasons
    assert (reason.kind, reason.name, reason.detail) == ("parameter", "seed", "7 -> 8")
    (reason,) = world.plan(chain(load={"parameters": {"seed": 7}, "code": "2"}))["load"].reasons
    assert reason.kind == "code"


def test_renamed_step_is_reused(world):
    world.record({"load": make_task("load", "df")})
    renamed = StepTask(
        Step(Component("read", "load", "load", outputs=("df",))), make_task("load", "df").closure
    )
    assert world.plan({"read": renamed})["read"].decision == "reuse"


def test_forced_step_runs_and_keeps_what_is_below_undecided(world):
    world.record(chain())
    plan = world.plan(chain(), force={"load", "score"})
    assert decisions(plan) == {"load": "run", "fit": "undecided", "score": "run"}
    assert plan["score"].reasons == (Reason("forced"),)
    assert (plan["fit"].seconds, plan["score"].seconds) == (2.0, 2.0)


def test_no_reuse_runs(world):
    world.record(chain())
    plan = world.plan(chain(load={"reuse": False}))
    assert (plan["load"].decision, plan["load"].reasons) == ("run", (Reason("reuse", "", "--no-reuse"),))


def test_what_cannot_be_digested_never_matches_anything(world):
    problem = Reason("unhashable", "LOCK", "a lock")
    tasks = {"load": make_task("load", "df", problems=(problem,))}
    world.record(tasks)
    first, second = world.plan(tasks)["load"], world.plan(tasks)["load"]
    assert (first.decision, first.reasons) == ("run", (problem,))
    assert first.key != second.key


def test_record_that_is_too_old_is_expired(world):
    world.record(chain(), created_at=NOW - 7200)
    assert world.plan(chain(load={"max_age_s": 10_000.0})).wholly_reused
    assert world.plan(chain(load={"max_age_s": 3600.0}))["load"].reasons == (
        Reason("expired", "", "2 h 0 min old, --max-age 1 h 0 min"),
    )


def test_artifact_that_is_gone_is_missing(world):
    world.record(chain())
    key = world.plan(chain())["fit"].key
    os.unlink(world.store.objects.path(world.store.get_record(key).outputs["model"].blob.object))
    plan = world.plan(chain())
    assert decisions(plan) == {"load": "reuse", "fit": "run", "score": "undecided"}
    assert plan["fit"].reasons == (Reason("missing", "model", "no longer in the store"),)


def test_record_that_is_gone_is_missing_and_not_new(world):
    world.record(chain())
    world.store.remove_record(world.plan(chain())["load"].key)
    assert world.plan(chain())["load"].reasons == (
        Reason("missing", "", "its record is no longer in the store"),
    )


def test_file_that_was_read_and_has_changed_runs_the_step(world, tmp_path):
    path = tmp_path / "flights.csv"
    path.write_text("a,b\n")
    tasks = {"load": make_task("load", "df")}
    world.record(tasks, files={str(path): file_digest(str(path))})
    assert world.plan(tasks).wholly_reused
    path.write_text("a,c,d\n")
    assert world.plan(tasks)["load"].reasons == (Reason("file", str(path), "changed"),)
    path.unlink()
    assert world.plan(tasks)["load"].reasons == (Reason("file", str(path), "no longer there"),)


def test_input_that_could_not_be_stored_is_named(world):
    tasks = chain()
    key = world.plan(tasks)["load"].key
    world.store.put_record(Record(key, {}, {"df": "a connection"}))
    plan = world.plan(tasks)
    assert plan["fit"].decision == "run"
    assert (
        "reads 'df' of step 'load', but it could not be stored: a connection" in plan["fit"].reasons[0].detail
    )


def test_unknown_step_is_an_error_with_close_matches(world):
    with pytest.raises(UnknownStepError, match="Did you mean 'score'"):
        world.plan(chain(), force={"scor"})
    with pytest.raises(UnknownStepError, match="Did you mean 'load'"):
        world.plan(chain())["laod"]


def test_plan_reads_as_a_table(world):
    assert repr(world.plan(chain())).splitlines() == [
        "plan: 1 run; 2 undecided",
        "load   run        new",
        "fit    undecided  input df: 'load' runs: new",
        "score  undecided  input model: 'fit' may run after 'load'",
    ]


def test_a_step_below_says_which_ones_run_and_not_the_whole_tree(world):
    # load -> fit -> score, more -> fit
    tasks = {
        **chain(),
        "more": make_task("more", "extra"),
        "last": make_task("last", "x", reads=["score.auc"]),
    }
    tasks["fit"] = make_task("fit", "model", reads=["load.df", "more.extra"])
    world.record(tasks)
    tasks["load"] = make_task("load", "df", code="2", parameters={"n": 1})
    tasks["more"] = make_task("more", "extra", code="2")
    plan = world.plan(tasks)
    assert [str(reason) for reason in plan["fit"].reasons] == [
        "input df 'load' runs: code changed, 1 more",
        "input extra 'more' runs: code changed",
    ]
    assert [str(reason) for reason in plan["last"].reasons] == [
        "input auc 'score' may run after 'load' and 'more'"
    ]
    assert plan["last"].below == ("load", "more")
    assert (plan["load"].below, plan["load"].seconds, plan["last"].seconds) == ((), 2.0, 2.0)
    assert plan.totals.counts == {"run": 2, "undecided": 3, "reuse": 0}


def test_how_long_a_step_takes_is_known_without_its_record(world):
    world.record(chain())
    world.store.remove_record(world.plan(chain())["load"].key)
    assert world.plan(chain())["load"].seconds == 2.0


def test_an_output_that_was_added_is_a_change_of_the_code(world):
    world.record({"load": make_task("load", "df")})
    component = Component("load", "load", "load", outputs=("df", "more"))
    task = StepTask(Step(component), make_task("load", "df").closure)
    assert world.plan({"load": task})["load"].reasons == (Reason("code", "", "changed: it also makes more"),)
