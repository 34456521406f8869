"""``jupyter mlpipe plan``, ``why``, ``accept``, ``graph``: components are registered, and no step runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from jupyter_mlpipe.app.document import read_notebook
from jupyter_mlpipe.app.interrupts import Interrupts
from jupyter_mlpipe.app.notebook import CellError, NotebookKernel
from jupyter_mlpipe.app.outline import check_words, is_tolerated, read_parameters
from jupyter_mlpipe.app.reasons import print_plan, print_why
from jupyter_mlpipe.app.report import print_json
from jupyter_mlpipe.errors import MLPipeError, UsageError
from jupyter_mlpipe.model.headless import NOT_RUN


def show_plan(asked: argparse.Namespace, console: Console) -> int:
    """Say for each step whether it would run, and why."""
    plan = _ask(asked, console, "plan", asked.target, asked.force)
    if asked.json:
        print_json(plan)
    else:
        print_plan(plan)
    return 0


def show_why(asked: argparse.Namespace, console: Console) -> int:
    """Say why a step ran the last time, and whether it would run now, part by part."""
    asked.target = [asked.step]
    facts = _ask(asked, console, "why", [asked.step])
    if asked.json:
        print_json(facts)
    else:
        print_why(facts)
    return 0


def accept_edit(asked: argparse.Namespace, console: Console) -> int:
    """Let the kept result of a step count for its edited code, or take that back."""
    asked.target = [asked.step]
    facts = _ask(asked, console, "accept", [asked.step], ["revoke"] if asked.revoke else [])
    if "refused" in facts:
        raise UsageError(facts["refused"])
    if asked.json:
        print_json(facts)
    else:
        print(facts["text"])
    return 0


def draw_graph(asked: argparse.Namespace, console: Console) -> int:
    """Draw the pipeline as it would run."""
    output = asked.output
    if output is not None and output.suffix not in (".svg", ".dot"):
        raise UsageError(f"--output writes .svg or .dot, but found '{output}'.")
    if output is not None and not output.absolute().parent.is_dir():
        raise UsageError(f"--output {output}: there is no folder '{output.absolute().parent}'.")
    answer = _ask(asked, console, "graph", [], [])
    if output is None:
        print(answer["dot"])
    else:
        output.write_text(answer[output.suffix.lstrip(".")], encoding="utf-8")
    return 0


def _ask(asked: argparse.Namespace, console: Console, question: str, *words: Sequence[str]) -> dict[str, Any]:
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
            answer: dict[str, Any] = kernel.ask(question, *words)
    return answer


def _refused(asked: argparse.Namespace, failure: CellError) -> MLPipeError:
    if asked.param and failure.ename == "ParameterError":
        return UsageError(failure.evalue)
    return MLPipeError("\n".join(failure.traceback).strip("\n") or str(failure))
