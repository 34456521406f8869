"""The walk from a cell's names to all that they reach: helpers, values, modules, packages, settings.

What is found is noted as it is met, with a digest for the key; `closure` makes a whole of it.
"""

from __future__ import annotations

import builtins
import os
import sys
import types
from collections.abc import Container, Iterable
from typing import Any

from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.celltext import CellText, draws
from jupyter_mlpipe.keys.codes import evaluates, find_source, words_in
from jupyter_mlpipe.keys.describe import attributes_of
from jupyter_mlpipe.keys.displays import DISPLAYS, FIGURE_FORMATS
from jupyter_mlpipe.keys.environment import absent
from jupyter_mlpipe.keys.formatters import FORMATTERS
from jupyter_mlpipe.keys.given import OF_ALL_CODE, OF_ALL_LIBRARIES, STATES, Affected, one_of_equals
from jupyter_mlpipe.keys.helpers import settings_of
from jupyter_mlpipe.keys.homes import find_home
from jupyter_mlpipe.keys.modules import Modules, ReachedModules, find_loaded
from jupyter_mlpipe.keys.options import OF_LIBRARIES
from jupyter_mlpipe.keys.readable import helper_source, short_value, source_kept
from jupyter_mlpipe.keys.refusals import qualified_name, why_bound
from jupyter_mlpipe.keys.settings import (
    ASK_FOR_FOLDER,
    MAY_ASK_FOR_FOLDER,
    FoundSettings,
    Settings,
    join_settings,
    may_set_something,
    may_start_programs,
    resolve_settings,
)
from jupyter_mlpipe.keys.state import STATE
from jupyter_mlpipe.keys.uses import Import
from jupyter_mlpipe.keys.values import Digester, Undigestable, is_definition
from jupyter_mlpipe.keys.wanted import find_wanted, looks_at_code
from jupyter_mlpipe.keys.witness import GIVEN, MISSING, PROVIDED, Scope, Witness, look
from jupyter_mlpipe.model.status import Ingredient, Reason, ReasonKind

# What is given to a step may be theirs, without a word in the code.
_OF_INPUTS = frozenset({"numpy", "pandas", "decimal"})
# What these start or call can ask for any environment variable, and nobody sees it.
_FOREIGN = frozenset({"subprocess", "ctypes", "cffi"})
_SUBCLASSES = "__subclasses__"
# By which code sees in what order a class has its attributes.
_SHOW_ORDER = frozenset({"__dict__", "vars"})
# What shows of code that which its syntax tree leaves out.
_SHOW_TEXTS = frozenset(
    {"__doc__", "docopt", "getcomments", "getdoc", "getsource", "getsourcelines", "help", "render_doc"}
)


class Walk:
    """The state of one walk from a cell's names to all that they reach."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.namespace = scope.namespace
        self.witness = Witness()
        self.digester = Digester(scope.namespace)
        self.captured: dict[str, Any] = {}
        self.bound: list[Reason] = []  # to this process
        self.imports: dict[str, tuple[str, str | None]] = {}
        self.provided_reads: dict[str, None] = {}
        self.unresolved: dict[str, None] = {}
        self.ingredients: list[Ingredient] = []
        self.problems: list[Reason] = []
        self.attributes: set[str] = set()
        self._parts: dict[str, tuple[dict[int, tuple[int, ...]], list[object]]] = {}  # of captured values
        self.shows_texts = False  # of the code: what is no part of a syntax tree counts, too

    def add(self, kind: ReasonKind, name: str, content: str, detail: str = "") -> None:
        self.ingredients.append(Ingredient(kind, name, content, detail))

    def add_problem(self, name: str, why: str) -> None:
        """Note that a part has no digest; what stands in its place never comes again."""
        reason = Reason("unhashable", name, why)
        if reason not in self.problems:
            self.problems.append(reason)
            self.add("unhashable", name, os.urandom(32).hex(), why)

    def follow(self, names: Iterable[str]) -> None:
        """Resolve names, and the names that what they stand for reads in turn."""
        pending = list(names)
        reach = self.digester.reach
        seen: set[str] = set()
        n_reached = n_words = 0
        while set(pending) - seen or len(reach.words) > n_words:
            for name in pending:
                if name not in seen:
                    seen.add(name)
                    self._resolve(name)
            # A dict only grows at its end.
            for word in list(reach.words)[n_words:]:
                n_words += 1
                if word not in seen and not self._is_nothing(word):
                    seen.add(word)
                    self._resolve(word)
            pending = list(reach.names)[n_reached:]
            n_reached += len(pending)
            if _SUBCLASSES in reach.attributes or _SUBCLASSES in self.attributes:
                pending += self._classes({"__main__"})
            if evaluates(reach.attributes):
                # A text of the cell may be what a helper evaluates.
                reach.words.update(dict.fromkeys(words_in(reach.texts, reach.attributes)))

    def _classes(self, modules: Container[str]) -> list[str]:
        """Return the names of the notebook's classes that those of modules know, from which they are made."""
        own = [
            (n, v) for n, v in self.namespace.items() if isinstance(v, type) and v.__module__ == "__main__"
        ]
        return [name for name, cls in own if any(base.__module__ in modules for base in cls.__mro__)]

    def _is_nothing(self, word: str) -> bool:
        """Tell whether the notebook has nothing of that name."""
        self.witness.names[word] = look(word, self.scope)
        return self.scope.find(word) is MISSING

    def _resolve(self, name: str) -> None:
        # Before it is used: what changes in between is told by the next look.
        self.witness.names[name] = look(name, self.scope)
        value = self.scope.find(name)
        if value is PROVIDED:
            self.provided_reads[name] = None
        elif value is MISSING:
            if not hasattr(builtins, name):
                self.unresolved[name] = None
        elif value is not GIVEN:
            self._take(name, value)

    def _take(self, name: str, value: Any) -> None:
        if isinstance(value, types.ModuleType):
            if not _is_imported(value):
                self._add_made(name, value)
            else:
                self._import(name, value.__name__, None)
            return
        if value is os.environ:
            self._import(name, "os", "environ")
            return
        is_own = is_definition(value, self.namespace)
        if not is_own and callable(value) and (home := find_home(value)) is not None:
            self._import(name, *home)
            return
        if not is_own and (why := why_bound(value)):
            # Pickle would take some of them, and make another thing of it.
            kind = qualified_name(type(value))
            self.bound.append(Reason("unhashable", name, f"a value of type {kind} {why}"))
            self.add_problem(name, f"is a {kind}, which {why}")
            return
        self.captured[name] = value
        try:
            if is_own:
                content = self.digester.digest_definition(value)
                self.add("helper", name, content, helper_source(value))
            else:
                self.add("value", name, self.digester.digest_value(value), short_value(value))
                self._parts[name] = self.digester.shared_with_others()
        except Undigestable as error:
            self.add_problem(name, str(error))

    def _add_made(self, name: str, module: types.ModuleType) -> None:
        """Note a module that no import gives in another process."""
        self.bound.append(Reason("unhashable", name, "a module that was made in the kernel"))
        top = getattr(module, "__name__", name)
        if getattr(getattr(module, "__spec__", None), "has_location", False):
            remedy = f"is found by no import; say sys.modules['{top}'] = {name} once it is loaded"
        else:
            remedy = "has no file to compare; put it into a .py file beside the notebook"
        self.add_problem(name, f"module '{top}' {remedy}")

    def _import(self, name: str, module: str, attribute: str | None) -> None:
        self.imports[name] = (module, attribute)
        # Which thing the name stands for is said nowhere else: the import is in another cell.
        self.add(
            "helper", name, digest("import", module, attribute), f"{module}.{attribute or ''}".rstrip(".")
        )

    def add_shared(self) -> None:
        """Add what captured values share: `b = a` equals `b = list(a)` until one of them is changed."""
        met: dict[int, list[tuple[str, tuple[int, ...]]]] = {}
        for name, (parts, _) in sorted(self._parts.items()):
            for identity, places in parts.items():
                met.setdefault(identity, []).append((name, places))
        shared = sorted(found for found in met.values() if len(found) > 1)
        if shared:
            names = sorted({name for found in shared for name, _ in found})
            self.add("value", ", ".join(names), digest("shared", shared), "share what can be changed")

    def orders(self, cell: CellText) -> list[tuple[str, list[str]]]:
        """Return the names of what each class holds, as they stand there; none where nobody sees that."""
        if _SHOW_ORDER.isdisjoint({*cell.names, *self.attributes, *self.digester.reach.attributes}):
            return []
        classes = ((name, v) for name, v in self.captured.items() if isinstance(v, type))
        return sorted((name, [*attributes_of(cls)]) for name, cls in classes)

    def follow_modules(
        self, cell: CellText, others: Iterable[Import], modules: Modules, *, as_wholes: bool
    ) -> ReachedModules:
        """Add what imports of the cell and its helpers, and modules that values name, lead to.

        Parameters
        ----------
        as_wholes
            Local modules count as they are: nobody sees what the code does with them when it runs.
        """
        reach = self.digester.reach
        self._import_submodules(self.attributes | reach.attributes)
        wanted = self._wanted(cell, others, as_wholes=as_wholes)
        reached = modules.reach(wanted)
        if any(_SUBCLASSES in settings.called for settings in reached.counted.settings):
            self.witness.names[_SUBCLASSES] = None  # another class may be made at any time
            self.follow(self._classes(reached.local))
            wanted = self._wanted(cell, others, as_wholes=as_wholes)
            reached = modules.reach(wanted)
        called = (name for settings in reached.counted.settings for name in settings.called)
        if cell.draws or draws(reach.attributes) or draws(called):
            wanted.append(("matplotlib", ()))
            reached = modules.reach(wanted)
        self.witness.wanted, self.witness.reached = tuple(wanted), reached
        for part in reached.counted.parts:
            self.add("helper", part.name, part.digest, source_kept(part.text))
        for package in reached.distributions.values():
            self.add("package", package.name, package.digest, package.version)
        for top in reached.unknown:
            if top in sys.modules:
                self._add_made(top, sys.modules[top])
            else:
                self.ingredients.append(absent(top))
        return reached

    def _wanted(self, cell: CellText, others: Iterable[Import], *, as_wholes: bool) -> list[Import]:
        reach = self.digester.reach
        wanted = [*others, *find_wanted(reach, cell.uses, cell.words, self.imports)]
        if as_wholes or looks_at_code(reach, cell.uses):
            return [(module, ()) for module, _ in wanted]
        return wanted

    def _import_submodules(self, attributes: set[str]) -> None:
        # `import sklearn.metrics` binds only `sklearn`: the submodule must be imported in the step too.
        pending = [module for module, attribute in self.imports.values() if attribute is None]
        while pending:
            parent = pending.pop()
            for attribute in sorted(attributes):
                name = f"{parent}.{attribute}"
                if name not in sys.modules:
                    self.witness.absent |= {name}
                elif name not in self.imports:
                    self.imports[name] = (name, None)
                    pending.append(name)

    def find_settings(self, cell: Settings, reached: ReachedModules, *, shows: bool) -> tuple[Affected, bool]:
        """Return by which settings the code can be affected, and whether it looks as if it set some."""
        found = FoundSettings()
        notebook = join_settings([cell, *map(settings_of, self.digester.reach.codes.values())])
        resolve_settings(notebook, self._root, found)
        local = join_settings(reached.counted.settings)
        resolve_settings(local, str, found)
        called, dotted = notebook.called, notebook.dotted | local.dotted
        self.shows_texts = not _SHOW_TEXTS.isdisjoint(
            {name.rpartition(".")[2] for name in dotted | called}
            | self.digester.reach.attributes
            | self.attributes
        )
        asks_for_folder = not (
            called.isdisjoint(MAY_ASK_FOR_FOLDER) and local.called.isdisjoint(ASK_FOR_FOLDER)
        )
        libraries = self._libraries(reached)
        providers = [p.name for p in OF_LIBRARIES if p.module in libraries and p.travels_back]
        # Which expressions are shown is a matter of IPython, how they are shown as well.
        of_shown = (DISPLAYS.name, FIGURE_FORMATS.name, FORMATTERS.name)
        providers += [*OF_ALL_CODE, *of_shown] if shows else OF_ALL_CODE
        if libraries or reached.local:
            providers += OF_ALL_LIBRARIES
        if reached.local:
            providers += [STATE.name]
        # Any library may draw from Python's own.
        own = {"random"} if reached.tops or reached.local else set()
        states = [n for n, state in STATES.items() if state.module.partition(".")[0] in libraries | own]
        affected = Affected(
            one_of_equals(tuple(providers)),
            one_of_equals(tuple(states)),
            one_of_equals(frozenset(libraries | reached.local.keys())),
            tuple(sorted(found.variables)),
            found.reads_any_variable,
            asks_for_folder,
            reached.counted.uncounted,
            tuple(sorted(found.packages)),
            found.asks_for_any_package,
            may_start_programs(dotted | called | local.called) or not _FOREIGN.isdisjoint(libraries),
        )
        return affected, found.draws or may_set_something(dotted | called)

    def _libraries(self, reached: ReachedModules) -> set[str]:
        wanted = {module for module, _ in self.witness.wanted}
        libraries = {
            *reached.tops,
            *wanted,
            *(name.replace("scikit-learn", "sklearn") for name in reached.required),
        }
        if self.provided_reads:
            libraries |= _OF_INPUTS
        return libraries

    def _root(self, name: str) -> str:
        """Return the module or module's attribute that a name of the namespace stands for."""
        value = self.witness.roots[name] = self.scope.module_named(name)
        if value is not None:
            return "os.environ" if value is os.environ else str(value.__name__)
        home = self.imports.get(name)
        if home is None or home[1] is None:
            return name
        module = {"numpy.random.mtrand": "numpy.random"}.get(home[0], home[0])
        return f"{module}.{home[1]}"

    def sources(self) -> dict[str, str]:
        """Return the texts of the captured functions' files."""
        texts = {}
        for code in self.digester.reach.codes.values():
            source = find_source(code)
            if source is not None:
                texts[code.co_filename] = source.file_text
        return texts


def _is_imported(module: types.ModuleType) -> bool:
    """Tell whether an import of its name gives a module, or what its file holds."""
    if sys.modules.get(module.__name__) is module or "." in module.__name__:
        return True
    spec, found = module.__spec__, find_loaded(module.__name__)
    return spec is not None and found is not None and spec.origin == found.origin
