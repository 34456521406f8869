"""Groups of steps, as their headers name them: a pipeline in which some are folded to one step each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from jupyter_mlpipe.model.status import Decision, RunSnapshot, StepSnapshot, StepStatus

# The worst first: what one of its steps is, the group is.
_STATUSES: tuple[StepStatus | None, ...] = (
    "failed",
    "cancelled",
    "running",
    "queued",
    "waiting",
    "skipped",
    None,
    "succeeded",
    "reused",
)
_PLANS: tuple[Decision | None, ...] = ("run", "undecided", "reuse", None)


def groups_of(snapshot: RunSnapshot) -> dict[str, list[StepSnapshot]]:
    """Return the steps of each group, in their order."""
    found: dict[str, list[StepSnapshot]] = {}
    for step in snapshot.steps:
        if step.group:
            found.setdefault(step.group, []).append(step)
    return found


def folded_name(group: str) -> str:
    """Return what a folded group is called: no step can be called so."""
    return f"{group}/"


def fold(snapshot: RunSnapshot, folded: Collection[str]) -> RunSnapshot:
    """Return a pipeline in which each of these groups is one step, in the place of its first one."""
    groups = {group: members for group, members in groups_of(snapshot).items() if group in folded}
    if not groups:
        return snapshot
    outer = {member.name: folded_name(group) for group, members in groups.items() for member in members}
    steps: dict[str, StepSnapshot] = {}
    for step in snapshot.steps:
        name = outer.get(step.name)
        if name is None:
            steps[step.name] = replace(step, reads=_from_outside(step.reads, outer, ""))
        elif name not in steps:
            steps[name] = _one(name, groups[step.group], outer, snapshot.steps)
    return replace(snapshot, steps=tuple(steps.values()))


def worst_status(statuses: Iterable[StepStatus | None]) -> StepStatus | None:
    """Return the status of a group of steps."""
    return min(statuses, key=_STATUSES.index)


def _one(
    name: str, members: Sequence[StepSnapshot], outer: Mapping[str, str], steps: Iterable[StepSnapshot]
) -> StepSnapshot:
    """Return several steps as one: what flows between them is not seen."""
    reads: dict[str, str] = {}
    for member in members:
        reads.update(_from_outside(member.reads, outer, name))
    read = {
        (source, output)
        for step in steps
        if outer.get(step.name) != name
        for output, source in step.reads.items()
    }
    given = [(member, output) for member in members for output in member.outputs]
    given = [(member, output) for member, output in given if (member.name, output) in read]
    return StepSnapshot(
        name=name,
        status=worst_status(member.status for member in members),
        plan=min((member.plan for member in members), key=_PLANS.index),
        reads=reads,
        outputs=tuple(dict.fromkeys(output for _, output in given)),
        seconds=_sum(member.seconds for member in members),
        saved_seconds=_sum(member.saved_seconds for member in members),
        expected_seconds=_sum(member.expected_seconds for member in members),
        worker=", ".join(dict.fromkeys(m.worker for m in members if m.worker)) or None,
        error=next((f"{member.name}: {member.error}" for member in members if member.error), None),
        previews={output: m.previews[output] for m, output in given if output in m.previews},
        sizes={output: m.sizes[output] for m, output in given if output in m.sizes},
        was={output: m.was[output] for m, output in given if output in m.was},
        group=members[0].group,
        members=tuple(member.name for member in members),
    )


def _from_outside(reads: Mapping[str, str], outer: Mapping[str, str], own: str) -> dict[str, str]:
    found = {name: outer.get(source, source) for name, source in reads.items()}
    return {name: source for name, source in found.items() if source != own}


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
