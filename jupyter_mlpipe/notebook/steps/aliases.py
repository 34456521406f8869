"""Names of the notebook that share objects with what a component reads: what it changes, changes in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jupyter_mlpipe.model.pipeline import Step
from jupyter_mlpipe.notebook.steps.names import Names
from jupyter_mlpipe.notebook.steps.placed import Placed
from jupyter_mlpipe.store.comparing import can_store
from jupyter_mlpipe.store.sharing import find_sharing, is_atom

_OF_IPYTHON = frozenset({"In", "Out", "exit", "quit", "get_ipython"})


def find_aliases(
    names: Iterable[str], others: Iterable[str], namespace: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return those of `others` that share mutable objects with the values of `names`, or with one that does.

    These are gone through only where a value can share anything: they may be all names of a notebook.
    """
    others = [*others]
    wanted = {name: namespace[name] for name in names if name in namespace}
    values = [value for value in wanted.values() if not is_atom(value)]
    if not values:
        return ()
    candidates = {
        name: namespace[name]
        for name in others
        if name not in wanted
        and name not in _OF_IPYTHON
        and not name.startswith("_")
        and name in namespace
        and not is_atom(namespace[name])
    }
    found: dict[str, Any] = {}
    while values and candidates:
        # One that is made anew with these shares its other parts with further ones.
        sharing = find_sharing(values, candidates, namespace)
        shared = {n: candidates.pop(n) for n in [*candidates] if n in sharing}
        fresh = {n: value for n, value in shared.items() if can_store(value, namespace)}
        values = [*fresh.values()]
        found |= fresh
    return tuple(name for name in others if name in found)


def aliases_of(placed: Placed, step: Step, names: Names) -> tuple[str, ...]:
    """Return the names that share objects with what a component captures: the notebook's own from then on."""
    if step.component.outputs_declared or step.component.function is not None:
        return ()
    captured = [n for n, choice in placed.choices.items() if choice.binding is None]
    defined = {definition.name for definition in placed.component.definitions}
    there = (n for n in names.namespace if names.owner(n) is None or names.is_loaded(n))
    others = (n for n in there if n not in defined)
    aliases = find_aliases(captured, others, names.namespace)
    for name in aliases:
        if names.is_loaded(name):
            names.release(name)
    return aliases


def release_aliased(reads: Iterable[str], names: Names) -> None:
    """Take a loaded output as the notebook's own where a plain cell gave it, or a part, another name."""
    loaded = [n for n in reads if names.is_loaded(n)]
    # What a plain cell has changed in place is its own by now, and so is what shares with that.
    for name in (*loaded, *find_aliases(loaded, names.unchecked(), names.namespace)):
        names.settle(name)
    loaded = [n for n in loaded if names.is_loaded(n)]
    for name in loaded:
        plain = (n for n in names.namespace if names.owner(n) is None and n not in loaded)
        if find_aliases([name], plain, names.namespace):
            names.release(name)
