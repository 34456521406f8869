"""What the command line makes of what its runs tell."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from jupyter_mlpipe.app.progress import Progress


def snapshot(**statuses: str) -> dict[str, Any]:
    return {
        "steps": {
            name: {"status": status, "seconds": 1.0, "reasons": [], "reads": {}}
            for name, status in statuses.items()
        }
    }


def test_a_step_that_ran_is_said_to_have_run_whichever_run_tells_of_it_first() -> None:
    printed = io.StringIO()
    progress = Progress(Console(file=printed), ["load", "low"])
    progress.take(snapshot(load="running"), "first")
    # The second run finds what the first one has not yet said to have made.
    progress.take(snapshot(load="reused", low="running"), "second")
    progress.take(snapshot(load="succeeded"), "first")
    progress.take(snapshot(load="reused", low="succeeded"), "second")
    progress.take(snapshot(load="reused", low="succeeded"))
    assert [line.split()[1:3] for line in printed.getvalue().splitlines()] == [
        ["load", "running"],
        ["low", "running"],
        ["load", "ran"],
        ["low", "ran"],
    ]
    assert progress.summary().startswith("2 ran, ")
