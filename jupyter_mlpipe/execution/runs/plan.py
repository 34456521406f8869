"""The decision for each step: reuse its record, run it, or say that it depends on what runs above."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping

from jupyter_mlpipe.errors import UnknownNameError, UnknownStepError, close_matches
from jupyter_mlpipe.execution.cluster.environments import Environments
from jupyter_mlpipe.execution.runs.chain import reasons_open, runs_above
from jupyter_mlpipe.execution.runs.decide import (
    Decided,
    LastRecord,
    decide,
    expected_seconds,
    must_run,
    own_changes,
)
from jupyter_mlpipe.execution.runs.inputs import find_companions, take_inputs
from jupyter_mlpipe.execution.runs.settings import coming_after, out_of_order, with_settings
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.execution.runs.written import file_order, note_ahead
from jupyter_mlpipe.keys.collector import paused_collector
from jupyter_mlpipe.model.graph import topological_order
from jupyter_mlpipe.model.planned import PlanTotals, describe_totals, total
from jupyter_mlpipe.model.status import Reason, StepPlan, describe_reasons
from jupyter_mlpipe.store.history import History
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.store import Store


class Plan(Mapping[str, StepPlan]):
    """The decision for each step by name, in topological order.

    In a notebook it shows itself as ``%pipeline plan`` does.
    """

    def __init__(self, decided: Mapping[str, Decided], tasks: Mapping[str, StepTask]) -> None:
        self.decided = decided
        self.tasks = tasks

    @property
    def wholly_reused(self) -> bool:
        """Whether nothing has to run."""
        return len(self.decided) == len(self.tasks) and all(
            step.plan.decision == "reuse" for step in self.decided.values()
        )

    def __getitem__(self, step: str) -> StepPlan:
        check_steps([step], self.decided)
        return self.decided[step].plan

    def __contains__(self, step: object) -> bool:
        return step in self.decided

    def __iter__(self) -> Iterator[str]:
        return iter(self.decided)

    def __len__(self) -> int:
        return len(self.decided)

    @property
    def totals(self) -> PlanTotals:
        """How many steps of each decision there are, and their seconds in all."""
        return total(self.values())

    def __repr__(self) -> str:
        width = max(map(len, self), default=0)
        lines = [
            f"{name:<{width}}  {step.decision:<9}  {describe_reasons(step.reasons)}".rstrip()
            for name, step in self.items()
        ]
        return "\n".join([f"plan: {describe_totals(self.totals)}", *lines])


@paused_collector()
def plan_steps(
    tasks: Mapping[str, StepTask],
    store: Store,
    history: History | None = None,
    *,
    pipeline: str = "",
    now: float | None = None,
    force: Collection[str] = frozenset(),
    stop_at_first_run: bool = False,
    environments: Environments | None = None,
) -> Plan:
    """Decide for each step, before anything runs.

    A step below one that runs is undecided: its inputs' digests are not known until that one ends,
    and a rerun that gives the same bytes leaves it reused.

    Parameters
    ----------
    tasks
        With all that is above each of them, in any order.
    now
        Seconds since 1970, for ``--max-age``; the clock's by default.
    stop_at_first_run
        Leave the plan unfinished where a step cannot be reused: enough to know that a run is needed.
    environments
        Of a cluster that the user has chosen: the packages of its workers count, not the notebook's. As long
        as they are not known, the steps that reach packages are undecided.

    Raises
    ------
    UnknownStepError
        A name in `force` is not a step.
    StoreError
        A shared store cannot be reached.
    """
    check_steps(force, tasks)
    store.refresh()
    if environments is not None:
        environments.prepare(top for task in tasks.values() for top in task.closure.tops)
    now = time.time() if now is None else now
    while True:
        plan = _plan_as_ordered(
            tasks,
            store,
            history,
            pipeline=pipeline,
            now=now,
            force=force,
            stop_at_first_run=stop_at_first_run,
            environments=environments,
        )
        records = {name: step.record for name, step in plan.decided.items()}
        if not (found := out_of_order(tasks, records, store)):
            return plan
        # Their records say what no word of the code does. Each round adds to the order: there is a last one.
        tasks = {name: coming_after(task, found.get(name)) for name, task in tasks.items()}


def _plan_as_ordered(
    tasks: Mapping[str, StepTask],
    store: Store,
    history: History | None,
    *,
    pipeline: str,
    now: float,
    force: Collection[str],
    stop_at_first_run: bool,
    environments: Environments | None,
) -> Plan:
    decided: dict[str, Decided] = {}
    ahead: dict[str, str] = {}
    behind: dict[str, list[str]] | None = None
    for name in topological_order({name: task.step.upstream for name, task in tasks.items()}):
        task = tasks[name]
        last = _last_record(store, history, pipeline, name)
        if is_open := reasons_open(task, (behind or {}).get(name, ()), decided):
            always = must_run(task, forced=name in force) if task.made is None or name in force else ()
            seconds = expected_seconds(last())
            if always:
                decided[name] = Decided(StepPlan(name, "run", always, seconds=seconds))
            else:
                below = runs_above(task, (behind or {}).get(name, ()), decided)
                reasons = (*own_changes(task, last()), *is_open)
                decided[name] = Decided(StepPlan(name, "undecided", reasons, seconds=seconds, below=below))
        else:
            records = {step: decided[step].record for step in task.step.upstream}
            try:
                inputs = take_inputs(task, records)
            except UnknownNameError as error:
                decided[name] = Decided(StepPlan(name, "run", (Reason("missing", "", str(error)),)))
            else:
                task = with_settings(task, records, inputs, store)
                decided[name] = decide(
                    task,
                    inputs,
                    store,
                    companions=find_companions(task, records),
                    records=records,
                    last=last,
                    forced=name in force,
                    now=now,
                    ahead=ahead,
                    environments=environments,
                )
        record = decided[name].record
        if record is not None:
            if task.made is None:
                note_ahead(record, decided[name].folder, ahead)
        elif stop_at_first_run:
            break
        elif behind is None:
            # Where all is reused, the order of files is that of the steps.
            behind = file_order(tasks, lambda other: last_record(store, history, pipeline, other))
    return Plan(decided, tasks)


def check_steps(names: Iterable[str], steps: Collection[str]) -> None:
    """Raise UnknownStepError for a name that is no step, with close matches."""
    for name in names:
        if name not in steps:
            raise UnknownStepError(
                f"There is no step '{name}'.{close_matches(name, steps)} Steps: {', '.join(steps) or 'none'}."
            )


def last_record(store: Store, history: History | None, pipeline: str, step: str) -> Record | None:
    """Return the step's last record, or one that says no more than that there was one."""
    if history is None or (key := history.last_key(pipeline, step)) is None:
        return None
    # Its record may be pruned since: that it ran, and how long, is known all the same.
    return store.get_record(key) or Record(key=key, seconds=history.seconds_of(pipeline, step, key) or 0.0)


def _last_record(store: Store, history: History | None, pipeline: str, step: str) -> LastRecord:
    return lambda: last_record(store, history, pipeline, step)
