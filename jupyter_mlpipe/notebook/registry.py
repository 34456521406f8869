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
from jupyter_mlpipe.cells.names import analyse
from jupyter_mlpipe.errors import MLPipeError, UnknownNameError, UnknownStepError, close_matches
from jupyter_mlpipe.execution.resolve import place
from jupyter_mlpipe.execution.task import StepTask
from jupyter_mlpipe.keys.closure import Closure, Closures
from jupyter_mlpipe.keys.given import Affected, Given, Snapshot, give
from jupyter_mlpipe.keys.modules import LocalModules, Modules, ModulesOnce
from jupyter_mlpipe.keys.providers import Changes
from jupyter_mlpipe.keys.values import is_closure
from jupyter_mlpipe.keys.witness import MISSING
from jupyter_mlpipe.model import graph
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.pipeline import FromNotebook, FromParameter, FromStep, Step
from jupyter_mlpipe.notebook.aliases import find_aliases
from jupyter_mlpipe.notebook.contracts import check_contract, check_resolved, check_sendable
from jupyter_mlpipe.notebook.names import PARAMETERS, Maker, Names
from jupyter_mlpipe.notebook.parameters import Declared, check_type, convert, declare
from jupyter_mlpipe.notebook.results import history_read, is_history

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
    held
        A component made the value before it failed: running it again would not give this.
    """

    binding: FromStep | FromParameter | None
    generation: int
    value: Any = None
    siblings: frozenset[str] = frozenset()
    held: bool = False


@dataclass(slots=True)
class Placed:
    """A component of the notebook, with its own parameters and its choices by name.

    Parameters
    ----------
    found
        Names that its last run was found to change, which its code does not show.
    aliases
        Names of the notebook that share objects with the values that it captures.
    taken, makers
        The closure when its cell was last run, and who had made the values in it.
    snapshot
        What the notebook had set when the component's cell was run.
    helpers
        Functions, classes and modules that it reaches, as they were before a step bound their names
        to values, each with the generation of its name.
    own
        Names that it may read on some path before it binds them itself, and that nobody else had bound
        when it was placed: a later producer of such a name is not meant.
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
    found: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    taken: Closure | None = None
    makers: dict[str, Maker | None] = field(default_factory=dict)
    helpers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    own: frozenset[str] = frozenset()
    history: dict[str, Any] = field(default_factory=dict)  # `_`, `Out[3]`: as they were when the cell ran

    @property
    def writes(self) -> tuple[str, ...]:
        """The names that it makes or changes, as far as is known."""
        return (*self.component.outputs, *self.found)


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

    Attributes
    ----------
    bring
        Binds definitions of other components' cells; tells whether there were any.
    """

    def __init__(self, names: Names, title_of: Callable[[str], str]) -> None:
        self.names = names
        self._title_of = title_of
        self.placed: dict[str, Placed] = {}
        self.parameters: dict[str, Declared] = {}
        self.overrides: dict[str, Any] = {}
        self.bring: Callable[[Iterable[str]], bool] = lambda names: False
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
        candidate = Placed(component, snapshot)
        if before is not None:
            candidate.choices, candidate.found = dict(before.choices), before.found
            candidate.helpers = self._still_defined(before.helpers)
            candidate.own = self._still_own(before)
        if any(is_history(read) for read in component.reads):
            candidate.history = history_read(component.code, self.names.namespace)
        candidate.after = self._settles_before(component.name, unsettled)
        scope = ChainMap(self._kept(candidate), self.names.namespace)
        for declared in component.inputs:
            if declared.default is not None and not self._is_producer(declared.default, declared.producer):
                candidate.declared[declared.name] = declare(declared, scope)
        for name in list(candidate.choices):
            candidate.choices[name] = self._renew(candidate, name)
        self.placed[component.name] = candidate
        try:
            self._release_aliased(component)
            task = self.task(component.name)
            candidate.aliases = self._find_aliases(task.step)
            if candidate.aliases:
                task = self.task(component.name)
            check_contract(task.step)
            for declared in component.inputs:
                if isinstance(task.step.bindings.get(declared.name), FromNotebook):
                    check_type(component.name, declared, scope.get(declared.name), scope)
            if component.inputs_declared:
                check_resolved(component, task.closure, self.known_names())
            graph.topological_order(self.upstream())
            candidate.taken = task.closure
            reached = {*candidate.choices, *(i.name for i in task.closure.ingredients)}
            candidate.makers = {name: self.names.maker(name) for name in reached}
        except MLPipeError:
            if before is None:
                del self.placed[component.name]
            else:
                self.placed[component.name] = before
            raise
        return task

    def learn(self, name: str, found: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Note which names a step was found to change, beyond those that its code shows.

        Later readers of a name are bound to this step, where they were bound to what it read itself.

        Returns
        -------
        names
            Those that are this step's from now on.
        readers
            Components whose inputs have become others by that.
        """
        placed = self.placed[name]
        fresh = tuple(n for n in found if n not in placed.writes)
        placed.found += fresh
        mine = {n: self._as_read(placed, n) for n in fresh}
        order = list(self.placed)
        above = graph.ancestors(self.upstream(), [name])
        readers = []
        for later in order[order.index(name) + 1 :]:
            if later in above:
                continue
            other = self.placed[later]
            changed = [n for n in fresh if mine[n] is not None and self._as_read(other, n) == mine[n]]
            for n in changed:
                other.choices[n] = replace(other.choices[n], binding=FromStep(name, n), value=None)
            if changed:
                readers.append(later)
        claimed = tuple(n for n in fresh if self._is_as_read(placed, n))
        return claimed, tuple(readers)

    def unlearn(self, name: str, gone: Iterable[str]) -> None:
        """Note that a step no longer changes names: they are again what they were without it."""
        placed = self.placed[name]
        gone = [n for n in gone if n in placed.found]
        placed.found = tuple(n for n in placed.found if n not in gone)
        for n in gone:
            before = placed.choices.get(n)
            for other in self.placed.values():
                choice = other.choices.get(n)
                if choice is not None and choice.binding == FromStep(name, n):
                    if before is None:
                        del other.choices[n]
                    else:
                        other.choices[n] = before

    def sources(self, name: str) -> set[tuple[Any, ...]]:
        """Return what identifies the values that a component reads."""
        placed = self.placed[name]
        return {(read, self._as_read(placed, read)) for read in placed.choices}

    def _as_read(self, placed: Placed, name: str) -> tuple[Any, ...] | None:
        """Return what identifies the value that a component reads under a name."""
        choice = placed.choices.get(name)
        if choice is None:
            return None
        return (choice.binding, choice.generation, None if choice.binding else id(choice.value))

    def _is_as_read(self, placed: Placed, name: str) -> bool:
        """Tell whether a name of the notebook stands for what the component read under it."""
        choice = placed.choices.get(name)
        owner = self.names.owner(name)
        if choice is None:
            # New to the notebook; or a companion of an input: its step's, when the component was placed.
            return (owner is None and name not in self.names.namespace) or any(
                name in c.siblings and isinstance(c.binding, FromStep) and c.binding.step == owner
                for c in placed.choices.values()
            )
        if self.names.generation(name) != choice.generation:
            return False
        if isinstance(choice.binding, FromStep):
            return owner == choice.binding.step
        return owner in (None, PARAMETERS)

    def _release_aliased(self, component: Component) -> None:
        """Take a loaded output for the notebook's own where a plain cell has given it another name."""
        names = self.names
        loaded = [n for n in component.reads if names.is_loaded(n)]
        if loaded:
            plain = [n for n in names.namespace if names.owner(n) is None]
            for name in loaded:
                if find_aliases([name], plain, names.namespace):
                    names.release(name)

    def _find_aliases(self, step: Step) -> tuple[str, ...]:
        if step.component.outputs_declared or step.component.function is not None:
            return ()
        names = self.names
        captured = [n for n, choice in self.placed[step.name].choices.items() if choice.binding is None]
        others = [n for n in names.namespace if names.owner(n) is None or names.is_loaded(n)]
        aliases = find_aliases(captured, others, names.namespace)
        for name in aliases:
            if names.is_loaded(name):
                names.release(name)
        return aliases

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
        self,
        targets: Iterable[str] | None = None,
        overrides: Mapping[str, Any] | None = None,
        *,
        strict: bool = True,
    ) -> dict[str, StepTask]:
        """Return `targets` (all by default) and what is above them, ready to be planned and run.

        Parameters
        ----------
        strict
            Whether a name that nothing provides is refused before anything runs.

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
                task = self.task(name, overrides, surroundings, planned=strict)
                if strict and task.closure.unresolved:
                    check_resolved(task.step.component, task.closure, self.known_names())
                check_sendable(task.step.component, task.closure)
                tasks[name] = task
                pending.extend(task.step.upstream)
        order = graph.topological_order({n: tasks[n].step.upstream for n in self.placed if n in tasks})
        contested = self._contested(tasks)
        return {
            name: replace(tasks[name], contested=contested[name]) if name in contested else tasks[name]
            for name in order
        }

    def _contested(self, tasks: Mapping[str, StepTask]) -> dict[str, dict[str, str]]:
        """Return, by step, the inputs that a later step of the same run reads from the same source."""
        contested: dict[str, dict[str, str]] = {}
        readers: dict[tuple[str, Any], str] = {}
        for name in reversed([name for name in self.placed if name in tasks]):
            placed = self.placed[name]
            for read, binding in tasks[name].step.bindings.items():
                if isinstance(binding, FromParameter):
                    continue
                source = (read, binding)
                if source in readers and read not in placed.writes:
                    contested.setdefault(name, {})[read] = readers[source]
                readers[source] = name
        return contested

    def task(
        self,
        name: str,
        overrides: Mapping[str, Any] | None = None,
        surroundings: Surroundings | None = None,
        *,
        planned: bool = False,
    ) -> StepTask:
        """Return one step with all that it reaches, as the notebook stands.

        Parameters
        ----------
        planned
            Steps above it will run, too: what one of them has failed to make it may make this time.
        """
        placed = self.placed[name]
        around = surroundings or self._surroundings()
        step, closure = self._place(placed, around, planned)
        if closure.unresolved and self.bring(closure.unresolved):
            step, closure = self._place(placed, around, planned)
        as_run = self._as_run(placed, closure)
        if as_run is not closure:
            step, closure = self._bind_as_run(placed, step, as_run), as_run
        self._note_helpers(placed, closure)
        # Its own reads, and those of its helpers: they may be changed, too.
        captured = {i.name for i in closure.ingredients if i.kind == "value"}
        captured |= {name for name, (_, helper) in placed.helpers.items() if is_closure(helper)}
        for read in captured:
            if read not in placed.choices and read in self.names.namespace:
                value = self.names.namespace[read]
                held = self.names.is_held(read)
                placed.choices[read] = Choice(None, self.names.generation(read), value, held=held)
        placed.component = step.component
        step = replace(step, after=tuple(above for above in placed.after if above in self.placed))
        placed.upstream = step.upstream
        placed.may_set = closure.may_set
        # What is no longer read must not hold the graph, or its kept value, in place.
        placed.choices = {n: c for n, c in placed.choices.items() if n in step.bindings or n in captured}
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
            siblings=_siblings(placed),
            given=self._given(placed, closure.affected),
            snapshot=placed.snapshot,
        )

    def _place(self, placed: Placed, around: Surroundings, planned: bool) -> tuple[Step, Closure]:
        return place(
            placed.component,
            self.names.namespace,
            lambda read: self._choose(placed, read, planned),
            modules=around.modules,
            closures=self._closures,
            kept=self._kept(placed),
            aliases=placed.aliases,
        )

    def _note_helpers(self, placed: Placed, closure: Closure) -> None:
        """Note what definitions a component reads: a later cell may bind their names to values."""
        names = self.names
        reached = {i.name for i in closure.ingredients if i.kind == "helper"}
        placed.helpers = {name: kept for name, kept in placed.helpers.items() if name in reached}
        for name in reached:
            if names.owner(name) is None and name in names.namespace:
                placed.helpers[name] = names.generation(name), names.namespace[name]

    def _still_defined(self, helpers: Mapping[str, tuple[int, Any]]) -> dict[str, tuple[int, Any]]:
        """Return those that are definitions of components' cells, and of the latest one of their name."""
        placed = self.placed.values()
        defined = {definition.name for other in placed for definition in other.component.definitions}
        return {
            name: kept
            for name, kept in helpers.items()
            if name in defined and self.names.generation(name) == kept[0]
        }

    def _as_run(self, placed: Placed, closure: Closure) -> Closure:
        """Return the closure as it was when the cell was last run, where later cells brought the changes.

        A notebook goes on: what a later cell binds or changes is not what an earlier one read. But a
        helper that was edited, or a cell that was run again, makes the step stale.
        """
        taken = placed.taken
        if taken is None or taken is closure or not {*taken.unresolved} <= {*closure.unresolved}:
            return closure
        before, after = (_by_name(c) for c in (taken, closure))
        redefined = False
        for name in before.keys() & after.keys():
            if before[name] != after[name]:
                if not self._is_of_later_cell(placed, name, {*before[name], *after[name]}):
                    return closure
                redefined = True
        # What only one of two definitions of a name reaches comes with it.
        alone = () if redefined else before.keys() ^ after.keys()
        for name in alone:
            kinds = {**before, **after}[name].keys()
            maker = self.names.maker(name)
            if kinds != {"value"} or (maker and maker.made_anew(placed.makers.get(name))):
                return closure
        return taken

    def _is_of_later_cell(self, placed: Placed, name: str, kinds: set[str]) -> bool:
        """Tell whether a name stands for something else because another cell bound it."""
        maker, before = self.names.maker(name), placed.makers.get(name)
        if "value" in kinds and kinds <= {"value", "helper"}:
            return not (maker and maker.made_anew(before))
        if kinds != {"helper"} or maker is None or before is None:
            return False
        return None not in (maker.cell_id, before.cell_id) and maker.cell_id != before.cell_id

    def _bind_as_run(self, placed: Placed, step: Step, closure: Closure) -> Step:
        """Return a step with the bindings that an earlier closure needs."""
        bindings = {
            name: binding
            for name, binding in step.bindings.items()
            if isinstance(binding, FromNotebook) or name in closure.provided_reads
        }
        for name in closure.provided_reads:
            if name not in bindings and (found := self._choose(placed, name, planned=False)) is not None:
                bindings[name] = found
        return replace(step, bindings=bindings)

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
            names.update(placed.writes)
        return names - _INTERACTIVE

    def shared_names(self) -> frozenset[str]:
        """Return the names that more than one component writes."""
        seen: set[str] = set()
        shared: set[str] = set()
        for placed in self.placed.values():
            shared.update(seen.intersection(placed.writes))
            seen.update(placed.writes)
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

    def _choose(self, placed: Placed, read: str, planned: bool) -> FromStep | FromParameter | None:
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
        if choice is not None and choice.held and not self.names.is_held(read):
            del placed.choices[read]  # its component has made it again
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

    def _is_own(self, component: Component, read: str) -> bool:
        return (
            read in component.may_read
            and read not in self.names.namespace
            and read in analyse(component.code).binds
        )

    def _still_own(self, placed: Placed) -> frozenset[str]:
        """Return those of its own names that only itself, or a step below it, has bound since."""
        name = placed.component.name
        order = list(self.placed)
        below = order[order.index(name) :]
        return frozenset(n for n in placed.own if (self.names.owner(n) or name) in below)

    def _fresh(self, placed: Placed, read: str, planned: bool = False) -> Choice:
        self.names.settle(read)
        owner = self.names.owner(read)
        if owner is None and planned:
            owner = self.names.missed_by(read)
        generation = self.names.generation(read)
        if owner == PARAMETERS:
            return Choice(FromParameter(read), generation)
        if owner is not None and owner != placed.component.name and owner in self.placed:
            if self.names.is_held(read):
                self.names.load([read])
                return Choice(None, generation, self.names.namespace.get(read), held=True)
            return Choice(FromStep(owner, read), generation, siblings=self.names.owned_by(owner) - {read})
        return Choice(None, generation, self.names.namespace.get(read))

    def _renew(self, placed: Placed, read: str) -> Choice:
        """Return the choice for a component whose cell is run again."""
        kept = placed.choices[read]
        self.names.settle(read)
        if self.names.generation(read) != kept.generation:
            return self._fresh(placed, read)  # a plain cell has bound the name anew since
        owner = self.names.owner(read)
        failed = owner if self.names.is_held(read) else self.names.missed_by(read)
        if isinstance(kept.binding, FromStep) and kept.binding.step == failed:
            return self._fresh(placed, read)
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
        return placed is not None and binding.output in placed.writes

    def _is_producer(self, default: str | None, producer: tuple[str, str] | None) -> bool:
        # `df=load.df` names a producer where a component `load` is known, or nothing else is.
        if producer is None or default is None:
            return False
        return producer[0] in self.placed or producer[0] not in self.names.namespace

    def _declared_producer(self, placed: Placed, producer: tuple[str, str]) -> FromStep:
        step, output = producer
        self.check(step)
        made = self.placed[step].writes
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


def _by_name(closure: Closure) -> dict[str, dict[str, str]]:
    """Return the digests of a closure's ingredients by name and kind."""
    found: dict[str, dict[str, str]] = {}
    for ingredient in closure.ingredients:
        found.setdefault(ingredient.name, {})[ingredient.kind] = ingredient.digest
    return found


def _siblings(placed: Placed) -> dict[str, frozenset[str]]:
    """Return, by step that a component reads from, the other names that were that step's then."""
    found: dict[str, frozenset[str]] = {}
    for choice in placed.choices.values():
        if isinstance(choice.binding, FromStep) and choice.siblings:
            step = choice.binding.step
            found[step] = found.get(step, frozenset()) | choice.siblings
    return found
