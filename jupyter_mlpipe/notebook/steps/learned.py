"""What running a step showed that it changes, beyond what its code shows: the names become its outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from jupyter_mlpipe.model import graph
from jupyter_mlpipe.model.pipeline import FromStep
from jupyter_mlpipe.notebook.steps.names import Names
from jupyter_mlpipe.notebook.steps.placed import Placed, upstream_of
from jupyter_mlpipe.notebook.steps.siblings import Version, as_read, is_as_read


def learn(
    components: Mapping[str, Placed], names: Names, name: str, found: Iterable[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Note which names a step was found to change, beyond those that its code shows.

    Later readers of a name are bound to this step, where they were bound to what it read itself.

    Returns
    -------
    names
        Those that are this step's from now on.
    readers
        Components whose inputs have become others by that.
    """
    placed = components[name]
    fresh = tuple(n for n in found if n not in placed.writes)
    placed.found += fresh
    mine = {n: as_read(placed, n) for n in fresh}
    order = list(components)
    above = graph.ancestors(upstream_of(components), [name])
    readers = []
    for later in order[order.index(name) + 1 :]:
        if later in above:
            continue
        other = components[later]
        changed = [n for n in fresh if n in other.choices and as_read(other, n) <= mine[n]]
        for n in changed:
            other.choices[n] = replace(other.choices[n], binding=FromStep(name, n), value=None)
        if changed:
            other.taken = None  # with the values from before
            readers.append(later)
    claimed = tuple(n for n in fresh if is_as_read(placed, names, n))
    return claimed, tuple(readers)


def unlearn(components: Mapping[str, Placed], name: str, gone: Iterable[str]) -> None:
    """Note that a step no longer changes names: they are again what they were without it."""
    placed = components[name]
    gone = [n for n in gone if n in placed.found]
    placed.found = tuple(n for n in placed.found if n not in gone)
    for n in gone:
        before = placed.choices.get(n)
        for other in components.values():
            choice = other.choices.get(n)
            if choice is not None and choice.binding == FromStep(name, n):
                if before is None:
                    del other.choices[n]
                else:
                    other.choices[n] = before


def sources(placed: Placed) -> set[tuple[str, Version]]:
    """Return what identifies the values that a component reads, or may change with what it reads."""
    names = {*placed.choices, *(n for choice in placed.choices.values() for n in choice.siblings)}
    return {(name, version) for name in names for version in as_read(placed, name)}
