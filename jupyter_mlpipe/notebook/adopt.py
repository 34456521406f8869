"""The cells that have run in this kernel: their text, how long each took, and what cannot be stored of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_mlpipe.cells.adopt import Seen
from jupyter_mlpipe.cells.lines import is_about_pipeline
from jupyter_mlpipe.errors import EncodingError
from jupyter_mlpipe.keys.refusals import qualified_name, refuse


@dataclass(slots=True)
class CellRun:
    """The last run of a cell.

    Parameters
    ----------
    seconds
        None for a cell that ran before the extension was loaded.
    """

    number: int
    source: str
    cell_id: str | None = None
    seconds: float | None = None
    has_failed: bool = False
    unstorable: dict[str, str] | None = None
    _started_at: float = field(default=0.0, repr=False)

    @property
    def seen(self) -> Seen:
        return Seen(self.source, self.seconds, self.has_failed, self.unstorable)


class CellsRun:
    """Told by IPython's hooks of each cell; a cell that runs again takes the place of its earlier run."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._first: int = shell.displayhook.prompt_count  # the cell that loads us
        self._runs: dict[str, CellRun] = {}  # by cell id, else by text
        self._ended: CellRun | None = None
        self._running: list[CellRun | None] = []  # a magic such as %%capture runs a cell inside its own

    def begin(self, info: Any, cell_id: str | None) -> None:
        """Take note of the cell that is about to run; what the user did not run himself does not count."""
        if getattr(info, "store_history", False):
            number = self._shell.displayhook.prompt_count
            self._running = [CellRun(number, info.raw_cell or "", cell_id)]
        else:
            self._running.append(None)

    def start(self) -> None:
        """Start the clock: what the cell reads has been loaded."""
        if self._running and self._running[-1] is not None:
            self._running[-1]._started_at = time.perf_counter()

    def end(self, *, has_failed: bool) -> None:
        """Stop the clock."""
        run = self._ended = self._running.pop() if self._running else None
        if run is not None and run.source.strip():
            run.seconds = time.perf_counter() - run._started_at
            run.has_failed = has_failed
            self._runs[run.cell_id or run.source] = run

    def note_unstorable(self, names: Iterable[str], namespace: Mapping[str, Any]) -> None:
        """Note which of the names that the cell bound, which has just ended, cannot be stored."""
        if self._ended is not None:
            self._ended.unstorable = unstorable_values(names, namespace)

    def cells(self) -> list[CellRun]:
        """Return the cells in the order in which they were first run, those before the extension included."""
        known = {run.source for run in self._runs.values()}
        texts = self._shell.history_manager.input_hist_raw
        before: dict[str, CellRun] = {}
        for number, text in enumerate(texts[: self._first + 1]):
            if text.strip() and text not in known:
                before[text] = CellRun(number, text)
        runs = [*before.values(), *self._runs.values()]
        return [run for run in runs if not is_about_pipeline(run.source)]


def unstorable_values(names: Iterable[str], namespace: Mapping[str, Any]) -> dict[str, str]:
    """Return those of the names whose value belongs to this process, each with its type."""
    found = {}
    for name in names:
        if name in namespace:
            try:
                refuse(namespace[name])
            except EncodingError:
                found[name] = qualified_name(type(namespace[name]))
    return found
