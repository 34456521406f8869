"""The kernel's end of what is live in the browser: one widget without a view, which all graphs share.

A graph is shown as HTML, which front ends keep in the notebook. The widget's module finds it in the
page and takes it over. So a saved notebook needs neither kernel nor widget, a front end without
widgets loses nothing, and the module is sent once for all graphs. Other front ends get a widget for
each graph, and where its module does not get into that page, its view in place of the HTML (`way_of`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.resources import files
from typing import Any, Generic, Protocol, TypeVar

from jupyter_mlpipe.notebook.show.frontend import Way

TARGET = "jupyter-mlpipe"
"""The comm that the browser opens: what comes by it is heard while the kernel is busy."""

VIEW = "application/vnd.jupyter.widget-view+json"
_KEPT = 20  # graphs that stay live; earlier ones stay as they are

Message = Mapping[str, Any]


class Shown(Protocol):
    """A graph in the page, in the output of a cell."""

    @property
    def id(self) -> str: ...

    @property
    def cell_id(self) -> str | None: ...

    @property
    def way(self) -> Way: ...


_Graph = TypeVar("_Graph", bound=Shown)


class Link(Generic[_Graph]):
    """Sends to the graphs in the page, and hears what they ask.

    Parameters
    ----------
    answer
        Takes what is asked of a graph, in any thread.
    answer_cells
        Takes what JupyterLab's extension asks, in any thread; its answers go another way (`CellsComm`).
    """

    def __init__(
        self,
        shell: Any,
        answer: Callable[[_Graph, Message], None],
        answer_cells: Callable[[Message], None] = lambda asked: None,
    ) -> None:
        self._shell = shell
        self._answer = answer
        self._answer_cells = answer_cells
        self._lock = threading.Lock()
        self._widget: Any = None
        self._views: dict[str, Any] = {}
        self._graphs: dict[str, _Graph] = {}

    def listen(self) -> None:
        """Hear what the browser asks."""
        if (kernel := getattr(self._shell, "kernel", None)) is not None:
            kernel.comm_manager.register_target(TARGET, self._opened)

    def add(self, graph: _Graph) -> None:
        """Make a graph live, once the front end has loaded the module; returns at once.

        A cell that is run again shows the new one only: those that it showed are live no more.
        Where anywidget is missing, and outside of a kernel, none is.
        """
        others = [other for other in self._graphs.values() if other.cell_id != graph.cell_id]
        self._graphs = {kept.id: kept for kept in [*others[1 - _KEPT :], graph]}
        # An earlier one's stays open: its end would take the picture away.
        self._views = {known: self._views[known] for known in self._views.keys() & self._graphs}
        if graph.way == "page" and self._widget is None and getattr(self._shell, "kernel", None) is not None:
            # Importing ipywidgets takes longer than drawing.
            threading.Thread(target=self._open, name="mlpipe-link", daemon=True).start()

    def view(self, graph: _Graph, svg: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Return a graph's view of a picture as a mime bundle, and its metadata; empty where it has none.

        The first time it opens the graph's own widget.
        """
        if graph.way == "page" or getattr(self._shell, "kernel", None) is None:
            return {}, {}
        if graph.way == "widget":
            svg = ""
        if (view := self._views.get(graph.id)) is not None:
            view.svg = svg
        else:
            try:
                from jupyter_mlpipe.notebook.show.widget import make_widget
            except ImportError:
                return {}, {}
            view = self._views[graph.id] = make_widget(module_text(), graph.id, svg)
            view.on_msg(lambda widget, content, buffers: self._hear(content))
        if graph.way == "widget":
            return {}, {}
        data, metadata = view._repr_mimebundle_()
        return {VIEW: data[VIEW]}, metadata

    @property
    def graphs(self) -> list[_Graph]:
        """Those that are live."""
        return list(self._graphs.values())

    def send(self, message: Message) -> None:
        """Send a message, where somebody listens."""
        if (widget := self._views.get(str(message.get("graph")), self._widget)) is not None:
            widget.send(dict(message))

    def close(self) -> None:
        """End the link: what is shown stays as it is."""
        with self._lock:
            self._graphs, self._views = {}, {}
            if (kernel := getattr(self._shell, "kernel", None)) is not None:
                kernel.comm_manager.unregister_target(TARGET, self._opened)
            if self._widget is not None:
                self._widget.close()
                self._widget = None

    def _open(self) -> None:
        with self._lock, suppress(ImportError):
            if self._widget is None and self._graphs:
                from jupyter_mlpipe.notebook.show.widget import make_widget

                self._widget = make_widget(module_text())
                self._widget.on_msg(lambda widget, content, buffers: self._hear(content))

    def _opened(self, comm: Any, message: Message) -> None:
        # Not by `on_msg`, which triggers IPython's events for requests: those would show the figures of the
        # cell that runs meanwhile, from another thread and half drawn.
        comm.handle_msg = lambda message: self._hear(message["content"]["data"])
        # Not even its end: pages that have not opened it would complain.
        comm.publish_msg = lambda *arguments, **more: None

    def _hear(self, content: Any) -> None:
        if not isinstance(content, dict):
            return
        if content.get("cells"):
            self._answer_cells(content)
            return
        with self._lock:  # the browser may be quicker than what has just opened the widget for it
            graph = self._graphs.get(str(content.get("graph")))
        if graph is not None:
            self._answer(graph, content)


def module_text() -> str:
    """Return the module that the browser runs."""
    return (files("jupyter_mlpipe") / "static" / "graph.js").read_text(encoding="utf-8")
