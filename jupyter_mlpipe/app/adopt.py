"""``jupyter mlpipe adopt``: ``%%component`` lines for a notebook that exists, and out of it again."""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jupyter_mlpipe.app.adoption import put_in, take_out, written_cells
from jupyter_mlpipe.app.document import Cell, Notebook, read_any_notebook
from jupyter_mlpipe.app.interrupts import Interrupts
from jupyter_mlpipe.app.notebook import CellError, NotebookKernel
from jupyter_mlpipe.app.outline import is_tolerated, step_of
from jupyter_mlpipe.app.report import print_json, print_table, print_traceback
from jupyter_mlpipe.app.verbatim import Layout, read_verbatim, source_of, write_verbatim
from jupyter_mlpipe.cells.adopt import Advice, Seen, advise
from jupyter_mlpipe.cells.judge import names_bound
from jupyter_mlpipe.cells.lines import begins, has_our_line, loads_extension, uses_pipeline
from jupyter_mlpipe.errors import MLPipeError, UsageError
from jupyter_mlpipe.model.resources import describe_seconds


def adopt_notebook(asked: argparse.Namespace, console: Console) -> int:
    """Write the copy that the command line asks for; returns the exit status."""
    if asked.remove and (asked.all or asked.no_run):
        raise UsageError("--remove takes lines out: it goes with neither --all nor --no-run.")
    notebook, layout = read_verbatim(asked.notebook)
    target = _target(asked)
    if asked.remove:
        return _remove(asked, console, notebook, layout, target)
    cells = written_cells(notebook)
    seen = [Seen(source_of(cell)) for cell in cells] if asked.no_run else _measure(asked.notebook, console)
    taken = [name for cell in cells if (name := step_of(source_of(cell)))]
    advice = advise(seen, all_cells=asked.all, taken=taken)
    n_lines = sum(bool(said.line) for said in advice)
    answer = {"output": str(target), "cells": _json(cells, advice)}
    if not asked.json:
        _print_table(cells, advice)
    if not n_lines:
        why = f"There is nothing to adopt in '{asked.notebook}': {_why_none(cells, is_all=asked.all)}"
        console.print(Text.assemble(("error: ", "bold red"), why), soft_wrap=True)
        if asked.json:
            print_json({"status": "failed", "error": why, **answer, "output": None})
        return 1
    put_in(notebook, cells, advice)
    write_verbatim(notebook, layout, target)
    if asked.json:
        print_json({"status": "succeeded", **answer})
    told = f": {n_lines} of {len(cells)} cells have a line of their own in {target}"
    console.print(Text.assemble(("adopted", "bold green"), told), soft_wrap=True)
    return 0


def _remove(
    asked: argparse.Namespace, console: Console, notebook: Notebook, layout: Layout, target: Path
) -> int:
    n_taken = take_out(notebook)
    if not n_taken:
        raise MLPipeError(f"'{asked.notebook}' has no line of ours: there is nothing to take out.")
    write_verbatim(notebook, layout, target)
    left = [
        source_of(cell).strip().partition("\n")[0]
        for cell in written_cells(notebook)
        if loads_extension(source_of(cell)) or uses_pipeline(source_of(cell))
    ]
    if asked.json:
        print_json({"status": "succeeded", "output": str(target), "removed": n_taken, "left": left})
    told = f": {n_taken} {'line' if n_taken == 1 else 'lines'}; without them the notebook is {target}"
    console.print(Text.assemble(("removed", "bold green"), told), soft_wrap=True)
    for line in left:
        console.print(f"left as it is, and needs jupyter_mlpipe: {line}", style="yellow", soft_wrap=True)
    return 0


def _target(asked: argparse.Namespace) -> Path:
    """Return where to write; a file that the user has not named is never replaced."""
    given: Path | None = asked.output
    if given is not None:
        if not given.absolute().parent.is_dir():
            raise UsageError(f"--output {given}: there is no folder '{given.absolute().parent}'.")
        if given.is_dir():
            raise UsageError(f"--output {given} is a folder: name a file.")
        return given
    source: Path = asked.notebook
    stem = source.stem.removesuffix(".mlpipe")
    target = source.with_name(f"{stem}.plain.ipynb" if asked.remove else f"{stem}.mlpipe.ipynb")
    if target.exists():
        raise UsageError(
            f"'{target}' exists already. Name another file, or that one to replace it: --output FILE"
        )
    return target


def _measure(path: Path, console: Console) -> list[Seen]:
    """Run the notebook as it is; returns what each of its cells did.

    Raises
    ------
    MLPipeError
        A cell failed.
    """
    notebook = read_any_notebook(path)
    seen = []
    with console.status("[dim]starting the kernel") as status, Interrupts() as interrupts:
        kernel = NotebookKernel(copy.deepcopy(notebook), path, {}, interrupts)
        with kernel:
            cells = kernel.code_cells()
            for number, cell in enumerate(cells, 1):
                status.update(f"[dim]running cell {number} of {len(cells)}, to see how long it takes")
                began = time.perf_counter()
                has_failed = False
                try:
                    kernel.run(cell)
                except CellError as failure:
                    has_failed = True
                    if not is_tolerated(cell):
                        print_traceback(console, f"Cell {number} of {len(cells)} failed:", failure.traceback)
                        raise MLPipeError(
                            "The notebook does not run to its end, so that its cells cannot be measured. "
                            "Correct it, or decide from the code alone: --no-run"
                        ) from None
                seconds = time.perf_counter() - began
                names = names_bound(cell["source"])
                unstorable = kernel.ask("unstorable", names) if names else {}
                seen.append(Seen(cell["source"], seconds, has_failed, unstorable))
    return seen


def _why_none(cells: Sequence[Cell], *, is_all: bool) -> str:
    if not cells:
        return "it has no code."
    if all(has_our_line(source_of(c)) or loads_extension(source_of(c)) for c in cells):
        return "each of its cells has our line already."
    if is_all:
        return "none of its cells computes something that could be kept."
    return "none of its cells is worth a line. Also those that are quick or only show something: --all"


def _print_table(cells: Sequence[Cell], advice: Sequence[Advice]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("cell", no_wrap=True, justify="right")
    table.add_column("line put on top", no_wrap=True, style="bold")
    table.add_column("took", no_wrap=True)
    table.add_column("why", overflow="fold")
    table.add_column("begins", no_wrap=True, style="dim")
    for number, (cell, said) in enumerate(zip(cells, advice, strict=True), 1):
        took = "" if said.seconds is None else describe_seconds(said.seconds)
        table.add_row(
            Text(str(number)),
            Text(said.line or "–", style="" if said.line else "dim"),
            Text(took),
            Text(said.why, style="" if said.line else "dim"),
            Text(begins(source_of(cell))),
        )
    print_table(table)


def _json(cells: Sequence[Cell], advice: Sequence[Advice]) -> list[dict[str, Any]]:
    return [
        {
            "cell": number,
            "id": cell.get("id"),
            "name": said.name or None,
            "line": said.line or None,
            "why": said.why,
            "seconds": None if said.seconds is None else round(said.seconds, 3),
        }
        for number, (cell, said) in enumerate(zip(cells, advice, strict=True), 1)
    ]
