"""The order in which components stand in the notebook, and which of them read against it.

Hardly any does: a cell reads what cells above it made. Knowing those that do not, it can be said at once that
components do not wait for each other, however many there are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

from jupyter_mlpipe.model import graph
from jupyter_mlpipe.notebook.steps.placed import Placed, upstream_of


class Order:
    """Kept in line with the components by whoever changes them.

    Parameters
    ----------
    components
        Those of the notebook as they are at each moment.
    """

    def __init__(self, components: Mapping[str, Placed]) -> None:
        self._components = components
        self._places = itertools.count()
        self._against: set[str] = set()

    def new_place(self) -> int:
        """Return a place below all others."""
        return next(self._places)

    def sort(self, names: Iterable[str]) -> list[str]:
        """Return components in the order in which they were first registered."""
        return sorted(names, key=lambda name: self._components[name].place)

    def note(self, name: str) -> None:
        """Note what a component reads from: whether one is further down, or gone."""
        placed = self._components[name]
        found = (self._components.get(above) for above in placed.upstream)
        if any(above is None or above.place >= placed.place for above in found):
            self._against.add(name)
        else:
            self._against.discard(name)

    def forget(self, name: str) -> None:
        """Note that a component is gone."""
        self._against.discard(name)
        # Should it come again, it stands below those that still ask for it.
        self._against.update(n for n, placed in self._components.items() if name in placed.upstream)

    def check(self) -> None:
        """Raise CycleError where components wait for each other."""
        if self._against:
            graph.topological_order(upstream_of(self._components))

    def below(self, name: str) -> frozenset[str]:
        """Return what is below a component in the graph, where any of that may stand above it here."""
        if not self._against or name not in self._components:
            return frozenset()
        return frozenset(graph.descendants(upstream_of(self._components), [name]))
