"""The graph of a run below the cell that started it, redrawn as the run goes on."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.model.status import RunSnapshot
from jupyter_mlpipe.notebook.output import CellOutput
from jupyter_mlpipe.notebook.views import graph_bundle

_PAUSE_S = 0.25
_display_ids = itertools.count()


class LiveGraph:
    """Redraws from a thread of its own, at most four times a second.

    Parameters
    ----------
    saved
        See `graph_bundle`.
    """

    def __init__(self, output: CellOutput, *, saved: bool = False) -> None:
        self._output = output
        self._saved = saved
        self._display_id = f"mlpipe-graph-{next(_display_ids)}"
        self._changed = threading.Event()
        self._ended = threading.Event()

    def listen(self, kind: str, step: str, payload: Any) -> None:
        """Take an event from the runner's thread."""
        if kind == "end":
            self._ended.set()
        if kind != "output":
            self._changed.set()

    def begin(self, runs: Sequence[Run], base: RunSnapshot | None = None) -> list[threading.Thread]:
        """Draw the runs as they stand, and go on until they have ended, in the thread returned.

        Parameters
        ----------
        base
            The pipeline that the runs are part of; by default, what they ran.
        """
        self._output.display(self._draw(runs, base), display_id=self._display_id)
        if self._output.is_kernel and any(run.status == "running" for run in runs):
            thread = threading.Thread(
                target=self._follow, args=(runs, base), name="mlpipe-graph", daemon=True
            )
            thread.start()
            return [thread]
        return []

    def _follow(self, runs: Sequence[Run], base: RunSnapshot | None) -> None:
        while any(run.status == "running" for run in runs):
            self._changed.wait(1.0)
            self._changed.clear()
            self._output.update(self._draw(runs, base), display_id=self._display_id)
            self._ended.wait(_PAUSE_S)
        self._output.update(self._draw(runs, base), display_id=self._display_id)

    def _draw(self, runs: Sequence[Run], base: RunSnapshot | None) -> dict[str, Any]:
        snapshot = runs[-1].snapshot() if base is None else overlay(base, runs)
        return graph_bundle(snapshot, saved=self._saved)


def overlay(base: RunSnapshot, runs: Sequence[Run]) -> RunSnapshot:
    """Return a pipeline with the states that runs have brought its steps to."""
    steps = {step.name: step for step in base.steps}
    for run in runs:
        for step in run.snapshot().steps:
            before = steps.get(step.name)
            # A step that ran is not called reused because the run of a later cell found it done.
            if before is not None and not (step.status == "reused" and before.status == "succeeded"):
                steps[step.name] = replace(step, reads=before.reads)
    return replace(base, steps=tuple(steps.values()))
