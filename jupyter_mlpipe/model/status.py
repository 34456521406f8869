"""The states of a step and of a run, the decisions of a plan, and their reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec

from jupyter_mlpipe.model.diffs import shorten_diff, unified_diff

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
        For people: ``7 -> 8``, ``3.1.0 -> 3.1.1``, ``'split' ran: helper clean changed``.
    texts
        What `diff` compares, where it is known: the text before, and as it is now.
    """

    kind: ReasonKind
    name: str = ""
    detail: str = ""
    texts: tuple[str, str] | None = field(default=None, compare=False, repr=False)

    @property
    def diff(self) -> str:
        """A unified diff of the code that changed; empty where there is none to show."""
        return unified_diff(*self.texts) if self.texts is not None else ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.kind, self.name, self.detail) if part)


def describe_reasons(reasons: Sequence[Reason], *, limit: int = 3) -> str:
    """Return reasons as people read them: ``helper clean changed, parameter seed 7 -> 8``."""
    return shorten([describe_reason(reason) for reason in join_inputs(reasons)], limit=limit)


def shorten(words: Sequence[str], *, limit: int = 3) -> str:
    """Return the first of several words, and how many more there are."""
    more = [f"{len(words) - limit} more"] if len(words) > limit else []
    parts = [*words[:limit], *more]
    # So that it can be seen where each begins.
    return ("; " if any(", " in part for part in parts) else ", ").join(parts)


def enumerate_words(words: Sequence[str], *, limit: int = 3) -> str:
    """Return the first of several words as a list in a sentence: ``a, b and 2 more``."""
    parts = [*words[:limit], f"{len(words) - limit} more"] if len(words) > limit else list(words)
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def describe_reason(reason: Reason) -> str:
    """Return one reason as people read it."""
    kind, name, detail = reason.kind, reason.name, reason.detail
    if kind == "new":
        return "new"
    if kind == "missing" and not name:
        return detail  # it says what is missing
    if kind in ("input", "setting", "file") and detail.startswith("'"):
        # Of another step, by its name in quotes.
        return f"{' '.join(part for part in (kind, name) if part)}: {detail}"
    if kind == "package" and " -> " in detail:
        return f"{name} {detail}"
    if kind == "expired":
        return f"expired: {detail}"
    named = {"reuse": "", "unhashable": "not reusable:"}
    return " ".join(part for part in (named.get(kind, kind), name, detail) if part)


def join_inputs(reasons: Sequence[Reason]) -> list[Reason]:
    """Return reasons with those inputs as one that have the same to say: ``input train, test: …``."""
    joined: dict[tuple[str, str], Reason] = {}
    for place, reason in enumerate(reasons):
        same = (reason.kind, reason.detail if reason.kind == "input" else str(place))
        before = joined.get(same)
        joined[same] = reason if before is None else replace(before, name=f"{before.name}, {reason.name}")
    return list(joined.values())


def readable(reasons: Sequence[Mapping[str, str]]) -> list[tuple[str, str]]:
    """Return what `reasons_json` gave as people read it: the words of each, and its diff."""
    diffs = {(r["kind"], r["name"]): r.get("diff", "") for r in reasons}
    given = [Reason(r["kind"], r["name"], r["detail"]) for r in reasons]  # type: ignore[arg-type]
    return [(describe_reason(r), diffs.get((r.kind, r.name), "")) for r in join_inputs(given)]


def reasons_json(reasons: Sequence[Reason], *, diff_lines: int = 2000) -> list[dict[str, str]]:
    """Return reasons as plain values, with the words that people read.

    Parameters
    ----------
    diff_lines
        How much of each diff; none for 0.
    """
    return [
        {
            "kind": reason.kind,
            "name": reason.name,
            "detail": reason.detail,
            "text": describe_reason(reason),
            **({"diff": shorten_diff(reason.diff, diff_lines)} if diff_lines and reason.diff else {}),
        }
        for reason in reasons
    ]


class Ingredient(msgspec.Struct, frozen=True, array_like=True, gc=False):
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
    """What a plan says of one step.

    Parameters
    ----------
    seconds
        What running it took the last time: what it is expected to take, or what reuse saves.
    below
        Of a step that is undecided: the steps above that run, on which it depends.
    """

    step: str
    decision: Decision
    reasons: tuple[Reason, ...] = ()
    key: str | None = None
    seconds: float | None = None
    below: tuple[str, ...] = ()


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
    progress: tuple[float | None, str] | None = None  # of one that runs: from 0 to 1, and in words
    metrics: Mapping[str, float | str] = field(default_factory=dict)  # as JSON has them
    cell_id: str | None = None
    error: str | None = None
    previews: Mapping[str, str] = field(default_factory=dict)  # output -> "336,776 x 19"
    sizes: Mapping[str, int] = field(default_factory=dict)  # output -> bytes as stored
    expected_seconds: float | None = None  # of one that a plan has run: what it took the last time
    reached: Mapping[str, float] = field(default_factory=dict)  # status -> when, in seconds since 1970
    # Outputs that were others the time before: what was to be seen of them then, and bytes as stored.
    was: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    group: str = ""  # that its header names
    members: tuple[str, ...] = ()  # of a group that is shown as one step
    matches: bool = True  # False where a plan reuses another result than the notebook has
    by_itself: bool = False  # it was not run by hand
    why: str = ""  # of one that is queued: what it waits for

    @property
    def is_stale(self) -> bool:
        """Whether it was made, and a plan says that its code or what it reads has changed since."""
        is_changed = self.plan in ("run", "undecided") or not self.matches
        return self.status in ("succeeded", "reused") and is_changed


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """A run, or a pipeline that has not run, as people see it.

    Parameters
    ----------
    is_whole
        False where it is known only which steps run, and not yet which there are.
    """

    steps: tuple[StepSnapshot, ...]
    status: RunStatus | None = None
    seconds: float | None = None
    is_whole: bool = True

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
        "reasons": reasons_json(step.reasons, diff_lines=0),
        "worker": step.worker,
        "progress": None if step.progress is None else [*step.progress],
        "metrics": dict(step.metrics),
        "cell_id": step.cell_id,
        "error": step.error,
        "previews": dict(step.previews),
        "sizes": dict(step.sizes),
        "expected_seconds": step.expected_seconds,
        "is_stale": step.is_stale,
        "by_itself": step.by_itself,
    }
