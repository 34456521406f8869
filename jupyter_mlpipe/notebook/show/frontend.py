"""What a front end says of itself with each request: which cell it runs, and how it shows what is live.

JupyterLab and Notebook name what their notebook has lost since (`deletedCells`); VS Code names the cell
alone, Colab in words of its own. Programs that run notebooks name no cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal


def cell_id_of(metadata: Mapping[str, Any]) -> str | None:
    """Return the id of the cell that a request runs; None where nobody looks at it."""
    if isinstance(cell_id := metadata.get("cellId"), str):
        return cell_id
    colab = metadata.get("colab")
    cell_id = colab.get("cell_id") if isinstance(colab, dict) else None
    return cell_id if isinstance(cell_id, str) else None


Way = Literal["page", "widget", "view"]
"""What makes a graph live: one widget for all of a page, one of its own without a view, or with one."""


def way_of(metadata: Mapping[str, Any]) -> Way:
    """Return what makes a graph live.

    JupyterLab and Notebook run a widget's module in the page that holds all outputs, and bring widgets
    back when that is loaded again. VS Code does not; where a saved view is out of sight when a notebook is
    opened, it shows an error in its place. In Colab a widget reaches the page only where its own view
    stands, and so it may be in front ends that are not known.
    """
    cell_id = cell_id_of(metadata)
    if cell_id is None or "deletedCells" in metadata:
        return "page"
    return "widget" if cell_id.startswith("vscode-") else "view"
