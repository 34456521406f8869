"""What a component goes on reading under names that steps have bound to something else since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jupyter_mlpipe.keys.closure import Closure
from jupyter_mlpipe.keys.witness import MISSING
from jupyter_mlpipe.notebook.steps.names import Names
from jupyter_mlpipe.notebook.steps.placed import Choice, Placed


def kept_values(placed: Placed, names: Names) -> dict[str, Any]:
    """Return the notebook's values that this component read before a step replaced them."""
    kept = {
        read: choice.value
        for read, choice in placed.choices.items()
        if choice.binding is None
        and names.owner(read) is not None
        and names.generation(read) == choice.generation
    }
    kept |= {
        name: value
        for name, (_, value) in placed.helpers.items()
        if names.owner(name) is not None and name not in placed.choices
    }
    component = placed.component
    # What only running it showed that it binds: it does not read that from itself.
    own = names.owned_by(component.name).difference(component.outputs)
    own |= {name for name in placed.own if names.owner(name) is not None}
    return dict.fromkeys(own, MISSING) | kept | placed.history


def keep_for_readers(
    components: Mapping[str, Placed], writer: str, written: Iterable[str], names: Names
) -> None:
    """Keep what a plain cell that ran again has bound for its readers: a step is about to take the name."""
    for name in written:
        maker = names.maker(name)
        if maker is None or names.owner(name) is not None or name not in names.namespace:
            continue
        generation, value = names.generation(name), names.namespace[name]
        for other, placed in components.items():
            if other == writer or not maker.made_anew(placed.makers.get(name)):
                continue
            choice = placed.choices.get(name)
            if choice is not None and choice.binding is None:
                placed.choices[name] = Choice(None, generation, value)
            if name in placed.helpers:
                placed.helpers[name] = generation, value


def note_helpers(placed: Placed, closure: Closure, names: Names) -> None:
    """Note what definitions a component reads: a later cell may bind their names to values."""
    reached = {i.name for i in closure.ingredients if i.kind == "helper"}
    placed.helpers = {name: kept for name, kept in placed.helpers.items() if name in reached}
    for name in reached:
        is_own = names.owner(name) is None or names.is_held(name)
        if is_own and name in names.namespace:
            placed.helpers[name] = names.generation(name), names.namespace[name]


def still_defined(
    helpers: Mapping[str, tuple[int, Any]], components: Mapping[str, Placed], names: Names
) -> dict[str, tuple[int, Any]]:
    """Return those that are definitions of components' cells, and of the latest one of their name."""
    if not helpers:
        return {}
    defined = {definition.name for other in components.values() for definition in other.component.definitions}
    return {
        name: kept for name, kept in helpers.items() if name in defined and names.generation(name) == kept[0]
    }
