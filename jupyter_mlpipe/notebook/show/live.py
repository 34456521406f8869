"""The graph of a run below the cell that started it, kept up to date as the run goes on."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.execution.runs.runstep import RunStep
from jupyter_mlpipe.model.groups import fold, groups_of
from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot
from jupyter_mlpipe.model.timeline import as_first_found
from jupyter_mlpipe.notebook.show.frontend import Way
from jupyter_mlpipe.notebook.show.graphfacts import State, changes, graph_facts
from jupyter_mlpipe.notebook.show.link import Link
from jupyter_mlpipe.notebook.show.output import CellOutput
from jupyter_mlpipe.notebook.show.painting import pipeline_svg
from jupyter_mlpipe.notebook.show.views import graph_bundle, kept_svg
from jupyter_mlpipe.notebook.show.watched import WatchedLog
from jupyter_mlpipe.store.records import Record

Was = Mapping[str, tuple[str, int]]

# Between messages, a tenth of a second together. The second part is after a change: where a step ends the
# next one begins, which is told with it and has not to wait.
_PAUSE_S = 0.06
_GATHER_S = 0.04
_REDRAW_S = 0.25  # between pictures
# Between pictures where the browser is told of each change: they are for the saved notebook.
_KEEP_S = 10.0
_TIMES_COST = 50  # of the picture before, which keeps messages waiting
# When nothing runs: the next cell may soon. Again some times what the picture before took.
_SETTLE_S = 0.3
_TIMES_LAST = 4
_QUICK_S = 0.03  # to draw: then the notebook holds a run's end before the page says so
_ALL_S = 1.0  # between messages that tell all, until the page is heard
_LOOK_S = 0.03
_MANY = 60  # steps: groups are folded at first


class LiveGraph:
    """A graph that is shown, and what the browser knows of it.

    Its own thread tells of changes at most ten times a second, and redraws the picture in the
    notebook: at most four times a second, rarely where the page shows what it is told. Where a page
    can only be heard between cells, it is told all until then, without having asked.

    Parameters
    ----------
    cell_id
        Of the cell that shows it.
    way
        What makes it live.
    follows_all
        Whether it shows later runs of its steps, too.
    subscribe
        Gives a listener the pipeline as it stands, from then on, and returns what ends that.
    saved
        See `graph_bundle`.
    by_itself
        Returns a step of a run that goes on by itself, for who looks at it.
    before
        Returns what is to be known of a step's outputs that were others the time before: `StepSnapshot.was`.
    """

    def __init__(
        self,
        output: CellOutput,
        link: Link[LiveGraph] | None = None,
        *,
        cell_id: str | None = None,
        way: Way = "page",
        follows_all: bool = False,
        subscribe: Callable[[Callable[[RunSnapshot], None]], Callable[[], None]] | None = None,
        saved: bool = False,
        by_itself: Callable[[str], RunStep | None] = lambda step: None,
        before: Callable[[str, Record | None], Was] | None = None,
    ) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.cell_id = cell_id
        self.way = way
        self.follows_all = follows_all
        self._subscribe = subscribe
        self._unsubscribe: Callable[[], None] | None = None
        self._output = output
        self._link = None if saved else link
        self._saved = saved
        self._by_itself = by_itself
        self._before = before
        self._folded: frozenset[str] = frozenset()
        self._is_to_redraw = False
        self._drawn_at = self._all_at = 0.0
        self._took_s = 0.0  # to draw, the last time
        self._was: dict[tuple[str, float | None], Was] = {}
        self._display_id = f"mlpipe-graph-{self.id}"
        self._changed = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._told: State = {}
        self._n_told = 0
        self._is_due = False  # a run may have ended before it is looked at: reuse takes no time
        self._is_heard = False
        self._watched = WatchedLog(self.find)
        self._base: RunSnapshot | None = None
        self._names: frozenset[str] = frozenset()
        self.runs: list[Run] = []

    def listen(self, kind: str, step: str, payload: Any) -> None:
        """Take an event from the runner's thread."""
        if kind == "end":
            self._ended.set()
        if kind != "output" or step == self._watched.step:
            self._changed.set()

    def begin(self, runs: Sequence[Run], base: RunSnapshot | None = None) -> list[threading.Thread]:
        """Draw the runs as they stand, and go on until they have ended, in the thread returned.

        Parameters
        ----------
        base
            The pipeline that the runs are part of; by default, what they ran.
        """
        self.runs, self._base = list(runs), base
        self._is_due = bool(runs)
        snapshot = self._snapshot()
        self._names = frozenset(step.name for step in snapshot.steps)
        groups = groups_of(snapshot)
        self._folded = frozenset(groups) if len(snapshot.steps) > _MANY else frozenset()
        self._told = graph_facts(snapshot, self._folded)
        if self._link is not None:
            # First: the page asks for it as soon as it is shown.
            self._link.add(self)
        self._output.display(*self._draw(snapshot), display_id=self._display_id)
        self._drawn_at = time.monotonic()
        return self._start()

    def follow(self, run: Run) -> list[threading.Thread]:
        """Show a further run of its steps, in the thread returned."""
        if run in self.runs or not any(name in run.steps for name in self._names):
            return []
        with self._lock:
            self._base = self._snapshot()
            self.runs = [*(run for run in self.runs if run.status == "running"), run]
            self._is_due = True
        run.subscribe(self.listen)
        self._changed.set()
        return self._start()

    def tell_all(self) -> None:
        """Tell the browser all that it was told so far: it has just begun to listen, or missed something."""
        self._is_heard = True
        with self._lock:
            self.send({"n": self._n_told, "all": self._told})
        if self._subscribe is not None and self._unsubscribe is None:
            # Only where somebody looks: it has plans made.
            self._unsubscribe = self._subscribe(self.take)

    def take(self, snapshot: RunSnapshot) -> None:
        """Show the pipeline as it stands now; ends that where the page shows another graph instead."""
        if self._link is None or self not in self._link.graphs:
            if self._unsubscribe is not None:
                self._unsubscribe()
            return
        if not snapshot.is_whole:
            return  # it follows the runs itself
        with self._lock:
            self._base = snapshot
            self.runs = [run for run in self.runs if run.status == "running"]
            names = frozenset(step.name for step in snapshot.steps)
            self._is_due, self._is_to_redraw = True, self._is_to_redraw or names != self._names
            self._names = names
        self._changed.set()
        self._start()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message to where the graph is shown."""
        if self._link is not None:
            self._link.send({"graph": self.id, **message})

    def say(self, text: str) -> None:
        """Show a line of text above the graph; an empty one takes it away."""
        self.send({"said": text})

    def watch(self, step: str | None, n_sent: int = 0) -> None:
        """Send what a step prints as it comes, in place of another's; None for none.

        Parameters
        ----------
        n_sent
            Characters of it that have been sent.
        """
        with self._lock:
            self._watched.watch(step, n_sent)
        self._start()

    def fold(self, groups: Iterable[str]) -> None:
        """Show these groups as one step each, and the steps of all others; the picture is drawn anew."""
        with self._lock:
            self._folded = frozenset(groups)
            self._is_due = self._is_to_redraw = True
        self._changed.set()
        self._start()

    def find(self, step: str) -> RunStep | None:
        """Return a step of the runs that are shown, of the latest."""
        shown = (run.steps[step] for run in reversed(self.runs) if step in run.steps)
        return self._by_itself(step) or next(shown, None)

    def step(self, name: str) -> StepSnapshot | None:
        """Return a step as it is shown."""
        return next((step for step in self._snapshot().steps if step.name == name), None)

    def _start(self) -> list[threading.Thread]:
        with self._lock:
            if not (self._output.is_kernel and (self._is_due or self._is_live)) or self._thread is not None:
                return []
            self._thread = threading.Thread(target=self._follow, name="mlpipe-graph", daemon=True)
            self._thread.start()
            return [self._thread]

    @property
    def _is_live(self) -> bool:
        watched = self._watched.step
        is_watched = watched is not None and self._by_itself(watched) is not None
        return is_watched or any(run.status == "running" for run in self.runs)

    def _follow(self) -> None:
        drawn = self._told
        while True:
            with self._lock:
                self._is_due = False
                is_live = self._is_live
            snapshot = self._with_was(self._snapshot())
            facts = graph_facts(snapshot, self._folded)
            facts = self._told if facts == self._told else facts
            if is_live or self._took_s > _QUICK_S:
                self._tell(facts)
            self._tell_log()
            self._look_before(snapshot)
            pause = max(_KEEP_S, _TIMES_COST * self._took_s)
            if not is_live:
                pause = max(_SETTLE_S, _TIMES_LAST * self._took_s)
            if not self._is_heard:
                pause = _REDRAW_S if is_live else 0.0
            is_to_redraw = self._take_redraw()
            if is_to_redraw:
                drawn = {}  # is not what was told
                pause = 0.0
            if facts is not drawn and time.monotonic() - self._drawn_at >= pause:
                began = time.monotonic()
                drawing, self._drawn_at = self._draw(snapshot), time.monotonic()
                self._took_s = self._drawn_at - began
                # A view has its picture then, and in VS Code an update runs the cell anew for a moment.
                needs_it = self.way == "widget" and (is_to_redraw or not self._is_heard)
                if not is_live or self.way == "page" or needs_it:
                    data, metadata = drawing
                    self._output.update(data, metadata, display_id=self._display_id)
                    drawn = facts
            self._tell(facts)
            with self._lock:
                if not is_live and facts is drawn and not self._is_due:
                    self._thread = None
                    return
            self._ended.wait(_PAUSE_S)
            self._ended.clear()
            if self._changed.wait(1.0 if is_live else _PAUSE_S):
                self._ended.wait(_GATHER_S)
            self._changed.clear()

    def _take_redraw(self) -> bool:
        with self._lock:
            is_to_redraw, self._is_to_redraw = self._is_to_redraw, False
            return is_to_redraw

    def _tell(self, facts: State) -> None:
        """Tell the browser what has changed; all of it to one that a busy kernel cannot hear."""
        with self._lock:
            changed = changes(self._told, facts)
            if changed:
                self._told = facts
                self._n_told += 1
            if self.way != "page" and not self._is_heard and time.monotonic() - self._all_at >= _ALL_S:
                self._all_at = time.monotonic()
                self.send({"n": self._n_told, "all": facts})
            elif changed:
                self.send({"n": self._n_told, "changed": changed})

    def _tell_log(self) -> None:
        """Send what the step that is looked at has printed since."""
        with self._lock:
            if (printed := self._watched.take()) is not None:
                self.send(printed)

    def _snapshot(self) -> RunSnapshot:
        return self.runs[-1].snapshot() if self._base is None else overlay(self._base, self.runs)

    def _with_was(self, snapshot: RunSnapshot) -> RunSnapshot:
        """Say of outputs what they were before, as far as that has been looked up."""
        steps = [
            replace(step, was=was) if (was := self._was.get(_made(step))) else step for step in snapshot.steps
        ]
        return replace(snapshot, steps=tuple(steps))

    def _look_before(self, snapshot: RunSnapshot) -> None:
        """Look up what outputs were before, to be told next: from disk, so of a few steps at a time."""
        if self._before is None:
            return
        until = time.monotonic() + _LOOK_S
        for step in snapshot.steps:
            if step.status == "succeeded" and _made(step) not in self._was:
                shown = self.find(step.name)
                self._was[_made(step)] = self._before(step.name, shown.record if shown is not None else None)
                self._is_due = True
                self._changed.set()
                if time.monotonic() > until:
                    return

    def _draw(self, snapshot: RunSnapshot) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Return what the notebook is to hold: a mime bundle, and its metadata."""
        svg = kept_svg(fold(snapshot, self._folded))
        bundle = graph_bundle(snapshot, saved=self._saved, graph=self.id, svg=svg)
        if self._link is None:
            return bundle, {}
        view, metadata = self._link.view(self, svg)
        # First: of several that a front end has renderers for, some take the first.
        return {**view, **bundle}, metadata

    def drawing(self) -> str:
        """Return the whole picture as it stands, where the notebook holds its outline."""
        return pipeline_svg(fold(self._snapshot(), self._folded))


def _made(step: StepSnapshot) -> tuple[str, float | None]:
    """Return by what one is known that has made its outputs."""
    return step.name, step.reached.get("succeeded")


def overlay(base: RunSnapshot, runs: Sequence[Run]) -> RunSnapshot:
    """Return a pipeline with the states that runs have brought its steps to."""
    steps = {step.name: step for step in base.steps}
    for run in runs:
        for step in run.snapshot().steps:
            before = steps.get(step.name)
            # A step that ran is not called reused because the run of a later cell found it done.
            if before is not None and not (step.status == "reused" and before.status == "succeeded"):
                steps[step.name] = replace(
                    as_first_found(before, step, is_target=run.is_target(step.name)), reads=before.reads
                )
    base = replace(base, steps=tuple(steps.values()))
    return replace(base, status=runs[-1].status, seconds=runs[-1].seconds) if runs else base
