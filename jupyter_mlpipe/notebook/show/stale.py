"""Which steps are to be run: what they gave is not what a run would give now, or they gave nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot

_UNMADE = ("failed", "skipped", "cancelled")


def is_to_run(step: StepSnapshot) -> bool:
    """Tell whether a step is to be run for the pipeline to be up to date: it is stale, or gave nothing."""
    return step.is_stale or step.status in _UNMADE


def stale_steps(snapshot: RunSnapshot) -> list[StepSnapshot]:
    """Return the steps that are to be run; those that only were registered left out."""
    return [step for step in snapshot.steps if is_to_run(step)]


def stale_words(steps: Iterable[StepSnapshot]) -> str:
    """Return how many steps are stale, failed, skipped and cancelled: ``3 stale, 1 failed``."""
    kinds = Counter("stale" if step.is_stale else step.status for step in steps)
    return ", ".join(f"{kinds[kind]} {kind}" for kind in ("stale", *_UNMADE) if kinds[kind])


def _about(seconds: float) -> str:
    if 60 <= seconds < 3600:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds)} s" if 10 <= seconds < 60 else describe_seconds(seconds)


def stale_facts(snapshot: RunSnapshot) -> dict[str, Any]:
    """Return how many they are, what they are expected to take, and a button's text.

    Returns
    -------
    dict
        ``count``; ``seconds``, of those of which it is known; ``text``: ``run 3 stale, about 4 min``, empty
        where nothing is to be run.
    """
    steps = stale_steps(snapshot)
    seconds = sum(step.expected_seconds or 0.0 for step in steps)
    is_known = all(step.plan == "reuse" or step.expected_seconds is not None for step in steps)
    text = f"run {stale_words(steps)}" if steps else ""
    if seconds:
        text += f", {'about' if is_known else 'at least'} {_about(seconds)}"
    elif steps and all(step.plan == "reuse" for step in steps):
        text += ", at once"
    return {"count": len(steps), "seconds": round(seconds, 3), "text": text}
