"""A plan as people and programs read it: its steps, and what they come to in all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.model.status import StepPlan, reasons_json

_WORDS = {"run": ("run", "about"), "undecided": ("undecided", "up to"), "reuse": ("reused", "saves")}


@dataclass(frozen=True, slots=True)
class PlanTotals:
    """Steps and seconds by decision.

    Parameters
    ----------
    counts
        Number of steps by decision.
    seconds
        Sum of what they took the last time, one after another; without those that never ran.
    unknown
        Steps by decision of which nobody knows how long they take.
    """

    counts: dict[str, int]
    seconds: dict[str, float]
    unknown: dict[str, int]


def total(steps: Iterable[StepPlan]) -> PlanTotals:
    """Sum up the steps of a plan."""
    counts = dict.fromkeys(_WORDS, 0)
    seconds = dict.fromkeys(_WORDS, 0.0)
    unknown = dict.fromkeys(_WORDS, 0)
    for step in steps:
        counts[step.decision] += 1
        seconds[step.decision] += step.seconds or 0.0
        unknown[step.decision] += step.seconds is None
    return PlanTotals(counts, seconds, unknown)


def describe_total(totals: PlanTotals, decision: str) -> str:
    """Return one part of it: ``2 run, about 43 s``; empty where no step is decided so."""
    count, seconds = totals.counts[decision], totals.seconds[decision]
    if not count:
        return ""
    word, about = _WORDS[decision]
    if not seconds:
        return f"{count} {word}"
    if totals.unknown[decision]:
        # Some of them never ran: it takes what the others take, and theirs.
        about = "at least" if decision == "run" else about
        return f"{count} {word}, {about} {describe_seconds(seconds)} and {totals.unknown[decision]} unknown"
    return f"{count} {word}, {about} {describe_seconds(seconds)}"


def describe_totals(totals: PlanTotals) -> str:
    """Return all of it: ``2 run, about 43.0 s; 7 reused, saves 1 min 12 s``."""
    return "; ".join(part for d in _WORDS if (part := describe_total(totals, d))) or "no steps"


def plan_json(plan: Mapping[str, StepPlan]) -> dict[str, Any]:
    """Return a plan as plain values."""
    totals = total(plan.values())
    return {
        "steps": {step.step: step_json(step) for step in plan.values()},
        "totals": {
            decision: {
                "steps": totals.counts[decision],
                "seconds": totals.seconds[decision],
                "text": describe_total(totals, decision),
            }
            for decision in _WORDS
        },
    }


def step_json(step: StepPlan) -> dict[str, Any]:
    """Return what a plan says of one step as plain values; `below` where it is undecided."""
    return {
        "decision": step.decision,
        "reasons": reasons_json(step.reasons),
        "seconds": step.seconds,
        **({"below": list(step.below)} if step.below else {}),
    }


def describe_expected(step: Mapping[str, Any]) -> str:
    """Return what a step of `plan_json` is expected to take: ``about 43.0 s``, ``saves 43.0 s``."""
    seconds = step["seconds"]
    return f"{_WORDS[step['decision']][1]} {describe_seconds(seconds)}" if seconds else ""
