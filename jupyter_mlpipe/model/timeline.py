"""When steps waited and ran, and which chain of them made it last as long as it did."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from jupyter_mlpipe.model.status import ENDED, StepSnapshot

_TOGETHER_S = 20.0  # cells run one after the other, each a run: a longer pause between them ends a timeline
_LATE_S = 0.5  # what is ready so long after all that it reads was not kept by that
_SOON_S = 0.05  # what a worker takes from one step to the next


@dataclass(frozen=True, slots=True)
class Bar:
    """One step, in seconds from the timeline's start.

    Parameters
    ----------
    queued
        When it was ready to run, but for a worker with room; None where it never was.
    began
        When it ran; None where it did not.
    ended
        When that was over, or it was found reused; None while it goes on.
    lane
        The worker; empty where it ran in the notebook's own process, or did not run.
    """

    queued: float | None
    began: float | None
    ended: float | None
    lane: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The steps that were run last, with no long pause between them.

    Parameters
    ----------
    seconds
        From its start until its last step ended, or until now.
    critical
        See `critical_path`; empty while something runs.
    """

    bars: Mapping[str, Bar]
    seconds: float
    critical: tuple[str, ...] = ()


def timeline_of(steps: Iterable[StepSnapshot], now: float) -> Timeline:
    """Return when steps waited and ran.

    Parameters
    ----------
    now
        In seconds since 1970, as `StepSnapshot.reached` is.
    """
    steps = list(steps)
    spans = {step.name: _span(step, now) for step in steps if step.reached.keys() & _SHOWN}
    start, together = now, list[str]()
    for name in sorted(spans, key=lambda name: spans[name][1], reverse=True):
        first, last = spans[name]
        if together and last < start - _TOGETHER_S:
            break
        start = min(start, first)
        together.append(name)
    kept = set(together)
    bars = {step.name: _bar(step, start) for step in steps if step.name in kept}
    if not bars:
        return Timeline({}, 0.0)
    runs_on = any(bar.ended is None for bar in bars.values())
    upstream = {step.name: [*dict.fromkeys(step.reads.values())] for step in steps if step.name in kept}
    return Timeline(
        bars,
        max(spans[name][1] for name in together) - start,
        () if runs_on else critical_path(bars, upstream),
    )


def as_first_found(before: StepSnapshot | None, step: StepSnapshot, *, is_target: bool) -> StepSnapshot:
    """Return a step with the time when it was found reused, though the run of a later cell found it again."""
    if before is None or is_target or not step.status == before.status == "reused":
        return step
    return replace(step, reached=before.reached)


def critical_path(bars: Mapping[str, Bar], upstream: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return the steps that could not have taken longer without all taking longer, in their order.

    It is found from the step that ended last: what kept each from beginning earlier is the step above it
    that ended last, or one that had its worker while it was ready. A step that was found reused may have
    waited for others all the same; only those that ran are returned. One that was ready long after all that
    it reads waited for its cell to be run, and so for what ended last before.
    """
    ended = {name: bar.ended for name, bar in bars.items() if bar.ended is not None}
    ends = sorted((end, name) for name, end in ended.items() if bars[name].began is not None)
    on_lane: dict[str, list[tuple[float, str]]] = {}
    for end, name in ends:
        on_lane.setdefault(bars[name].lane, []).append((end, name))
    path: dict[str, None] = {}
    found = ends[-1][1] if ends else None
    while found is not None:
        path[found] = None
        bar = bars[found]
        until = (bar.began if bar.began is not None else ended[found]) + _SOON_S
        keepers = [above for above in upstream.get(found, ()) if ended.get(above, until + 1) <= until]
        if bar.queued is not None:
            before = _last_before(until, on_lane.get(bar.lane, []), path)
            keepers += [before] if before is not None and ended[before] > bar.queued else []
            if max((ended[name] for name in keepers), default=-_LATE_S) < bar.queued - _LATE_S:
                # Its cell was run only when the one before had ended.
                before = _last_before(bar.queued + _SOON_S, ends, path)
                keepers += [before] if before is not None else []
        keepers = [name for name in keepers if name not in path]
        found = max(keepers, key=lambda name: ended[name], default=None)
    return tuple(name for name in reversed(path) if bars[name].began is not None)


def _last_before(until: float, ends: list[tuple[float, str]], path: Collection[str]) -> str | None:
    """Return what ended last by then, of what is not on the path."""
    at = bisect_right(ends, until, key=lambda end: end[0])
    while at > 0:
        at -= 1
        if ends[at][1] not in path:
            return ends[at][1]
    return None


_SHOWN = frozenset({"queued", "running", "reused"})


def _span(step: StepSnapshot, now: float) -> tuple[float, float]:
    times = [at for status, at in step.reached.items() if status != "waiting"]
    return min(times), max(times) if step.status in ENDED else now


def _bar(step: StepSnapshot, start: float) -> Bar:
    at = {status: max(0.0, when - start) for status, when in step.reached.items()}
    end = at.get(step.status or "") if step.status in ENDED else None
    ran = step.status != "reused" and "running" in at
    return Bar(
        queued=at.get("queued") if step.status != "reused" else None,
        began=at["running"] if ran else None,
        ended=end,
        lane=(step.worker or "") if ran else "",
    )
