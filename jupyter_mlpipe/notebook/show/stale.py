"""Which steps are stale: what they gave is not what a run would give now. For a button that runs them."""

from __future__ import annotations

from typing import Any

from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot

_UNMADE = frozenset({"failed", "skipped", "cancelled"})


def is_to_run(step: StepSnapshot) -> bool:
    """Tell whether running a step would bring it up to date: it is stale, or gave nothing as it was."""
    return step.is_stale or (step.status in _UNMADE and step.plan is not None)


def stale_steps(snapshot: RunSnapshot) -> list[StepSnapshot]:
    """Return the steps that a run would bring up to date; those that only were registered left out."""
    return [step for step in snapshot.steps if is_to_run(step)]


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
        where nothing is stale.
    """
    steps = stale_steps(snapshot)
    seconds = sum(step.expected_seconds or 0.0 for step in steps)
    is_known = all(step.plan == "reuse" or step.expected_seconds is not None for step in steps)
    text = f"run {len(steps)} stale" if steps else ""
    if seconds:
        text += f", {'about' if is_known else 'at least'} {_about(seconds)}"
    elif steps and all(step.plan == "reuse" for step in steps):
        text += ", at once"
    return {"count": len(steps), "seconds": round(seconds, 3), "text": text}
