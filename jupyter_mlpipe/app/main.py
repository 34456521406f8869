"""``jupyter mlpipe``: run, plan and draw a notebook's pipeline from the command line.

Exit status 0 when the run succeeded, 1 when a step or a cell failed, 2 for a usage error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.text import Text

from jupyter_mlpipe import __doc__ as description
from jupyter_mlpipe import __version__
from jupyter_mlpipe.app.adopt import adopt_notebook
from jupyter_mlpipe.app.cache import add_options as add_cache_options
from jupyter_mlpipe.app.doctor import check_installation
from jupyter_mlpipe.app.question import accept_edit, draw_graph, show_plan, show_why
from jupyter_mlpipe.app.report import print_json
from jupyter_mlpipe.app.run import run_notebook
from jupyter_mlpipe.app.runs import add_options as add_runs_options
from jupyter_mlpipe.app.trust import add_options as add_trust_options
from jupyter_mlpipe.errors import MLPipeError, UsageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    console = Console(stderr=True)
    try:
        asked = _parser().parse_args(words)
        return int(asked.command(asked, console))
    except MLPipeError as error:
        is_usage = isinstance(error, UsageError)
        head = "usage error: " if is_usage else "error: "
        console.print(Text.assemble((head, "bold red"), Text.from_ansi(str(error))), soft_wrap=True)
        if "--json" in words:
            print_json({"status": "failed", "error": _plain(error), "seconds": 0.0, "steps": {}})
        return 2 if is_usage else 1
    except KeyboardInterrupt:
        console.print("interrupted", style="bold red")
        if "--json" in words:
            print_json({"status": "cancelled", "error": "interrupted", "seconds": 0.0, "steps": {}})
        return 1


def _plain(error: BaseException) -> str:
    return Text.from_ansi(str(error)).plain


class _Parser(argparse.ArgumentParser):
    """Says what it does not understand as an error of ours, so that ``--json`` stays JSON."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}.\n{self.format_usage().strip()}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="jupyter mlpipe", description=description, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser(
        "run", help="run the notebook; steps whose result is unchanged are reused", allow_abbrev=False
    )
    _add_notebook(run)
    _add_choice(run)
    run.add_argument(
        "--output", type=Path, metavar="FILE.ipynb", help="save the executed notebook, also when it failed"
    )
    run.set_defaults(command=run_notebook)

    plan = commands.add_parser(
        "plan", help="say for each step whether it would run, and why; runs no step", allow_abbrev=False
    )
    _add_notebook(plan)
    _add_choice(plan)
    plan.set_defaults(command=show_plan)

    why = commands.add_parser(
        "why",
        help="say why a step ran the last time, and whether it would run now; runs no step",
        allow_abbrev=False,
    )
    _add_notebook(why)
    why.add_argument("step", metavar="STEP")
    why.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    why.set_defaults(command=show_why, force=[])

    accept = commands.add_parser(
        "accept",
        help="let the kept result of a step count for its edited code: the edit changes nothing",
        allow_abbrev=False,
    )
    _add_notebook(accept)
    accept.add_argument("step", metavar="STEP")
    accept.add_argument("--revoke", action="store_true", help="take back what was accepted for the step")
    accept.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    accept.set_defaults(command=accept_edit, force=[])

    graph = commands.add_parser("graph", help="draw the pipeline as it would run", allow_abbrev=False)
    _add_notebook(graph)
    graph.add_argument("--output", type=Path, metavar="FILE", help=".svg or .dot; DOT on stdout without it")
    graph.set_defaults(command=draw_graph, target=[], force=[])

    add_runs_options(commands)

    cache = commands.add_parser(
        "cache",
        help="look after the store: what it holds, whether it is whole, what to remove",
        allow_abbrev=False,
    )
    add_cache_options(cache)

    trust = commands.add_parser(
        "trust",
        help="show, share and import the keys whose signatures count in shared stores",
        allow_abbrev=False,
    )
    add_trust_options(trust)

    adopt = commands.add_parser(
        "adopt",
        help="write a copy of a notebook with %%%%component lines on the cells that are worth it",
        description="Write a copy of a notebook with %%component lines on the cells that are worth it: "
        "it is run once, plainly, to see how long each takes. --remove takes the lines out again.",
        allow_abbrev=False,
    )
    adopt.add_argument("notebook", type=Path, metavar="NOTEBOOK")
    adopt.add_argument(
        "--output", type=Path, metavar="FILE", help="where to write the copy; may be the notebook itself"
    )
    adopt.add_argument("--all", action="store_true", help="also cells that are quick or only show something")
    adopt.add_argument("--no-run", action="store_true", help="do not run it: decide from the code alone")
    adopt.add_argument("--remove", action="store_true", help="take all our lines out instead")
    adopt.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    adopt.set_defaults(command=adopt_notebook)

    doctor = commands.add_parser(
        "doctor",
        help="check this installation: kernel, store, cluster, JupyterLab; runs a step",
        allow_abbrev=False,
    )
    doctor.add_argument(
        "notebook", nargs="?", type=Path, metavar="NOTEBOOK", help="with its kernel, in its folder"
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    doctor.set_defaults(command=check_installation)
    return parser


def _add_notebook(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebook", type=Path, metavar="NOTEBOOK")
    parser.add_argument(
        "-p",
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set a parameter, of one step alone with STEP.NAME=VALUE; may be repeated",
    )


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="STEP",
        help="reach this step, and no further; may be repeated",
    )
    parser.add_argument(
        "--force",
        action="append",
        default=[],
        metavar="STEP",
        help="run it though it could be reused; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")


if __name__ == "__main__":
    sys.exit(main())
