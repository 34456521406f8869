"""A run that has not ended, and what is decided for its steps: whether they run, with what, in which order.

When and where they run the machine decides. Nothing here waits, sends or tells.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Mapping
from dataclasses import replace

from jupyter_mlpipe.errors import ArtifactCorruptError, ArtifactMissingError, StoreError
from jupyter_mlpipe.execution.cluster.environments import Environments
from jupyter_mlpipe.execution.process.spec import StepSpec
from jupyter_mlpipe.execution.runs.chain import briefly
from jupyter_mlpipe.execution.runs.decide import Decided, decide
from jupyter_mlpipe.execution.runs.inputs import find_companions, take_inputs
from jupyter_mlpipe.execution.runs.plan import last_record
from jupyter_mlpipe.execution.runs.settings import coming_after, definitions_of, out_of_order, with_settings
from jupyter_mlpipe.execution.runs.state import RunState
from jupyter_mlpipe.execution.runs.task import StepTask, make_spec, seal
from jupyter_mlpipe.execution.runs.written import restore as restore_files
from jupyter_mlpipe.model.graph import descendants
from jupyter_mlpipe.model.status import ENDED, Reason
from jupyter_mlpipe.store.history import History
from jupyter_mlpipe.store.records import Artifact, Record
from jupyter_mlpipe.store.store import Store


class ActiveRun:
    """A run that has not ended, with what only the runner needs to know."""

    def __init__(
        self, state: RunState, force: Collection[str], decided: Mapping[str, Decided], *, restores: bool
    ) -> None:
        self.state = state
        self.force = frozenset(force)
        # What was found when the run was started; each is used once.
        self.found = dict(decided)
        self.decided: dict[str, Decided] = {}
        # Steps of which a reader found that the bytes are not those that were written.
        self.corrupt: set[str] = set()
        # What is reused is hardly ever sent.
        self.tasks = {n: s.task if n in decided else seal(s.task) for n, s in state.steps.items()}
        self.restores = restores
        self.lease = contextlib.ExitStack()

    def records_above(self, task: StepTask) -> dict[str, Record | None]:
        """Return what the steps that a step reads from have given so far."""
        return {name: self.state.steps[name].record for name in task.step.upstream}

    def first(self) -> list[StepTask]:
        """Return the steps that nothing keeps from running."""
        done = {name for name, step in self.state.steps.items() if step.status in ENDED}
        return [t for name, t in self.tasks.items() if name not in done and done.issuperset(t.above)]

    def inputs(self, task: StepTask) -> dict[str, Artifact]:
        """Return what a step reads; all above it must have ended."""
        return take_inputs(task, self.records_above(task))


class Decisions:
    """Decides for steps of active runs, by what the store has."""

    def __init__(self, store: Store, history: History | None, environments: Environments | None) -> None:
        self._store = store
        self._history = history
        self._environments = environments

    def first(self, active: ActiveRun, task: StepTask) -> Decided:
        """Decide for a step: once, as was found when its run was started."""
        found = active.found.pop(task.name, None)
        return self.with_files(active, task, found or self.anew(active, task))

    def with_files(self, active: ActiveRun, task: StepTask, decided: Decided) -> Decided:
        """Make the files of a step that is reused; where the store has lost one, the step runs."""
        if decided.record is None or task.made is not None or not active.restores:
            return decided
        try:
            restore_files([(decided.record, decided.folder)], self._store)
        except (ArtifactMissingError, ArtifactCorruptError):
            return self.anew(active, task)
        return decided

    def anew(self, active: ActiveRun, task: StepTask) -> Decided:
        """Decide for a step by what there is at this moment."""
        state = active.state
        records = active.records_above(task)
        inputs = take_inputs(task, records)
        task = active.tasks[task.name] = with_settings(task, records, inputs, self._store)
        decided = decide(
            task,
            inputs,
            self._store,
            companions=find_companions(task, records),
            last=lambda: last_record(self._store, self._history, state.pipeline, task.name),
            now=time.time(),
            forced=task.name in active.force,
            records=records,
            environments=self._environments,
        )
        if task.name not in active.corrupt:
            return decided
        # To the store what was moved aside is only missing; people want to know that a disk is bad.
        reasons = tuple(
            Reason("corrupt", reason.name, "its bytes are not those that were written")
            if reason.kind == "missing"
            else reason
            for reason in decided.plan.reasons
        )
        return replace(decided, plan=replace(decided.plan, reasons=reasons))

    def spec(self, active: ActiveRun, task: StepTask) -> StepSpec:
        """Return what a step's process is given."""
        decided = active.decided[task.name]
        key = decided.plan.key or ""
        records = active.records_above(task)
        return make_spec(
            task,
            key,
            decided.ingredients,
            take_inputs(task, records),
            why=briefly(decided.plan.reasons),
            companions=find_companions(task, records),
            above=active.tasks,
            defined=lambda name: definitions_of(active.state.steps[name].record, self._store),
            store=self._store.address,
            signer=self._store.signer(key),
            notebook=active.state.pipeline,
        )

    def out_of_order(self, active: ActiveRun) -> list[str]:
        """Return the steps that are to run once more, in order, after others that set something for them.

        Which these are only running them has shown: no word says that a library draws random numbers.
        """
        state = active.state
        records = {name: step.record for name, step in state.steps.items()}
        found = out_of_order(active.tasks, records, self._store)
        for name, after in found.items():
            active.tasks[name] = state.steps[name].task = coming_after(active.tasks[name], after)
        upstream = {name: task.step.upstream for name, task in active.tasks.items()}
        again = {*found, *descendants(upstream, found)} if found else set()
        return [name for name in upstream if name in again]

    def producers_of_missing(self, active: ActiveRun, step: str) -> tuple[str, ...]:
        """Return the steps above whose artifacts the store does not have.

        None, where another reader has told first and they have been made again by now.
        """
        producers: dict[str, None] = {}
        with contextlib.suppress(StoreError):
            self._store.refresh(anew=True)
        for source in active.tasks[step].inputs.values():
            record = active.state.steps[source.step].record
            made = record.outputs.get(source.output) if record is not None else None
            if record is None or (made is not None and not self._store.has(made)):
                producers[source.step] = None
        return tuple(producers)


def note_decided(state: RunState, name: str, decided: Decided) -> None:
    """Have a step say what was decided for it."""
    step = state.steps[name]
    step.key = decided.plan.key
    step.work = decided.work
    step.reasons = decided.plan.reasons
    step.record = decided.record
