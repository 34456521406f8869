"""Plans and reasons on the terminal, in colour; in a pipe each step is one line, however long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from jupyter_mlpipe.execution.runs.why import describe_last, describe_now
from jupyter_mlpipe.model.diffs import shorten_diff
from jupyter_mlpipe.model.planned import describe_expected
from jupyter_mlpipe.model.status import readable, shorten

_LOOK = {  # decision or status -> sign, style
    "run": ("▷", "yellow"),
    "reuse": ("↻", "cyan"),
    "undecided": ("?", "dim"),
    "succeeded": ("✓", "green"),
    "failed": ("✗", "red"),
}
_DIFF = {"+": "green", "-": "red", "@": "cyan"}
_MAX_LINES = 12  # of a diff in a plan; `why` shows all


def print_plan(plan: Mapping[str, Any]) -> None:
    """Print what a plan says of each step, and in all."""
    out = _console()
    totals = Text("plan: ").append(
        Text("; ").join(
            Text(total["text"], _LOOK[decision][1])
            for decision, total in plan["totals"].items()
            if total["text"]
        )
    )
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True, style="dim")
    for name, step in plan["steps"].items():
        decision = step["decision"]
        quiet = "dim" if decision == "reuse" and not any(r["name"] for r in step["reasons"]) else ""
        table.add_row(
            Text(decision, _LOOK[decision][1]),
            Text(name, "bold"),
            _reasons(step["reasons"], quiet, is_terminal=out.is_terminal),
            describe_expected(step),
        )
    out.print(table)
    out.print(totals, soft_wrap=True)


def print_why(facts: Mapping[str, Any]) -> None:
    """Print why a step ran the last time, and what a plan says of it now."""
    out = _console()
    if facts["last"]:
        _print_part(out, describe_last(facts), facts["last"]["status"], facts["last"]["reasons"])
    _print_part(out, describe_now(facts), facts["decision"] or "", facts["reasons"])


def _print_part(out: Console, head: str, state: str, reasons: Sequence[Mapping[str, str]]) -> None:
    out.print(Text(head, f"bold {_LOOK.get(state, ('', ''))[1]}".strip()), soft_wrap=True)
    for text, diff in readable(reasons):
        out.print(Padding(Text(text), (0, 0, 0, 2), expand=False))
        for line in _lines(diff):
            out.print(Padding(line, (0, 0, 0, 4), expand=False))


def _reasons(reasons: Sequence[Mapping[str, str]], style: str, *, is_terminal: bool) -> RenderableType:
    found = readable(reasons)
    if not is_terminal:
        return Text(shorten([text for text, _ in found], limit=6), style)
    lines: list[RenderableType] = []
    for text, diff in found:
        lines.append(Text(text, style))
        if diff:
            lines.append(Padding(Group(*_lines(shorten_diff(diff, _MAX_LINES))), (0, 0, 0, 4)))
    return Group(*lines)


def _lines(diff: str) -> list[Text]:
    return [Text(line, _DIFF.get(line[:1], "dim"), overflow="fold") for line in diff.splitlines()]


def _console() -> Console:
    out = Console(highlight=False)
    return out if out.is_terminal else Console(width=10_000, highlight=False)
