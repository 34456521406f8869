"""What the commands print: errors with their traceback, and JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jupyter_mlpipe.store.tables import Answer


def print_traceback(console: Console, head: str, traceback: Sequence[str]) -> None:
    """Print a traceback as a notebook shows it, below a line that says whose it is."""
    console.print()
    console.print(Text(head, style="bold red"), soft_wrap=True)
    console.print(Text.from_ansi("\n".join(traceback).strip("\n")), soft_wrap=True)
    console.print()


def print_json(answer: dict[str, Any]) -> None:
    """Print the one JSON object of ``--json``."""
    json.dump(answer, sys.stdout)
    sys.stdout.write("\n")
    sys.stdout.flush()


def print_answer(answer: Answer, *, is_json: bool) -> None:
    """Print a line and the table below it, or its facts as JSON."""
    if is_json:
        print_json(answer.facts)
        return
    print(answer.head)
    if answer.rows:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for column in answer.columns:
            table.add_column(column, no_wrap=True)
        for row in answer.rows:
            table.add_row(*map(Text, row))
        print_table(table)


def print_table(table: Table) -> None:
    """Print a table on stdout; in a pipe each row is one line, however long it is."""
    out = Console()
    if not out.is_terminal:
        out = Console(width=10_000)
    out.print(table)
