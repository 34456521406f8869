"""A snapshot as the browser draws it: words and signs included, so that nothing is worked out there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_mlpipe.model.resources import describe_bytes
from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot, describe_reasons
from jupyter_mlpipe.notebook.show.drawing import flows_of
from jupyter_mlpipe.notebook.show.look import look_of
from jupyter_mlpipe.notebook.show.stale import stale_facts
from jupyter_mlpipe.notebook.show.words import plain, run_words, size_words, state_words

State = dict[str, Any]
_MAX_CHARS = 2000


def graph_facts(snapshot: RunSnapshot) -> State:
    """Return what the browser is told of a graph: the run, its steps by name, what flows between them."""
    steps = {step.name: step for step in snapshot.steps}
    return {
        "run": {"status": snapshot.status, "text": run_words(snapshot)},
        "steps": {plain(step.name): step_facts(step) for step in snapshot.steps},
        "flows": {
            str(number): size_words(flow.names, steps[flow.source])
            for number, flow in enumerate(flows_of(snapshot))
        },
        "stale": stale_facts(snapshot),
    }


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> State:
    """Return the parts of `after` that are not so in `before`, parts of parts included.

    What is gone is None.
    """
    changed: State = {}
    for name, value in after.items():
        known = before.get(name)
        if isinstance(value, dict) and isinstance(known, dict):
            if inner := changes(known, value):
                changed[name] = inner
        elif name not in before or known != value:
            changed[name] = value
    return changed | dict.fromkeys(before.keys() - after.keys())


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
        "why": plain(step.error or describe_reasons(step.reasons), _MAX_CHARS),
        "worker": step.worker,
        "progress": step.progress[0] if step.status == "running" and step.progress else None,
        "makes": [
            [plain(name), plain(step.previews.get(name, ""), 60), _size(step, name)] for name in step.outputs
        ],
    }


def _size(step: StepSnapshot, name: str) -> str:
    return describe_bytes(step.sizes[name]) if name in step.sizes else ""
