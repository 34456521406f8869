"""What a front end says of itself with each request: which cell it runs, and how it shows what is live.

JupyterLab and Notebook name what their notebook has lost since (`deletedCells`); VS Code names the cell
alone, Colab in words of its own. Programs that run notebooks name no cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def cell_id_of(metadata: Mapping[str, Any]) -> str | None:
    """Return the id of the cell that a request runs; None where nobody looks at it."""
    if isinstance(cell_id := metadata.get("cellId"), str):
        return cell_id
    colab = metadata.get("colab")
    cell_id = colab.get("cell_id") if isinstance(colab, dict) else None
    return cell_id if isinstance(cell_id, str) else None


def needs_view(metadata: Mapping[str, Any]) -> bool:
    """Tell whether a widget reaches the page only where its own view stands.

    So it is in VS Code and Colab, and may be in front ends that are not known. JupyterLab and Notebook run
    a widget's module in the page that holds all outputs.
    """
    return cell_id_of(metadata) is not None and "deletedCells" not in metadata
