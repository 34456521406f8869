"""What of the stale steps may run by itself: the budget, and what never does."""

from __future__ import annotations

from typing import Any

from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.keys.closure import Closure
from jupyter_mlpipe.model.component import Component, Options
from jupyter_mlpipe.model.pipeline import FromStep, Step
from jupyter_mlpipe.model.resources import Resources
from jupyter_mlpipe.model.status import StepSnapshot
from jupyter_mlpipe.notebook.following.fitting import choose


def task(name: str, *above: str, code: str = "y = x", **options: Any) -> StepTask:
    component = Component(name, code, code, options=Options(**options))
    return StepTask(Step(component, {n: FromStep(n, n) for n in above}), Closure())


def stale(
    name: str, seconds: float | None = 1.0, plan: Any = "run", status: Any = "succeeded"
) -> StepSnapshot:
    return StepSnapshot(name, status, plan, expected_seconds=seconds)


def fresh(name: str) -> StepSnapshot:
    return StepSnapshot(name, "succeeded", "reuse")


def test_steps_are_chosen_in_order_as_far_as_the_budget_goes() -> None:
    tasks = {t.name: t for t in (task("a"), task("b", "a"), task("c", "b"), task("d"), task("e", "d"))}
    steps = [stale("a", 1), stale("b", 3, "undecided"), stale("c", 1), fresh("d"), stale("e", 2)]
    chosen = choose(steps, tasks, 3.5)
    assert (chosen.steps, chosen.seconds) == (("a", "e"), 3)
    assert chosen.left == {"b": "takes about 3.0 s, 2.5 s are left", "c": "reads from b"}
    assert choose(steps, tasks, 7).steps == ("a", "b", "c", "e")


def test_what_would_be_reused_takes_nothing() -> None:
    other = StepSnapshot("a", "succeeded", "reuse", matches=False, expected_seconds=None)
    assert choose([other], {"a": task("a")}, 0.0).steps == ("a",)


def test_what_never_ran_here_holds_up_what_reads_from_it() -> None:
    registered = StepSnapshot("a", None, "run", expected_seconds=1.0)
    chosen = choose([registered, stale("b")], {"a": task("a"), "b": task("b", "a")}, 9)
    assert (chosen.steps, chosen.left) == ((), {"b": "reads from a"})


def test_some_steps_never_run_by_themselves() -> None:
    tasks = [
        task("unknown"),
        task("apart", auto=False),
        task("gpu", resources=Resources(gpus=1)),
        task("here", here=True),
        task("writes", code="df.to_csv('x.csv')"),
    ]
    steps = [stale(t.name, None if t.name == "unknown" else 1.0) for t in tasks]
    assert choose(steps, {t.name: t for t in tasks}, 9).left == {
        "unknown": "nobody knows how long it takes",
        "apart": "--no-auto",
        "gpu": "asks for a GPU",
        "here": "runs in the kernel (--here)",
        "writes": "writes files",
    }


def test_what_failed_does_not_run_by_itself_as_it_is() -> None:
    failed = stale("a", plan=None, status="failed")
    changed = stale("b", status="failed")
    tasks = {"a": task("a"), "b": task("b")}
    assert choose([failed, changed], tasks, 9).steps == ("b",)
    assert choose([changed], tasks, 9, lambda name: "no").left == {"b": "no"}
