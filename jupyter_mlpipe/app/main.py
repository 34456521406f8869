"""``jupyter mlpipe``: run, plan and draw a notebook's pipeline from the command line.

Exit status 0 when the run succeeded, 1 when a step or a cell failed, 2 for a usage error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from jupyter_mlpipe import __doc__ as description
from jupyter_mlpipe import __version__
from jupyter_mlpipe.app.notebook import CellError, NotebookKernel, read_notebook
from jupyter_mlpipe.app.outline import check_words, header_of
from jupyter_mlpipe.app.progress import Progress
from jupyter_mlpipe.cells.header import parse_header
from jupyter_mlpipe.errors import MLPipeError, UsageError
from jupyter_mlpipe.model.headless import NOT_RUN
from jupyter_mlpipe.model.resources import describe_seconds

_SESSION = "__import__('jupyter_mlpipe.notebook.answers', fromlist=['answers'])"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    asked = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        return int(asked.command(asked, console))
    except UsageError as error:
        console.print(f"[red]usage error:[/red] {_plain(error)}", soft_wrap=True, highlight=False)
        if getattr(asked, "json", False):
            _print_json({"status": "failed", "error": str(error), "seconds": 0.0, "steps": {}})
        return 2
    except MLPipeError as error:
        console.print(f"[red]error:[/red] {_plain(error)}", soft_wrap=True, highlight=False)
        if getattr(asked, "json", False):
            _print_json({"status": "failed", "error": str(error), "seconds": 0.0, "steps": {}})
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jupyter mlpipe", description=description)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the notebook; steps whose result is unchanged are reused")
    _add_notebook(run)
    run.add_argument("--output", type=Path, metavar="FILE.ipynb", help="save the executed notebook")
    run.set_defaults(command=_run)

    plan = commands.add_parser("plan", help="say for each step whether it would run, and why")
    _add_notebook(plan)
    plan.set_defaults(command=_plan)

    graph = commands.add_parser("graph", help="draw the pipeline as it would run")
    graph.add_argument("notebook", type=Path)
    graph.add_argument("-p", "--param", action="append", default=[], metavar="NAME=VALUE")
    graph.add_argument("--output", type=Path, metavar="FILE", help=".svg or .dot; DOT on stdout without it")
    graph.set_defaults(command=_graph, target=[], force=[])
    return parser


def _add_notebook(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebook", type=Path)
    parser.add_argument(
        "-p", "--param", action="append", default=[], metavar="NAME=VALUE", help="set a parameter"
    )
    parser.add_argument(
        "--target", action="append", default=[], metavar="STEP", help="reach this step, and no further"
    )
    parser.add_argument(
        "--force", action="append", default=[], metavar="STEP", help="run it though it could be reused"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")


def _run(asked: argparse.Namespace, console: Console) -> int:
    notebook = read_notebook(asked.notebook)
    if asked.output is not None and not asked.output.absolute().parent.is_dir():
        raise UsageError(f"--output {asked.output}: there is no folder '{asked.output.absolute().parent}'.")
    headless = {
        "mode": "register" if asked.target else "background",
        "runs_on_read": bool(asked.target),
        "parameters": _parameters(asked.param),
        "force": asked.force,
    }
    _check(asked, notebook)
    failure: CellError | None = None
    answer: dict[str, Any] = {}
    with (
        Progress(console) as progress,
        NotebookKernel(notebook, asked.notebook, headless, progress.take) as kernel,
    ):
        try:
            failure = _run_cells(notebook, kernel, last=asked.target)
            answer = kernel.ask(f"{_SESSION}.finish({asked.target!r})")
            progress.take(answer)
        except KeyboardInterrupt:
            kernel.interrupt()
            failure = CellError("KeyboardInterrupt", "interrupted", [])
        seconds = progress.seconds
    if asked.output is not None:
        _save(notebook, asked.output)
    steps = {
        name: {
            "status": step["status"],
            "seconds": step["seconds"] or 0.0,
            "reasons": step["reasons"],
            **({"error": step["error"]} if step.get("error") else {}),
        }
        for name, step in progress.steps.items()
    }
    failed = failure is not None or any(s["status"] in ("failed", "skipped") for s in steps.values())
    status = "failed" if failed else answer.get("status") or "succeeded"
    if failure is not None:
        # What came from a step is the step's own error; any other cell says its traceback here.
        console.print("\n".join(failure.traceback) or str(failure), markup=False, highlight=False)
    counts = {
        kind: sum(s["status"] == kind for s in steps.values()) for kind in ("succeeded", "reused", "failed")
    }
    words = {"succeeded": "ran", "reused": "reused", "failed": "failed"}
    summary = ", ".join(f"{count} {words[kind]}" for kind, count in counts.items() if count) or "no steps"
    console.print(f"{status}: {summary}, {describe_seconds(seconds)}", highlight=False)
    if asked.json:
        _print_json({"status": status, "seconds": round(seconds, 3), "steps": steps})
    return 0 if status == "succeeded" else 1


def _run_cells(notebook: Any, kernel: NotebookKernel, *, last: Sequence[str] = ()) -> CellError | None:
    """Run the cells in order; stops at the first failure, and below the last target's cell."""
    wanted = set(last)
    for cell in notebook.cells:
        if cell.cell_type != "code" or not str(cell.source).strip():
            continue
        if last and not wanted:
            break
        try:
            kernel.run(cell)
        except CellError as failure:
            if "raises-exception" not in cell.metadata.get("tags", ()):
                return failure
        header = header_of(cell.source)
        if header is not None:
            wanted.discard(parse_header(header[0]).name)
    return None


def _plan(asked: argparse.Namespace, console: Console) -> int:
    answer = _register(asked, "plan")
    if asked.json:
        _print_json({"steps": answer["steps"]})
        return 0
    out = Console()
    for name, step in answer["steps"].items():
        reasons = ", ".join(reason["text"] for reason in step["reasons"])
        took = f" (last took {describe_seconds(step['seconds'])})" if step["seconds"] else ""
        out.print(
            f"{step['decision']:<10} {name}: {reasons}{took}", highlight=False, markup=False, soft_wrap=True
        )
    return 0


def _graph(asked: argparse.Namespace, console: Console) -> int:
    if asked.output is not None and asked.output.suffix not in (".svg", ".dot"):
        raise UsageError(f"--output writes .svg or .dot, but found '{asked.output}'.")
    answer = _register(asked, "graph")
    kind = asked.output.suffix.lstrip(".") if asked.output else "dot"
    if asked.output is None:
        print(answer[kind])
    else:
        asked.output.write_text(answer[kind], encoding="utf-8")
    return 0


def _register(asked: argparse.Namespace, question: str) -> dict[str, Any]:
    """Register the notebook's components without running one; returns the answer to a question."""
    notebook = read_notebook(asked.notebook)
    headless = {"mode": "register", "parameters": _parameters(asked.param)}
    _check(asked, notebook)
    with NotebookKernel(notebook, asked.notebook, headless, lambda snapshot: None) as kernel:
        for cell in notebook.cells:
            if cell.cell_type != "code" or not str(cell.source).strip():
                continue
            try:
                kernel.run(cell)
            except CellError as failure:
                # A cell that reads what was never made cannot run here, and need not.
                if failure.ename != NOT_RUN and not _tolerated(cell):
                    raise MLPipeError("\n".join(failure.traceback) or str(failure)) from None
        answer: dict[str, Any] = kernel.ask(f"{_SESSION}.{question}({asked.target!r}, {asked.force!r})")
    return answer


def _check(asked: argparse.Namespace, notebook: Any) -> None:
    check_words(notebook, targets=asked.target, force=asked.force, parameters=_parameters(asked.param))


def _tolerated(cell: Any) -> bool:
    return "raises-exception" in cell.metadata.get("tags", ())


def _parameters(pairs: Sequence[str]) -> dict[str, str]:
    parameters = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not all(part.isidentifier() for part in name.split(".")):
            raise UsageError(f"-p expects NAME=VALUE, but found {pair!r}. Example: -p seed=8")
        parameters[name] = value
    return parameters


def _save(notebook: Any, target: Path) -> None:
    import nbformat

    nbformat.write(notebook, target)


def _print_json(answer: dict[str, Any]) -> None:
    json.dump(answer, sys.stdout)
    sys.stdout.write("\n")


def _plain(error: BaseException) -> str:
    from rich.markup import escape

    return escape(str(error))


if __name__ == "__main__":
    sys.exit(main())
