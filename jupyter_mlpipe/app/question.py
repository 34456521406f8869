"""``jupyter mlpipe plan``, ``why`` and ``graph``: the components are registered, and no step runs."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jupyter_mlpipe.app.document import read_notebook
from jupyter_mlpipe.app.interrupts import Interrupts
from jupyter_mlpipe.app.notebook import CellError, NotebookKernel
from jupyter_mlpipe.app.outline import check_words, is_tolerated, read_parameters
from jupyter_mlpipe.app.report import print_json, print_table
from jupyter_mlpipe.errors import MLPipeError, UsageError
from jupyter_mlpipe.model.headless import NOT_RUN
from jupyter_mlpipe.model.resources import describe_seconds

_STYLES = {"run": "yellow", "reuse": "cyan", "undecided": "dim"}


def print_plan(asked: argparse.Namespace, console: Console) -> int:
    """Say for each step whether it would run, and why."""
    steps = _ask(asked, console, "plan")["steps"]
    if asked.json:
        print_json({"steps": steps})
        return 0
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True, style="dim")
    for name, step in steps.items():
        reasons = ", ".join(reason["text"] for reason in step["reasons"])
        took = f"last took {describe_seconds(step['seconds'])}" if step["seconds"] else ""
        table.add_row(
            Text(step["decision"], style=_STYLES[step["decision"]]), Text(name), Text(reasons), Text(took)
        )
    print_table(table)
    return 0


_HEADS = {
    "run": "{} would run",
    "reuse": "{} would be reused",
    "undecided": "{}: undecided, as it depends on what runs above it",
}


def print_why(asked: argparse.Namespace, console: Console) -> int:
    """Say why a step would run or be reused, part by part."""
    asked.target = [asked.step]
    step = _ask(asked, console, "plan")["steps"][asked.step]
    if asked.json:
        print_json({"step": asked.step, **step})
        return 0
    print(_HEADS[step["decision"]].format(asked.step))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("kind", no_wrap=True)
    table.add_column("name", no_wrap=True, style="bold")
    table.add_column("detail", overflow="fold")
    for reason in step["reasons"]:
        table.add_row(*(Text(reason[part]) for part in ("kind", "name", "detail")))
    if step["reasons"]:
        print_table(table)
    return 0


def draw_graph(asked: argparse.Namespace, console: Console) -> int:
    """Draw the pipeline as it would run."""
    output = asked.output
    if output is not None and output.suffix not in (".svg", ".dot"):
        raise UsageError(f"--output writes .svg or .dot, but found '{output}'.")
    if output is not None and not output.absolute().parent.is_dir():
        raise UsageError(f"--output {output}: there is no folder '{output.absolute().parent}'.")
    answer = _ask(asked, console, "graph")
    if output is None:
        print(answer["dot"])
    else:
        output.write_text(answer[output.suffix.lstrip(".")], encoding="utf-8")
    return 0


def _ask(asked: argparse.Namespace, console: Console, question: str) -> dict[str, Any]:
    """Register the notebook's components without running one; returns the answer to a question."""
    notebook = read_notebook(asked.notebook)
    parameters = read_parameters(asked.param)
    check_words(notebook, targets=asked.target, force=asked.force, parameters=parameters)
    headless = {"mode": "register", "parameters": parameters}
    with console.status("[dim]registering the components"), Interrupts() as interrupts:
        kernel = NotebookKernel(notebook, asked.notebook, headless, interrupts)
        with kernel:
            for cell in kernel.code_cells():
                try:
                    kernel.run(cell)
                except CellError as failure:
                    # A cell that reads what was never made cannot run here, and need not.
                    if failure.ename != NOT_RUN and not is_tolerated(cell):
                        raise _refused(asked, failure) from None
            answer: dict[str, Any] = kernel.ask(question, asked.target, asked.force)
    return answer


def _refused(asked: argparse.Namespace, failure: CellError) -> MLPipeError:
    if asked.param and failure.ename == "ParameterError":
        return UsageError(failure.evalue)
    return MLPipeError("\n".join(failure.traceback).strip("\n") or str(failure))
