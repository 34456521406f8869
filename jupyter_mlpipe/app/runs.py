"""``jupyter mlpipe runs``, ``diff``, ``log`` and ``cancel``: the runs of a store; starts no kernel."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from jupyter_mlpipe.app.report import print_answer, print_json
from jupyter_mlpipe.app.stores import add_store, open_asked
from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.execution.runs.detached import find_run
from jupyter_mlpipe.execution.runs.logs import save
from jupyter_mlpipe.execution.runs.past import find_entry, list_runs, past_logs, tell_diff, tell_runs


def add_options(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the commands to the command line."""
    runs = commands.add_parser("runs", help="list the latest runs", allow_abbrev=False)
    runs.add_argument("notebook", nargs="?", type=Path, metavar="NOTEBOOK", help="of this notebook only")
    runs.add_argument("--limit", type=int, default=20, metavar="N", help="how many; 20 by default")
    runs.set_defaults(command=show_runs)
    diff = commands.add_parser("diff", help="say how two runs differ, step by step", allow_abbrev=False)
    diff.add_argument("before", metavar="RUN")
    diff.add_argument("now", metavar="RUN")
    diff.set_defaults(command=show_diff)
    cancel = commands.add_parser("cancel", help="cancel a detached run", allow_abbrev=False)
    cancel.add_argument("run", metavar="RUN", help="its id, or how that begins: see runs")
    cancel.set_defaults(command=cancel_run)
    log = commands.add_parser(
        "log", help="print what the steps of a run have printed, every line", allow_abbrev=False
    )
    log.add_argument("run", metavar="RUN", help="its id, or how that begins: see runs")
    log.add_argument("step", nargs="*", metavar="STEP", help="of these steps only")
    log.add_argument("--output", type=Path, metavar="FILE", help="write it to a file instead")
    log.set_defaults(command=show_log)
    add_store(log)
    for parser in (runs, diff, cancel):
        add_store(parser)
        parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")


def show_runs(asked: argparse.Namespace, console: Console) -> int:
    """List the latest runs."""
    pipeline = os.path.abspath(asked.notebook) if asked.notebook is not None else None
    print_answer(tell_runs(list_runs(open_asked(asked), pipeline, asked.limit)), is_json=asked.json)
    return 0


def show_diff(asked: argparse.Namespace, console: Console) -> int:
    """Say how two runs differ."""
    store = open_asked(asked)
    before, now = find_entry(store, asked.before), find_entry(store, asked.now)
    print_answer(tell_diff(before, now, store), is_json=asked.json)
    return 0


def show_log(asked: argparse.Namespace, console: Console) -> int:
    """Print the log of a run, or write it to a file."""
    store = open_asked(asked)
    pieces = past_logs(store, find_entry(store, asked.run), asked.step)
    if asked.output is not None:
        save(pieces, asked.output)
        return 0
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
    return 0


def cancel_run(asked: argparse.Namespace, console: Console) -> int:
    """Ask the process of a detached run to cancel it."""
    folder = find_run(open_asked(asked).root, asked.run)
    if not folder.is_live():
        raise UsageError(f"Run {folder.id[:8]} has ended.")
    folder.cancel()
    if asked.json:
        print_json({"status": "cancelled", "run": folder.id})
    else:
        print(f"cancelled: run {folder.id[:8]}")
    return 0
