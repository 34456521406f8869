"""Imports, functions and classes of component cells, brought to the notebook when something reads them."""

from __future__ import annotations

import io
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from jupyter_mlpipe.execution.process.unseen import settle_classes
from jupyter_mlpipe.keys.artifacts import load_artifact
from jupyter_mlpipe.keys.earlier import keep
from jupyter_mlpipe.keys.given import Effects
from jupyter_mlpipe.keys.held import DefinitionPickle, alter, is_holder
from jupyter_mlpipe.model.component import Component, Definition
from jupyter_mlpipe.model.defining import read_at_once
from jupyter_mlpipe.model.futures import FUTURES
from jupyter_mlpipe.notebook.steps.names import Names, cell_of

_ABSENT = object()
_NO_VALUE = (ModuleType, FunctionType, BuiltinFunctionType, type)
_WORD = re.compile(r"[^\W\d]\w*")


class Definitions:
    """A component's cell runs in a process of its own; its definitions are known by their source.

    Parameters
    ----------
    needed_as
        Gives the digests by which what steps made refers to a name of the notebook.
    await_step
        Called with a component whose step, if it is running, has to end: only then it is known what it made.
    """

    def __init__(
        self,
        shell: Any,
        names: Names,
        needed_as: Callable[[str], set[str]] = lambda name: set(),
        await_step: Callable[[str], None] = lambda step: None,
    ) -> None:
        self._shell = shell
        self._names = names
        self._needed_as = needed_as
        self._await_step = await_step
        self._known: dict[str, Definition] = {}
        self._brought: dict[str, Any] = {}
        self._made: dict[str, tuple[Definition, DefinitionPickle]] = {}
        self._begun: set[str] = set()
        self._starred: dict[str, Any] = {}  # what stood for the names that the last cell imported with `*`
        self._changed: set[str] = set()  # what their source says is not all
        self._components: dict[str, Component] = {}  # by definition
        self._asks_for_subclasses = False

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def add(self, component: Component) -> None:
        """Take the definitions of a cell that was run; the next reader gets these."""
        anew = [d.name for d in component.definitions if not self._is_known_as(d)]
        in_place = {*component.changes, *component.may_change}
        anew += [name for name in component.outputs if name not in in_place]
        self.keep_earlier(anew, cell_of(component.name))
        self._names.note_maker((d.name for d in component.definitions), component.name)
        for definition in component.definitions:
            name = definition.name
            self._known[name] = definition
            self._components[name] = component
            self._changed.discard(name)
            if definition.kind != "import" or not self._is_imported(definition):
                # As without us, running the cell binds the name anew.
                self._names.drop(name)
                self._brought.pop(name, None)
        self._starred = {}
        if not component.star_imports:
            return
        namespace = self._names.namespace
        before = dict(namespace)
        for module in component.star_imports:
            # Which names it binds only the import itself can say. Where it fails, the step says so.
            with suppress(Exception):
                exec(f"from {module} import *", namespace)
        changed = [n for n, value in namespace.items() if before.get(n, _ABSENT) is not value]
        self._starred = {name: before.get(name, _ABSENT) for name in changed}

    def _is_known_as(self, definition: Definition) -> bool:
        known = self._known.get(definition.name)
        return known is not None and known.source == definition.source

    def _is_defined(self, name: str) -> bool:
        known = self._known.get(name)
        if known is not None:
            return known.kind != "import"
        return isinstance(self._names.namespace.get(name), type | FunctionType)

    def keep_earlier(self, names: Iterable[str], cell_id: str | None) -> None:
        """Keep the definitions that a cell is to put something else for, for the objects made of them.

        What another cell has made of them, such as a class below one, keeps them as well.
        """
        namespace = self._names.namespace
        for name in filter(self._is_defined, names):
            maker = self._names.maker(name)
            is_edited = maker is not None and cell_id is not None and maker.cell_id == cell_id
            resting = {name} if is_edited else self._resting_on(name)
            if len(resting) > 1 or self._needed_as(name):
                self.bring(resting)
            earlier = namespace.get(name)
            if isinstance(earlier, type) and not is_edited:
                classes = ((n, value) for n, value in namespace.items() if isinstance(value, type))
                resting |= {n for n, cls in classes if earlier in cls.__mro__}
            for kept in resting:
                if isinstance(namespace.get(kept), type | FunctionType):
                    keep(kept, self._needed_as(kept), namespace[kept])

    def _resting_on(self, name: str) -> set[str]:
        """Return `name` and the definitions whose statements read it when they are run, in turn."""
        reads = {
            d.name: read_at_once(self._compiled(textwrap.dedent(d.source), "<definition>"))
            for d in self._known.values()
            if d.kind != "import"
        }
        found = {name}
        while more := {n for n, read in reads.items() if not found.isdisjoint(read)} - found:
            found |= more
        return found

    def note_text(self, code: str) -> None:
        """Note what a cell's text says of definitions: from then on classes that nobody names may be read."""
        self._asks_for_subclasses = self._asks_for_subclasses or "__subclasses__" in code

    def take(self, component: Component, effects: Effects, *, is_of_cell: bool) -> None:
        """Take over what a step did to definitions: its own, and those of other cells.

        Parameters
        ----------
        is_of_cell
            Whether its cell was run. A step that runs again for another cell changes nothing: in the
            notebook it has done so already.
        """
        if (made := effects.made) is not None:
            for definition in component.definitions:
                if definition.name in made.names and self._known.get(definition.name) is definition:
                    self._made[definition.name] = definition, made
                    self._changed.add(definition.name)
                    if definition.name in self._brought:
                        self._names.drop(definition.name)  # made from its source while the step ran
        if (altered := effects.altered) is None or not is_of_cell:
            return
        namespace = self._names.namespace
        self.bring((*altered.names, *altered.needs))
        there = alter(altered, namespace)
        self._changed.update(there)
        # To cells above it is what a later cell made of it.
        self._names.note_maker(there, component.name)

    def note_changed(self, names: Iterable[str], cell_id: str | None) -> None:
        """Note what the code of a plain cell changes."""
        changed = {n for n in names if is_holder(self._names.namespace.get(n))}
        self._names.note_change(changed, cell_id)
        self._changed |= changed

    def changed_among(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return `names` where one of them, or what it rests on, is not what its source says."""
        names = tuple(names)
        if not self._changed or not names:
            return ()
        self.bring(names)
        namespace = self._names.namespace
        reached = self._names.reached_from(names)
        for name in names:
            value = namespace.get(name)
            if isinstance(value, type):
                metaclass: type = type(value)
                reached |= {base.__name__ for base in (*value.__mro__, *metaclass.__mro__)}
        return tuple(n for n in names if n in namespace) if reached & self._changed else ()

    def values_behind(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the values that functions read which go by these names, or are inside stored values.

        A lambda in a list takes no name along: it reads whatever is there when it is called.
        """
        names = tuple(names)
        if not names:
            return ()
        self.bring(names)
        namespace, owner = self._names.namespace, self._names.owner
        return tuple(
            name
            for name in sorted(self._names.reached_from(names))
            if name not in self._known
            and (
                owner(name) is not None or (name in namespace and not isinstance(namespace[name], _NO_VALUE))
            )
        )

    def _is_imported(self, definition: Definition) -> bool:
        """Tell whether a name is what its import would bind, as far as that can be seen at no cost."""
        value = self._names.namespace.get(definition.name)
        module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if self._names.owner(definition.name) is not None or module not in sys.modules:
            return False
        bound: dict[str, Any] = {}
        with suppress(Exception):  # what cannot be imported again is not what the name stands for
            exec(self._compiled(textwrap.dedent(definition.source), "<import>"), bound)
        return bound.get(definition.name) is value

    def _compiled(self, source: str, filename: str) -> CodeType:
        flags = self._shell.compile.flags & FUTURES
        code: CodeType = compile(source, filename, "exec", flags, dont_inherit=True)
        return code

    def observe(self, bound: Iterable[str]) -> None:
        """Note names that stand for something else from then on: a cell's value, or nothing."""
        bound = [*bound]
        self.keep_earlier((name for name in bound if name in self._known), None)
        for name in bound:
            self._known.pop(name, None)
            self._brought.pop(name, None)

    def take_back(self, bound: Iterable[str]) -> None:
        """Undo the star imports of the last cell but for names `bound`: it failed before it came to them."""
        for name in self._starred.keys() - set(bound):
            if self._starred[name] is _ABSENT:
                self._names.namespace.pop(name, None)
            else:
                self._names.namespace[name] = self._starred[name]
        self._starred = {}

    def remember(self, names: Iterable[str]) -> dict[str, tuple[Definition | None, Any]]:
        """Return what is known of names, for `restore`."""
        return {name: (self._known.get(name), self._brought.get(name)) for name in names}

    def restore(self, remembered: Mapping[str, tuple[Definition | None, Any]]) -> None:
        """Know of names what was known before: their statements have not been reached."""
        self.observe(remembered)
        for name, (definition, brought) in remembered.items():
            if definition is not None:
                self._known[name] = definition
            if brought is not None:
                self._brought[name] = brought

    def names_in(self, text: str, *, listed: bool = False) -> list[str]:
        """Return the definitions that a text may read; all where it has names `listed`."""
        if listed or not self._known:
            return list(self._known)
        return [name for name in dict.fromkeys(_WORD.findall(text)) if name in self._known]

    def bring_read(self, text: str) -> None:
        """Bring what a text may read, itself or through the notebook's functions."""
        words = _WORD.findall(text)
        while self._known and self.bring(self._names.reached_from(words)):
            pass

    def bring(self, names: Iterable[str]) -> bool:
        """Run the statements that define `names`, and those that they use; tell whether any ran."""
        if self._asks_for_subclasses:
            names = [*names, *(name for name, known in self._known.items() if known.kind == "class")]
        # What a definition rests on may be an output whose pickle needs that definition.
        outermost = not self._begun
        try:
            return self._bring(names, self._begun)
        finally:
            if outermost:
                self._begun.clear()

    def _bring(self, names: Iterable[str], begun: set[str]) -> bool:
        # Two functions may use one another, and the names of one import share their statement.
        namespace = self._names.namespace
        ran = False
        for name in names:
            definition = self._known.get(name)
            if definition is None or name in namespace or name in begun:
                continue
            begun.add(name)
            if self._bring_made(name, definition, begun):
                ran = True
                continue
            self._bring(self.names_in(definition.source), begun)
            source = "\n" * (definition.line - 1) + textwrap.dedent(definition.source)
            # Through IPython's cache, so that tracebacks and `inspect` find the text.
            filename = self._shell.compile.cache(source, raw_code=source)
            code = self._compiled(source, filename)
            read = read_at_once(code)
            if self._may_be_another(name, read):
                self._await_step(self._components[name].name)
                if self._bring_made(name, definition, begun):
                    ran = True
                    continue
            self._names.load(read)
            try:
                # What they print was shown below the cell that has them.
                with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                    exec(code, namespace)
            except Exception:
                continue  # it stays unbound, which whoever needs it is told
            settle_classes({name: namespace.get(name)})
            self._brought[name] = namespace.get(name)
            ran = True
        return ran

    def _may_be_another(self, name: str, read: Iterable[str]) -> bool:
        """Tell whether a definition may be made of values, or be one of several: its step alone knows."""
        same = [definition for definition in self._components[name].definitions if definition.name == name]
        if len(same) > 1 and any(definition.kind != "import" for definition in same):
            return True
        namespace, pending = self._names.namespace, self._names.pending
        return any(
            n in pending
            or (n in namespace and not n.startswith("__") and not isinstance(namespace[n], _NO_VALUE))
            for n in read
        )

    def _bring_made(self, name: str, definition: Definition, begun: set[str]) -> bool:
        """Take a definition from what its step has made; tell whether there is such a thing."""
        of, made = self._made.get(name, (None, None))
        if made is None or of is not definition:
            return False
        namespace = self._names.namespace
        self._bring(made.needs, begun)
        with suppress(Exception):  # it stays unbound, which whoever needs it is told
            for found, value in load_artifact(made.stream, (), namespace).items():
                if self._made.get(found, (None, None))[1] is made and found not in namespace:
                    namespace[found] = self._brought[found] = value
            return True
        return False
