"""What steps set for the cells below: kept with their records, given to the steps that come after."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace

from jupyter_mlpipe.errors import ArtifactCorruptError, ArtifactMissingError
from jupyter_mlpipe.execution.task import StepTask
from jupyter_mlpipe.keys.given import Effects, give
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.store import Store


def effects_of(record: Record | None, store: Store) -> Effects | None:
    """Return what a step set; None where it set nothing, or that is gone: it runs again the next time."""
    if record is None or record.settings is None:
        return None
    try:
        return Effects.from_bytes(store.objects.read(record.settings))
    except (ArtifactMissingError, ArtifactCorruptError):
        return None


def with_settings(task: StepTask, records: Mapping[str, Record | None], store: Store) -> StepTask:
    """Return a task as it stands after the steps that it comes after."""
    if not task.step.after or task.snapshot is None:
        return task
    effects = [found for name in task.step.after if (found := effects_of(records.get(name), store))]
    namespace = vars(sys.modules["__main__"])
    snapshot = task.snapshot.after(effects, namespace)
    given = give(snapshot, task.closure.affected, namespace)
    # The snapshot stays: a step above may run again and set something else.
    return replace(task, given=given, folder=snapshot.folder)
