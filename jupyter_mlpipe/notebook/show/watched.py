"""What the step that somebody looks at has printed, piece by piece as it comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jupyter_mlpipe.execution.runs.runstep import RunStep
from jupyter_mlpipe.notebook.show.words import without_colours

MAX_LOG = 40_000  # characters of what a step printed that are sent, the last ones


class WatchedLog:
    """The log of one step at a time. Whoever shares it between threads holds a lock.

    Parameters
    ----------
    find
        Returns a step by its name, as it runs now.
    """

    def __init__(self, find: Callable[[str], RunStep | None]) -> None:
        self._find = find
        self.step: str | None = None
        self._n_sent = 0

    def watch(self, step: str | None, n_sent: int = 0) -> None:
        """Go over to a step, of which so many characters have been sent; None for none."""
        self.step, self._n_sent = step, n_sent

    def take(self) -> Mapping[str, str] | None:
        """Return what was printed since, to be sent; None where that is nothing."""
        step = self._find(self.step) if self.step is not None else None
        log = step.log if step is not None else ""
        if step is None or len(log) <= self._n_sent:
            return None
        text = without_colours(log[self._n_sent :][-MAX_LOG:])
        self._n_sent = len(log)
        return {"step": step.name, "log": text}
