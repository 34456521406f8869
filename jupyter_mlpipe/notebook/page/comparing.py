"""The runs of a notebook, one of them, two side by side, as the browser shows them. Read from any thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_mlpipe.execution.runs.past import (
    describe_time,
    describe_value,
    differing_parameters,
    find_entry,
    list_runs,
    metric_names,
    run_json,
    tell_diff,
)
from jupyter_mlpipe.model.diffs import shorten_diff
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot, readable, shorten
from jupyter_mlpipe.notebook.show.graphfacts import graph_facts
from jupyter_mlpipe.notebook.show.look import look_of
from jupyter_mlpipe.notebook.show.painting import pipeline_svg
from jupyter_mlpipe.notebook.show.words import plain, state_words
from jupyter_mlpipe.store.history import RunEntry
from jupyter_mlpipe.store.store import Store

Facts = dict[str, Any]
_LISTED = 200
_MAX_COLUMNS = 12
_DIFF_LINES = 60
_MAX_DRAWN = 150  # steps: two pictures of more tell less than the table below them


def runs_facts(store: Store, pipeline: str) -> Facts:
    """Return the latest runs as a table: its columns, and of each run what stands in them."""
    found = [run_json(entry) for entry in list_runs(store, pipeline, _LISTED)]
    parameters = differing_parameters(found)[:_MAX_COLUMNS]
    metrics = metric_names(found)[:_MAX_COLUMNS]
    return {
        "columns": [
            *([name, _KINDS.get(name, "text")] for name in _COLUMNS),
            *([plain(name, 40), "number"] for name in parameters),
            *([plain(name, 60), "metric"] for name in metrics),
        ],
        "rows": [_run_facts(run, parameters, metrics) for run in found],
    }


_COLUMNS = ("began", "what", "status", "took", "ran", "reused")
_KINDS = {"status": "state", "took": "number", "ran": "number", "reused": "number"}


def _run_facts(run: Mapping[str, Any], parameters: list[str], metrics: list[str]) -> Facts:
    look = look_of(run["status"] if run["status"] != "succeeded" or run["ran"] else "reused")
    what = plain(shorten(run["targets"]), 80)
    took = "" if run["seconds"] is None else describe_seconds(run["seconds"])
    return {
        "id": run["id"],
        "colour": look.stroke,
        "is_reused": not run["ran"],
        "cells": [
            [describe_time(run["started_at"]), run["started_at"]],
            [what, what],
            [f"{look.sign} {run['status']}", run["status"]],
            [took, -1 if run["seconds"] is None else run["seconds"]],
            *([str(run[name] or ""), run[name]] for name in ("ran", "reused")),
            *(_cell(run["parameters"].get(name)) for name in parameters),
            *(_cell(run["metrics"].get(name)) for name in metrics),
        ],
    }


def _cell(value: Any) -> list[Any]:
    """Return a value as people read it, and by what it is sorted: a number, or else its text."""
    text = plain(describe_value(value), 40)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return [text, value if is_number else text]


def past_facts(store: Store, run: str) -> Facts:
    """Return the course of one run, given by how its id begins; without bars where its times were not kept.

    Raises
    ------
    UsageError
        It is not there.
    """
    entry = find_entry(store, run)
    steps = tuple(
        StepSnapshot(
            name,
            status=step["status"],
            seconds=step["seconds"],
            reads=step.get("reads", {}),
            reached=step.get("reached", {}),
            worker=step.get("worker"),
        )
        for name, step in entry.details.get("steps", {}).items()
    )
    snapshot = RunSnapshot(steps, entry.status, entry.seconds)  # type: ignore[arg-type]
    return {
        "text": _head(entry)["text"],
        "state": graph_facts(snapshot, now=entry.started_at + (entry.seconds or 0.0)),
    }


def compared_facts(store: Store, before: str, now: str) -> Facts:
    """Return how two runs differ, given by how their ids begin, and a picture of each.

    Raises
    ------
    UsageError
        One of them is not there.
    """
    found = find_entry(store, before), find_entry(store, now)
    first, last = entries = sorted(found, key=lambda entry: entry.started_at)
    facts = tell_diff(first, last, store).facts
    steps = [_step_facts(name, step) for name, step in facts["steps"].items()]
    return {
        "runs": [_head(entry) for entry in entries],
        "pictures": [pipeline_svg(picture) for picture in _pictures(entries)],
        "parameters": [
            [plain(name, 60), *(describe_value(value) or "–" for value in pair)]
            for name, pair in facts["parameters"].items()
        ],
        "steps": steps,
        "same": sum(not step["differs"] for step in steps),
    }


def _head(entry: RunEntry) -> Facts:
    took = f", {describe_seconds(entry.seconds)}" if entry.seconds is not None else ""
    return {
        "id": entry.id,
        "text": f"{describe_time(entry.started_at)} · {look_of(entry.status).sign} {entry.status}{took}",
    }


def _step_facts(name: str, step: Mapping[str, Any]) -> Facts:
    states = [
        _state(status, seconds) for status, seconds in zip(step["status"], step["seconds"], strict=True)
    ]
    why = step["changed"] or step["reasons"]
    reasons = [
        {"text": text, "diff": shorten_diff(diff, _DIFF_LINES)}
        for text, diff in (readable(why) if not step["same_key"] else [])
    ]
    metrics = [
        [plain(metric, 60), *(describe_value(value) or "–" for value in pair)]
        for metric, pair in step["metrics"].items()
    ]
    return {
        "name": plain(name),
        "states": states,
        "reasons": reasons,
        "metrics": metrics,
        "differs": bool(not step["same_key"] or metrics),
    }


def _state(status: str | None, seconds: float | None) -> list[str]:
    """Return a step's state in one run: its colour, and sign and word."""
    if status is None:
        return [look_of(None).stroke, "not in this run"]
    step = StepSnapshot("", status=status, seconds=seconds)  # type: ignore[arg-type]
    look = look_of(status)
    return [look.stroke, f"{look.sign} {state_words(step)}"]


def _pictures(entries: list[RunEntry]) -> list[RunSnapshot]:
    """Return the runs as snapshots of the same steps, so that both are laid out alike."""
    steps = [entry.details.get("steps", {}) for entry in entries]
    reads: dict[str, dict[str, str]] = {name: {} for name in {**steps[1], **steps[0]}}
    if len(reads) > _MAX_DRAWN:
        return []
    for found in steps:
        for name, step in found.items():
            reads[name].update(step.get("reads", {}))
    return [
        RunSnapshot(
            tuple(
                StepSnapshot(
                    name,
                    status=found.get(name, {}).get("status"),
                    seconds=found.get(name, {}).get("seconds"),
                    reads=reads[name],
                )
                for name in reads
            )
        )
        for found in steps
    ]
