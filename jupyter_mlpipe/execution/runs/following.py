"""Following a detached run: the same `Run` as of any other, brought along by its events."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from jupyter_mlpipe.errors import ArtifactMissingError, MLPipeError
from jupyter_mlpipe.execution.runs.detached import RunFolder, finish
from jupyter_mlpipe.execution.runs.eventlog import EventReader, apply, lost_lines, unpack
from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.execution.runs.state import Listener, RunState
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.store.history import History
from jupyter_mlpipe.store.locks import hold
from jupyter_mlpipe.store.store import Store

_LOOK_S = 0.05
_LOOK_ALIVE_S = 0.5
# Of a file that was cut, or written by another version of this package.
_UNREADABLE = (OSError, StopIteration, ValueError, LookupError, AttributeError, ImportError, TypeError)


def attach(folder: RunFolder, store: Store, listener: Listener | None = None) -> Run:
    """Return a detached run, as it stands; it is followed from then on.

    Raises
    ------
    MLPipeError
        Its log cannot be read.
    """
    try:
        begin = folder.begin()
        tasks: dict[str, StepTask] = unpack(begin["tasks"])
    except (
        OSError,
        StopIteration,
        ValueError,
        KeyError,
        AttributeError,
        ImportError,
        pickle.PickleError,
    ) as error:
        raise MLPipeError(
            f"The log of run {folder.id} at {folder.events} cannot be read: {type(error).__name__}: {error}. "
            "What its steps made is in the store: run them again, and they are reused."
        ) from error

    def redo(step: str) -> Run:
        raise ArtifactMissingError(
            f"What step '{step}' made is damaged or no longer in the store: run the step again."
        )

    state = RunState(folder.id, begin["pipeline"], tasks, tuple(begin["targets"]), listener)
    return follow_run(folder, state, store, redo)


def follow_run(folder: RunFolder, state: RunState, store: Store, redo: Callable[[str], Run]) -> Run:
    """Return the run whose state is `state`, which its events bring along from then on."""
    follower = _Follower(folder, state, store)
    if not follower.look():
        threading.Thread(target=follower.follow, name="mlpipe-follow", daemon=True).start()
    return Run(state, store, cancel=folder.cancel, redo=redo, is_detached=True)


class _Follower:
    """Brings the state of a run to where its events say that it is."""

    def __init__(self, folder: RunFolder, state: RunState, store: Store) -> None:
        self._folder = folder
        self._state = state
        self._store = store
        self._reader = EventReader(folder.events)

    def follow(self) -> None:
        look_alive = 0.0
        while not self._catch_up():
            if time.monotonic() > look_alive:
                if self.look():
                    return
                look_alive = time.monotonic() + _LOOK_ALIVE_S
            time.sleep(_LOOK_S)

    def look(self) -> bool:
        """Take what has happened; tells whether the run has ended."""
        is_live = self._folder.is_live()  # before: whatever it wrote is there when it has ended
        return self._catch_up() or (not is_live and self._bury())

    def _catch_up(self) -> bool:
        try:
            lines = self._reader.read()
        except OSError as error:
            self._end(MLPipeError(f"The log of run {self._state.id} is gone: {error}."))
            return True
        for line in lines:
            apply(self._state, line)
        return self._state.status != "running"

    def _bury(self) -> bool:
        """End a run whose process was killed, in its log too; False where somebody else holds it."""
        try:
            held = hold(self._folder.held)
        except OSError:
            self._end(_lost_error(self._state.id))
            return True
        if held is None:
            return False
        try:
            if not self._catch_up():
                # It has ended by now only if somebody else has buried it.
                lines = self._end(_lost_error(self._state.id))
                finish(self._folder, lines)
                _note_lost(self._store, self._folder)
        finally:
            held.release()
        return True

    def _end(self, error: MLPipeError) -> list[dict[str, Any]]:
        lines = lost_lines({name: step.status for name, step in self._state.steps.items()}, error)
        for line in lines:
            apply(self._state, line)
        return lines


def _lost_error(run: str) -> MLPipeError:
    return MLPipeError(
        f"The process of run {run[:8]} was ended in the middle. What was finished is kept: start the run "
        "again, and it goes on from there."
    )


def _note_lost(store: Store, folder: RunFolder) -> None:
    history = History(store.root / "history.db")
    try:
        for entry in history.runs(limit=1000):
            if entry.id == folder.id and entry.status == "running":
                history.add_run(replace(entry, status="failed", seconds=time.time() - entry.started_at))
    finally:
        history.close()
