"""Cells that return before their step has ended: what shows its end below them, and what runs it again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.model import graph
from jupyter_mlpipe.notebook.show.cellview import CellView
from jupyter_mlpipe.notebook.steps.registry import Registry


class Background:
    """The views of such cells, and the threads that keep them up to date.

    Parameters
    ----------
    begin
        Starts a run of a component, to be shown in a view.
    """

    def __init__(self, registry: Registry, begin: Callable[[CellView, str], Run]) -> None:
        self._registry = registry
        self._begin = begin
        self._views: dict[str, CellView] = {}  # by component
        self._threads: list[threading.Thread] = []

    def follow(self, name: str, view: CellView) -> None:
        """Let the cell of a component return, and go on showing its run there."""
        self._views[name] = view
        self.add([view.follow()])

    def forget(self, name: str) -> None:
        """Note that a component's cell is run again: it has another view then."""
        self._views.pop(name, None)

    def add(self, threads: Iterable[threading.Thread]) -> None:
        """Take note of threads that show what runs."""
        self._threads += threads

    def join(self) -> None:
        """Wait until all is shown."""
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def run_again(self, readers: Iterable[str]) -> None:
        """Run steps anew whose inputs turned out to have been changed before they ran."""
        begun = [name for name in readers if name in self._views]
        if not begun:
            return
        for name in graph.topological_order(self._registry.upstream()):
            if name in self._views and {name, *self._registry.placed[name].upstream} & set(begun):
                begun.append(name)
                view = self._views[name].anew()
                self._begin(view, name)
                self.follow(name, view)
