"""A step with everything that it needs to run: its code's closure and its parameters' values."""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from jupyter_mlpipe.errors import PlaceError
from jupyter_mlpipe.execution.process.declared import declared_places, localised
from jupyter_mlpipe.execution.process.own_state import OwnState
from jupyter_mlpipe.execution.process.spec import USUAL_MODE, Prelude, StepSpec
from jupyter_mlpipe.keys.closure import Closure, ModuleSource
from jupyter_mlpipe.keys.earlier import needed_earlier
from jupyter_mlpipe.keys.given import NOTHING, Given, Snapshot
from jupyter_mlpipe.keys.held import DefinitionPickle
from jupyter_mlpipe.keys.payload import LivePickle, dump_closure
from jupyter_mlpipe.keys.places import entries_of
from jupyter_mlpipe.keys.values import places_in
from jupyter_mlpipe.model.component import Options
from jupyter_mlpipe.model.files import Place
from jupyter_mlpipe.model.pipeline import FromStep, Step
from jupyter_mlpipe.model.status import Ingredient, Reason
from jupyter_mlpipe.store.records import Artifact, Record
from jupyter_mlpipe.store.registered import codecs_to_send

if TYPE_CHECKING:
    from jupyter_mlpipe.store.signing import Signer


def _none_of(steps: Iterable[str]) -> tuple[str, ...]:
    return ()


def _nothing() -> Iterable[tuple[Record, str | None]]:
    return ()


@dataclass(frozen=True, slots=True)
class StepTask:
    """A step ready to be planned and run; a snapshot, so that later edits of the notebook do not reach it.

    Parameters
    ----------
    closure
        All that the code reaches, digested and pickled in one go.
    parameters
        Resolved, validated values by the name that the code reads.
    title
        For people, where it says more than the name.
    folder, sys_path
        The working directory and import path that the step process gets.
    given
        What the notebook had set when the step's cell was last run, as far as it can affect it.
    snapshot
        All that it had set, for a step that comes after others which set something.
    titles
        By file name of captured code, what tracebacks call it: ``Cell In[3]``.
    siblings
        By step that it reads from, the names that were that step's when this one was placed: what it
        finds stored together with an input is an output of it, where it is changed.
    earlier
        Gives those of some steps that are of cells above and had not ended when the step's cell was run, in
        the notebook's order: should they turn out to set something for it, it comes after them.
    altered, contested, traceback_mode
        As in `StepSpec`.
    behind
        Steps that come first because of files; see `jupyter_mlpipe.execution.runs.written.file_order`.
    made
        What it gave when its cell was last run, and the key for that. It is good enough for the steps below,
        even where nothing may be reused for the step itself.
    later
        Gives what steps of cells further down gave when these were last run, each with its folder.
    """

    step: Step
    closure: Closure
    parameters: Mapping[str, object] = field(default_factory=dict)
    title: str = ""
    folder: str | None = None
    sys_path: tuple[str, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    siblings: Mapping[str, frozenset[str]] = field(default_factory=dict)
    contested: Mapping[str, str] = field(default_factory=dict)
    made: tuple[str, Record] | None = None
    later: Callable[[], Iterable[tuple[Record, str | None]]] = _nothing
    given: Given = NOTHING
    snapshot: Snapshot | None = None
    earlier: Callable[[Iterable[str]], tuple[str, ...]] = _none_of
    altered: tuple[DefinitionPickle, ...] = ()
    behind: tuple[str, ...] = ()
    traceback_mode: str = USUAL_MODE

    @property
    def problems(self) -> tuple[Reason, ...]:
        """Why it has no key that could come again."""
        return (*self.closure.problems, *self.given.problems)

    @property
    def unshippable(self) -> tuple[Reason, ...]:
        """Why it cannot be sent to a process of its own."""
        return (*self.closure.unshippable, *self.given.unshippable)

    @property
    def name(self) -> str:
        return self.step.component.name

    @property
    def above(self) -> tuple[str, ...]:
        """The steps that have to end before this one is decided on, each once."""
        return tuple(dict.fromkeys((*self.step.upstream, *self.behind)))

    @property
    def options(self) -> Options:
        return self.step.component.options

    @property
    def places(self) -> tuple[Place, ...]:
        """The files and folders that it was declared to read."""
        of_parameters = (place for value in self.parameters.values() for place in places_in(value))
        return (*self.closure.places, *of_parameters)

    @property
    def preload(self) -> tuple[str, ...]:
        """Modules worth importing ahead: with IPython's formatters where the cell displays something."""
        shows = ("IPython.core.interactiveshell",) if self.step.component.shows else ()
        return (*self.closure.preload, *shows)

    @property
    def inputs(self) -> Mapping[str, FromStep]:
        """What it reads from other steps, by the name that the code reads."""
        return self.step.inputs


def check_places(*tasks: StepTask) -> None:
    """Refuse steps that were given a file or folder which is not there, or cannot be read.

    Raises
    ------
    PlaceError
        Says which, and what to do.
    """
    for task in tasks:
        for place in task.places:
            try:
                entries_of(place)
            except PlaceError as error:
                raise PlaceError(f"Component '{task.name}' cannot be run: {error}") from None


def seal(task: StepTask) -> StepTask:
    """Return a step as it can be sent at any time, whatever the notebook does with what it has captured.

    Raises
    ------
    EncodingError
        That was changed already.
    """
    closure = task.closure
    if not isinstance(closure.payload, LivePickle):
        return task
    return replace(task, closure=replace(closure, payload=closure.sealed_payload()))


def make_spec(
    task: StepTask,
    key: str,
    ingredients: tuple[Ingredient, ...],
    inputs: Mapping[str, Artifact],
    *,
    companions: Mapping[str, tuple[str, ...]] | None = None,
    above: Mapping[str, StepTask] | None = None,
    defined: Callable[[str], OwnState] = lambda step: OwnState(),
    why: str = "",
    store: str = "",
    signer: Signer | None = None,
    notebook: str = "",
) -> StepSpec:
    """Return what the step's process is sent.

    Parameters
    ----------
    inputs
        By the name that the code reads.
    companions, store, signer
        As in `StepSpec`.
    above
        The tasks of the run, from which definitions are taken that the inputs' pickles refer to.
    defined
        Gives what one of these has made of its definitions, where their source does not say it.
    """
    component, closure = task.step.component, task.closure
    known = {*closure.names, *closure.imports, *inputs}
    earlier = _earlier(inputs)
    replaced = {(name, digest) for name, digest, _payload in earlier}
    needs = [need for artifact in inputs.values() for need in artifact.needs.items() if need[0] not in known]
    needed = [need[0] for need in needs if need not in replaced]
    needed += [name for altered in task.altered for name in altered.needs if name not in known]
    givers = _givers(task, needed, above or {}, last=_sources(task, inputs, replaced))
    # What earlier definitions read: those that are current win where both bind a name.
    behind = _givers(task, [need[0] for need in needs if need in replaced], above or {})
    givers = [*(giver for giver in behind if giver not in givers), *givers]
    modules: dict[str, ModuleSource] = {}
    sources: dict[str, str] = {}
    for reached in (*(giver.closure for giver in givers), closure):
        modules.update(reached.modules)
        sources.update(reached.sources)
    places = declared_places(task.places, ingredients)
    codecs = codecs_to_send()
    for codec in codecs:
        modules = {**codec.modules, **modules}
        sources = {**codec.sources, **sources}
    return StepSpec(
        step=task.name,
        key=key,
        title=task.title or "Cell",
        cell=component.cell,
        code=component.code,
        function=component.function,
        postponed=component.postponed,
        outputs=component.outputs,
        outputs_declared=component.outputs_declared,
        contested=task.contested,
        parameters={name: localised(value, places) for name, value in task.parameters.items()},
        inputs=dict(inputs),
        companions=dict(companions or {}),
        imports=closure.imports,
        payload=closure.sealed_payload(),
        preludes=tuple(prelude for giver in givers for prelude in _preludes(giver, known, defined)),
        earlier=earlier,
        altered=task.altered,
        codecs=codecs,
        options=task.given.changes,
        states=task.given.states,
        sources=sources,
        titles=task.titles,
        modules=modules,
        ingredients=ingredients,
        store=store,
        signer=signer,
        folder=task.folder or "",
        sys_path=task.sys_path,
        traceback_mode=task.traceback_mode,
        shows=component.shows,
        cpus=task.options.resources.cpus,
        gpus=task.options.resources.gpus,
        scratch=task.options.scratch,
        spawn=task.options.spawn,
        memory_bytes=task.options.resources.memory_bytes,
        preload=task.preload,
        environment=task.given.environment,
        places=places,
        why=why,
        notebook=notebook,
    )


def _earlier(inputs: Mapping[str, Artifact]) -> tuple[tuple[str, str, bytes], ...]:
    """Pickle what inputs refer to and the notebook of this process has defined anew since."""
    namespace = vars(sys.modules["__main__"])
    needs = (need for artifact in inputs.values() for need in artifact.needs.items())
    return tuple(
        (name, digest, dump_closure({name: definition}, namespace))
        for name, digest, definition in needed_earlier(needs, namespace)
    )


def _sources(
    task: StepTask, inputs: Mapping[str, Artifact], replaced: Container[tuple[str, str]]
) -> set[str]:
    """Return the steps that made inputs which refer to something that was replaced."""
    read = ((source.step, inputs[name].needs) for name, source in task.inputs.items() if name in inputs)
    return {step for step, needs in read if any(need in replaced for need in needs.items())}


def _givers(
    task: StepTask, needed: Iterable[str], tasks: Mapping[str, StepTask], last: Container[str] = ()
) -> list[StepTask]:
    """Return the tasks above that define or capture the names, the nearest one for each name.

    Of those that the task reads from itself, `last` count as further up.
    """
    missing = dict.fromkeys(needed)
    givers: list[StepTask] = []
    seen = set[str]()
    pending = [task.name, *sorted(task.step.upstream, key=lambda name: name in last)]
    while pending and missing:
        name = pending.pop(0)
        if name in seen or (giver := tasks.get(name, task if name == task.name else None)) is None:
            continue
        seen.add(name)
        pending.extend(giver.step.upstream)
        defined = {definition.name for definition in giver.step.component.definitions}
        captured = set() if giver is task else {*giver.closure.names, *giver.closure.imports}
        given = [need for need in missing if need in defined or need in captured]
        for need in given:
            del missing[need]
        if given:
            givers.append(giver)
    # Those further up first: what is nearer may rest on it, and wins where both bind a name.
    return givers[::-1]


def _preludes(
    giver: StepTask, known: Container[str], defined: Callable[[str], OwnState]
) -> Iterator[Prelude]:
    """Give what the definitions of a task rest on, then the definitions themselves.

    Without those that the reader's own closure binds: a class made twice is two classes.
    """
    closure, component = giver.closure, giver.step.component
    if closure.imports:
        lines = (_import_line(name, *source) for name, source in closure.imports.items())
        yield Prelude(source="\n".join(lines), title=f"<imports of {giver.name}>")
    if closure.payload:
        yield Prelude(payload=closure.sealed_payload())
    found = defined(giver.name) if component.definitions else OwnState()
    made = found.made.names if found.made is not None else ()
    left = [d for d in component.definitions if d.name not in known and d.name not in {*made, *found.missed}]
    # Several names may share one statement.
    statements = dict.fromkeys(definition.source for definition in left)
    if statements:
        if component.postponed:
            statements = {"from __future__ import annotations": None, **statements}
        yield Prelude(source="\n".join(statements), title=f"<definitions of {giver.name}>")
    if found.made is not None and any(name not in known for name in made):
        # None of the others rests on one of these.
        yield Prelude(payload=found.made.stream)


def _import_line(name: str, module: str, attribute: str | None) -> str:
    if attribute is not None:
        return f"from {module} import {attribute} as {name}"
    return f"import {module}" if name == module else f"import {module} as {name}"
