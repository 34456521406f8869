"""What running a step showed that it changes, beyond what its code shows: the names become its outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from jupyter_mlpipe.model import graph
from jupyter_mlpipe.model.pipeline import FromStep
from jupyter_mlpipe.notebook.names import PARAMETERS, Names
from jupyter_mlpipe.notebook.placed import Placed, upstream_of


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
    mine = {n: _as_read(placed, n) for n in fresh}
    order = list(components)
    above = graph.ancestors(upstream_of(components), [name])
    readers = []
    for later in order[order.index(name) + 1 :]:
        if later in above:
            continue
        other = components[later]
        changed = [n for n in fresh if mine[n] is not None and _as_read(other, n) == mine[n]]
        for n in changed:
            other.choices[n] = replace(other.choices[n], binding=FromStep(name, n), value=None)
        if changed:
            readers.append(later)
    claimed = tuple(n for n in fresh if _is_as_read(placed, names, n))
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


def sources(placed: Placed) -> set[tuple[Any, ...]]:
    """Return what identifies the values that a component reads."""
    return {(read, _as_read(placed, read)) for read in placed.choices}


def _as_read(placed: Placed, name: str) -> tuple[Any, ...] | None:
    """Return what identifies the value that a component reads under a name."""
    choice = placed.choices.get(name)
    if choice is None:
        return None
    return (choice.binding, choice.generation, None if choice.binding else id(choice.value))


def _is_as_read(placed: Placed, names: Names, name: str) -> bool:
    """Tell whether a name of the notebook stands for what the component read under it."""
    choice = placed.choices.get(name)
    owner = names.owner(name)
    if choice is None:
        # New to the notebook; or a companion of an input: its step's, when the component was placed.
        return (owner is None and name not in names.namespace) or any(
            name in c.siblings and isinstance(c.binding, FromStep) and c.binding.step == owner
            for c in placed.choices.values()
        )
    if names.generation(name) != choice.generation:
        return False
    if isinstance(choice.binding, FromStep):
        return owner == choice.binding.step
    return owner in (None, PARAMETERS)
