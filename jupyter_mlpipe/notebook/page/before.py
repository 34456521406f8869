"""What steps gave the time before, as the store has it. Read from any thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from jupyter_mlpipe.store.records import Artifact, Record

if TYPE_CHECKING:
    from jupyter_mlpipe.notebook.session import Session

_LOOKED_AT = 5  # of the step's latest keys


def outputs_before(session: Session, step: str, record: Record) -> Mapping[str, Artifact]:
    """Return what a step gave the last time that it gave something else than `record`."""
    history, store = session.backend.runner.history, session.backend.store
    keys = history.latest_keys(session.name, step, limit=_LOOKED_AT) if history is not None else []
    for key in keys:
        if key != record.key and (before := store.get_record(key)) is not None:
            return before.outputs
    return {}


def changed_outputs(session: Session, step: str, record: Record | None) -> Mapping[str, tuple[str, int]]:
    """Return preview and size, as they were, of outputs whose content is another; see `StepSnapshot.was`.

    Parameters
    ----------
    record
        What the step gave; by default what it gave last in this notebook.
    """
    if record is None and (made := session.states.made(step)) is not None:
        record = made[1]
    if record is None:
        return {}
    before = outputs_before(session, step, record)
    return {
        name: (before[name].preview, before[name].size)
        for name, artifact in record.outputs.items()
        if name in before and before[name].digest != artifact.digest
    }
