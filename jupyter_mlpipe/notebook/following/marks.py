"""The pipeline as it stands now, for whoever shows it: planned between cells, with what runs have done since.

A plan reads the notebook's names, so it is made in the main thread and never while a cell runs. What runs do
is told by their events, in any thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.model.status import ENDED, RunSnapshot, StepSnapshot
from jupyter_mlpipe.model.timeline import as_first_found
from jupyter_mlpipe.notebook.running.standing import Look
from jupyter_mlpipe.notebook.steps.states import MADE

if TYPE_CHECKING:
    from jupyter_mlpipe.notebook.session import Session

Listener = Callable[[RunSnapshot], None]
"""Gets the pipeline as it stands, in any thread; what it raises is logged."""

_PAUSE_S = 0.1  # between two that listeners get
_QUIET_S = 0.1  # after a cell, before a plan: of Run All, the next one has begun by then
_TIMES_COST = 4  # of the plan before: a plan takes a fifth of the time at most, and none of a quick typist's
_log = logging.getLogger(__name__)


class _Followed(NamedTuple):
    """A run, with how many plans there were when it began."""

    run: Run
    n_looks: int
    is_bound: bool


class Marks:
    """Tells listeners how the pipeline stands: after each cell, and as runs go on.

    Attributes
    ----------
    seconds
        What the last plan took.
    n_cells
        How many cells have ended.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shell = session.shell
        self._lock = threading.Lock()
        self._listeners: dict[int, Listener] = {}
        self._n_listeners = 0
        self._told: dict[int, RunSnapshot] = {}
        self._failed: set[int] = set()  # listeners of which that was said; 0 for the plan
        self._acts: Callable[[Look], None] | None = None
        self._changed = threading.Event()
        self._thread: threading.Thread | None = None
        self._found: Look | None = None
        self._n_looks = 0
        self._runs: list[_Followed] = []
        self.n_cells = 0
        self._is_busy = False
        self._is_due = False
        self._timer: object | None = None
        self.seconds = 0.0

    # -- for listeners, from any thread ----------------------------------------------------------

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` from now on, at most ten times a second; call what is returned to end that."""
        with self._lock:
            self._n_listeners += 1
            number = self._n_listeners
            was_wanted = self.is_wanted
            self._listeners[number] = listener
            if self._thread is None:
                self._thread = threading.Thread(target=self._tell, name="mlpipe-marks", daemon=True)
                self._thread.start()
        if not was_wanted:
            self._follow_live()
        self._changed.set()
        self.request()

        def unsubscribe() -> None:
            with self._lock:
                self._listeners.pop(number, None)
                self._told.pop(number, None)
                self._forget_if_unwanted()
            self._changed.set()

        return unsubscribe

    def latest(self) -> RunSnapshot | None:
        """Return the pipeline as it stands; None as long as nobody has listened, and nothing runs."""
        with self._lock:
            found, n_looks = self._found, self._n_looks
            # One that is dropped before it is bound has done nothing to the notebook.
            runs = [f for f in self._runs if f.is_bound or f.run.status != "cancelled"]
        if found is None and not runs:
            return None
        plan = found.plan.decided if found is not None and found.plan is not None else {}
        known = found.snapshot.steps if found is not None else self._session.states.known()
        steps = {step.name: step for step in known}
        for followed in runs:
            run = followed.run
            for name in run.steps if followed.is_bound else run.targets:
                if name in self._session.registry:
                    made = run.steps[name]
                    work = plan[name].work if followed.n_looks < n_looks and name in plan else made.work
                    state = made.snapshot()
                    if not followed.is_bound and state.status in ENDED:
                        state = replace(state, status="waiting")  # for the others, to be bound with them
                    state = as_first_found(steps.get(name), state, is_target=run.is_target(name))
                    steps[name] = _after(steps.get(name), state, is_as_planned=made.work == work)
        last = next((f.run for f in reversed(runs) if f.run.status == "running"), None)
        last = last or (runs[-1].run if runs else None)
        if last is None:
            return found.snapshot if found is not None else None
        return RunSnapshot(tuple(steps.values()), last.status, last.seconds, is_whole=found is not None)

    def act(self, act: Callable[[Look], None] | None) -> None:
        """Do something about each plan, in the main thread, whoever listens; nothing for None."""
        was_wanted = self.is_wanted
        with self._lock:
            self._acts = act
            self._forget_if_unwanted()
        if act is not None and not was_wanted:
            self._follow_live()
        self.request()

    def _follow_live(self) -> None:
        for run in self._session.runs.live:
            self.follow(run)

    def _forget_if_unwanted(self) -> None:
        if not self.is_wanted:
            self._found, self._runs = None, []

    # -- what happens in the notebook ------------------------------------------------------------

    def pause(self) -> None:
        """Note that a cell begins: no plan is made until it has ended."""
        self._is_busy = True
        self._stop_timer()

    def resume(self) -> None:
        """Note that a cell has ended, which may have changed anything."""
        self._is_busy = False
        self.n_cells += 1
        self._is_due = True
        self._start_timer()

    def follow(self, run: Run, *, is_bound: bool = True) -> None:
        """Note that a run was started whose results are the notebook's, or will be once they are bound."""
        if not self.is_wanted:
            return
        with self._lock:
            self._runs.append(_Followed(run, self._n_looks, is_bound))
        run.subscribe(self._hear)

    def request(self) -> None:
        """Ask for a plan, from any thread: something has changed."""
        self._is_due = True
        if (loop := self._loop) is not None:
            loop.add_callback(self._start_timer)

    def look_now(self) -> None:
        """Make a plan at once, in the main thread, where no cell runs."""
        self._stop_timer()
        if self._is_busy or not self.is_wanted:
            return
        self._is_due = False
        began = time.perf_counter()
        # What they made is taken over by the next cell; until then, what they say of it counts.
        live = {run.id for run in self._session.runs.live}
        ended = {f.run.id for f in self._runs if f.run.status != "running" and f.run.id not in live}
        try:
            with self._shell.builtin_trap:  # as in a cell: libraries call `get_ipython` to see where they are
                # Nothing is taken over: what runs have set belongs into the context of a cell.
                standing, level = self._session.standing, self._session.auto.level
                found = standing.known() if level == "off" else standing.look()
                self.seconds = time.perf_counter() - began
                with self._lock:
                    self._found = found
                    self._n_looks += 1
                    self._runs = [f for f in self._runs if f.run.id not in ended]
                if self._acts is not None:
                    self._acts(found)
        except Exception:
            if 0 not in self._failed:  # nobody has asked for it: it is not to be read after each cell
                self._failed.add(0)
                _log.exception("The notebook's steps could not be looked at")
        self._changed.set()

    @property
    def is_wanted(self) -> bool:
        """Whether anybody wants to know."""
        return bool(self._listeners) or self._acts is not None

    @property
    def is_busy(self) -> bool:
        """Whether a cell runs."""
        return self._is_busy

    def close(self) -> None:
        """Tell nobody any more."""
        self._stop_timer()
        with self._lock:
            self._acts = None
            self._listeners.clear()
        self._changed.set()

    # -- within ----------------------------------------------------------------------------------

    @property
    def _loop(self) -> Any:
        return io_loop(self._shell)

    def _start_timer(self) -> None:
        """Plan once the kernel has been quiet; in the main thread."""
        loop = self._loop
        if loop is None or self._is_busy or not self._is_due or not self.is_wanted:
            return
        self._stop_timer()
        self._timer = loop.call_later(max(_QUIET_S, _TIMES_COST * self.seconds), self.look_now)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._loop.remove_timeout(self._timer)
            self._timer = None

    def _hear(self, kind: str, step: str, payload: Any) -> None:
        if not self.is_wanted or kind == "output":
            return
        self._changed.set()
        if kind == "end":
            self.request()

    def _tell(self) -> None:
        while True:
            self._changed.wait()
            self._changed.clear()
            with self._lock:
                if not self._listeners:
                    self._thread = None
                    return
                listeners = dict(self._listeners)
            snapshot = self.latest()
            for number, listener in listeners.items():
                if snapshot is not None and self._told.get(number) != snapshot:
                    self._told[number] = snapshot
                    self._call(number, listener, snapshot)
            time.sleep(_PAUSE_S)

    def _call(self, number: int, listener: Listener, snapshot: RunSnapshot) -> None:
        try:
            listener(snapshot)
        except Exception:
            if number not in self._failed:  # once: what fails once fails ten times a second
                self._failed.add(number)
                _log.exception("A listener of the pipeline's marks failed")


def io_loop(shell: Any) -> Any:
    """Return the loop of the kernel's main thread, which comes by between cells; None without a kernel."""
    return getattr(getattr(shell, "kernel", None), "io_loop", None)


def _after(before: StepSnapshot | None, step: StepSnapshot, *, is_as_planned: bool) -> StepSnapshot:
    """Return a step as a run has brought it on; where something has changed since, it is still stale."""
    if before is None:
        return step
    if step.status == "reused" and before.status == "succeeded" and is_as_planned:
        # A step that ran is not called reused because the run of a later cell found it done.
        return replace(before, plan="reuse" if before.plan == "reuse" else None, expected_seconds=None)
    is_told = not is_as_planned or before.plan == "reuse"
    plan = before.plan if step.status in MADE and is_told else None
    return replace(step, plan=plan, expected_seconds=before.expected_seconds)
