"""The graph of a run below the cell that started it, redrawn as the run goes on."""

from __future__ import annotations

import itertools
import threading
from typing import Any

from jupyter_mlpipe.execution.run import Run
from jupyter_mlpipe.notebook.output import CellOutput
from jupyter_mlpipe.notebook.views import graph_bundle

_PAUSE_S = 0.25
_display_ids = itertools.count()


class LiveGraph:
    """Redraws from a thread of its own, at most four times a second."""

    def __init__(self, output: CellOutput) -> None:
        self._output = output
        self._display_id = f"mlpipe-graph-{next(_display_ids)}"
        self._changed = threading.Event()
        self._ended = threading.Event()

    def listen(self, kind: str, step: str, payload: Any) -> None:
        """Take an event from the runner's thread."""
        if kind == "end":
            self._ended.set()
        if kind != "output":
            self._changed.set()

    def begin(self, run: Run) -> None:
        """Draw the run as it stands, and go on until it ends."""
        self._output.display(graph_bundle(run.snapshot()), display_id=self._display_id)
        if run.status != "running" or not self._output.is_kernel:
            return
        threading.Thread(target=self._follow, args=(run,), name="mlpipe-graph", daemon=True).start()

    def _follow(self, run: Run) -> None:
        while run.status == "running":
            self._changed.wait(1.0)
            self._changed.clear()
            self._output.update(graph_bundle(run.snapshot()), display_id=self._display_id)
            self._ended.wait(_PAUSE_S)
        self._output.update(graph_bundle(run.snapshot()), display_id=self._display_id)
