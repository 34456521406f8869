"""Why a step ran in its last run, and what a plan says of it now."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.model.planned import step_json
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.model.status import StepPlan, reasons_json
from jupyter_mlpipe.store.history import History


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last run in which a step ran, and was not reused.

    Parameters
    ----------
    at
        When that run was started, in seconds since 1970; None where it has not ended.
    reasons
        As `reasons_json` gives them.
    """

    status: str
    at: float | None
    seconds: float | None
    reasons: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Why:
    """The answer to ``%pipeline why STEP``; in a notebook it shows itself so.

    Parameters
    ----------
    last
        None for a step that has never run.
    now
        None where no plan can be made.
    problem
        Why that is so.
    """

    step: str
    last: LastRun | None
    now: StepPlan | None
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain values: what the plan says, and beside it the last run."""
        if self.now is not None:
            planned = step_json(self.now)
        else:
            problem = {"kind": "missing", "name": "", "detail": self.problem, "text": self.problem}
            planned = {"decision": None, "reasons": [problem], "seconds": None}
        last = self.last
        return {
            "step": self.step,
            **planned,
            "last": None
            if last is None
            else {"status": last.status, "at": last.at, "seconds": last.seconds, "reasons": last.reasons},
        }


def last_run(step: str, run: Run | None, history: History | None, pipeline: str) -> LastRun | None:
    """Return the last run in which a step ran: this session's, else the one that the history knows."""
    if run is not None and (state := run.steps[step]).status in _IN_SESSION:
        at = state.record.created_at if state.record is not None else None
        return LastRun(state.status, at, state.seconds, reasons_json(state.reasons))
    found = history.last_ran(pipeline, step) if history is not None else None
    if found is None:
        return None
    entry = found.details["steps"][step]
    return LastRun(entry["status"], found.started_at, entry["seconds"], entry.get("reasons", []))


# Such a run may not have ended, and is in no history yet.
_IN_SESSION = ("running", "queued", "waiting", "succeeded", "failed")
_RAN = {"succeeded": "ran", "failed": "failed", "running": "is running"}
_NOW = {
    "run": "it would run",
    "reuse": "it would be reused",
    "undecided": "it is not known yet whether it would run",
    None: "no plan can be made",
}


def describe_last(facts: Mapping[str, Any]) -> str:
    """Return ``fit ran 2026-03-01 10:12, took 43.0 s, because:`` for what `Why.to_json` gave."""
    last = facts["last"]
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(last["at"])) if last["at"] else ""
    took = f"took {describe_seconds(last['seconds'])}" if last["seconds"] else ""
    head = " ".join(part for part in (facts["step"], _RAN.get(last["status"], last["status"]), when) if part)
    return ", ".join(part for part in (head, took) if part)


def describe_now(facts: Mapping[str, Any]) -> str:
    """Return what a plan says of the step now, in words."""
    return f"{'now ' if facts['last'] else facts['step'] + ': '}{_NOW[facts['decision']]}"
