"""What the graph says of a step and of what flows, in a few words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jupyter_mlpipe.execution.runs.accept import is_accepted
from jupyter_mlpipe.model.planned import describe_totals, total
from jupyter_mlpipe.model.resources import describe_bytes, describe_seconds
from jupyter_mlpipe.model.status import RunSnapshot, StepPlan, StepSnapshot, shorten
from jupyter_mlpipe.model.timeline import Bar, Timeline
from jupyter_mlpipe.notebook.show.look import look_of

_NOTED_WAIT_S = 0.05
_MOST_PATH = 8  # steps of a path that are named
_MOST_SIZE = 24  # characters for which there is room beside an edge
# Control sequences (colours among them), and control characters but tab and new line.
_COMMANDS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|[\x00-\x08\x0b-\x1f\x7f]")


def plain(text: str, limit: int = 200) -> str:
    """Return a text that can stand anywhere: on one line, of a length that can be read."""
    if len(text) <= limit and text.isprintable():
        return text
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:limit])
    return f"{shown}…" if len(text) > limit else shown


def without_colours(text: str) -> str:
    """Return text without what a terminal takes as commands."""
    return _COMMANDS.sub("", text)


def wait_words(bar: Bar) -> str:
    """Return how long a step of a timeline waited: ``waited 0.3 s for a worker``; or nothing."""
    began = bar.began if bar.began is not None else bar.ended
    if bar.queued is None or began is None or began - bar.queued < _NOTED_WAIT_S:
        return ""
    return f"waited {describe_seconds(began - bar.queued)} for a worker"


def path_words(timeline: Timeline) -> str:
    """Return what made a timeline as long as it is: ``load → fit: 3.2 s of 4.0 s``; empty before its end."""
    if not timeline.critical:
        return ""
    spent = [timeline.bars[name] for name in timeline.critical]
    seconds = sum(bar.ended - bar.began for bar in spent if bar.began is not None and bar.ended is not None)
    names = [plain(name, 24) for name in timeline.critical]
    if len(names) > _MOST_PATH:
        names = [*names[: _MOST_PATH // 2], "…", *names[-_MOST_PATH // 2 :]]
    return f"{' → '.join(names)}: {describe_seconds(seconds)} of {describe_seconds(timeline.seconds)}"


def state_words(step: StepSnapshot) -> str:
    """Return a step's state in words: ``ran 2.2 s``."""
    word = look_of(step.status, step.plan).word
    if step.by_itself and step.status == "succeeded":
        word = f"{word} by itself"
    if step.is_stale:
        return f"{word}, {'now' if step.plan == 'run' else 'may be'} stale"
    if step.status is None and step.expected_seconds:
        return f"{word}, {describe_seconds(step.expected_seconds)}"
    if step.status == "reused" and is_accepted(step.reasons):
        return f"{word}, accepted"
    if step.status == "reused":
        return f"{word}, saved {describe_seconds(step.saved_seconds)}" if step.saved_seconds else word
    if step.status in ("succeeded", "failed") and step.seconds is not None:
        return f"{word} {describe_seconds(step.seconds)}"
    if step.status == "running":
        return f"{word} {_so_far(step)}".rstrip()
    if step.status == "queued" and any(reason.kind == "reuse" for reason in step.reasons):
        return "computed elsewhere"  # another process is at it: who that is `why` says
    return word


def _so_far(step: StepSnapshot) -> str:
    if step.progress is not None and (fraction := step.progress[0]) is not None:
        return f"{fraction:.0%}"
    # In whole seconds: what changes more often is not read.
    return describe_whole(step.seconds) if step.seconds is not None and step.seconds >= 1 else ""


def describe_whole(seconds: float) -> str:
    """Return a duration in whole seconds: ``7 s``, ``2 min 5 s``."""
    return f"{int(seconds)} s" if seconds < 60 else describe_seconds(float(int(seconds)))


def size_words(names: Sequence[str], source: StepSnapshot) -> str:
    """Return how large the outputs of a step are that another one reads: ``336,776 × 19, 41.0 MB``."""
    known = [name for name in names if name in source.sizes]
    if not known:
        return ""
    n_bytes = sum(source.sizes[name] for name in known)
    shape = plain(source.previews.get(known[0], ""), 16) if len(known) == 1 else ""
    said = f"{shape}, {describe_bytes(n_bytes)}" if "×" in shape else describe_bytes(n_bytes)
    if not source.was.keys() & set(known):
        return said
    more = n_bytes - sum(source.was.get(name, ("", source.sizes[name]))[1] for name in known)
    change = f"{'+' if more > 0 else '−'}{describe_bytes(abs(more))}" if more else "changed"
    # What does not fit beside its edge is said by a sign, and whole where one points at the edge.
    return f"{said} ({change})" if len(said) + len(change) <= _MOST_SIZE else f"{said} Δ"


def change_words(name: str, source: StepSnapshot) -> str:
    """Return what an output was the time before, ``was 336,776 × 18, 39.1 MB``, where that was another."""
    if name not in source.was:
        return ""
    preview, n_bytes = source.was[name]
    shape = plain(preview, 40)
    return f"was {', '.join(part for part in (shape, describe_bytes(n_bytes)) if part)}"


def count_steps(snapshot: RunSnapshot) -> str:
    """Return ``12 steps``."""
    return f"{len(snapshot.steps)} step{'s' * (len(snapshot.steps) != 1)}"


def run_words(snapshot: RunSnapshot) -> str:
    """Return what is to be said of it all: ``running, 3 of 12 steps done, 7 s``."""
    done = sum(step.status in ("succeeded", "reused") for step in snapshot.steps)
    n_steps = count_steps(snapshot)
    if snapshot.status == "running":
        took = describe_whole(snapshot.seconds or 0.0)
        return f"running, {done} of {n_steps} done, {took}"
    plans = [StepPlan(s.name, s.plan, seconds=s.expected_seconds) for s in snapshot.steps if s.plan]
    if any(plan.decision != "reuse" for plan in plans):
        return f"{n_steps}: {describe_totals(total(plans))}"
    if snapshot.status is None:
        return n_steps
    took = f", {describe_seconds(snapshot.seconds)}" if snapshot.seconds is not None else ""
    if saved := sum(step.saved_seconds or 0.0 for step in snapshot.steps if step.status == "reused"):
        took += f", reuse saved {describe_seconds(saved)}"
    failed = shorten([plain(step.name, 40) for step in snapshot.steps if step.status == "failed"])
    return f"{snapshot.status}{f': {failed}' if failed else ''}, {n_steps}{took}"
