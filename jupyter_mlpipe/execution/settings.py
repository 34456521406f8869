"""What steps set for the cells below: kept with their records, given to the steps that come after."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace

from jupyter_mlpipe.errors import ArtifactCorruptError, ArtifactMissingError
from jupyter_mlpipe.execution.task import StepTask
from jupyter_mlpipe.keys.given import Effects, give
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
    # The snapshot stays: a step above may run again and set something else.
    return replace(task, given=given, folder=snapshot.folder)


def libraries_of(inputs: Mapping[str, Artifact]) -> set[str]:
    """Return the top-level modules whose objects are in artifacts."""
    # Types of Python itself have no module in their name.
    tops = {artifact.type.partition(".")[0] for artifact in inputs.values() if "." in artifact.type}
    return tops.union(*(artifact.modules for artifact in inputs.values()))
