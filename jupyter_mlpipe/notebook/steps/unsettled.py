"""Which steps above a cell had not settled when it was run: what they set had not reached the notebook.

There may be thousands of them above each of thousands of cells, and any of them may turn out later to set
something. So they are not listed for each cell: what is noted is from when to when each of them was open.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

_NONE: frozenset[str] = frozenset()  # one for all: Python makes each empty one anew


@dataclass(frozen=True, slots=True)
class _Span:
    """One time that a step was open: looks from `start` on, before `end`, found it so.

    Parameters
    ----------
    place
        Of its component in the notebook then.
    """

    place: int
    start: int
    end: int = sys.maxsize


class Unsettled:
    """The steps that are open, and that were so at each look."""

    def __init__(self) -> None:
        self._open: dict[str, _Span] = {}
        self._closed: dict[str, list[_Span]] = {}
        self._n_looks = 0

    def __contains__(self, step: str) -> bool:
        return step in self._open

    def __bool__(self) -> bool:
        return bool(self._open)

    def expect(self, step: str, place: int) -> None:
        """Note that a step's cell was run."""
        self._open.setdefault(step, _Span(place, self._n_looks))

    def settle(self, step: str) -> None:
        """Note that what a step sets has reached the notebook, or that nothing will."""
        span = self._open.pop(step, None)
        # Nobody has looked in between where cells wait for their steps.
        if span is not None and span.start < self._n_looks:
            self._closed.setdefault(step, []).append(_Span(span.place, span.start, self._n_looks))

    def look(self, place: int, without: Iterable[str] = ()) -> Earlier:
        """Return the steps that are open above a place in the notebook, but for some.

        What the answer says stays as it is.
        """
        look = self._n_looks
        if self._open:
            self._n_looks += 1
        return Earlier(self, look, place, frozenset(without) or _NONE)

    def place(self, step: str, look: int) -> int | None:
        """Return the place of a step that was open at a look; None for any other."""
        span = self._open.get(step)
        if span is not None and span.start <= look:
            return span.place
        closed = self._closed.get(step, ())
        return next((span.place for span in closed if span.start <= look < span.end), None)


@dataclass(frozen=True, slots=True)
class Earlier:
    """The steps that were open above a cell when it was run; called, it gives those among some steps."""

    unsettled: Unsettled
    look: int
    place: int
    without: frozenset[str]

    def __call__(self, steps: Iterable[str]) -> tuple[str, ...]:
        """Return those of `steps` that were open, in the order of the notebook."""
        places = {n: self.unsettled.place(n, self.look) for n in steps if n not in self.without}
        above = {n: place for n, place in places.items() if place is not None and place < self.place}
        return tuple(sorted(above, key=above.__getitem__))
