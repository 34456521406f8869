"""The widget itself. Only `link.py` imports this module, when a graph is first shown: it is slow to load."""

from __future__ import annotations

from typing import Any

import anywidget


def make_widget(module: str) -> Any:
    """Open a widget in the front end that loads a module; it has no view."""

    class GraphLink(anywidget.AnyWidget):  # type: ignore[misc]
        _esm = module

    return GraphLink()
