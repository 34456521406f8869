"""Which of the stale steps may run by themselves, and why the others may not. Decides; runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from jupyter_mlpipe.execution.runs.file_words import may_write
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.model.status import StepSnapshot
from jupyter_mlpipe.notebook.show.stale import is_to_run


@dataclass(frozen=True, slots=True)
class Choice:
    """What may run by itself, in the order of the pipeline.

    Parameters
    ----------
    seconds
        What the steps are expected to take, one after another.
    left
        Why the other stale ones may not, by step.
    """

    steps: tuple[str, ...] = ()
    seconds: float = 0.0
    left: Mapping[str, str] = field(default_factory=dict)


def choose(
    steps: Collection[StepSnapshot],
    tasks: Mapping[str, StepTask],
    budget_s: float,
    refuses: Callable[[str], str] = lambda name: "",
) -> Choice:
    """Choose among stale steps, as far as the budget goes.

    Parameters
    ----------
    steps
        As a plan has them, in the order of the pipeline.
    budget_s
        For all of them together: a run by itself is not to keep the machine busy.
    refuses
        Says why else a step may not.
    """
    chosen: list[str] = []
    seconds = 0.0
    left: dict[str, str] = {}
    ready: set[str] = set()
    for step in steps:
        name = step.name
        if name not in tasks:
            continue
        behind = next((above for above in tasks[name].step.upstream if above not in ready), None)
        if not is_to_run(step) or step.plan is None:  # as it failed, it would fail again
            if step.plan == "reuse" and behind is None:
                ready.add(name)
            continue
        takes = 0.0 if step.plan == "reuse" else step.expected_seconds
        why = refusal(tasks[name]) or refuses(name)
        if not why and behind is not None:
            why = f"reads from {behind}"
        elif not why and takes is None:
            why = "nobody knows how long it takes"
        elif not why and takes and seconds + takes > budget_s:
            why = f"takes about {describe_seconds(takes)}, {describe_seconds(budget_s - seconds)} are left"
        if why:
            left[name] = why
            continue
        ready.add(name)
        chosen.append(name)
        seconds += takes or 0.0
    return Choice(tuple(chosen), seconds, left)


def refusal(task: StepTask) -> str:
    """Say why a step may never run by itself; nothing where it may."""
    options = task.options
    if not options.auto:
        return "--no-auto"
    if options.resources.amounts().get("GPU"):
        return "asks for a GPU"
    if options.here:
        return "runs in the kernel (--here)"
    if task.closure.may_set:
        return "may set something for other cells"
    if may_write(task.step.component.code) or (task.made is not None and task.made[1].written):
        return "writes files"
    return ""
