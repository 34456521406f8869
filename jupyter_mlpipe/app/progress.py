"""Progress on the terminal: a table that lives while the run does, or a line a change."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from jupyter_mlpipe.model.resources import describe_seconds

_LOOK = {
    "succeeded": ("✓", "ran", "green"),
    "reused": ("↻", "reused", "blue"),
    "running": ("▶", "running", "yellow"),
    "queued": ("…", "queued", "yellow"),
    "waiting": ("…", "waiting", "dim"),
    "failed": ("✗", "failed", "red"),
    "skipped": ("–", "skipped", "dim"),
    "cancelled": ("■", "cancelled", "red"),
}
_FINAL = ("succeeded", "failed", "reused", "skipped", "cancelled")


class Progress:
    """What is known of the steps, from the runs that the cells start.

    Each cell starts a run of its step and of those above it, which are then reused: what a step
    did first is what counts.
    """

    def __init__(self, console: Console) -> None:
        self.steps: dict[str, dict[str, Any]] = {}
        self._console = console
        self._started = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._live = Live(
                console=self._console, get_renderable=self._table, refresh_per_second=5, transient=True
            )
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._console.print(self._table())

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def take(self, snapshot: dict[str, Any]) -> None:
        """Take the snapshot of a run."""
        for name, step in snapshot["steps"].items():
            before = self.steps.get(name)
            if before is not None and before["status"] in _FINAL and step["status"] != "failed":
                continue
            changed = before is None or before["status"] != step["status"]
            self.steps[name] = step
            if changed and self._live is None and step["status"] in ("running", *_FINAL):
                self._console.print(_line(name, step), soft_wrap=True, highlight=False)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        for name, step in self.steps.items():
            sign, word, colour = _LOOK[step["status"]]
            table.add_row(
                Text(sign, style=colour),
                name,
                Text(word, style=colour),
                _took(step),
                Text(_why(step), style="dim", overflow="ellipsis", no_wrap=True),
            )
        return table


def _line(name: str, step: dict[str, Any]) -> Text:
    sign, word, colour = _LOOK[step["status"]]
    text = Text.assemble((f"{sign} ", colour), f"{name} ", (word, colour))
    took = _took(step)
    if took:
        text.append(f" {took}")
    why = _why(step)
    return text.append(f"  {why}", style="dim") if why else text


def _took(step: dict[str, Any]) -> str:
    if step["status"] == "reused":
        return f"saved {describe_seconds(step['saved_seconds'])}" if step.get("saved_seconds") else ""
    return describe_seconds(step["seconds"]) if step.get("seconds") else ""


def _why(step: dict[str, Any]) -> str:
    if step.get("error"):
        return str(step["error"]).partition("\n")[0]
    if step["status"] == "reused":
        return ""
    return ", ".join(
        " ".join(part for part in (reason["kind"], reason["name"], reason["detail"]) if part)
        for reason in step["reasons"][:3]
    )
