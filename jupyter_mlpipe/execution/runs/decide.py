"""The decision for one step whose inputs are known, with its reasons.

It serves the plan and the runner alike, so that what a plan says is what a run does.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from jupyter_mlpipe.execution.cluster.environments import Environments, Found
from jupyter_mlpipe.execution.process.files import CHANGED
from jupyter_mlpipe.execution.process.spec import joint_mark
from jupyter_mlpipe.execution.runs.accept import accepted_reasons
from jupyter_mlpipe.execution.runs.chain import why_changed
from jupyter_mlpipe.execution.runs.inputs import Companions, input_digests, is_unbound
from jupyter_mlpipe.execution.runs.settings import libraries_of
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.execution.runs.written import Ahead, file_reasons
from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.derive import derive_key, explain, keys_beside
from jupyter_mlpipe.keys.given import differing
from jupyter_mlpipe.keys.packages import is_standard, package_ingredients
from jupyter_mlpipe.keys.values import Undigestable
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.model.status import Ingredient, Reason, StepPlan
from jupyter_mlpipe.store.accepted import find_accepted
from jupyter_mlpipe.store.records import Artifact, Record
from jupyter_mlpipe.store.store import Store
from jupyter_mlpipe.store.texts import unpack_texts

LastRecord = Callable[[], Record | None]
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


_OWN = frozenset({"code", "helper", "value", "parameter", "file", "salt"})


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
    unbound = [n for n in absent if is_unbound(task, n, records)]
    found = _find_packages(task, inputs, environments)
    if found.unknown:
        unknown = (Reason("package", "", f"versions are not known: {found.unknown}"),)
        once = digest("once", secrets.token_hex(16))
        return Decided(
            StepPlan(name, "undecided", unknown, once, expected_seconds(last())), marks=found.marks
        )
    own = (part for part in task.closure.ingredients if part.kind != "package")
    key, ingredients = derive_key(
        (*own, *found.ingredients, *task.given.ingredients, *where),
        task.parameters,
        input_digests(task, inputs) | dict.fromkeys(unbound, _UNBOUND),
        component.outputs_of_key,
        options.salt,
    )
    work = key
    why_not = functools.partial(
        _why_not, task, inputs, companions, store, now, ahead, elsewhere=environments is not None
    )
    live = tuple(Reason("unhashable", n, "lives in the kernel only") for n in absent if n not in unbound)
    reasons = must_run(task, forced=forced) + found.problems + live
    if not forced and task.made is not None:
        made = task.made[1]
        if options.here and (task.problems or made.live):
            # No key says what it did to the notebook, which running it for another cell would do again.
            stands = not _missing(made, store)
        else:
            # What lives in the notebook's process is there since its cell was run.
            stands = task.made[0] == work and bool(reasons or made.live) and not why_not(made, as_made=True)
        if stands:
            return _as_made(task, made, ingredients, work, store)
    if task.problems or found.problems or live:
        # What cannot be digested must never match anything, not even its own record.
        key = digest("once", key, secrets.token_hex(16))
    else:
        same: tuple[Reason, ...] = _SAME
        key, record, why = _find_record(key, store, lambda found: (*why_not(found), *_what_lives(found)))
        if record is None and not why and (accepted := find_accepted(store, key)) is not None:
            record = store.get_record(accepted.record)
            if record is not None:
                same = accepted_reasons(accepted, record, ingredients)
                why = (*why_not(record), *_what_lives(record))
        if not reasons and task.made is not None and task.made[0] == work:
            made = task.made[1]
            # Cells further down may have written what it had read.
            is_other = (record is None or record.key != made.key) and store.get_record(made.key) is not None
            if is_other and not why_not(made, as_made=True):
                return _as_made(task, made, ingredients, work, store)
        if not reasons and record is not None and not why:
            plan = StepPlan(name, "reuse", same, key, record.seconds)
            return Decided(plan, ingredients, record, work, task.folder)
        reasons = reasons or why
    before = last()
    if not reasons and (refused := store.why_refused(key)):
        reasons = (Reason("missing", "", refused),)
    reasons = reasons or _what_changed(before, key, ingredients, task, records)
    plan = StepPlan(name, "run", reasons, key, expected_seconds(before))
    return Decided(plan, ingredients, work=work, marks=found.marks)


def _as_made(
    task: StepTask, made: Record, ingredients: tuple[Ingredient, ...], work: str, store: Store
) -> Decided:
    store.get_record(made.key)  # which marks it as used: it is not pruned meanwhile
    plan = StepPlan(task.name, "reuse", _RAN, made.key, made.seconds)
    return Decided(plan, ingredients, made, work, task.folder)


def expected_seconds(before: Record | None) -> float | None:
    """Return what a step is expected to take: what it took the last time."""
    return before.seconds if before is not None and before.seconds else None


def own_changes(task: StepTask, before: Record | None) -> tuple[Reason, ...]:
    """Return what of a step itself is not as in its last record, while it is not known what it will read."""
    if before is None or not before.ingredients:
        return ()
    options = task.options
    try:
        _, now = derive_key(task.closure.ingredients, task.parameters, {}, (), options.salt)
    except Undigestable:
        return ()
    earlier = unpack_texts(before.ingredients, before.texts)
    return explain(*([part for part in parts if part.kind in _OWN] for parts in (earlier, now)))


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


def _why_not(
    task: StepTask,
    inputs: Mapping[str, Artifact],
    companions: Companions,
    store: Store,
    now: float,
    ahead: Ahead,
    record: Record,
    *,
    elsewhere: bool,
    as_made: bool = False,
) -> tuple[Reason, ...]:
    """Return why a record that was found cannot be reused; see `states_now` and `file_reasons`."""
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
        changed = differing(record.states, task.given, task.folder or "", elsewhere=elsewhere)
        reasons += [Reason("setting", name, "changed") for name in changed]
    reasons += file_reasons(record, task, store, ahead, as_made=as_made)
    return tuple(reasons)


def _find_record(
    key: str, store: Store, why_not: Callable[[Record], tuple[Reason, ...]]
) -> tuple[str, Record | None, tuple[Reason, ...]]:
    """Return the key of a work, its record where one holds, and else why those that there are do not.

    Without one it is the key that the record is to get, in place of one that never holds again or the oldest.
    """
    found: list[tuple[str, Record, tuple[Reason, ...]]] = []
    free = ""
    for beside in keys_beside(key):
        record = store.get_record(beside)
        if record is None:
            free = beside
            break
        reasons = why_not(record)
        if not reasons:
            return beside, record, ()
        found.append((beside, record, reasons))
    if not found:
        return free, None, ()
    for beside, record, reasons in found:
        if not _may_hold_again(record, reasons):
            return beside, None, reasons
    found.sort(key=lambda entry: entry[1].created_at)
    return free or found[0][0], None, found[-1][2]


def _may_hold_again(record: Record, reasons: tuple[Reason, ...]) -> bool:
    """Tell whether a record holds once files, random states and what shares objects are what they were."""
    if CHANGED in record.files.values() or not all(record.states.values()):
        return False
    return all(reason.kind in ("file", "setting", "input") for reason in reasons)


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
