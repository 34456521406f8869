"""A snapshot as the browser draws it: words and signs included, so that nothing is worked out there."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

from jupyter_mlpipe.model.groups import fold
from jupyter_mlpipe.model.resources import describe_bytes
from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot, describe_reasons
from jupyter_mlpipe.model.timeline import Timeline, timeline_of
from jupyter_mlpipe.notebook.show.drawing import Flow, flows_of
from jupyter_mlpipe.notebook.show.look import LOOKS, Look, look_of
from jupyter_mlpipe.notebook.show.stale import stale_facts, stale_words
from jupyter_mlpipe.notebook.show.words import (
    change_words,
    count_steps,
    path_words,
    plain,
    run_words,
    size_words,
    state_words,
    wait_words,
)

State = dict[str, Any]
_MAX_CHARS = 2000
_MAX_FLOWING = 12  # outputs of one step that another one reads


def graph_facts(snapshot: RunSnapshot, folded: Collection[str] = (), now: float | None = None) -> State:
    """Return what the browser is told of a graph: the run, its steps by name, what flows between them.

    Parameters
    ----------
    folded
        Groups that the picture shows as one step each: these are told beside their steps.
    now
        In seconds since 1970.
    """
    drawn = fold(snapshot, folded)
    known = {step.name: step for step in (*drawn.steps, *snapshot.steps)}
    timeline = timeline_of(snapshot.steps, time.time() if now is None else now)
    is_running = snapshot.status == "running"
    stale = stale_facts(snapshot)
    told = run_facts(snapshot)
    if not is_running and any(step.is_stale for step in snapshot.steps):
        # What it takes stands on the button then.
        told["text"] = f"{count_steps(snapshot)}: {stale_words(snapshot.steps)}"
    return {
        "run": {
            **told,
            "seconds": round(timeline.seconds, 1 if is_running else 3),
            "path": path_words(timeline),
        },
        "steps": {plain(name): step_facts(step) for name, step in known.items()},
        "flows": {
            str(number): [size_words(flow.names, known[flow.source]), *_flow_facts(flow, known[flow.source])]
            for number, flow in enumerate(flows_of(drawn))
        },
        "bars": {plain(name): _bar_facts(name, timeline) for name in timeline.bars},
        "stale": stale,
    }


def run_facts(snapshot: RunSnapshot) -> State:
    """Return what is said of the run, or of what one would do; without a sign where there is neither."""
    status, text = snapshot.status, run_words(snapshot)
    if status != "running" and any(step.plan in ("run", "undecided") for step in snapshot.steps):
        return {"status": status, **_signs(LOOKS["run"], text)}
    signs = _signs(look_of(status), text) if status else {"sign": "", "colour": "", "text": text}
    return {"status": status, **signs}


def _signs(look: Look, text: str) -> State:
    return {"sign": look.sign, "colour": look.stroke, "text": text}


def _bar_facts(name: str, timeline: Timeline) -> list[Any]:
    bar = timeline.bars[name]
    times = [None if at is None else round(at, 3) for at in (bar.queued, bar.began, bar.ended)]
    is_critical = name in timeline.critical
    words = [wait_words(bar), "on the critical path" if is_critical else ""]
    return [bar.lane, *times, is_critical, ", ".join(filter(None, words))]


def _flow_facts(flow: Flow, source: StepSnapshot) -> list[str]:
    """Return what is to be said of each output that flows, where one points at its edge."""
    lines = []
    for name in flow.names[:_MAX_FLOWING]:
        parts = (plain(source.previews.get(name, ""), 40), _size(source, name), change_words(name, source))
        about = ", ".join(part for part in parts if part)
        lines.append(f"{plain(name, 40)}: {about}" if about else plain(name, 40))
    return lines


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> State:
    """Return the parts of `after` that are not so in `before`, parts of parts included.

    What is gone is None.
    """
    changed: State = {name: None for name in before if name not in after}
    for name, value in after.items():
        known = before.get(name)
        if isinstance(value, dict) and isinstance(known, dict):
            if inner := changes(known, value):
                changed[name] = inner
        elif name not in before or known != value:
            changed[name] = value
    return changed


def step_facts(step: StepSnapshot) -> State:
    """Return what the browser is told of a step."""
    look = look_of(step.status, step.plan)
    return {
        "status": step.status,
        "plan": step.plan,
        "sign": look.sign,
        "colour": look.stroke,
        "filled": look.is_filled and not step.is_stale,
        "text": state_words(step),
        "why": plain(step.error or step.why or describe_reasons(step.reasons), _MAX_CHARS),
        "worker": step.worker,
        "progress": step.progress[0] if step.status == "running" and step.progress else None,
        "makes": [
            [
                plain(name),
                plain(step.previews.get(name, ""), 60),
                _size(step, name),
                change_words(name, step),
            ]
            for name in step.outputs
        ],
        "group": step.group,
        "members": [plain(name) for name in step.members],
    }


def _size(step: StepSnapshot, name: str) -> str:
    return describe_bytes(step.sizes[name]) if name in step.sizes else ""
