"""Plans and runs as tables: one bundle of HTML, text and JSON each."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.model.status import (
    Reason,
    RunSnapshot,
    StepPlan,
    StepSnapshot,
    describe_reasons,
    reasons_json,
)
from jupyter_mlpipe.notebook.drawing import describe_pipeline, pipeline_svg
from jupyter_mlpipe.notebook.output import MIME

Bundle = dict[str, Any]


def graph_bundle(snapshot: RunSnapshot) -> Bundle:
    """Return the picture of a pipeline with the state of each step."""
    svg = pipeline_svg(snapshot)
    return {
        "text/plain": describe_pipeline(snapshot),
        "text/html": f'<div class="mlpipe" style="overflow-x:auto">{svg}</div>',
        "image/svg+xml": svg,
        MIME: {"kind": "graph", **snapshot.to_json()},
    }


def plan_bundle(plan: Mapping[str, StepPlan]) -> Bundle:
    """Return what a plan says of each step."""
    rows = [
        (
            step.step,
            step.decision,
            describe_reasons(step.reasons, limit=6),
            describe_seconds(step.seconds) if step.seconds else "",
        )
        for step in plan.values()
    ]
    counts = {kind: sum(row[1] == kind for row in rows) for kind in ("run", "undecided", "reuse")}
    summary = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    facts = {
        "kind": "plan",
        "steps": {
            step.step: {
                "decision": step.decision,
                "reasons": reasons_json(step.reasons),
                "seconds": step.seconds,
            }
            for step in plan.values()
        },
    }
    return table_bundle(
        f"plan: {summary or 'no steps'}", ("step", "decision", "reasons", "last took"), rows, facts, "plan"
    )


def status_bundle(snapshot: RunSnapshot) -> Bundle:
    """Return the state of each step."""
    rows = [
        (
            step.name,
            step.status or step.plan or "registered",
            _took(step),
            step.error.partition("\n")[0] if step.error else describe_reasons(step.reasons),
        )
        for step in snapshot.steps
    ]
    head = f"run: {snapshot.status}" if snapshot.status else "not run yet"
    if snapshot.seconds is not None:
        head += f", {describe_seconds(snapshot.seconds)}"
    facts = {"kind": "status", **snapshot.to_json()}
    return table_bundle(head, ("step", "status", "took", "why"), rows, facts, "status")


def why_bundle(step: str, head: str, reasons: Sequence[Reason]) -> Bundle:
    """Return the reasons of one step, part by part."""
    rows = [(reason.kind, reason.name, reason.detail) for reason in reasons]
    facts = {"kind": "why", "step": step, "reasons": reasons_json(reasons)}
    return table_bundle(head, ("kind", "name", "detail"), rows, facts)


def table_bundle(
    head: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    facts: Mapping[str, Any],
    attribute: str | None = None,
) -> Bundle:
    """Return a table as text, as HTML and for programs.

    Parameters
    ----------
    attribute
        Mark each row's first column as ``data-mlpipe-step`` and its second as ``data-mlpipe-…``.
    """
    widths = [max(len(str(row[i])) for row in [columns, *rows]) for i in range(len(columns))]
    lines = [head]
    for row in [columns, *rows]:
        lines.append("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    style = 'style="text-align:left;padding:2px 14px 2px 0"'
    body = "".join(f"<th {style}>{html.escape(column)}</th>" for column in columns)
    for row in rows:
        marks = ""
        if attribute:
            marks = (
                f' data-mlpipe-step="{html.escape(row[0])}" data-mlpipe-{attribute}="{html.escape(row[1])}"'
            )
        cells = "".join(f"<td {style}>{html.escape(str(cell))}</td>" for cell in row)
        body += f"</tr><tr{marks}>{cells}"
    table = f"<table><thead></thead><tbody><tr>{body}</tr></tbody></table>"
    return {
        "text/plain": "\n".join(lines),
        "text/html": f'<div class="mlpipe"><div>{html.escape(head)}</div>{table}</div>',
        MIME: dict(facts),
    }


def _took(step: StepSnapshot) -> str:
    if step.status == "reused":
        return f"saved {describe_seconds(step.saved_seconds)}" if step.saved_seconds else ""
    return describe_seconds(step.seconds) if step.seconds else ""
