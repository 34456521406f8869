"""All that there is to say of one step, for its panel beside the graph. Read from any thread."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from jupyter_mlpipe.errors import MLPipeError
from jupyter_mlpipe.execution.runs.past import describe_time, describe_value
from jupyter_mlpipe.execution.runs.runstep import RunStep
from jupyter_mlpipe.model.advice import use_of
from jupyter_mlpipe.model.diffs import shorten_diff
from jupyter_mlpipe.model.pipeline import Binding, FromParameter, FromStep
from jupyter_mlpipe.model.resources import describe_amounts, describe_bytes, describe_seconds
from jupyter_mlpipe.model.status import Reason, StepSnapshot, readable, reasons_json
from jupyter_mlpipe.notebook.page.before import outputs_before
from jupyter_mlpipe.notebook.show.look import look_of
from jupyter_mlpipe.notebook.show.receipt import describe_interface
from jupyter_mlpipe.notebook.show.tracebacks import render_narrow
from jupyter_mlpipe.notebook.show.watched import MAX_LOG
from jupyter_mlpipe.notebook.show.words import plain, without_colours
from jupyter_mlpipe.store.preview import first_rows
from jupyter_mlpipe.store.records import Artifact

if TYPE_CHECKING:
    from jupyter_mlpipe.notebook.session import Session

Detail = dict[str, Any]
_MAX_CODE = 40_000
_MAX_DIFF = 60  # lines of one diff
_MAX_ITEMS = 40
_MAX_FIGURE = 1_000_000  # characters
_MAX_TEXT = 4000
_MAX_SHOWN = 8
_NOTED_WAIT_S = 0.05
_LOOKED_AT = 20  # runs


class Shown(Protocol):
    """Where the step is looked at: a graph, or the notebook's cells."""

    def find(self, step: str, /) -> RunStep | None: ...

    def step(self, name: str, /) -> StepSnapshot | None: ...

    def watch(self, step: str | None, n_sent: int = 0, /) -> None: ...


def step_detail(session: Session, graph: Shown, name: str) -> Detail:
    """Return what the panel shows of a step; see `Detail` in `protocol.ts`."""
    step = _find(session, graph, name)
    if step is None:
        return _not_run(session, graph, name)
    log = step.log  # once: what comes meanwhile is sent after it
    graph.watch(name, len(log))
    task = step.task
    record = step.record
    reads = [
        _read(session, graph, task.parameters, read, binding)
        for read, binding in list(task.step.bindings.items())[:_MAX_ITEMS]
    ]
    makes: list[Detail] = []
    if record is not None:
        before = outputs_before(session, name, record)
        for out, artifact in list(record.outputs.items())[:_MAX_ITEMS]:
            rows = _first_rows(session, artifact)
            was = _was(before.get(out), artifact)
            makes.append({"name": plain(out), **_artifact(artifact), "was": was, "note": rows})
        makes += [{"name": plain(out), "note": plain(why)} for out, why in record.left_out.items()]
    else:
        makes += [{"name": plain(out)} for out in task.step.component.outputs[:_MAX_ITEMS]]
    shown = graph.step(name)
    # A later run may have found it done: what is shown says why it ran, or would.
    is_another = shown is not None and (shown.is_stale or shown.status != step.status)
    reasons = shown.reasons if shown is not None and is_another else step.reasons
    interface = describe_interface(task.step, task.parameters, lambda name: True)
    return {
        "interface": plain(interface, 2000).replace("->", "→"),
        "code": without_colours(task.step.component.cell[:_MAX_CODE]),
        "reasons": _reasons(reasons),
        "reads": reads,
        "makes": makes,
        "facts": _facts(step),
        "metrics": _metrics(session, step),
        "curves": _curves(step),
        "use": _use(step),
        "ends": _ends(session, name),
        "log": without_colours(f"…{log[-MAX_LOG:]}" if len(log) > MAX_LOG else log),
        "shown": _shown(step),
        "traceback": render_narrow(step.error) if step.error is not None else "",
    }


def _not_run(session: Session, graph: Shown, name: str) -> Detail:
    shown = graph.step(name)
    placed = session.registry.placed.get(name)
    if shown is None:
        return {}
    return {
        "code": without_colours(placed.component.cell[:_MAX_CODE]) if placed is not None else "",
        "reasons": _reasons(shown.reasons),
        "reads": [{"name": plain(read), "from": plain(source)} for read, source in shown.reads.items()],
        "makes": [{"name": plain(output)} for output in shown.outputs],
    }


def _find(session: Session, graph: Shown, name: str) -> RunStep | None:
    """Return a step of the runs that the graph shows, else of its last one."""
    last = session.states.run_of(name)
    return graph.find(name) or (last.steps[name] if last is not None else None)


def _reasons(reasons: Sequence[Reason]) -> list[dict[str, str]]:
    found = readable(reasons_json(reasons))
    return [{"text": text, "diff": shorten_diff(diff, _MAX_DIFF)} for text, diff in found]


def _read(
    session: Session, graph: Shown, parameters: Mapping[str, object], name: str, binding: Binding
) -> Detail:
    if isinstance(binding, FromStep):
        source = _find(session, graph, binding.step)
        record = source.record if source is not None else None
        artifact = record.outputs.get(binding.output) if record is not None else None
        about = _artifact(artifact) if artifact is not None else {}
        return {"name": plain(name), "from": f"from {plain(binding.step)}", **about}
    if isinstance(binding, FromParameter):
        value = plain(repr(parameters.get(name)), 100)
        return {"name": plain(name), "from": "parameter", "shape": value}
    return {"name": plain(name), "from": "notebook"}


def _artifact(artifact: Artifact) -> Detail:
    # Of what is told by its type alone, once is enough.
    is_type = artifact.preview == artifact.type.rpartition(".")[2]
    return {
        "shape": "" if is_type else plain(artifact.preview, 100),
        "size": describe_bytes(artifact.size),
        "type": artifact.type.removeprefix("builtins."),
    }


def _was(before: Artifact | None, now: Artifact) -> str:
    """Say how large an output was the time before; nothing where that was the same."""
    if before is None or (before.preview, before.size) == (now.preview, now.size):
        return ""
    return f"before: {plain(before.preview, 60)}, {describe_bytes(before.size)}"


def _ends(session: Session, name: str) -> list[tuple[str, str, str]]:
    """Return how the step ended the last times: when, its status, what it took."""
    history = session.backend.runner.history
    found = history.ends(session.name, name) if history is not None else []
    return [
        (
            describe_time(at),
            f"{look_of(status).sign} {status}",
            describe_seconds(seconds) if seconds and status != "reused" else "",
        )
        for at, status, seconds in found
    ]


def _first_rows(session: Session, artifact: Artifact) -> str:
    try:
        return without_colours(first_rows(session.backend.store, artifact))
    except (MLPipeError, OSError):
        return ""  # its bytes are gone: the step runs again when they are asked for


def _shown(step: RunStep) -> list[Detail]:
    """Return what it showed beside text that it printed: figures, and what stands for a value."""
    shown: list[Detail] = []
    for output in step.shown:
        content = output.get("data") or {}
        figure = content.get("image/png")
        if isinstance(figure, str) and len(figure) <= _MAX_FIGURE:
            shown.append(
                {"png": "".join(figure.split()), "text": without_colours(content.get("text/plain", ""))}
            )
        elif "text/plain" in content:
            shown.append({"text": without_colours(content["text/plain"][:_MAX_TEXT])})
    return shown[-_MAX_SHOWN:]


def _facts(step: RunStep) -> list[tuple[str, str]]:
    record = step.record
    facts = [("asked for", describe_amounts(step.task.options.resources.amounts()))]
    if step.worker:
        facts.append(("worker", step.worker))
    if step.why:
        facts.append(("state", plain(step.why)))
    queued, began = (step.reached.get(status) for status in ("queued", "running"))
    if queued is not None and began is not None and began - queued >= _NOTED_WAIT_S:
        facts.append(("waited for a worker", describe_seconds(began - queued)))
    if step.seconds:
        facts.append(("took", describe_seconds(step.seconds)))
    if record is not None:
        if step.status == "reused":
            facts.append(("took when it ran", describe_seconds(record.seconds)))
        by = (describe_time(record.created_at), record.user, record.host)
        facts.append(("made", " ".join(part for part in by if part)))
        facts.append(("key", record.key[:16]))
    return facts


def _use(step: RunStep) -> list[tuple[str, ...]]:
    """Return what it used against what it asked for; see `use_of`."""
    record = step.record
    if record is None:
        return []
    asked, cpu = step.task.options.resources, record.used.get("cpu_seconds")
    return list(use_of(asked, record.seconds, cpu, record.peak_memory_bytes))


def _metrics(session: Session, step: RunStep) -> list[tuple[str, str, str]]:
    """Return what it has logged, and what that was in the last run in which it was another."""
    earlier: dict[str, str] = {}
    known = {name: describe_value(value) for name, value in step.metrics.items()}
    history = session.backend.runner.history
    if known and history is not None:
        for run in history.runs(_LOOKED_AT, session.name):
            for name, value in run.details["steps"].get(step.name, {}).get("metrics", {}).items():
                if (text := describe_value(value)) != known.get(name):
                    earlier.setdefault(name, text)
    return [
        (plain(name, 60), text, f"before: {earlier[name]}" if name in earlier else "")
        for name, text in known.items()
    ]


def _curves(step: RunStep) -> list[tuple[str, list[tuple[int, float]]]]:
    found = [
        (plain(name, 60), [(x, y) for x, y in curve if math.isfinite(y)])
        for name, curve in step.curves.items()
    ]
    return [(name, curve) for name, curve in found if len(curve) > 1][:_MAX_SHOWN]
