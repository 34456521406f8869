"""What steps set for the cells below: kept with their records, given to the steps that come after."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace

from jupyter_mlpipe.errors import ArtifactCorruptError, ArtifactMissingError
from jupyter_mlpipe.execution.process.own_state import OwnState
from jupyter_mlpipe.execution.process.spec import NOT_BOUND
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.keys.canonical import digest, digest_bytes
from jupyter_mlpipe.keys.given import Effects, give
from jupyter_mlpipe.model.graph import ancestors
from jupyter_mlpipe.model.status import Ingredient
from jupyter_mlpipe.store.records import Artifact, Record
from jupyter_mlpipe.store.store import Store


def effects_of(record: Record | None, store: Store) -> Effects | None:
    """Return what a step set; None where it set nothing, or that is gone: it runs again the next time."""
    if record is None or record.settings is None:
        return None
    try:
        return Effects.from_bytes(store.objects.read(record.settings))
    except (ArtifactMissingError, ArtifactCorruptError):
        return None


def definitions_of(record: Record | None, store: Store) -> OwnState:
    """Return what a step has made of its definitions, where their source does not say it."""
    if record is None:
        return OwnState()
    effects = effects_of(record, store)
    missed = tuple(name for name, why in record.left_out.items() if why == NOT_BOUND)
    return OwnState(made=effects.made if effects is not None else None, missed=missed)


def with_settings(
    task: StepTask, records: Mapping[str, Record | None], inputs: Mapping[str, Artifact], store: Store
) -> StepTask:
    """Return a task as it stands after the steps that it comes after, with what it reads of others."""
    if task.snapshot is None:
        return task
    affected = task.closure.affected.with_inputs(libraries_of(inputs))
    if not task.step.after and affected is task.closure.affected:
        return task
    effects = [found for name in task.step.after if (found := effects_of(records.get(name), store))]
    namespace = vars(sys.modules["__main__"])
    snapshot = task.snapshot.after(effects, namespace)
    given = give(snapshot, affected, namespace)
    reads = {*task.closure.names, *(name for artifact in inputs.values() for name in artifact.needs)}
    altered = tuple(e.altered for e in effects if e.altered is not None and reads & {*e.altered.names})
    if altered:
        content = digest("altered", *(digest_bytes(part.stream) for part in altered))
        names = ", ".join(dict.fromkeys(name for part in altered for name in part.names))
        ingredient = Ingredient("helper", f"state of {names}", content, "")
        given = replace(given, ingredients=(*given.ingredients, ingredient))
    # The snapshot stays: a step above may run again and set something else.
    return replace(task, given=given, folder=snapshot.folder, altered=altered)


def out_of_order(
    tasks: Mapping[str, StepTask], records: Mapping[str, Record | None], store: Store
) -> dict[str, tuple[str, ...]]:
    """Return the steps that should have come after others, which turned out to set something for them.

    Returns
    -------
    By step: all steps that it comes after, in the notebook's order.
    """
    known: dict[str, Effects | None] = {}

    def has_set_for(above: str, task: StepTask, record: Record) -> bool:
        if above not in known:
            known[above] = effects_of(records.get(above), store)
        effects = known[above]
        return effects is not None and _concerns(effects, task, record)

    setters = [name for name, record in records.items() if record is not None and record.settings is not None]
    if not setters:
        return {}
    upstream = {name: task.step.upstream for name, task in tasks.items()}
    found: dict[str, tuple[str, ...]] = {}
    for name, task in tasks.items():
        record = records.get(name)
        missed = [
            above
            for above in task.earlier(setters)
            if record is not None
            and above not in task.step.after
            and has_set_for(above, task, record)
            and name not in ancestors(upstream, [above])
        ]
        if missed:
            found[name] = task.earlier((*missed, *task.step.after))
            upstream[name] = (*upstream[name], *missed)
    return found


def coming_after(task: StepTask, after: tuple[str, ...] | None) -> StepTask:
    """Return a task as it is when it comes after these steps; as it was, where they are not given."""
    return task if after is None else replace(task, step=replace(task.step, after=after))


def _concerns(effects: Effects, task: StepTask, record: Record) -> bool:
    """Tell whether a step that gave this record depends on what another one set."""
    return (
        not effects.states.keys().isdisjoint(record.states)
        or not effects.changes.keys().isdisjoint(task.closure.affected.providers)
        or (effects.altered is not None and not {*effects.altered.names}.isdisjoint(task.closure.names))
        or bool(effects.folder)
    )


def libraries_of(inputs: Mapping[str, Artifact]) -> set[str]:
    """Return the top-level modules whose objects are in artifacts."""
    # Types of Python itself have no module in their name.
    tops = {artifact.type.partition(".")[0] for artifact in inputs.values() if "." in artifact.type}
    return tops.union(*(artifact.modules for artifact in inputs.values()))
