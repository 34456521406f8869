"""The notebook's components, and the steps that they are as the notebook stands."""

from __future__ import annotations

import itertools
import math
import sys
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

from jupyter_mlpipe.cells.compile import drop_defaults
from jupyter_mlpipe.errors import MLPipeError
from jupyter_mlpipe.execution.runs.resolve import place
from jupyter_mlpipe.execution.runs.task import StepTask, check_places
from jupyter_mlpipe.keys.closure import Closure, Closures
from jupyter_mlpipe.keys.collector import paused_collector
from jupyter_mlpipe.keys.given import Affected, Given, Snapshot, give
from jupyter_mlpipe.keys.modules import LocalModules, Modules, ModulesOnce
from jupyter_mlpipe.keys.moment import forget, one_moment
from jupyter_mlpipe.keys.providers import Changes
from jupyter_mlpipe.keys.values import is_closure
from jupyter_mlpipe.model import graph
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.pipeline import FromNotebook, FromParameter, Step
from jupyter_mlpipe.notebook.steps import learned
from jupyter_mlpipe.notebook.steps.aliases import aliases_of, release_aliased
from jupyter_mlpipe.notebook.steps.as_run import as_run, bind_as_run, by_name
from jupyter_mlpipe.notebook.steps.contracts import check_contract, check_resolved, check_sendable
from jupyter_mlpipe.notebook.steps.kept import keep_for_readers, kept_values, note_helpers, still_defined
from jupyter_mlpipe.notebook.steps.names import Names
from jupyter_mlpipe.notebook.steps.order import Order
from jupyter_mlpipe.notebook.steps.parameters import Declared, check_type, chosen_value, declare
from jupyter_mlpipe.notebook.steps.placed import Choice, Placed, check_steps, siblings_of, upstream_of
from jupyter_mlpipe.notebook.steps.producers import Producers
from jupyter_mlpipe.notebook.steps.results import history_read, is_history
from jupyter_mlpipe.notebook.steps.siblings import Version, still_found
from jupyter_mlpipe.notebook.steps.unsettled import Earlier, Unsettled
from jupyter_mlpipe.store.records import Record

_INTERACTIVE = frozenset({"In", "Out", "_", "__", "___", "_dh", "_ih", "_oh", "exit", "quit"})


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
    needs_of
        Gives the definitions that a step's inputs need, where their source does not say all of them.
    """

    def __init__(self, names: Names, title_of: Callable[[str], str]) -> None:
        self.names = names
        self._title_of = title_of
        self.placed: dict[str, Placed] = {}
        self.parameters: dict[str, Declared] = {}
        self.overrides: dict[str, Any] = {}
        self._order = Order(self.placed)
        self._producers = Producers(names, self.placed)
        self.bring: Callable[[Iterable[str]], bool] = lambda names: False
        self.needs_of: Callable[[Step], tuple[str, ...]] = lambda step: ()
        # Both may name more than those that do, never fewer: what a component does may change.
        self._setters: dict[str, None] = {}
        self._writers: dict[str, dict[str, None]] = {}
        self._modules = LocalModules()
        self._closures = Closures()

    def __contains__(self, name: str) -> bool:
        return name in self.placed

    @one_moment()
    def add(
        self,
        component: Component,
        unsettled: Unsettled,
        own: Mapping[str, Changes] = MappingProxyType({}),
        *,
        is_to_run: bool = True,
    ) -> StepTask:
        """Register a component, or register it again; the earlier one stays where this fails.

        Parameters
        ----------
        unsettled
            Steps whose settings have not reached the notebook yet.
        own
            What this one has set in the notebook the last time, by provider.
        is_to_run
            Whether it runs next: then the files that it was given must be there.

        Raises
        ------
        ContractError, UnknownNameError, CycleError, ParameterError, PlaceError
            The component does not fit; the message says how to mend it.
        """
        before = self.placed.get(component.name)
        producers = [i.name for i in component.inputs if self._producers.is_meant(i.default, i.producer)]
        if component.function and producers:
            component = drop_defaults(component, producers)
        snapshot = Snapshot(before.snapshot if before else None, own)
        place = self._order.new_place() if before is None else before.place
        candidate = Placed(component, snapshot, place, self._look(component.name, place, unsettled))
        if before is not None:
            candidate.choices = dict(before.choices)
            candidate.helpers = still_defined(before.helpers, self.placed, self.names)
            candidate.own = self._producers.still_own(before)
        if any(is_history(read) for read in component.reads):
            candidate.history = history_read(component.code, self.names.namespace)
        scope = ChainMap(kept_values(candidate, self.names), self.names.namespace)
        for declared in component.inputs:
            if declared.default is not None and not self._producers.is_meant(
                declared.default, declared.producer
            ):
                candidate.declared[declared.name] = declare(declared, scope)
        for name in list(candidate.choices):
            candidate.choices[name] = self._producers.renew(candidate, name)
        if before is not None:
            candidate.found = still_found(candidate, before)
        self.placed[component.name] = candidate
        try:
            release_aliased(component.reads, self.names)
            task = self.task(component.name)
            candidate.aliases = (*aliases_of(candidate, task.step, self.names), *self.needs_of(task.step))
            candidate.aliases += task.given.reads
            if candidate.aliases:
                task = self.task(component.name)
            check_contract(task.step)
            for declared in component.inputs:
                if isinstance(task.step.bindings.get(declared.name), FromNotebook):
                    check_type(component.name, declared, scope.get(declared.name), scope)
            if component.inputs_declared:
                check_resolved(component, task.closure.unresolved, self.known_names)
            if is_to_run:
                check_places(task)
            self._order.check()
            candidate.taken = task.closure
            reached = {*candidate.choices, *(i.name for i in task.closure.ingredients)}
            candidate.makers = {name: self.names.maker(name) for name in reached}
        except MLPipeError:
            if before is None:
                del self.placed[component.name]
                self._order.forget(component.name)
            else:
                self.placed[component.name] = before
                self._order.note(component.name)
            raise
        keep_for_readers(self.placed, component.name, candidate.writes, self.names)
        return task

    def learn(self, name: str, found: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Note which names a step was found to change; see `learned.learn`."""
        found = tuple(found)
        keep_for_readers(self.placed, name, found, self.names)
        learnt = learned.learn(self.placed, self.names, name, found)
        self._note_writes(name)
        return learnt

    def unlearn(self, name: str, gone: Iterable[str]) -> None:
        """Note that a step no longer changes names: they are again what they were without it."""
        learned.unlearn(self.placed, name, gone)

    def sources(self, name: str) -> set[tuple[str, Version]]:
        """Return what identifies the values that a component reads."""
        return learned.sources(self.placed[name])

    def remove(self, name: str) -> None:
        """Forget a component; what it made stays in the store."""
        self.check(name)
        del self.placed[name]
        self._order.forget(name)
        self.names.forget(name)

    def note_set(self, name: str) -> None:
        """Note that running a step has set something for the cells below."""
        self.placed[name].has_set = True
        self._setters[name] = None

    def check(self, *names: str) -> None:
        """Refuse names of steps that are not there."""
        check_steps(self.placed, *names)

    def upstream(self) -> dict[str, tuple[str, ...]]:
        """Return for each component those that it reads from, as chosen so far."""
        return upstream_of(self.placed)

    @paused_collector()
    @one_moment()
    def tasks(
        self,
        targets: Iterable[str] | None = None,
        overrides: Mapping[str, Any] | None = None,
        *,
        strict: bool = True,
        refused: dict[str, MLPipeError] | None = None,
        made: Callable[[str], tuple[str, Record] | None] = lambda name: None,
        gave: Callable[[str], tuple[str, Record] | None] = lambda name: None,
        taken: Mapping[str, StepTask] = MappingProxyType({}),
    ) -> dict[str, StepTask]:
        """Return `targets` (all by default) and what is above them, ready to be planned and run.

        Parameters
        ----------
        strict
            Whether a name that nothing provides is refused before anything runs.
        refused
            Takes the errors of steps that cannot run as they are; these and those below are left out then.
        made
            Gives what counts for the steps below, see `StepTask`.
        gave
            Gives the same of any step.
        taken
            Steps that were looked at a moment ago: nothing that they reach has changed since.

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
                try:
                    task = taken.get(name) or self.task(
                        name, overrides, surroundings, planned=strict, made=made(name)
                    )
                    if task.made is not None:
                        task = replace(task, later=partial(self._later, name, gave))
                    if strict and task.closure.unresolved:
                        check_resolved(task.step.component, task.closure.unresolved, self.known_names)
                    if not task.options.here:
                        check_sendable(task.step.component, task.closure)
                except MLPipeError as error:
                    if refused is None:
                        raise
                    refused[name] = error
                    continue
                tasks[name] = task
                pending.extend(task.step.upstream)
        if refused:
            for name in graph.descendants(self.upstream(), refused):
                tasks.pop(name, None)
        order = graph.topological_order({n: tasks[n].step.upstream for n in self._order.sort(tasks)})
        contested = self._contested(tasks)
        return {
            name: replace(tasks[name], contested=contested[name]) if name in contested else tasks[name]
            for name in order
        }

    @contextmanager
    def observing(self) -> Iterator[None]:
        """Choose nothing for good within the block: to look at the notebook must not change what it means."""
        before = {
            name: (placed, placed.component, dict(placed.choices), dict(placed.helpers), placed.upstream)
            for name, placed in self.placed.items()
        }
        try:
            yield
        finally:
            for name, (placed, component, choices, helpers, upstream) in before.items():
                placed.component, placed.choices, placed.helpers = component, choices, helpers
                if placed.upstream != upstream:
                    placed.upstream = upstream
                    self._order.note(name)

    def _contested(self, tasks: Mapping[str, StepTask]) -> dict[str, dict[str, str]]:
        """Return, by step, the inputs that a later step of the same run reads from the same source."""
        contested: dict[str, dict[str, str]] = {}
        readers: dict[tuple[str, Any], str] = {}
        for name in reversed(self._order.sort(tasks)):
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
        made: tuple[str, Record] | None = None,
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
            forget()
            step, closure = self._place(placed, around, planned)
        taken = as_run(placed, closure, self.names)
        if taken is not closure:
            choose = partial(self._producers.choose, placed, planned=False)
            step, closure = bind_as_run(step, taken, choose), taken
        note_helpers(placed, closure, self.names)
        # Its own reads, and those of its helpers: they may be changed, too.
        captured = {i.name for i in closure.ingredients if i.kind == "value"}
        captured |= {name for name, (_, helper) in placed.helpers.items() if is_closure(helper)}
        for read in captured:
            if read not in placed.choices and read in self.names.namespace:
                value = self.names.namespace[read]
                held = (self.names.owner(read) or "") if self.names.is_held(read) else ""
                placed.choices[read] = Choice(None, self.names.generation(read), value, held=held)
        placed.component = step.component
        self._note_writes(name)
        if after := self._set_for(placed):
            step = replace(step, after=after)
        placed.upstream = step.upstream
        self._order.note(name)
        placed.may_set = closure.may_set
        if placed.may_set:
            self._setters[name] = None
        # What is no longer read must not hold the graph, or its kept value, in place.
        placed.choices = {n: c for n, c in placed.choices.items() if n in step.bindings or n in captured}
        chosen = {**self.overrides, **(overrides or {})}
        values = {
            read: chosen_value(
                name,
                binding.name,
                own=placed.declared.get(binding.name),
                common=self.parameters.get(binding.name),
                overrides=chosen,
            )
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
            siblings=siblings_of(placed),
            made=made,
            given=self._given(placed, closure.affected),
            snapshot=placed.snapshot,
            earlier=placed.after,
        )

    def changed_since(self, name: str, closure: Closure) -> set[str]:
        """Return the names that would give a component another closure, if it were taken now."""
        now = by_name(self._place(self.placed[name], self._surroundings(), False)[1])
        then = by_name(closure)
        return {n for n in now.keys() | then.keys() if now.get(n) != then.get(n)}

    def _place(self, placed: Placed, around: Surroundings, planned: bool) -> tuple[Step, Closure]:
        return place(
            placed.component,
            self.names.namespace,
            lambda read: self._producers.choose(placed, read, planned),
            modules=around.modules,
            closures=self._closures,
            kept=kept_values(placed, self.names),
            aliases=placed.aliases,
        )

    def _given(self, placed: Placed, affected: Affected) -> Given:
        if placed.given is None or placed.given[0] != affected:
            placed.given = affected, give(placed.snapshot, affected, self.names.namespace)
            placed.snapshot.read()
        return placed.given[1]

    def _look(self, name: str, place: int, unsettled: Unsettled) -> Earlier:
        """Return those of `unsettled` that stand above a component, and could set something for it."""
        below = self._order.below(name) if unsettled else ()
        return unsettled.look(place, (n for n in below if n in unsettled))

    def _set_for(self, placed: Placed) -> tuple[str, ...]:
        """Return the steps, of those that had not ended when its cell was run, after which it comes."""
        known = (n for n in self._setters if n in self.placed)
        found = placed.after(n for n in known if self.placed[n].may_set or self.placed[n].has_set)
        if any(not self.placed[n].may_set for n in found):
            below = self._order.below(placed.component.name)
            found = tuple(n for n in found if self.placed[n].may_set or n not in below)
        return found

    def _surroundings(self) -> Surroundings:
        return Surroundings(tuple(sys.path), ModulesOnce(self._modules))

    def _later(
        self, name: str, gave: Callable[[str], tuple[str, Record] | None]
    ) -> list[tuple[Record, str | None]]:
        """Return what components further down gave, each with its folder."""
        place = self.placed[name].place if name in self.placed else math.inf
        further = [p for p in list(self.placed.values()) if p.place > place]  # whole, in whatever thread
        return [
            (found[1], p.snapshot.folder) for p in further if (found := gave(p.component.name)) is not None
        ]

    def known_names(self) -> set[str]:
        """Return every name that a component could read, for close matches."""
        names = {n for n in list(self.names.namespace) if not n.startswith("_")} | set(self.parameters)
        for placed in list(self.placed.values()):
            names.update(placed.writes)
        return names - _INTERACTIVE

    def _note_writes(self, name: str) -> None:
        for out in self.placed[name].writes:
            self._writers.setdefault(out, {})[name] = None

    def is_shared(self, name: str) -> bool:
        """Tell whether more than one component writes a name."""
        placed = (self.placed.get(writer) for writer in self._writers.get(name, ()))
        writers = (writer for writer in placed if writer is not None and name in writer.writes)
        return len(list(itertools.islice(writers, 2))) > 1

    def parameter_names(self) -> set[str]:
        """Return the names that ``-p`` may set, ``step.name`` among them."""
        names = set(self.parameters)
        for step, placed in self.placed.items():
            names.update(placed.declared)
            names.update(f"{step}.{name}" for name in placed.declared)
        return names
