"""The decision for each step: reuse its record, run it, or say that it depends on what runs above.

`decide` serves the plan and the runner alike, so that what a plan says is what a run does.
"""

from __future__ import annotations

import functools
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from jupyter_mlpipe.errors import UnknownNameError, UnknownStepError, close_matches
from jupyter_mlpipe.execution.cluster.environments import Environments, Found
from jupyter_mlpipe.execution.process.spec import CLOSED_FILE, NOT_BOUND, joint_mark
from jupyter_mlpipe.execution.runs.accept import accepted_reasons
from jupyter_mlpipe.execution.runs.chain import reasons_open, runs_above, why_changed
from jupyter_mlpipe.execution.runs.collector import paused_collector
from jupyter_mlpipe.execution.runs.settings import coming_after, libraries_of, out_of_order, with_settings
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.execution.runs.written import Ahead, file_order, file_reasons, note_ahead
from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.derive import derive_key, explain
from jupyter_mlpipe.keys.given import differing
from jupyter_mlpipe.keys.packages import is_standard, package_ingredients
from jupyter_mlpipe.model.graph import topological_order
from jupyter_mlpipe.model.planned import PlanTotals, describe_totals, total
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.model.status import Ingredient, Reason, StepPlan, describe_reasons
from jupyter_mlpipe.store.accepted import find_accepted
from jupyter_mlpipe.store.history import History
from jupyter_mlpipe.store.records import Artifact, Record
from jupyter_mlpipe.store.store import Store
from jupyter_mlpipe.store.texts import unpack_texts

LastRecord = Callable[[], Record | None]
Companions = Mapping[str, tuple[str, ...]]
_UNBOUND = digest("not bound")
_RAN = (Reason("reuse", "", "ran when its cell was last run"),)
# A step's process holds what the step reads, the notebook's own more: what ran in one is none of the other's.
_HERE = Ingredient("setting", "--here", digest("in the notebook's own process"))
_SCRATCH = Ingredient("setting", "--scratch", digest("in an empty folder"))
_SAME = (Reason("reuse", "", "same code, inputs, parameters and packages"),)


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision and what it rests on; `record` is the one to reuse.

    Parameters
    ----------
    work
        The key of the work, also where it may not be reused and the step's own key is used once.
    folder
        Where it runs, which steps above may have changed.
    marks
        What a worker must have of packages; of a cluster of our own, nothing in particular.
    """

    plan: StepPlan
    ingredients: tuple[Ingredient, ...] = ()
    record: Record | None = None
    work: str = ""
    folder: str | None = None
    marks: frozenset[str] = frozenset()


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
            seconds = _seconds(last())
            if always:
                decided[name] = Decided(StepPlan(name, "run", always, seconds=seconds))
            else:
                below = runs_above(task, (behind or {}).get(name, ()), decided)
                decided[name] = Decided(StepPlan(name, "undecided", is_open, seconds=seconds, below=below))
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


def decide(
    task: StepTask,
    inputs: Mapping[str, Artifact],
    store: Store,
    *,
    companions: Companions,
    last: LastRecord,
    now: float,
    forced: bool = False,
    records: Mapping[str, Record | None] = MappingProxyType({}),
    ahead: Ahead = MappingProxyType({}),
    environments: Environments | None = None,
) -> Decided:
    """Decide for one step whose inputs are known.

    Parameters
    ----------
    companions
        From `find_companions`.
    last
        Gives the step's last record, to say what has changed since; called only when it has to run.
    records
        Of the steps that it reads from, for the reasons.
    ahead
        What will have become of files by then.
    environments
        As in `plan_steps`.
    """
    name, component, options = task.name, task.step.component, task.options
    where = (*((_HERE,) if options.here else ()), *((_SCRATCH,) if options.scratch else ()))
    absent = [n for n in task.inputs if n not in inputs]
    unbound = [n for n in absent if _is_unbound(task, n, records)]
    found = _find_packages(task, inputs, environments)
    if found.unknown:
        unknown = (Reason("package", "", f"versions are not known: {found.unknown}"),)
        once = digest("once", secrets.token_hex(16))
        return Decided(StepPlan(name, "undecided", unknown, once, _seconds(last())), marks=found.marks)
    own = (part for part in task.closure.ingredients if part.kind != "package")
    key, ingredients = derive_key(
        (*own, *found.ingredients, *task.given.ingredients, *where),
        task.parameters,
        _input_digests(task, inputs) | dict.fromkeys(unbound, _UNBOUND),
        component.outputs_of_key,
        options.salt,
    )
    work = key
    live = tuple(Reason("unhashable", n, "lives in the kernel only") for n in absent if n not in unbound)
    reasons = must_run(task, forced=forced) + found.problems + live
    if not forced and task.made is not None:
        made = task.made[1]
        if options.here and (task.problems or made.live):
            # No key says what it did to the notebook, which running it for another cell would do again.
            stands = not _missing(made, store)
        else:
            # What lives in the notebook's process is there since its cell was run.
            stands = task.made[0] == work and bool(reasons or made.live)
            stands = stands and not _why_not(made, task, inputs, companions, store, now, ahead)
        if stands:
            store.get_record(made.key)  # which marks it as used: it is not pruned meanwhile
            plan = StepPlan(name, "reuse", _RAN, made.key, made.seconds)
            return Decided(plan, ingredients, made, work, task.folder)
    if task.problems or found.problems or live:
        # What cannot be digested must never match anything, not even its own record.
        key = digest("once", key, secrets.token_hex(16))
    if not reasons:
        record = store.get_record(key)
        same: tuple[Reason, ...] = _SAME
        if record is None and (accepted := find_accepted(store, key)) is not None:
            record = store.get_record(accepted.record)
            same = accepted_reasons(accepted, record, ingredients) if record is not None else ()
        if record is not None:
            reasons = (*_why_not(record, task, inputs, companions, store, now, ahead), *_what_lives(record))
            if not reasons:
                plan = StepPlan(name, "reuse", same, key, record.seconds)
                return Decided(plan, ingredients, record, work, task.folder)
    before = last()
    if not reasons and (refused := store.why_refused(key)):
        reasons = (Reason("missing", "", refused),)
    reasons = reasons or _what_changed(before, key, ingredients, task, records)
    plan = StepPlan(name, "run", reasons, key, _seconds(before))
    return Decided(plan, ingredients, work=work, marks=found.marks)


def _seconds(before: Record | None) -> float | None:
    """Return what a step is expected to take: what it took the last time."""
    return before.seconds if before is not None and before.seconds else None


def _input_digests(task: StepTask, inputs: Mapping[str, Artifact]) -> dict[str, str]:
    """Return what of each input is part of the key.

    Of a value that is stored together with others, those count as well where the step reads several
    of them, or changes it: then it matters what they share.
    """
    component = task.step.component
    changed = {*component.changes, *component.may_change}
    together = [artifact.blob.object for artifact in inputs.values() if artifact.part]
    return {
        read: artifact.joint_digest
        if artifact.part and (read in changed or together.count(artifact.blob.object) > 1)
        else artifact.digest
        for read, artifact in inputs.items()
    }


def _find_packages(
    task: StepTask, inputs: Mapping[str, Artifact], environments: Environments | None
) -> Found:
    """Return the packages that a step reaches, and those whose objects it is given."""
    given = frozenset(top for top in libraries_of(inputs) if not is_standard(top))
    if environments is not None and not task.options.here:
        return environments.find(task.options.resources, task.closure.tops, given, task.options.pool)
    own = [part for part in task.closure.ingredients if part.kind == "package"]
    shown = {part.name for part in own}
    return Found((*own, *(part for part in _packages_of(given) if part.name not in shown)))


@functools.lru_cache(maxsize=256)
def _packages_of(tops: frozenset[str]) -> tuple[Ingredient, ...]:
    # Installed packages do not change under a running process that has imported them.
    return package_ingredients(sorted(tops))


def must_run(task: StepTask, *, forced: bool) -> tuple[Reason, ...]:
    """Return why a step runs whatever records there are; empty where it may be reused."""
    reasons: tuple[Reason, ...] = (Reason("forced"),) if forced else ()
    if not task.options.reuse:
        reasons += (Reason("reuse", "", "--no-reuse"),)
    return reasons + task.problems


def take_inputs(task: StepTask, records: Mapping[str, Record | None]) -> dict[str, Artifact]:
    """Return the artifact of each name that the step reads from others, given their records.

    Where both run in the notebook's own process, what cannot be stored is handed on there: it has none.
    Nor has what the code of that step did not bind, this time: Python says so where it is used.

    Raises
    ------
    UnknownNameError
        One is not there: it could not be stored, or was not bound though the header asks for it.
    """
    inputs: dict[str, Artifact] = {}
    for name, source in task.inputs.items():
        record = records.get(source.step)
        found = record.outputs.get(source.output) if record is not None else None
        if found is None:
            if _is_unbound(task, name, records):
                continue
            left_out = record.left_out.get(source.output) if record is not None else None
            if (
                task.options.here
                and record is not None
                and (source.output in record.live or left_out == CLOSED_FILE)
            ):
                continue
            why = "that step did not make it"
            if left_out:
                why = f"it could not be stored: {left_out.rstrip('.')}"
            raise UnknownNameError(
                f"Step '{task.name}' reads '{source.output}' of step '{source.step}', but {why}. "
                f"Make '{source.output}' in '{task.name}' itself, or have '{source.step}' make something "
                "that can be stored."
            )
        inputs[name] = found
    return inputs | _needed_beside(task, inputs, records)


def _is_unbound(task: StepTask, read: str, records: Mapping[str, Record | None]) -> bool:
    """Tell whether a step reads what the code of another one has not bound, on the path that it took."""
    component, source = task.step.component, task.inputs[read]
    record = records.get(source.step)
    if record is None or component.inputs_declared or component.function is not None:
        return False
    return record.left_out.get(source.output) == NOT_BOUND


def _needed_beside(
    task: StepTask, inputs: Mapping[str, Artifact], records: Mapping[str, Record | None]
) -> dict[str, Artifact]:
    """Return the outputs of the same steps that functions inside the inputs read when they are called.

    Where these stand for something else meanwhile, whoever placed the step has bound them to that.
    """
    found: dict[str, Artifact] = {}
    known = {*inputs, *task.closure.names, *task.parameters}
    stack = [(source.step, inputs[name]) for name, source in task.inputs.items() if name in inputs]
    while stack:
        step, artifact = stack.pop()
        record = records.get(step)
        for name in artifact.needs if record is not None else ():
            if name not in known and (beside := record.outputs.get(name)) is not None:  # type: ignore[union-attr]
                known.add(name)
                found[name] = beside
                stack.append((step, beside))
    return found


def find_companions(task: StepTask, records: Mapping[str, Record | None]) -> dict[str, tuple[str, ...]]:
    """Return, by object of the store, the names that are stored there together with an input.

    Only those that are read from nowhere else, and that still stand for what that step made. None for a
    step that has a contract: what it may change is said there.
    """
    if task.step.component.has_contract:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for source in task.inputs.values():
        record = records.get(source.step)
        artifact = record.outputs.get(source.output) if record is not None else None
        if record is None or artifact is None or not artifact.part:
            continue
        siblings = task.siblings.get(source.step, frozenset())
        found[artifact.blob.object] = tuple(
            name
            for name, other in record.outputs.items()
            if other.blob.object == artifact.blob.object and name in siblings and name not in task.inputs
        )
    return found


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


def _why_not(
    record: Record,
    task: StepTask,
    inputs: Mapping[str, Artifact],
    companions: Companions,
    store: Store,
    now: float,
    ahead: Ahead,
) -> tuple[Reason, ...]:
    """Return why a record that was found cannot be reused."""
    reasons = []
    max_age = task.options.max_age_s
    if max_age is not None and now - record.created_at > max_age:
        age = describe_seconds(now - record.created_at)
        reasons.append(Reason("expired", "", f"{age} old, --max-age {describe_seconds(max_age)}"))
    reasons += _missing(record, store)
    if record.result is not None and not store.has(record.result):
        reasons.append(Reason("missing", "", "the value of its last expression is no longer in the store"))
    # Read when it is too late to run the step again; most are small.
    if record.shown is not None and not store.objects.is_whole(record.shown):
        reasons.append(Reason("missing", "", "what it showed is no longer in the store"))
    for read, mark in record.joint.items():
        if read not in inputs or joint_mark(read, inputs, companions) != mark:
            reasons.append(Reason("input", read, "what shares objects with it is not the same"))
    if record.settings is not None and not store.objects.is_whole(record.settings):
        reasons.append(Reason("missing", "", "what it set is no longer in the store"))
    if record.states:
        changed = differing(record.states, task.given, task.folder or "")
        reasons += [Reason("setting", name, "changed") for name in changed]
    reasons += file_reasons(record, task, store, ahead)
    return tuple(reasons)


def _missing(record: Record, store: Store) -> list[Reason]:
    found = ((output, store.why_missing(artifact)) for output, artifact in record.outputs.items())
    return [Reason("missing", output, why) for output, why in found if why]


def _what_lives(record: Record) -> tuple[Reason, ...]:
    """Return what only running a step in the notebook's own process gives."""
    return tuple(Reason("unhashable", name, why) for name, why in record.live.items())


def _what_changed(
    before: Record | None,
    key: str,
    ingredients: tuple[Ingredient, ...],
    task: StepTask,
    records: Mapping[str, Record | None],
) -> tuple[Reason, ...]:
    if before is None:
        return (Reason("new", "", "never ran"),)
    if before.key == key or not before.ingredients:
        return (Reason("missing", "", "its record is no longer in the store"),)
    changed = explain(unpack_texts(before.ingredients, before.texts), ingredients)
    if not changed:
        made = {*before.outputs, *before.left_out}
        if added := [name for name in task.step.component.outputs if name not in made]:
            return (Reason("code", "", f"changed: it also makes {', '.join(added)}"),)
        return (Reason("missing", "", "its record is no longer in the store"),)
    sources = task.inputs
    return tuple(
        replace(reason, detail=why_changed(source.step, records.get(source.step), before))
        if reason.kind == "input" and (source := sources.get(reason.name)) is not None
        else reason
        for reason in changed
    )
