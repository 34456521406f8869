"""Names that may share objects with what a component reads: those that its source made beside it.

Which of them really do is seen when the source has run. Here it is said which still stand for what it made.
"""

from __future__ import annotations

from collections.abc import Mapping

from jupyter_mlpipe.model.pipeline import FromParameter, FromStep
from jupyter_mlpipe.notebook.steps.names import PARAMETERS, Names
from jupyter_mlpipe.notebook.steps.placed import Choice, Placed

Siblings = Mapping[str, int]
"""By name, its generation."""
Version = tuple[FromStep | FromParameter | None, int, int | None]
"""What a name stood for: who gave it, its generation, and which object it was where that was the notebook."""


def find_siblings(owner: str, components: Mapping[str, Placed], names: Names) -> Siblings:
    """Return the names that are a component's, or will be if it turns out to change what it reads."""
    found = set(names.owned_by(owner))
    if (placed := components.get(owner)) is not None:
        known = {*placed.choices, *(n for choice in placed.choices.values() for n in choice.siblings)}
        found.update(n for n in known if is_as_read(placed, names, n))
    return {name: names.generation(name) for name in found}


def renew_siblings(
    choice: Choice, component: str, components: Mapping[str, Placed], names: Names
) -> Siblings:
    """Return the siblings for a cell that is run again: what has been bound anew since is none of them."""
    if not isinstance(choice.binding, FromStep):
        return choice.siblings

    def is_along(name: str) -> bool:
        owner = names.owner(name)
        if owner is None or owner == component:
            return owner is not None
        # Another step may have changed it in place, as this one does.
        other = components.get(owner)
        return other is not None and _changes(other, name)

    kept = {n: g for n, g in choice.siblings.items() if names.generation(n) == g and is_along(n)}
    return {**kept, **find_siblings(choice.binding.step, components, names)}


def as_read(placed: Placed, name: str) -> set[Version]:
    """Return what identifies the value that a component reads under a name.

    Of a name that it does not read, but that may share objects with what it reads: all that it may be.
    """
    choice = placed.choices.get(name)
    if choice is not None:
        return {(choice.binding, choice.generation, None if choice.binding else id(choice.value))}
    return {
        (FromStep(other.binding.step, name), other.siblings[name], None)
        for other in placed.choices.values()
        if name in other.siblings and isinstance(other.binding, FromStep)
    }


def is_as_read(placed: Placed, names: Names, name: str) -> bool:
    """Tell whether a name of the notebook stands for what the component read under it."""
    owner = names.owner(name)
    known = as_read(placed, name)
    if not known:
        return owner is None and name not in names.namespace  # new to the notebook
    own = (None, PARAMETERS, owner) if names.is_held(name) else (None, PARAMETERS)
    return any(
        names.generation(name) == generation
        and (owner == binding.step if isinstance(binding, FromStep) else owner in own)
        for binding, generation, _ in known
    )


def still_found(placed: Placed, before: Placed) -> tuple[str, ...]:
    """Return what a component was found to change before, without what has been bound anew since."""
    return tuple(n for n in before.found if as_read(placed, n) or not as_read(before, n))


def _changes(placed: Placed, name: str) -> bool:
    component = placed.component
    return name in placed.found or name in component.changes or name in component.may_change
