"""``jupyter mlpipe run``: a notebook's cells in order, its independent steps in parallel."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.text import Text

from jupyter_mlpipe.app.document import clear_outputs, read_notebook, save_notebook
from jupyter_mlpipe.app.interrupts import Interrupts
from jupyter_mlpipe.app.notebook import CellError, NotebookKernel
from jupyter_mlpipe.app.outline import check_words, is_tolerated, read_parameters, step_of, steps_of
from jupyter_mlpipe.app.progress import Progress
from jupyter_mlpipe.app.report import print_json, print_traceback
from jupyter_mlpipe.errors import MLPipeError, UsageError


@dataclass
class _Ending:
    """How a run ended, beside what became of its steps."""

    status: str = "succeeded"
    error: str = ""
    exit_status: int = 0
    tracebacks: dict[str, list[str]] = field(default_factory=dict)  # by what is to be said above them


def run_notebook(asked: argparse.Namespace, console: Console) -> int:
    """Run the notebook as the command line asks; returns the exit status."""
    notebook = read_notebook(asked.notebook)
    output = asked.output
    if output is not None and not output.absolute().parent.is_dir():
        raise UsageError(f"--output {output}: there is no folder '{output.absolute().parent}'.")
    parameters = read_parameters(asked.param)
    check_words(notebook, targets=asked.target, force=asked.force, parameters=parameters)
    headless = {
        "mode": "register" if asked.target else "background",
        "runs_on_read": bool(asked.target),
        "targets": asked.target,
        "parameters": parameters,
        "force": asked.force,
    }
    clear_outputs(notebook)
    with Progress(console, steps_of(notebook)) as progress, Interrupts() as interrupts:
        kernel = NotebookKernel(notebook, asked.notebook, headless, interrupts, progress.take)
        ending = _run(asked, kernel, progress)
    if output is not None:
        save_notebook(notebook, output)
    _report(console, progress, ending)
    if asked.json:
        print_json(_json(progress, ending))
    return ending.exit_status


def _run(asked: argparse.Namespace, kernel: NotebookKernel, progress: Progress) -> _Ending:
    failure = None
    try:
        progress.say("starting the kernel")
        with kernel:
            try:
                failure = _run_cells(kernel, progress, targets=asked.target)
                progress.say("waiting for the kernel")
                answer = kernel.ask("finish", asked.target)
            except KeyboardInterrupt:
                progress.say("cancelling; interrupt again to kill")
                progress.take(kernel.cancel())
                return _Ending("cancelled", "interrupted", 1)
            progress.take(answer)
    except KeyboardInterrupt:
        progress.abandon()
        return _Ending("cancelled", "interrupted", 1)
    except UsageError:
        raise
    except MLPipeError as error:
        progress.abandon()
        if failure is not None:
            # The cell says more than what became of it: that of %load_ext, why there is no pipeline.
            return _ending(asked, progress, failure, {})
        return _Ending("failed", str(error), 1)
    return _ending(asked, progress, failure, answer["tracebacks"])


def _run_cells(
    kernel: NotebookKernel, progress: Progress, *, targets: Sequence[str]
) -> tuple[int | None, CellError] | None:
    """Run the cells in order, to the last target's; stops at the first failure and returns it."""
    wanted = set(targets)
    cells = kernel.code_cells()
    for number, cell in enumerate(cells, 1):
        if targets and not wanted:
            break
        progress.say(f"cell {number} of {len(cells)}")
        try:
            kernel.run(cell)
        except CellError as failure:
            if not is_tolerated(cell):
                return cell["execution_count"], failure
        wanted.discard(step_of(cell["source"]) or "")
    return None


def _ending(
    asked: argparse.Namespace,
    progress: Progress,
    failure: tuple[int | None, CellError] | None,
    tracebacks: dict[str, list[str]],
) -> _Ending:
    failed = [name for name, step in progress.steps.items() if step["status"] in ("failed", "skipped")]
    ending = _Ending()
    for name in failed:
        if name in tracebacks:
            ending.tracebacks[f"Step '{name}' failed:"] = tracebacks[name]
    if failure is not None:
        count, error = failure
        ending.error = f"{error.ename}: {error.evalue}".strip(": ")
        # A cell that reads what a failed step should have made fails with that step's traceback.
        if error.traceback not in ending.tracebacks.values():
            ending.tracebacks[f"Cell [{count}] failed:" if count else "A cell failed:"] = error.traceback
        if asked.param and error.ename == "ParameterError":
            return _Ending("failed", error.evalue, 2)
    cancelled = any(step["status"] == "cancelled" for step in progress.steps.values())
    if failed or failure is not None:
        ending.status = "failed"
    elif cancelled:
        ending.status = "cancelled"
    ending.exit_status = 0 if ending.status == "succeeded" else 1
    return ending


def _report(console: Console, progress: Progress, ending: _Ending) -> None:
    for head, traceback in ending.tracebacks.items():
        print_traceback(console, head, traceback)
    if ending.error and not ending.tracebacks and ending.status == "failed":
        head = "usage error: " if ending.exit_status == 2 else "error: "
        console.print(Text.assemble((head, "bold red"), ending.error), soft_wrap=True)
    style = {"succeeded": "bold green", "failed": "bold red"}.get(ending.status, "bold yellow")
    console.print(Text.assemble((ending.status, style), ": ", progress.summary()), soft_wrap=True)


def _json(progress: Progress, ending: _Ending) -> dict[str, Any]:
    steps = {
        name: {
            "status": step["status"],
            "seconds": round(step["seconds"] or 0.0, 6),
            "reasons": step["reasons"],
            **({"error": step["error"]} if step.get("error") else {}),
        }
        for name, step in progress.steps.items()
    }
    answer: dict[str, Any] = {"status": ending.status, "seconds": round(progress.seconds, 3), "steps": steps}
    if ending.error:
        answer["error"] = ending.error
    return answer
