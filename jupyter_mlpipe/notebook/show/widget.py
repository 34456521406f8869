"""The widget itself. Only `link.py` imports this module, when a graph is first shown: it is slow to load."""

from __future__ import annotations

from typing import Any

import anywidget
from traitlets import Unicode


class GraphWidget(anywidget.AnyWidget):  # type: ignore[misc]
    """A widget that loads the module: for all graphs of a kernel, and never shown; or to show one.

    Attributes
    ----------
    graph
        Its id; empty for all.
    svg
        The picture that it shows, and that front ends which keep the state of widgets keep.
    """

    _esm = Unicode().tag(sync=True)
    graph = Unicode().tag(sync=True)
    svg = Unicode().tag(sync=True)


def make_widget(module: str, graph: str = "", svg: str = "") -> Any:
    """Open a widget in the front end."""
    return GraphWidget(_esm=module, graph=graph, svg=svg)
