"""What JupyterLab's extension knows of the notebook's steps, kept up to date while somebody looks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_mlpipe.execution.runs.runstep import RunStep
from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot
from jupyter_mlpipe.notebook.following.marks import Marks
from jupyter_mlpipe.notebook.running.runs import Runs
from jupyter_mlpipe.notebook.show.cellfacts import cell_facts
from jupyter_mlpipe.notebook.show.graphfacts import State, changes
from jupyter_mlpipe.notebook.show.notebooks import Notebooks
from jupyter_mlpipe.notebook.show.watched import WatchedLog

_LOG_S = 0.25  # between two looks at what a step has printed
_TICKS = 4  # of these between two looks at how long it runs


class CellsView:
    """Tells what has changed, numbered: who misses one asks for all. Used from any thread.

    Nothing is planned or sent before somebody has asked.
    """

    def __init__(
        self, marks: Marks, runs: Runs, notebooks: Notebooks, send: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self._marks = marks
        self._runs = runs
        self._notebooks = notebooks
        self.send = send
        self._lock = threading.RLock()
        self._told: State = {}
        self._n_told = 0
        self._unsubscribe: Callable[[], None] | None = None
        self._watched = WatchedLog(self.find)
        self._thread: threading.Thread | None = None

    def tell_all(self) -> None:
        """Tell all that is known: a page has just begun to listen, or missed something."""
        with self._lock:
            if self._unsubscribe is None:
                self._unsubscribe = self._marks.subscribe(self.take)
            # All pages hear it, the number of each one's notebook too.
            self._told = {**self._told, "notebooks": self._notebooks.by_client}
            self.send({"n": self._n_told, "all": self._told})

    def take(self, snapshot: RunSnapshot) -> None:
        """Tell what has changed since."""
        facts = {**cell_facts(snapshot), "notebooks": self._notebooks.by_client}
        with self._lock:
            if changed := changes(self._told, facts):
                self._told = facts
                self._n_told += 1
                self.send({"n": self._n_told, "changed": changed})
            if snapshot.status == "running" and self._thread is None:
                self._thread = threading.Thread(target=self._follow, name="mlpipe-cells", daemon=True)
                self._thread.start()

    def watch(self, step: str | None, n_sent: int = 0) -> None:
        """Send what a step prints as it comes, in place of another's; None for none."""
        with self._lock:
            self._watched.watch(step, n_sent)

    def find(self, step: str) -> RunStep | None:
        """Return a step of the latest run that had it."""
        run = self._runs.newest(step, None)
        return self._runs.by_itself(step) or (run.steps.get(step) if run is not None else None)

    def step(self, name: str) -> StepSnapshot | None:
        """Return a step as it stands."""
        latest = self._marks.latest()
        return next((step for step in latest.steps if step.name == name), None) if latest else None

    def close(self) -> None:
        """Tell nothing any more."""
        with self._lock:
            if self._unsubscribe is not None:
                self._unsubscribe()
                self._unsubscribe = None

    def _follow(self) -> None:
        """Tell what time alone changes, and what is printed, until nothing runs."""
        pause = threading.Event()
        tick = 0
        while True:
            pause.wait(_LOG_S)
            tick += 1
            latest = self._marks.latest()
            is_running = latest is not None and latest.status == "running"
            with self._lock:
                if (printed := self._watched.take()) is not None:
                    self.send(printed)
                if not is_running or self._unsubscribe is None:
                    self._thread = None
                    return
            if tick % _TICKS == 0 and latest is not None:
                self.take(latest)
