"""The state of one run: changed by the runner only, read by everybody through `Run`."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Literal

from jupyter_mlpipe.errors import MLPipeError
from jupyter_mlpipe.execution.process.rescued import Rescued
from jupyter_mlpipe.execution.process.shown import Shown
from jupyter_mlpipe.execution.runs.local import LocalJob
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.model.metrics import numbers_from_json
from jupyter_mlpipe.model.status import ENDED, Reason, RunStatus, StepStatus
from jupyter_mlpipe.store.records import Record

NoticeKind = Literal["status", "output", "progress", "job", "sent", "end"]
Listener = Callable[[NoticeKind, str, Any], None]
"""Called as ``listener(kind, step, payload)``.

``("status", step, status)``, ``("output", step, output)`` with an nbformat-like mapping,
``("progress", step, (fraction, text))``, ``("job", step, None)`` where a step waits for the main thread,
and last ``("end", "", run_status)``.
It must return at once: the runner waits for it.
"""

_log = logging.getLogger(__name__)
_NOTHING_RESCUED = Rescued()


class StepState:
    """One step of a run."""

    __slots__ = (
        "by_itself",
        "error",
        "key",
        "metrics",
        "outputs",
        "progress",
        "reached",
        "reasons",
        "record",
        "rescued",
        "seconds",
        "started",
        "status",
        "task",
        "why",
        "work",
        "worker",
    )

    def __init__(self, task: StepTask, *, by_itself: bool = False) -> None:
        self.task = task
        self.by_itself = by_itself
        self.status: StepStatus = "waiting"
        self.why = ""
        self.error: MLPipeError | None = None
        self.key: str | None = None
        self.work = ""
        self.reasons: tuple[Reason, ...] = ()
        self.record: Record | None = None
        self.rescued = _NOTHING_RESCUED
        self.outputs: Shown | None = None
        self.progress: tuple[float | None, str] | None = None
        self.metrics: dict[str, float] = {}
        self.started: float | None = None
        self.reached: dict[str, float] = {}  # status -> when it last came to it, in seconds since 1970
        self.seconds: float | None = None
        self.worker: str | None = None

    def names_made(self) -> tuple[str, ...]:
        """Return the names of its outputs as far as they are known: declared ones, and those made."""
        declared = self.task.step.component.outputs
        if self.record is None:
            return tuple(dict.fromkeys((*declared, *self.rescued.outputs)))
        return tuple(dict.fromkeys((*declared, *self.record.outputs, *self.record.left_out)))

    def all_metrics(self) -> dict[str, float]:
        """Return the metrics that its code has logged, or had logged when it made what is reused."""
        if self.record is not None and self.status in ("succeeded", "reused"):
            return numbers_from_json(self.record.metrics)
        return dict(self.metrics)


class RunState:
    """All steps of a run, in topological order, and who listens to them."""

    def __init__(
        self,
        run_id: str,
        pipeline: str,
        tasks: Mapping[str, StepTask],
        targets: tuple[str, ...],
        listener: Listener | None = None,
        *,
        by_itself: bool = False,
    ) -> None:
        self.id = run_id
        self.pipeline = pipeline
        self.targets = targets
        self.asked = frozenset(targets)  # to look names up in
        self.by_itself = by_itself
        self.steps = {name: StepState(task, by_itself=by_itself) for name, task in tasks.items()}
        self.status: RunStatus = "running"
        self.started = time.perf_counter()
        self.seconds: float | None = None
        lock = threading.RLock()
        self.condition = threading.Condition(lock)
        # Whoever waits for the whole run need not wake up whenever one of a thousand steps gets on.
        self.ending = threading.Condition(lock)
        self.jobs: deque[LocalJob] = deque()  # for the main thread
        self._listeners: list[Listener] = [listener] if listener else []

    def set_status(self, step: str, status: StepStatus, why: str = "", ago: float = 0.0) -> None:
        """Change a step's status, wake those who wait for it, tell the listeners.

        Parameters
        ----------
        ago
            How long it has been so already, in seconds.
        """
        state = self.steps[step]
        state.reached[status] = time.time() - ago
        if status == "running":
            state.started = time.perf_counter() - ago
            # A further attempt shows its own output only, as its record will.
            state.outputs = None
            state.rescued = _NOTHING_RESCUED
            state.progress = None
            state.metrics = {}
            state.seconds = None
        elif status in ENDED and state.seconds is None and state.started is not None:
            state.seconds = time.perf_counter() - state.started
        state.why = why
        with self.condition:
            state.status = status
            self.condition.notify_all()
        self._notify("status", step, status)

    def add_output(self, step: str, output: dict[str, Any]) -> None:
        """Keep what a step showed, and tell the listeners."""
        state = self.steps[step]
        if state.outputs is None:
            state.outputs = Shown()
        state.outputs.add(output)
        self._notify("output", step, output)

    def set_progress(self, step: str, fraction: float | None, text: str) -> None:
        """Note how far a step says it has come, and tell the listeners."""
        self.steps[step].progress = fraction, text
        self._notify("progress", step, (fraction, text))

    def add_job(self, step: str, job: LocalJob) -> None:
        """Leave a step to the main thread: wake it where it waits, tell the listeners."""
        with self.condition:
            self.jobs.append(job)
            self.condition.notify_all()
            self.ending.notify_all()
        self._notify("job", step, None)

    def end(self, status: RunStatus) -> None:
        """End the run, wake those who wait for it, tell the listeners."""
        self.seconds = time.perf_counter() - self.started
        with self.condition:
            self.status = status
            self.condition.notify_all()
            self.ending.notify_all()
        self._notify("end", "", status)

    def wait_until_ended(self, deadline: float) -> None:
        """Wait until the run has ended, or until `deadline` on the monotonic clock."""
        with self.ending:
            self.ending.wait_for(lambda: self.status != "running", max(0.0, deadline - time.monotonic()))

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` from now on; at once with "end" where the run has ended."""
        with self.condition:
            ended = self.status != "running"
            if not ended:
                self._listeners.append(listener)
        if ended:
            listener("end", "", self.status)

    def tell(self, kind: NoticeKind, step: str, payload: object) -> None:
        """Tell the listeners of what changes nothing here."""
        self._notify(kind, step, payload)

    def _notify(self, kind: NoticeKind, step: str, payload: object) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(kind, step, payload)
            except Exception:
                # A view that fails must not stop the run that it shows.
                _log.exception("A listener of run %s failed on %s of step %r", self.id, kind, step)
