"""What a plan says, and why a step ran or would run: one bundle of HTML, text and JSON each."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from jupyter_mlpipe.execution.runs.why import Why, describe_last, describe_now
from jupyter_mlpipe.model.planned import describe_expected, plan_json
from jupyter_mlpipe.model.status import StepPlan, readable, shorten
from jupyter_mlpipe.notebook.show.look import FAINT_STYLE, LOOKS, look_of
from jupyter_mlpipe.notebook.show.output import MIME
from jupyter_mlpipe.notebook.show.reasons import reasons_html, reasons_text

Bundle = dict[str, Any]
_CELL = "text-align:left;vertical-align:top;padding:3px 16px 3px 0"
_BOX = "line-height:1.5"
_MAX_WIDTH = 60


def plan_bundle(plan: Mapping[str, StepPlan]) -> Bundle:
    """Return what a plan says of each step, and in all."""
    facts = plan_json(plan)
    return {
        "text/plain": _plan_text(facts),
        "text/html": _plan_html(facts),
        MIME: {"kind": "plan", **facts},
    }


def why_bundle(why: Why) -> Bundle:
    """Return why a step ran in its last run, and what a plan says of it now."""
    facts = why.to_json()
    return {"text/plain": _why_text(facts), "text/html": _why_html(facts), MIME: {"kind": "why", **facts}}


def _plan_text(facts: Mapping[str, Any]) -> str:
    rows = [
        (
            name,
            step["decision"],
            shorten([text for text, _ in readable(step["reasons"])], limit=6),
            describe_expected(step),
        )
        for name, step in facts["steps"].items()
    ]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
    widths[2] = min(widths[2], _MAX_WIDTH)  # a long one does not move the others' seconds out of sight
    totals = [total["text"] for total in facts["totals"].values() if total["text"]]
    lines = [f"plan: {'; '.join(totals) or 'no steps'}"]
    for *parts, expected in rows:
        lines.append(
            "  ".join([*(f"{p:<{w}}" for p, w in zip(parts, widths, strict=True)), expected]).rstrip()
        )
    return "\n".join(lines)


def _plan_html(facts: Mapping[str, Any]) -> str:
    totals = [
        f'<span style="{look_of(None, decision).text_style};white-space:nowrap">'
        f"{look_of(None, decision).sign}&nbsp;{html.escape(total['text'])}</span>"
        for decision, total in facts["totals"].items()
        if total["text"]
    ]
    head = f"<div><b>plan</b>&ensp;{'&emsp;'.join(totals) or 'no steps'}</div>"
    rows = "".join(_plan_row(name, step) for name, step in facts["steps"].items())
    table = f'<table style="margin:4px 0 0"><tbody>{rows}</tbody></table>' if rows else ""
    return f'<div class="mlpipe" style="{_BOX}">{head}{table}</div>'


def _plan_row(name: str, step: Mapping[str, Any]) -> str:
    decision = step["decision"]
    look = look_of(None, decision)
    faint = f"{_CELL};color:{FAINT_STYLE}"
    marks = f'data-mlpipe-step="{html.escape(name)}" data-mlpipe-plan="{decision}"'
    # What is reused needs no attention, but an accepted edit does.
    is_quiet = decision == "reuse" and not any(reason["name"] for reason in step["reasons"])
    return (
        f'<tr {marks}><td style="{_CELL}"><b>{html.escape(name)}</b></td>'
        f'<td style="{_CELL};white-space:nowrap;{look.text_style}">{look.sign}&nbsp;{decision}</td>'
        f'<td style="{faint if is_quiet else _CELL}">{reasons_html(step["reasons"])}</td>'
        f'<td style="{faint};white-space:nowrap">{html.escape(describe_expected(step))}</td></tr>'
    )


def _why_text(facts: Mapping[str, Any]) -> str:
    lines = []
    if facts["last"]:
        lines += [describe_last(facts), *reasons_text(facts["last"]["reasons"])]
    lines += [describe_now(facts), *reasons_text(facts["reasons"])]
    return "\n".join(lines)


def _why_html(facts: Mapping[str, Any]) -> str:
    parts = []
    if facts["last"]:
        parts.append(_why_part(describe_last(facts), facts["last"]["status"], facts["last"]["reasons"]))
    parts.append(_why_part(describe_now(facts), facts["decision"] or "", facts["reasons"]))
    return f'<div class="mlpipe" style="{_BOX}">{"".join(parts)}</div>'


def _why_part(head: str, state: str, reasons: list[dict[str, str]]) -> str:
    look = LOOKS.get(state, LOOKS[""])
    return (
        f'<div data-mlpipe-why="{html.escape(state)}" style="border-left:2px solid {look.stroke};'
        f'padding:0 0 0 8px;margin:0 0 6px">'
        f'<div style="{look.text_style}">{look.sign}&nbsp;<b>{html.escape(head)}</b></div>'
        f'<div style="padding-left:1.2em">{reasons_html(reasons, unfold=True)}</div></div>'
    )
