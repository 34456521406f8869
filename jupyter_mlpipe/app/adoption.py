"""A notebook's cells with our lines put in, and as they are without them."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_mlpipe.app.document import Cell, Notebook
from jupyter_mlpipe.app.verbatim import has_lists, lines_of, set_source, source_of
from jupyter_mlpipe.cells.adopt import Advice
from jupyter_mlpipe.cells.lines import (
    LOAD_LINE,
    has_our_line,
    loads_extension,
    put_line,
    take_line,
    take_load_line,
)

_MARK = "mlpipe"  # in the metadata of the cell that loads the extension
_OURS = "application/vnd.mlpipe+json"  # in the data of each output of ours


def written_cells(notebook: Notebook) -> list[Cell]:
    """Return the cells with code in them."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and source_of(cell).strip()]


def put_in(notebook: Notebook, cells: Sequence[Cell], advice: Sequence[Advice]) -> None:
    """Put the lines on top of their cells, and a cell that loads the extension above the first of them."""
    is_loaded = needs_cell = False
    for cell, said in zip(cells, advice, strict=True):
        is_loaded = is_loaded or loads_extension(source_of(cell))
        if said.line:
            needs_cell = needs_cell or not is_loaded
            set_source(cell, put_line(source_of(cell), said.line))
    if not needs_cell:
        return
    loads: Cell = {"cell_type": "code", "execution_count": None}
    if notebook.get("nbformat_minor", 0) >= 5:
        loads["id"] = _free_id(notebook)
    loads["metadata"] = {_MARK: {"adopted": True}}
    loads["outputs"] = []
    loads["source"] = lines_of(LOAD_LINE) if has_lists(notebook) else LOAD_LINE
    notebook["cells"].insert(0, loads)


def _free_id(notebook: Notebook) -> str:
    taken = {cell.get("id") for cell in notebook["cells"]}
    number, offer = 2, "mlpipe-load-ext"
    while offer in taken:
        offer, number = f"mlpipe-load-ext-{number}", number + 1
    return offer


def take_out(notebook: Notebook) -> int:
    """Take out all our lines, what they showed, and the cell that we put in; returns how many."""
    kept, n_taken = [], 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            text = source_of(cell)
            if _is_marked(cell):
                n_taken += 1
                text = take_load_line(text)
                if not text.strip():
                    continue
                del cell["metadata"][_MARK]
                set_source(cell, text)
            if has_our_line(text):
                n_taken += 1
                set_source(cell, take_line(text))
            outputs = cell.get("outputs", [])
            if any(_OURS in output.get("data", {}) for output in outputs):
                cell["outputs"] = [output for output in outputs if _OURS not in output.get("data", {})]
        kept.append(cell)
    notebook["cells"] = kept
    return n_taken


def _is_marked(cell: Cell) -> bool:
    mark = cell["metadata"].get(_MARK)
    return isinstance(mark, dict) and bool(mark.get("adopted"))
