"""Progress on the terminal: a line for each step that ends, and below them, live, what runs.

Without a terminal (a pipe, a log file) nothing moves: a line when a step starts, a line when it ends.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from jupyter_mlpipe.model.metrics import describe_progress
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.model.status import ENDED, readable, shorten

_LOOK = {  # status -> sign, word, style
    "succeeded": ("✓", "ran", "green"),
    "reused": ("↻", "reused", "cyan"),
    "running": ("▶", "running", "yellow"),
    "queued": ("…", "queued", "dim"),
    "waiting": ("…", "waiting", "dim"),
    "failed": ("✗", "failed", "bold red"),
    "skipped": ("–", "skipped", "dim"),
    "cancelled": ("■", "cancelled", "yellow"),
}
_WORD_WIDTH = max(len(word) for _, word, _ in _LOOK.values())
_TIME_WIDTH = len("saved 12.5 s")


class Progress:
    """What is known of the steps, from the runs that the cells start.

    Each cell starts a run of its step and of those above it, which are then reused: what a step
    did first is what counts, also where a later run is the first to tell that it is there.

    Parameters
    ----------
    names
        Steps that will come, as far as they are known: their names settle the columns' width.
    """

    def __init__(self, console: Console, names: Iterable[str] = ()) -> None:
        self.steps: dict[str, dict[str, Any]] = {}
        self._first_runs: dict[str, str] = {}  # by step
        self._console = console
        self._started = time.monotonic()
        self._running_since: dict[str, float] = {}
        self._width = max(map(len, names), default=0)
        self._activity = ""
        self._live: Live | None = None

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._live = Live(
                console=self._console, get_renderable=self._picture, refresh_per_second=8, transient=True
            )
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def say(self, activity: str) -> None:
        """Say what goes on beside the steps; shown on a terminal only."""
        self._activity = activity

    def take(self, snapshot: dict[str, Any], run: str | None = None) -> None:
        """Take the snapshot of a run, or of how all steps are in the end."""
        for name, step in snapshot["steps"].items():
            before = self.steps.get(name)
            is_later = run is not None and self._first_runs.setdefault(name, run) != run
            is_known = before is not None and before["status"] in ENDED
            if (is_later or is_known) and step["status"] != "failed":
                continue
            changed = before is None or before["status"] != step["status"]
            self.steps[name] = step
            if not changed:
                continue
            if step["status"] == "running":
                self._running_since[name] = time.monotonic()
            if step["status"] in ENDED or (step["status"] == "running" and self._live is None):
                self._console.print(self._line(name), soft_wrap=True, highlight=False)

    def abandon(self) -> None:
        """Call what has not ended cancelled: nobody will tell of it any more."""
        left = {n: {**s, "status": "cancelled"} for n, s in self.steps.items() if s["status"] not in ENDED}
        self.take({"steps": left})

    def summary(self) -> str:
        """Return what became of the steps in a few words: ``2 ran, 7 reused, 3.1 s``."""
        states = [step["status"] for step in self.steps.values()]
        counts = [f"{states.count(kind)} {word}" for kind, (_, word, _) in _LOOK.items() if kind in states]
        return ", ".join([*(counts or ["no steps"]), describe_seconds(self.seconds)])

    def _picture(self) -> RenderableType:
        """Return what moves: the steps that have not ended, as many as there is room for."""
        room = max(self._console.height - 4, 1)
        open_steps = [name for name, step in self.steps.items() if step["status"] not in ENDED]
        # Those that run come first in importance, but all keep their order.
        shown = set(sorted(open_steps, key=lambda n: self.steps[n]["status"] != "running")[:room])
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 1, 0, 0))
        for name in (name for name in open_steps if name in shown):
            sign, word, style = _LOOK[self.steps[name]["status"]]
            is_running = self.steps[name]["status"] == "running"
            table.add_row(
                Spinner("dots", style=style) if is_running else Text(sign, style=style),
                Text(name.ljust(self._name_width()), style="bold" if is_running else "dim"),
                Text(word.ljust(_WORD_WIDTH), style=style),
                Text(self._took(name).rjust(_TIME_WIDTH)),
                Text(self._why(name), style="dim", overflow="ellipsis", no_wrap=True),
            )
        parts: list[RenderableType] = [table] if shown else []
        if len(open_steps) > len(shown):
            parts.append(Text(f"  and {len(open_steps) - len(shown)} more", style="dim"))
        if self._activity and not any(self.steps[name]["status"] == "running" for name in open_steps):
            parts.append(Spinner("dots", text=Text(self._activity, style="dim"), style="dim"))
        return Group(*parts)

    def _line(self, name: str) -> Text:
        sign, word, style = _LOOK[self.steps[name]["status"]]
        text = Text.assemble(
            (sign, style),
            " ",
            (name.ljust(self._name_width()), "bold"),
            " ",
            (word.ljust(_WORD_WIDTH), style),
            " ",
            "" if self.steps[name]["status"] == "running" else self._took(name).rjust(_TIME_WIDTH),
            "  ",
            (self._why(name), "red" if self.steps[name]["status"] == "failed" else "dim"),
        )
        text.rstrip()
        return text

    def _name_width(self) -> int:
        return max(self._width, *map(len, self.steps), 0)

    def _took(self, name: str) -> str:
        step = self.steps[name]
        if step["status"] == "running":
            return f"{time.monotonic() - self._running_since.get(name, time.monotonic()):.0f} s"
        if step["status"] == "reused":
            saved = step.get("saved_seconds")
            return f"saved {describe_seconds(saved)}" if saved else ""
        return describe_seconds(step["seconds"]) if step.get("seconds") else ""

    def _why(self, name: str) -> str:
        step = self.steps[name]
        if step["status"] == "running" and step.get("progress"):
            return describe_progress(*step["progress"])
        if step.get("error"):
            return str(step["error"]).partition("\n")[0]
        if step["status"] == "reused":
            # Only what is not plain: that somebody accepted an edit.
            return shorten([reason["text"] for reason in step["reasons"] if reason["name"]])
        if step["status"] == "skipped":
            return ", ".join(f"{cause} failed" for cause in self._causes(name))
        return shorten([text for text, _ in readable(step["reasons"])])

    def _causes(self, name: str) -> list[str]:
        """Return the failed steps above a step."""
        found: list[str] = []
        seen = {name}
        above = [name]
        while above:
            for source in self.steps[above.pop()]["reads"].values():
                if source in self.steps and source not in seen:
                    seen.add(source)
                    above.append(source)
                    if self.steps[source]["status"] == "failed":
                        found.append(source)
        return found
