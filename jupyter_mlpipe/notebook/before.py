"""What steps gave the time before: read from the store, once for each record. Read from any thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from jupyter_mlpipe.store.records import Artifact, Record

if TYPE_CHECKING:
    from jupyter_mlpipe.notebook.session import Session

_LOOKED_AT = 5  # of the step's latest keys
_KEPT = 2000


class Before:
    """Knows what each step gave before what it gave last."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[str, str], Mapping[str, tuple[str, int]]] = {}

    def outputs(self, step: str, record: Record) -> Mapping[str, Artifact]:
        """Return what the step gave the last time that it gave something else than `record`."""
        history, store = self._session.backend.runner.history, self._session.backend.store
        keys = history.latest_keys(self._session.name, step, limit=_LOOKED_AT) if history is not None else []
        for key in keys:
            if key != record.key and (before := store.get_record(key)) is not None:
                return before.outputs
        return {}

    def changed(self, step: str, record: Record | None) -> Mapping[str, tuple[str, int]]:
        """Return preview and size, as they were, of outputs whose content is another; see `StepSnapshot.was`.

        Parameters
        ----------
        record
            What the step gave; by default what it gave last in this notebook.
        """
        if record is None and (made := self._session.states.made(step)) is not None:
            record = made[1]
        if record is None:
            return {}
        place = (step, record.key)
        if place not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            before = self.outputs(step, record)
            self._known[place] = {
                name: (before[name].preview, before[name].size)
                for name, artifact in record.outputs.items()
                if name in before and before[name].digest != artifact.digest
            }
        return self._known[place]
