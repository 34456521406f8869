"""The notebook's components, and which producer each of their reads is bound to.

A notebook binds names again and again (``df = clean(df)``). A read is bound when its component is
first registered, to whoever wrote the name last, and the choice is kept when cells are run again.
"""

from __future__ import annotations

import itertools
import sys
from collections import ChainMap
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from jupyter_mlpipe.cells.compile import drop_defaults
from jupyter_mlpipe.errors import MLPipeError, UnknownNameError, UnknownStepError, close_matches
from jupyter_mlpipe.execution.resolve import place
from jupyter_mlpipe.execution.task import StepTask
from jupyter_mlpipe.keys.closure import Closures
from jupyter_mlpipe.keys.given import Affected, Given, Snapshot, give
from jupyter_mlpipe.keys.modules import LocalModules, Modules, ModulesOnce
from jupyter_mlpipe.keys.providers import Changes
from jupyter_mlpipe.model import graph
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.pipeline import FromNotebook, FromParameter, FromStep
from jupyter_mlpipe.notebook.contracts import check_contract, check_resolved, check_sendable
from jupyter_mlpipe.notebook.names import PARAMETERS, Names
from jupyter_mlpipe.notebook.parameters import Declared, check_type, convert, declare

_INTERACTIVE = frozenset({"In", "Out", "_", "__", "___", "_dh", "_ih", "_oh", "exit", "quit"})


@dataclass(frozen=True, slots=True)
class Choice:
    """Where one read comes from, as chosen at registration.

    Parameters
    ----------
    binding
        None: the notebook's own value.
    generation
        How often plain cells had bound the name when the choice was made.
    value
        The notebook's value then: a step that replaces a value which it read goes on reading
        the one from before, so that running its cell twice gives the same as running it once.
    """

    binding: FromStep | FromParameter | None
    generation: int
    value: Any = None


@dataclass(slots=True)
class Placed:
    """A component of the notebook, with its own parameters and its choices by name.

    Parameters
    ----------
    snapshot
        What the notebook had set when the component's cell was run.
    after
        Components of cells above that had yet to set something then.
    given
        The part of the snapshot that can affect it.
    """

    component: Component
    snapshot: Snapshot
    after: tuple[str, ...] = ()
    declared: dict[str, Declared] = field(default_factory=dict)
    choices: dict[str, Choice] = field(default_factory=dict)
    upstream: tuple[str, ...] = ()
    given: tuple[Affected, Given] | None = None
    may_set: bool = False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all steps that are looked at in one go have around them."""

    sys_path: tuple[str, ...]
    modules: Modules


class Registry:
    """All components of a notebook, in the order in which they were first registered.

    Parameters
    ----------
    title_of
        Gives what tracebacks call a file name of the notebook's code: ``Cell In[3]``.
    """

    def __init__(self, names: Names, title_of: Callable[[str], str]) -> None:
        self.names = names
        self._title_of = title_of
        self.placed: dict[str, Placed] = {}
        self.parameters: dict[str, Declared] = {}
        self.overrides: dict[str, Any] = {}
        self._modules = LocalModules()
        self._closures = Closures()

    def __contains__(self, name: str) -> bool:
        return name in self.placed

    def add(
        self,
        component: Component,
        unsettled: Collection[str] = (),
        own: Mapping[str, Changes] = MappingProxyType({}),
    ) -> StepTask:
        """Register a component, or register it again; the earlier one stays where this fails.

        Parameters
        ----------
        unsettled
            Components whose settings have not reached the notebook yet.
        own
            What this one has set in the notebook the last time, by provider.

        Raises
        ------
        ContractError, UnknownNameError, CycleError, ParameterError
            The component does not fit; the message says how to mend it.
        """
        before = self.placed.get(component.name)
        producers = [i.name for i in component.inputs if self._is_producer(i.default, i.producer)]
        if component.function and producers:
            component = drop_defaults(component, producers)
        snapshot = Snapshot(before.snapshot if before else None, own)
        candidate = Placed(component, snapshot, choices=dict(before.choices) if before else {})
        candidate.after = self._settles_before(component.name, unsettled)
        scope = ChainMap(self._kept(candidate), self.names.namespace)
        for declared in component.inputs:
            if declared.default is not None and not self._is_producer(declared.default, declared.producer):
                candidate.declared[declared.name] = declare(declared, scope)
        for name in list(candidate.choices):
            candidate.choices[name] = self._renew(candidate, name)
        self.placed[component.name] = candidate
        try:
            task = self.task(component.name)
            check_contract(task.step)
            for declared in component.inputs:
                if isinstance(task.step.bindings.get(declared.name), FromNotebook):
                    check_type(component.name, declared, scope.get(declared.name), scope)
            if component.inputs_declared:
                check_resolved(component, task.closure, self.known_names())
            graph.topological_order(self.upstream())
        except MLPipeError:
            if before is None:
                del self.placed[component.name]
            else:
                self.placed[component.name] = before
            raise
        return task

    def remove(self, name: str) -> None:
        """Forget a component; what it made stays in the store."""
        self.check(name)
        del self.placed[name]
        self.names.forget(name)

    def check(self, *names: str) -> None:
        """Refuse names of steps that are not there."""
        for name in names:
            if name not in self.placed:
                listed = ", ".join(self.placed) or "none yet: put %%component NAME on top of a cell"
                raise UnknownStepError(
                    f"There is no step '{name}'.{close_matches(name, self.placed)} Steps: {listed}."
                )

    def upstream(self) -> dict[str, tuple[str, ...]]:
        """Return for each component those that it reads from, as chosen so far."""
        return {
            name: tuple(above for above in placed.upstream if above in self.placed)
            for name, placed in self.placed.items()
        }

    def tasks(
        self, targets: Iterable[str] | None = None, overrides: Mapping[str, Any] | None = None
    ) -> dict[str, StepTask]:
        """Return `targets` (all by default) and what is above them, ready to be planned and run.

        Raises
        ------
        UnknownNameError
            A step reads a name that nothing provides.
        """
        pending = list(self.placed if targets is None else targets)
        self.check(*pending)
        tasks: dict[str, StepTask] = {}
        surroundings = self._surroundings()
        while pending:
            name = pending.pop()
            if name not in tasks:
                task = self.task(name, overrides, surroundings)
                if task.closure.unresolved:
                    check_resolved(task.step.component, task.closure, self.known_names())
                check_sendable(task.step.component, task.closure)
                tasks[name] = task
                pending.extend(task.step.upstream)
        order = graph.topological_order({n: tasks[n].step.upstream for n in self.placed if n in tasks})
        return {name: tasks[name] for name in order}

    def task(
        self,
        name: str,
        overrides: Mapping[str, Any] | None = None,
        surroundings: Surroundings | None = None,
    ) -> StepTask:
        """Return one step with all that it reaches, as the notebook stands."""
        placed = self.placed[name]
        around = surroundings or self._surroundings()
        step, closure = place(
            placed.component,
            self.names.namespace,
            lambda read: self._choose(placed, read),
            modules=around.modules,
            closures=self._closures,
            kept=self._kept(placed),
        )
        for read, binding in step.bindings.items():
            if isinstance(binding, FromNotebook) and read not in placed.choices:
                value = self.names.namespace.get(read)
                placed.choices[read] = Choice(None, self.names.generation(read), value)
        placed.component = step.component
        step = replace(step, after=tuple(above for above in placed.after if above in self.placed))
        placed.upstream = step.upstream
        placed.may_set = closure.may_set
        # What is no longer read must not hold the graph, or its kept value, in place.
        placed.choices = {n: c for n, c in placed.choices.items() if n in step.bindings}
        chosen = {**self.overrides, **(overrides or {})}
        values = {
            read: self._parameter(placed, binding.name, chosen)
            for read, binding in step.bindings.items()
            if isinstance(binding, FromParameter)
        }
        return StepTask(
            step=step,
            closure=closure,
            parameters=values,
            title=placed.component.title,
            folder=placed.snapshot.folder,
            sys_path=around.sys_path,
            titles={name: self._title_of(name) for name in closure.sources},
            given=self._given(placed, closure.affected),
            snapshot=placed.snapshot,
        )

    def _given(self, placed: Placed, affected: Affected) -> Given:
        if placed.given is None or placed.given[0] != affected:
            placed.given = affected, give(placed.snapshot, affected, self.names.namespace)
        return placed.given[1]

    def _settles_before(self, name: str, unsettled: Collection[str]) -> tuple[str, ...]:
        """Return those of `unsettled` that stand above a component and may set something for it."""
        above = [n for n in itertools.takewhile(lambda n: n != name, self.placed) if n in unsettled]
        above = [n for n in above if self.placed[n].may_set]
        if not above or name not in self.placed:
            return tuple(above)
        below = graph.descendants(self.upstream(), [name])
        return tuple(n for n in above if n not in below)

    def _surroundings(self) -> Surroundings:
        return Surroundings(tuple(sys.path), ModulesOnce(self._modules))

    def known_names(self) -> set[str]:
        """Return every name that a component could read, for close matches."""
        names = {n for n in self.names.namespace if not n.startswith("_")} | set(self.parameters)
        for placed in self.placed.values():
            names.update(placed.component.outputs)
        return names - _INTERACTIVE

    def shared_names(self) -> frozenset[str]:
        """Return the names that more than one component writes."""
        seen: set[str] = set()
        shared: set[str] = set()
        for placed in self.placed.values():
            shared.update(seen.intersection(placed.component.outputs))
            seen.update(placed.component.outputs)
        return frozenset(shared)

    def parameter_names(self) -> set[str]:
        """Return the names that ``-p`` may set, ``step.name`` among them."""
        names = set(self.parameters)
        for step, placed in self.placed.items():
            names.update(placed.declared)
            names.update(f"{step}.{name}" for name in placed.declared)
        return names

    def _kept(self, placed: Placed) -> dict[str, Any]:
        """Return the notebook's values that this component read before a step replaced them."""
        names = self.names
        return {
            read: choice.value
            for read, choice in placed.choices.items()
            if choice.binding is None
            and names.owner(read) is not None
            and names.generation(read) == choice.generation
        }

    def _choose(self, placed: Placed, read: str) -> FromStep | FromParameter | None:
        """Return the choice for a read, making it where there is none yet."""
        if read in placed.declared:
            return FromParameter(read)
        for declared in placed.component.inputs:
            if (
                declared.name == read
                and declared.producer
                and self._is_producer(declared.default, declared.producer)
            ):
                return self._declared_producer(placed, declared.producer)
        choice = placed.choices.get(read)
        if choice is None:
            choice = self._fresh(placed, read)
            if choice.binding is None:
                return None
            placed.choices[read] = choice
        elif isinstance(choice.binding, FromStep) and not self._writes(choice.binding):
            choice = placed.choices[read] = self._fresh(placed, read)
        return choice.binding

    def _fresh(self, placed: Placed, read: str) -> Choice:
        self.names.settle(read)
        owner = self.names.owner(read)
        generation = self.names.generation(read)
        if owner == PARAMETERS:
            return Choice(FromParameter(read), generation)
        if owner is not None and owner != placed.component.name and owner in self.placed:
            return Choice(FromStep(owner, read), generation)
        return Choice(None, generation, self.names.namespace.get(read))

    def _renew(self, placed: Placed, read: str) -> Choice:
        """Return the choice for a component whose cell is run again."""
        kept = placed.choices[read]
        self.names.settle(read)
        if self.names.generation(read) != kept.generation:
            return self._fresh(placed, read)  # a plain cell has bound the name anew since
        owner = self.names.owner(read)
        if kept.binding is None:
            if owner is None:
                return self._fresh(placed, read)
            if owner == PARAMETERS or (owner in self.placed and self._is_new_source(placed, owner, read)):
                return self._fresh(placed, read)
        return kept

    def _is_new_source(self, placed: Placed, owner: str, read: str) -> bool:
        """Tell whether a component has come to make a name that was the notebook's before.

        One that is below this component, or that itself reads the notebook's value, makes a later
        version of it instead.
        """
        below = graph.descendants(self.upstream(), [placed.component.name]) if self._is_placed(placed) else []
        other = self.placed[owner].choices.get(read)
        return (
            owner != placed.component.name
            and owner not in below
            and not (other is not None and other.binding is None)
        )

    def _is_placed(self, placed: Placed) -> bool:
        return placed.component.name in self.placed

    def _writes(self, binding: FromStep) -> bool:
        placed = self.placed.get(binding.step)
        return placed is not None and binding.output in placed.component.outputs

    def _is_producer(self, default: str | None, producer: tuple[str, str] | None) -> bool:
        # `df=load.df` names a producer where a component `load` is known, or nothing else is.
        if producer is None or default is None:
            return False
        return producer[0] in self.placed or producer[0] not in self.names.namespace

    def _declared_producer(self, placed: Placed, producer: tuple[str, str]) -> FromStep:
        step, output = producer
        self.check(step)
        made = self.placed[step].component.outputs
        if output not in made:
            raise UnknownNameError(
                f"Component '{placed.component.name}' asks for '{step}.{output}', but '{step}' makes "
                f"{', '.join(made) or 'nothing'}.{close_matches(output, made)}"
            )
        return FromStep(step, output)

    def _parameter(self, placed: Placed, name: str, overrides: Mapping[str, Any]) -> Any:
        own = placed.declared.get(name)
        qualified = f"{placed.component.name}.{name}"
        common = self.parameters.get(name)
        declared = own or common
        assert declared is not None
        if qualified in overrides:
            return convert(declared, overrides[qualified])
        if name in overrides:
            return convert(declared, overrides[name])
        if own is not None and common is not None:
            return convert(own, common.value)
        return declared.value
