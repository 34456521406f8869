"""The states of a step and of a run, the decisions of a plan, and their reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

StepStatus = Literal[
    "waiting",  # something above it has not ended, or its key is not known yet
    "queued",  # its key is known and it must run, but no worker has room
    "running",  # its process runs on a worker
    "succeeded",  # it ran and its record is kept
    "reused",  # a record for its key was found; nothing ran
    "failed",  # its code raised, its process died, or its time was up
    "skipped",  # something above it failed
    "cancelled",  # the run was cancelled before it ended
]
RunStatus = Literal["running", "succeeded", "failed", "cancelled"]
Decision = Literal["reuse", "run", "undecided"]
ENDED: frozenset[str] = frozenset({"succeeded", "reused", "failed", "skipped", "cancelled"})

ReasonKind = Literal[
    "code",
    "helper",
    "value",
    "setting",
    "package",
    "python",
    "parameter",
    "input",
    "file",
    "salt",
    "new",
    "forced",
    "expired",
    "missing",
    "corrupt",
    "unhashable",
    "reuse",
]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a step runs or is reused: one part of it.

    Parameters
    ----------
    name
        What changed: a helper, a package, an input; empty where the kind says it all.
    detail
        For people: ``7 -> 8``, ``3.1.0 -> 3.1.1``, ``split ran``.
    """

    kind: ReasonKind
    name: str = ""
    detail: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.kind, self.name, self.detail) if part)


def describe_reasons(reasons: Sequence[Reason], *, limit: int = 3) -> str:
    """Return reasons as people read them: ``helper clean changed, parameter seed 7 -> 8``."""
    return shorten([describe_reason(reason) for reason in reasons], limit=limit)


def shorten(words: Sequence[str], *, limit: int = 3) -> str:
    """Return the first of several words, and how many more there are."""
    more = [f"{len(words) - limit} more"] if len(words) > limit else []
    return ", ".join([*words[:limit], *more])


def describe_reason(reason: Reason) -> str:
    """Return one reason as people read it."""
    if reason.kind == "new":
        return "new"
    if reason.kind == "missing" and not reason.name:
        return reason.detail  # it says what is missing
    named = {"reuse": "", "unhashable": "not reusable:"}
    kind = named.get(reason.kind, reason.kind)
    return " ".join(part for part in (kind, reason.name, reason.detail) if part)


def reasons_json(reasons: Sequence[Reason]) -> list[dict[str, str]]:
    """Return reasons as plain values, with the words that people read."""
    return [{"kind": r.kind, "name": r.name, "detail": r.detail, "text": describe_reason(r)} for r in reasons]


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A named part of a step's key.

    Parameters
    ----------
    digest
        What enters the key.
    detail
        A short readable form (a version, a small value, the source of a helper), kept so that a
        later plan can say what changed. It does not enter the key.
    """

    kind: ReasonKind
    name: str
    digest: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What a plan says of one step."""

    step: str
    decision: Decision
    reasons: tuple[Reason, ...] = ()
    key: str | None = None
    seconds: float | None = None  # what running it took the last time


@dataclass(frozen=True, slots=True)
class StepSnapshot:
    """One step as people see it; the JSON that front ends and the command line read."""

    name: str
    status: StepStatus | None = None
    plan: Decision | None = None
    reads: Mapping[str, str] = field(default_factory=dict)  # name -> step, "parameter" or "notebook"
    outputs: tuple[str, ...] = ()
    seconds: float | None = None
    saved_seconds: float | None = None
    reasons: tuple[Reason, ...] = ()
    worker: str | None = None
    cell_id: str | None = None
    error: str | None = None
    previews: Mapping[str, str] = field(default_factory=dict)  # output -> "336,776 x 19"


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """A run, or a pipeline that has not run, as people see it."""

    steps: tuple[StepSnapshot, ...]
    status: RunStatus | None = None
    seconds: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; the schema number changes when a field changes its meaning."""
        return {
            "schema": 1,
            "status": self.status,
            "seconds": self.seconds,
            "steps": {step.name: _step_json(step) for step in self.steps},
        }


def _step_json(step: StepSnapshot) -> dict[str, Any]:
    return {
        "status": step.status,
        "plan": step.plan,
        "reads": dict(step.reads),
        "outputs": list(step.outputs),
        "seconds": step.seconds,
        "saved_seconds": step.saved_seconds,
        "reasons": reasons_json(step.reasons),
        "worker": step.worker,
        "cell_id": step.cell_id,
        "error": step.error,
        "previews": dict(step.previews),
    }
