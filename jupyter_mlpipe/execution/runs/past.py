"""Runs of the past, and of the moment where they are detached: listed, found again, compared."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jupyter_mlpipe.errors import UsageError, close_matches
from jupyter_mlpipe.execution.runs.detached import runs_of
from jupyter_mlpipe.execution.runs.following import attach
from jupyter_mlpipe.execution.runs.logs import text_of, whole_log, with_heads
from jupyter_mlpipe.keys.derive import explain
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.model.status import Reason, describe_reasons, readable, reasons_json, shorten
from jupyter_mlpipe.store.history import HAS_RUN, History, RunEntry
from jupyter_mlpipe.store.logs import log_path
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.store import Store
from jupyter_mlpipe.store.tables import Answer
from jupyter_mlpipe.store.texts import unpack_texts

_MOST = 10_000
_OF_THE_PROCESS = frozenset({"cpu_seconds"})
_DIFF_LINES = 100
_MOST_COLUMNS = 6  # of parameters, and of metrics, beside those that each run has
_MOST_CHARS = 24
_AS = {
    "failed": "failed: its log has been pruned, or its process was killed before there was much of it",
    "succeeded": "succeeded: its result is no longer in the store",
    "reused": "was reused: its result is no longer in the store",
    "skipped": "did not run",
    "cancelled": "was cancelled",
}


def list_runs(store: Store, pipeline: str | None = None, limit: int = 20) -> list[RunEntry]:
    """Return the latest runs, newest first; those whose process was killed have failed."""
    history = History(store.root / "history.db")
    try:
        found = history.runs(limit, pipeline)
        going_on = {entry.id for entry in found if entry.status == "running"}
        if going_on:
            lost = [f for f in runs_of(store.root) if f.id in going_on and not f.is_live()]
            for folder in lost:
                attach(folder, store)  # which writes their end
            found = history.runs(limit, pipeline) if lost else found
        return found
    finally:
        history.close()


def find_entry(store: Store, given: str) -> RunEntry:
    """Return the run whose id begins with `given`.

    Raises
    ------
    UsageError
        There is none, or several.
    """
    runs = list_runs(store, limit=_MOST)
    found = [entry for entry in runs if entry.id.startswith(given)]
    if len(found) != 1:
        ids = [entry.id[:8] for entry in runs]
        what = "Several runs begin" if found else "No run begins"
        raise UsageError(f"{what} with '{given}'.{close_matches(given, ids)} The runs: %pipeline runs")
    return found[0]


def past_log(store: Store, entry: RunEntry, step: str) -> Iterator[bytes]:
    """Give all that a step has printed in a run that the history knows, or had when it made what was reused.

    Raises
    ------
    UsageError
        The run has no such step, or nothing is kept of what it printed.
    """
    steps = entry.details["steps"]
    for folder in runs_of(store.root):
        if folder.id == entry.id:
            return attach(folder, store).steps[step].log_pieces()
    if step not in steps:
        raise UsageError(f"Run {entry.id[:8]} has no step '{step}'.{close_matches(step, steps)}")
    key, status = steps[step].get("key") or "", steps[step]["status"]
    record = store.get_record(key) if key and status in ("succeeded", "reused") else None
    if record is not None:
        return whole_log(store, record, None, text_of(store.get_shown(record)))
    if status == "failed" and key and os.path.exists(log_path(store.root, key)):
        return whole_log(store, None, key, "")
    came = _AS.get(status, f"is {status}")
    raise UsageError(f"Nothing is kept of what step '{step}' printed in run {entry.id[:8]}, where it {came}.")


def past_logs(store: Store, entry: RunEntry, steps: Sequence[str] = ()) -> Iterator[bytes]:
    """Give what steps have printed in a run, all that it has by default: of one without a heading.

    Of all steps, those of which nothing is kept are left out; see `past_log`.
    """
    if len(steps) == 1:
        return past_log(store, entry, steps[0])
    found = []
    for step in steps or entry.details["steps"]:
        try:
            found.append((step, past_log(store, entry, step)))
        except UsageError:
            if steps:
                raise
    return with_heads(found)


def tell_runs(runs: list[RunEntry]) -> Answer:
    """Return runs as a table."""
    found = [run_json(entry) for entry in runs]
    parameters, metrics = differing_parameters(found)[:_MOST_COLUMNS], metric_names(found)[:_MOST_COLUMNS]
    rows = [
        (
            facts["id"][:8],
            describe_time(facts["started_at"]),
            shorten(facts["targets"]),
            facts["status"],
            "" if facts["seconds"] is None else describe_seconds(facts["seconds"]),
            str(facts["ran"] or ""),
            str(facts["reused"] or ""),
            *(describe_value(facts["parameters"].get(name)) for name in parameters),
            *(describe_value(facts["metrics"].get(name)) for name in metrics),
        )
        for facts in found
    ]
    head = f"runs: the latest {len(rows)}" if rows else "no runs yet"
    columns = ("run", "began", "what", "status", "took", "ran", "reused", *parameters, *metrics)
    return Answer(head, columns, tuple(rows), {"runs": found})


def differing_parameters(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of parameters that are not the same in all runs (of `run_json`) that have them."""
    values: dict[str, set[str]] = {}
    for run in runs:
        for name, value in run["parameters"].items():
            values.setdefault(name, set()).add(repr(value))
    return [name for name, found in values.items() if len(found) > 1]


def metric_names(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the runs' steps have logged, as ``fit.auc``."""
    return list(dict.fromkeys(name for run in runs for name in run["metrics"]))


def describe_time(seconds: float) -> str:
    """Return a time as people read it: ``2026-11-27 14:03:59``."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def describe_value(value: Any) -> str:
    """Return a parameter or a metric as people read it; nothing for one that is not there."""
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _MOST_CHARS else f"{text[: _MOST_CHARS - 1]}…"


def run_json(entry: RunEntry) -> dict[str, Any]:
    """Return a run as plain values; metrics by name, ``fit.auc``, whether their step ran or was reused."""
    steps = entry.details.get("steps", {})
    statuses = [step["status"] for step in steps.values()]
    return {
        "id": entry.id,
        "pipeline": entry.pipeline,
        "status": entry.status,
        "started_at": entry.started_at,
        "seconds": entry.seconds,
        "targets": list(entry.details.get("targets", ())),
        "parameters": dict(entry.details.get("parameters", {})),
        "ran": sum(status in HAS_RUN for status in statuses),
        "reused": statuses.count("reused"),
        "metrics": {
            f"{name}.{metric}": value
            for name, step in steps.items()
            for metric, value in step.get("metrics", {}).items()
        },
    }


@dataclass(frozen=True, slots=True)
class StepDiff:
    """What differs between a step of one run and that of another.

    Parameters
    ----------
    status, seconds
        Before and now; None in a run that does not have the step.
    changed
        Parts of the key that differ, as far as both records are in the store.
    reasons
        Why it ran in the later run, as `reasons_json` gives them; empty where it did not.
    metrics
        By name, the values that differ.
    """

    status: tuple[str | None, str | None]
    seconds: tuple[float | None, float | None]
    is_same_key: bool
    changed: tuple[Reason, ...] = ()
    reasons: list[dict[str, str]] = field(default_factory=list)
    metrics: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)


def diff_runs(before: RunEntry, now: RunEntry, store: Store) -> dict[str, StepDiff]:
    """Compare the steps of two runs, by name, in the order of the later one."""
    earlier, later = (entry.details.get("steps", {}) for entry in (before, now))
    return {name: _diff(earlier.get(name), later.get(name), store) for name in {**later, **earlier}}


def tell_diff(before: RunEntry, now: RunEntry, store: Store) -> Answer:
    """Return how two runs differ as a table."""
    steps = diff_runs(before, now, store)
    parameters = _differing(before.details.get("parameters", {}), now.details.get("parameters", {}))
    rows = [("parameter " + name, str(old), str(new), "") for name, (old, new) in parameters.items()]
    rows += [row for name, diff in steps.items() for row in _rows(name, diff)]
    facts = {
        "before": run_json(before),
        "now": run_json(now),
        "parameters": {name: list(pair) for name, pair in parameters.items()},
        "steps": {name: _json(diff) for name, diff in steps.items()},
    }
    ids = before.id[:8], now.id[:8]
    return Answer(f"runs {ids[0]} and {ids[1]}", ("what", *ids, "why"), tuple(rows), facts)


def _diff(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, store: Store) -> StepDiff:
    first, last = (_record(step, store) for step in (old, new))
    changed: tuple[Reason, ...] = ()
    if first is not None and last is not None:
        parts = [unpack_texts(record.ingredients, record.texts) for record in (first, last)]
        changed = explain(*parts)
    metrics = _differing(*(record.metrics if record is not None else {} for record in (first, last)))
    step = new or {}
    return StepDiff(
        status=((old or {}).get("status"), step.get("status")),
        seconds=((old or {}).get("seconds"), step.get("seconds")),
        is_same_key=bool(old and new and old.get("key") == new.get("key")),
        changed=changed,
        reasons=step.get("reasons", []) if step.get("status") in HAS_RUN else [],
        metrics={name: pair for name, pair in metrics.items() if name not in _OF_THE_PROCESS},
    )


def _record(step: Mapping[str, Any] | None, store: Store) -> Record | None:
    return store.get_record(step["key"]) if step is not None and step.get("key") else None


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    pairs = {name: (old.get(name), new.get(name)) for name in {**old, **new}}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _rows(name: str, diff: StepDiff) -> Iterator[tuple[str, str, str, str]]:
    old, new = (
        " ".join(part for part in (status or "–", describe_seconds(seconds) if seconds else "") if part)
        for status, seconds in zip(diff.status, diff.seconds, strict=True)
    )
    if diff.changed:
        why = describe_reasons(diff.changed)
    elif diff.is_same_key:
        why = "the same work"
    else:
        why = shorten([words for words, _ in readable(diff.reasons)])
    yield name, old, new, why
    for metric, (first, last) in diff.metrics.items():
        yield f"{name}: {metric}", _number(first), _number(last), ""


def _number(value: Any) -> str:
    return describe_value(value) or "–"


def _json(diff: StepDiff) -> dict[str, Any]:
    return {
        "status": list(diff.status),
        "seconds": list(diff.seconds),
        "same_key": diff.is_same_key,
        "changed": reasons_json(diff.changed, diff_lines=_DIFF_LINES),
        "reasons": diff.reasons,
        "metrics": {name: list(pair) for name, pair in diff.metrics.items()},
    }
