"""When steps waited and ran, and which chain of them made it last as long as it did."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from jupyter_mlpipe.model.status import ENDED, StepSnapshot

_TOGETHER_S = 20.0  # cells run one after the other, each a run: a longer pause between them ends a timeline
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


def critical_path(bars: Mapping[str, Bar], upstream: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return the steps that could not have taken longer without all taking longer, in their order.

    It is found from the step that ended last: what kept each from beginning earlier is the step above it
    that ended last, or one that had its worker while it was ready. A step that was found reused may have
    waited for others all the same; only those that ran are returned.
    """
    ended = {name: bar.ended for name, bar in bars.items() if bar.ended is not None}
    ran = [name for name in ended if bars[name].began is not None]
    path: list[str] = []
    name = max(ran, key=lambda name: ended[name], default=None)
    while name is not None:
        path.append(name)
        bar = bars[name]
        until = (bar.began if bar.began is not None else ended[name]) + _SOON_S
        keepers = [above for above in upstream.get(name, ()) if above in ended]
        if bar.queued is not None:
            keepers += [
                other for other in ran if bars[other].lane == bar.lane and bar.queued < ended[other] <= until
            ]
        keepers = [other for other in keepers if other not in path and ended[other] <= until]
        name = max(keepers, key=lambda name: ended[name], default=None)
    return tuple(name for name in reversed(path) if bars[name].began is not None)


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
