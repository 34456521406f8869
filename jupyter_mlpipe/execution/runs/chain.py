"""How one step's decision follows from those above it, in a few words and never as a whole tree.

``input train: 'split' runs: helper clean changed`` where the step that makes it runs, and where that one
is undecided itself, the steps further up that do run: their own lines say the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from jupyter_mlpipe.model.status import Reason, ReasonKind, describe_reasons, enumerate_words

if TYPE_CHECKING:
    from jupyter_mlpipe.execution.runs.decide import Decided
    from jupyter_mlpipe.execution.runs.task import StepTask
    from jupyter_mlpipe.store.records import Record

_MAX_ABOVE = 2


def reasons_open(task: StepTask, behind: Iterable[str], decided: Mapping[str, Decided]) -> tuple[Reason, ...]:
    """Return why it cannot be known yet whether a step is reused; empty where it can.

    Parameters
    ----------
    behind
        Steps that come first because of files.
    """
    waits: list[tuple[ReasonKind, str, str]] = [("input", n, s.step) for n, s in task.inputs.items()]
    waits += [("setting", "", above) for above in task.step.after]
    waits += [("file", "", above) for above in behind]
    return tuple(
        Reason(kind, name, _why_open(above, decided))
        for kind, name, above in waits
        if decided[above].plan.decision != "reuse"
    )


def runs_above(task: StepTask, behind: Iterable[str], decided: Mapping[str, Decided]) -> tuple[str, ...]:
    """Return the steps above a step that run for certain, on which its decision depends."""
    above: dict[str, None] = {}
    for name in (*task.step.upstream, *behind):
        plan = decided[name].plan
        above.update(dict.fromkeys([name] if plan.decision == "run" else plan.below))
    return tuple(above)


def why_changed(step: str, record: Record | None, before: Record) -> str:
    """Say why an input has changed since a step's last record.

    Parameters
    ----------
    step, record
        The step that makes the input, and what it gave now.
    before
        The last record of the step that reads it.
    """
    if record is None or record.created_at <= before.created_at:
        # It is again what it was at an earlier time.
        return f"'{step}' gave another one"
    return f"'{step}' ran: {record.why}" if record.why else f"'{step}' ran"


def _why_open(above: str, decided: Mapping[str, Decided]) -> str:
    plan = decided[above].plan
    if plan.decision == "run":
        return f"'{above}' runs: {briefly(plan.reasons)}"
    named = [f"'{name}'" for name in plan.below]
    return f"'{above}' may run after {enumerate_words(named, limit=_MAX_ABOVE)}"


def briefly(reasons: Sequence[Reason]) -> str:
    """Return reasons without what in turn lies behind those of other steps."""
    own = [replace(r, detail="changed") if r.kind == "input" and r.detail[:1] == "'" else r for r in reasons]
    return describe_reasons(own, limit=1)
