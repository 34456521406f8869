"""The last state of each step, and the run that brought it there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from jupyter_mlpipe.errors import MLPipeError, describe_error
from jupyter_mlpipe.execution.runs.plan import Plan
from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.execution.runs.runstep import RunStep
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.model.status import Reason, StepSnapshot, StepStatus
from jupyter_mlpipe.model.timeline import as_first_found
from jupyter_mlpipe.store.records import Record

MADE = frozenset({"succeeded", "reused"})
"""States of a step that has given its outputs."""


class States:
    """What is known of each step, from its registration on."""

    def __init__(self) -> None:
        self._states: dict[str, StepSnapshot] = {}
        self._keys: dict[str, str | None] = {}
        self._made: dict[str, tuple[str, Record]] = {}  # by step: the key of its work, and what it gave
        self._last_runs: dict[str, Run] = {}

    def register(self, task: StepTask) -> None:
        """Note that a component was registered: its step has not run as it is."""
        self._states[task.name] = _registered(task)

    def forget(self, name: str) -> None:
        """Note that a component is gone; what its step gave is kept."""
        self._states.pop(name, None)

    def note(self, run: Run, step: RunStep) -> None:
        """Note how far a step of a run has come."""
        name, record = step.name, step.record
        before, made, is_target = self._states.get(name), self._made.get(name), run.is_target(name)
        if step.status in MADE and record is not None:
            self._made[name] = (step.work, record)
        if before is not None and step.status == "reused" and self._keys.get(name) == step.key:
            if before.status == "succeeded":
                return  # a step that ran in this session stays so when a later cell reuses it
            if before.status == "reused" and not is_target and made is not None and made[1] is record:
                # Each cell finds again all that is above it.
                if before.reasons != step.reasons:
                    self._states[name] = replace(before, reasons=step.reasons)
                self._last_runs[name] = run
                return
        self._states[name] = as_first_found(before, step.snapshot(), is_target=is_target)
        self._keys[name] = step.key
        self._last_runs[name] = run

    def made(self, name: str) -> tuple[str, Record] | None:
        """Return what a step gave last, behind the key of its work."""
        return self._made.get(name)

    def needed_as(self, name: str) -> set[str]:
        """Return the digests by which what steps gave refers to a definition of the notebook."""
        given = (a for _key, record in self._made.values() for a in record.outputs.values())
        return {artifact.needs[name] for artifact in given if name in artifact.needs}

    def _has(self, name: str, record: Record | None) -> bool:
        """Tell whether what a step gave last is what a plan would reuse."""
        made = self._made.get(name)
        return record is None or made is None or made[1].key == record.key

    def status(self, name: str) -> StepStatus | None:
        """Return how far a step has come since it was registered; None where it has not run."""
        state = self._states.get(name)
        return state.status if state is not None else None

    def run_of(self, name: str) -> Run | None:
        """Return the latest run that had this step."""
        return self._last_runs.get(name)

    def latest_steps(self) -> Iterator[RunStep]:
        """Give all steps of the latest runs, later runs first."""
        for run in reversed(self._last_runs.values()):
            yield from run.steps.values()

    def errors(self) -> dict[str, MLPipeError]:
        """Return the errors of the steps that failed when they were last run."""
        found = {name: run.steps[name].error for name, run in self._last_runs.items()}
        return {name: error for name, error in found.items() if error is not None}

    def known(self) -> tuple[StepSnapshot, ...]:
        """Return the last state of each step, without a plan."""
        return tuple(replace(state, plan=None) for state in self._states.values())

    def refused(self, errors: Mapping[str, MLPipeError], plan: Plan) -> list[StepSnapshot]:
        """Return steps that a plan leaves out: those that cannot run as they are, and what is below them."""
        why = {name: (Reason("unhashable", "", describe_error(error)),) for name, error in errors.items()}
        return [
            replace(state, plan="run", reasons=why[state.name])
            if state.name in why
            else replace(state, plan="undecided")
            for state in self._states.values()
            if state.name not in plan
        ]

    def snapshot(self, tasks: Mapping[str, StepTask], plan: Plan | None) -> tuple[StepSnapshot, ...]:
        """Return the steps as people see them: the last state of each, or what the plan says."""
        steps = []
        for name, task in tasks.items():
            state = self._states.get(name) or _registered(task)
            reads = {}
            for read, binding in task.step.bindings.items():
                source = getattr(binding, "step", None)
                reads[read] = source or type(binding).__name__.removeprefix("From").lower()
            planned = plan[name] if plan is not None and name in plan else None
            if plan is None or planned is None:
                steps.append(replace(state, reads=reads, plan=None))
                continue
            # Of what has been made, why that holds no more.
            is_why = state.status is None or planned.decision != "reuse"
            steps.append(
                replace(
                    state,
                    reads=reads,
                    plan=planned.decision,
                    reasons=planned.reasons if is_why else state.reasons,
                    expected_seconds=None if planned.decision == "reuse" else planned.seconds,
                    matches=self._has(name, plan.decided[name].record),
                )
            )
        return tuple(steps)


def _registered(task: StepTask) -> StepSnapshot:
    component = task.step.component
    return StepSnapshot(
        name=component.name,
        outputs=component.outputs,
        cell_id=component.cell_id,
        group=component.options.group,
    )
