"""The notebook's names while a step runs in the kernel: they stand for what its key says that it reads."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from jupyter_mlpipe.errors import ArtifactCorruptError
from jupyter_mlpipe.execution.process.filling import import_named
from jupyter_mlpipe.execution.process.spec import NOT_BOUND, StepSpec
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.keys.payload import load_closure
from jupyter_mlpipe.keys.witness import MISSING
from jupyter_mlpipe.notebook.steps.kept import kept_values
from jupyter_mlpipe.notebook.steps.names import Names
from jupyter_mlpipe.notebook.steps.registry import Registry
from jupyter_mlpipe.notebook.values.asthen import hold_again, hold_as, is_made_alike
from jupyter_mlpipe.notebook.values.definitions import Definitions
from jupyter_mlpipe.notebook.values.loading import Loaded
from jupyter_mlpipe.store.records import Artifact, Record
from jupyter_mlpipe.store.store import Store

_GONE = object()


class HereNames:
    """Sets the names before such a step, and takes them over after it."""

    def __init__(self, names: Names, registry: Registry, definitions: Definitions, loaded: Loaded) -> None:
        self.names = names
        self.registry = registry
        self.definitions = definitions
        self.loaded = loaded
        # What such a step left in the kernel, by name: the step, and the value.
        self.left: dict[str, tuple[str, object]] = {}

    def has_left(self, step: str, name: str) -> bool:
        """Tell whether a name stands for what a step has left in the kernel, and nowhere else."""
        left = self.left.get(name)
        return left is not None and left[0] == step and self.names.namespace.get(name, _GONE) is left[1]

    @contextlib.contextmanager
    def standing(self, task: StepTask, spec: StepSpec, store: Store, *, is_kept: bool) -> Iterator[Standing]:
        """Let names stand for what a step reads, as long as its code runs.

        Parameters
        ----------
        is_kept
            Whether the names are to follow what it makes. Otherwise all is afterwards as it was.
        """
        standing = Standing(self, task, spec, store)
        standing.set(is_kept=is_kept)
        try:
            yield standing
        finally:
            standing.end(is_kept=is_kept)


class Standing:
    """The names of one step.

    Attributes
    ----------
    is_unlike
        Whether something that the code reads cannot be had as its key has it.
    values, companions
        As `execution.outcome` has them: what the step was given by the name that its code reads, and what is
        stored together with that.
    """

    def __init__(self, here: HereNames, task: StepTask, spec: StepSpec, store: Store) -> None:
        self._here = here
        self._task = task
        self._spec = spec
        self._store = store
        self._namespace = here.names.namespace
        self._all: dict[str, object] = {}
        self._replaced: dict[str, tuple[object, object]] = {}  # by name: before, and what was set
        self._held: list[tuple[object, dict[str, object]]] = []  # definitions, and what they held before
        self._record: Record | None = None
        self._claims = False
        self._stay: Collection[str] = ()
        self.is_unlike = False
        self.values: dict[str, object] = {}
        self.companions: dict[str, object] = {}

    def set(self, *, is_kept: bool) -> None:
        if is_kept:
            self._load_inputs()
        self._all = dict(self._namespace)
        task, spec, namespace = self._task, self._spec, self._namespace
        kept = kept_values(self._here.registry.placed[task.name], self._here.names)
        self._here.definitions.bring([*task.closure.names, *task.closure.imports])
        for name, source in task.closure.imports.items():
            if "." not in name and name not in kept and name not in namespace:
                self._replace(name, import_named(*source))
        changed = self._here.registry.changed_since(task.name, task.closure)
        decoded: Mapping[str, object] | None = None
        alike: list[tuple[object, object]] = []
        for name in task.closure.names:
            value = kept.get(name, namespace.get(name, _GONE))
            if value is _GONE or value is MISSING or name in changed:
                # A later cell has bound it to something else: it is as it was when the step's cell was run.
                if decoded is None:
                    decoded = load_closure(spec.payload, namespace) if spec.payload else {}
                copy = decoded.get(name, _GONE)
                if copy is not _GONE and is_made_alike(value, copy):
                    # What the code makes of it is to be of the notebook's own.
                    alike.append((value, copy))
                else:
                    value = copy
            if value is not _GONE:
                self.values[name] = value
        self.is_unlike = not changed <= {*task.closure.names}
        # What has no digest is not in the closure's pickle.
        for reason in (*task.closure.problems, *task.closure.unshippable):
            value = kept.get(reason.name, namespace.get(reason.name, _GONE))
            if reason.name not in self.values and value is not _GONE and value is not MISSING:
                self.values[reason.name] = value
        self._read_inputs()
        lives = [n for n in task.inputs if n not in spec.inputs and n in namespace]
        self.values.update({name: namespace[name] for name in lives})
        self.values.update(spec.parameters)
        for name, value in {**kept, **self.companions, **self.values}.items():
            self._replace(name, _GONE if value is MISSING else value)
        for name in spec.outputs:
            # Whether it binds them is to be seen.
            if name not in self.values and name not in spec.imports:
                self._replace(name, _GONE)
        self._held = [(definition, hold_as(definition, copy, namespace)) for definition, copy in alike]

    def _replace(self, name: str, value: object) -> None:
        before = self._namespace.get(name, _GONE)
        if before is value:
            return
        self._replaced[name] = self._replaced.get(name, (before, None))[0], value
        if value is _GONE:
            del self._namespace[name]
        else:
            self._namespace[name] = value

    def _load_inputs(self) -> None:
        names, task = self._here.names, self._task
        names.load(name for name, source in task.inputs.items() if names.owner(name) == source.step)
        lives = [name for name in task.inputs if name not in self._spec.inputs]
        # What a generator reads when it goes on.
        reached = names.reached_from([*lives, *(reason.name for reason in task.unshippable)])
        names.load(name for name in reached if name in names.pending)

    def _read_inputs(self) -> None:
        names, store = self._here.names, self._store
        sources = self._task.inputs
        together: dict[str, dict[str, Any]] = {}
        for name, artifact in self._spec.inputs.items():
            if self._is_there(name, sources[name].step, artifact):
                self.values[name] = names.namespace[name]
                continue
            self._here.definitions.bring(artifact.needs)
            try:
                if not artifact.part:
                    self.values[name] = store.get_value(artifact)
                    continue
                held = artifact.blob.object
                if held not in together:
                    together[held] = store.get_all(artifact)
                self.values[name] = together[held][artifact.part]
            except ArtifactCorruptError:
                store.quarantine(artifact)
                raise
        for held, parts in self._spec.companions.items():
            if held in together:
                self.companions |= {name: together[held][name] for name in parts}

    def _is_there(self, name: str, step: str, artifact: Artifact) -> bool:
        """Tell whether a name stands for an input: other values may refer to that very object."""
        names = self._here.names
        if artifact.part or names.owner(name) != step:
            return False
        names.settle(name)
        return names.owner(name) == step and names.is_version(name, artifact.digest)

    def take(self, record: Record, *, claim: bool, stay: Collection[str] = ()) -> None:
        """Take what the code has bound for the outputs of the step.

        Parameters
        ----------
        claim
            As in `Names.offer`.
        stay
            Outputs that are in the record as they were before: names go on standing for these.
        """
        self._record, self._claims, self._stay = record, claim, stay

    def end(self, *, is_kept: bool) -> None:
        """Put back what the code did not bind; take over the rest, or put it back as well."""
        for definition, held in self._held:
            hold_again(definition, held)
        namespace = self._namespace
        if not is_kept:
            own = {n for n in namespace if n.startswith("_")}  # IPython's
            for name in namespace.keys() - self._all.keys() - own:
                del namespace[name]
            namespace.update({n: v for n, v in self._all.items() if n not in own})
            return
        for name, (before, put) in self._replaced.items():
            present = namespace.get(name, _GONE)
            is_output = self._record is not None and name in self._record.outputs
            if present is not put or is_output:
                continue
            if before is not _GONE:
                namespace[name] = before
            elif name not in self._spec.imports:
                namespace.pop(name, None)
        if self._record is not None:
            self._keep_read(self._record)
            self._take_over(self._record)

    def _take_over(self, record: Record) -> None:
        step, names = self._task.name, self._here.names
        for name, artifact in record.outputs.items():
            if name not in self._namespace:
                continue
            if name in self._stay or not (self._claims or self._is_mine(name)):
                self._put_back(name)  # somebody else has bound it since its cell was run
                continue
            self._here.loaded.note(name, artifact)
            self._here.definitions.observe([name])
            names.adopt(name, step, artifact.digest)
        for name, why in record.left_out.items():
            if name not in self._namespace or why == NOT_BOUND:
                continue
            if not (self._claims or self._is_mine(name)):
                self._put_back(name)
                continue
            self._here.definitions.observe([name])
            names.release(name)
            self._here.left[name] = step, self._namespace[name]
        names.observe()

    def _put_back(self, name: str) -> None:
        if name in self._all:
            self._namespace[name] = self._all[name]
        else:
            del self._namespace[name]  # it is still to be loaded

    def _is_mine(self, name: str) -> bool:
        """Tell whether a name stood for something of this step, or for nothing."""
        names = self._here.names
        if name not in self._all and name not in names.pending:
            return True
        left = self._here.left.get(name)
        is_left = left is not None and left[0] == self._task.name and left[1] is self._all.get(name)
        return is_left or names.owner(name) == self._task.name

    def _keep_read(self, record: Record) -> None:
        """Keep values that were changed in place as they were read: the next time it reads them again."""
        placed = self._here.registry.placed.get(self._task.name)
        if placed is None or not self._spec.payload:
            return
        changed = [
            name
            for name in record.outputs
            if (choice := placed.choices.get(name)) is not None
            and choice.binding is None
            and self._namespace.get(name, _GONE) is choice.value
        ]
        if not changed:
            return
        before = load_closure(self._spec.payload, dict(self._namespace))
        for name in changed:
            if name in before:
                placed.choices[name] = replace(placed.choices[name], value=before[name])
