"""How the notebook stands: what a plan says of each step, beside what it last did."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from jupyter_mlpipe.errors import MLPipeError, UsageError
from jupyter_mlpipe.execution.runs.plan import Plan, plan_steps
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot
from jupyter_mlpipe.notebook.running.backend import Backend
from jupyter_mlpipe.notebook.running.runs import Runs
from jupyter_mlpipe.notebook.show.stale import stale_steps
from jupyter_mlpipe.notebook.steps.registry import Registry
from jupyter_mlpipe.notebook.steps.states import States
from jupyter_mlpipe.notebook.steps.wish import is_as_it_ran


class Look(NamedTuple):
    """What a plan says of the notebook as it stands; no plan where none can be made, or is wanted."""

    snapshot: RunSnapshot
    plan: Plan | None


class Standing:
    """Plans the steps of a notebook, and says how they stand; runs nothing.

    Parameters
    ----------
    pipeline
        What the history calls the notebook.
    collect
        Takes over what runs have made: where that counts, in the context of a cell.
    """

    def __init__(
        self,
        backend: Backend,
        registry: Registry,
        states: States,
        runs: Runs,
        pipeline: str,
        collect: Callable[[], None],
    ) -> None:
        self._backend = backend
        self._registry = registry
        self._states = states
        self._runs = runs
        self._pipeline = pipeline
        self._collect = collect

    def plan(
        self,
        targets: Iterable[str] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        force: Collection[str] = (),
    ) -> Plan:
        """Say for each step whether it would be reused or run, and why."""
        tasks = self._registry.tasks(targets, params)
        self._registry.check(*force)
        return self._plan(tasks, force)

    def _plan(self, tasks: Mapping[str, StepTask], force: Collection[str] = ()) -> Plan:
        return plan_steps(
            tasks,
            self._backend.store,
            self._backend.runner.history,
            now=time.time(),
            pipeline=self._pipeline,
            force=frozenset(force),
            environments=self._backend.runner.environments,
        )

    def as_made(
        self,
        targets: Sequence[str] = (),
        *,
        everything: bool = False,
        refused: dict[str, MLPipeError] | None = None,
        taken: Mapping[str, StepTask] = MappingProxyType({}),
    ) -> dict[str, StepTask]:
        """Return steps and what is above them, which has been run by its own cells.

        See `Registry.tasks` for `refused` and `taken`.
        """
        # A name that nothing provides is told when its line is reached, as Python does.
        return self._registry.tasks(
            None if everything else targets,
            strict=False,
            refused=refused,
            made=lambda name: None if name in targets else self._states.made(name),
            gave=self._states.made,
            taken=taken,
        )

    def known(self) -> Look:
        """Say what is known without a plan."""
        return Look(self._snapshot(self._states.known()), None)

    def look(self) -> Look:
        """Say how the notebook stands: what may not be reused counts as its cell left it."""
        refused: dict[str, MLPipeError] = {}
        try:
            with self._registry.observing():
                plan = self._plan(self.as_made(everything=True, refused=refused))
        except MLPipeError:
            # What cannot be planned says so when its cell is run.
            return self.known()
        steps = [self._unless_failed(step, plan) for step in self._states.snapshot(plan.tasks, plan)]
        if refused:
            steps += self._states.refused(refused, plan)
        return Look(self._snapshot(tuple(steps)), plan)

    def _unless_failed(self, step: StepSnapshot, plan: Plan) -> StepSnapshot:
        """Return a step without its plan where it would fail again, or what is above it would."""
        run = self._states.run_of(step.name) if step.status in ("failed", "skipped") else None
        if run is None or step.plan == "reuse":
            return step
        then = {name: other.task for name, other in run.steps.items()}
        return replace(step, plan=None) if is_as_it_ran(step.name, plan.tasks, then) else step

    def stale_steps(self) -> list[str]:
        """Return what is stale, to be run; raises UsageError where nothing is."""
        self._collect()
        names = [step.name for step in stale_steps(self.look().snapshot)]
        if not names:
            raise UsageError("Nothing is stale.")
        return names

    def check_only(self, step: str, params: Mapping[str, Any] | None = None) -> None:
        """Raise UsageError where something above a step would have to run before it."""
        stale = [
            planned.step
            for planned in self.plan([step], params=params).values()
            if planned.step != step and planned.decision != "reuse"
        ]
        if stale:
            raise UsageError(
                f"Above '{step}', {', '.join(stale)} would have to run first. "
                f"Run them too: %pipeline run {step}"
            )

    def snapshot(self, *, plan: bool = True) -> RunSnapshot:
        """Return the pipeline as people see it: the last state of each step, or what the plan says."""
        self._collect()
        planned = self.plan() if plan else None
        tasks = planned.tasks if planned is not None else self._registry.tasks()
        return self._snapshot(self._states.snapshot(tasks, planned))

    def _snapshot(self, steps: tuple[StepSnapshot, ...]) -> RunSnapshot:
        run = self._runs.last
        return RunSnapshot(steps, run.status if run else None, run.seconds if run else None)
