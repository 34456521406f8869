"""Which producer each read of a component is bound to: a step, a parameter, or the notebook itself.

A notebook binds names again and again (``df = clean(df)``). A read is bound when its component is
first registered, to whoever wrote the name last, and the choice is kept when cells are run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from jupyter_mlpipe.cells.names import analyse
from jupyter_mlpipe.errors import UnknownNameError, close_matches
from jupyter_mlpipe.model import graph
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.pipeline import FromParameter, FromStep
from jupyter_mlpipe.notebook.steps.names import PARAMETERS, Names
from jupyter_mlpipe.notebook.steps.placed import Choice, Placed, check_steps, upstream_of
from jupyter_mlpipe.notebook.steps.siblings import find_siblings, renew_siblings


class Producers:
    """Chooses them, and keeps the choices with each component.

    Parameters
    ----------
    components
        Those of the notebook, in order, as they are at each moment.
    """

    def __init__(self, names: Names, components: Mapping[str, Placed]) -> None:
        self._names = names
        self._components = components

    def choose(self, placed: Placed, read: str, planned: bool) -> FromStep | FromParameter | None:
        """Return the choice for a read, making it where there is none yet."""
        if read in placed.declared:
            return FromParameter(read)
        for declared in placed.component.inputs:
            if (
                declared.name == read
                and declared.producer
                and self.is_meant(declared.default, declared.producer)
            ):
                return self._declared_producer(placed, declared.producer)
        choice = placed.choices.get(read)
        if choice is not None and choice.held and self._has_remade(choice.held, read):
            del placed.choices[read]
            choice = placed.taken = None
        if choice is None:
            if read in placed.helpers:
                return None
            if read in placed.own:
                return None
            choice = self._fresh(placed, read, planned)
            if choice.binding is None:
                if self._is_own(placed.component, read):
                    placed.own |= {read}
                return None
            placed.choices[read] = choice
        elif isinstance(choice.binding, FromStep) and not self._writes(choice.binding):
            choice = placed.choices[read] = self._fresh(placed, read)
        return choice.binding

    def renew(self, placed: Placed, read: str) -> Choice:
        """Return the choice for a component whose cell is run again."""
        kept = placed.choices[read]
        self._names.settle(read)
        if self._names.generation(read) != kept.generation:
            return self._fresh(placed, read)  # a plain cell has bound the name anew since
        owner = self._names.owner(read)
        failed = owner if self._names.is_held(read) else self._names.missed_by(read)
        if isinstance(kept.binding, FromStep) and kept.binding.step == failed:
            return self._fresh(placed, read)
        if kept.binding is None:
            if owner is None:
                return self._fresh(placed, read)
            if owner == PARAMETERS or (
                owner in self._components and self._is_new_source(placed, owner, read)
            ):
                return self._fresh(placed, read)
        return replace(
            kept, siblings=renew_siblings(kept, placed.component.name, self._components, self._names)
        )

    def still_own(self, placed: Placed) -> frozenset[str]:
        """Return those of its own names that only itself, or a step below it, has bound since."""
        name = placed.component.name
        order = list(self._components)
        below = order[order.index(name) :]
        return frozenset(n for n in placed.own if (self._names.owner(n) or name) in below)

    def is_meant(self, default: str | None, producer: tuple[str, str] | None) -> bool:
        """Tell whether what a header gives an input is a producer, rather than a default.

        ``df=load.df`` names one where a component `load` is known, or nothing else is.
        """
        if producer is None or default is None:
            return False
        return producer[0] in self._components or producer[0] not in self._names.namespace

    def _declared_producer(self, placed: Placed, producer: tuple[str, str]) -> FromStep:
        step, output = producer
        check_steps(self._components, step)
        made = self._components[step].writes
        if output not in made:
            raise UnknownNameError(
                f"Component '{placed.component.name}' asks for '{step}.{output}', but '{step}' makes "
                f"{', '.join(made) or 'nothing'}.{close_matches(output, made)}"
            )
        return FromStep(step, output)

    def _has_remade(self, failed: str, name: str) -> bool:
        return self._names.owner(name) == failed and not self._names.is_held(name)

    def _fresh(self, placed: Placed, read: str, planned: bool = False) -> Choice:
        self._names.settle(read)
        owner = self._names.owner(read)
        if owner is None and planned:
            owner = self._names.missed_by(read)
        generation = self._names.generation(read)
        if owner == PARAMETERS:
            return Choice(FromParameter(read), generation)
        if owner is not None and owner != placed.component.name and owner in self._components:
            if self._names.is_held(read):
                self._names.load([read])
                return Choice(None, generation, self._names.namespace.get(read), held=owner)
            return Choice(
                FromStep(owner, read),
                generation,
                siblings=find_siblings(owner, self._components, self._names),
            )
        return Choice(None, generation, self._names.namespace.get(read))

    def _is_new_source(self, placed: Placed, owner: str, read: str) -> bool:
        """Tell whether a component has come to make a name that was the notebook's before.

        One that is below this component, or that itself reads the notebook's value, makes a later
        version of it instead.
        """
        name = placed.component.name
        other = self._components[owner].choices.get(read)
        if owner == name or (other is not None and other.binding is None):
            return False
        return name not in self._components or owner not in graph.descendants(
            upstream_of(self._components), [name]
        )

    def _is_own(self, component: Component, read: str) -> bool:
        return (
            read in component.may_read
            and read not in self._names.namespace
            and read in analyse(component.code).binds
        )

    def _writes(self, binding: FromStep) -> bool:
        placed = self._components.get(binding.step)
        return placed is not None and binding.output in placed.writes
