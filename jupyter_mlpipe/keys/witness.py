"""What a closure was taken from, so that taking it again can be spared where nothing has changed.

Every cell that runs asks for the closures of all steps above it. A witness holds what the walk
looked at: objects that cannot change while they are the same, and functions with all their parts.
Where a walk met anything else (a list, a table, a class of the notebook), there is no witness and
the walk is done again.
"""

from __future__ import annotations

import builtins
import linecache
import operator
import os
import sys
import types
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_mlpipe.keys.canonical import SCALARS
from jupyter_mlpipe.keys.homes import find_home
from jupyter_mlpipe.keys.modules import Modules, ReachedModules

# What a step has of its own, and what IPython keeps for its prompt: never captured.
_GIVEN = frozenset(
    {
        "__annotations__",
        "__builtin__",
        "__builtins__",
        "__doc__",
        "__file__",
        "__loader__",
        "__name__",
        "__package__",
        "__spec__",
    }
)
_GIVEN_BY_IPYTHON = frozenset({"display", "exit", "get_ipython", "open", "quit"})
_IPYTHON = frozenset({"IPython", "ipykernel"})
_HISTORY = frozenset({"In", "Out", "_dh", "_ih", "_oh"})
_UNCHANGING = SCALARS - {bytearray}
_BUILTIN_TYPES = [value for value in vars(builtins).values() if isinstance(value, type)]

PROVIDED, GIVEN, MISSING = object(), object(), object()

_Look = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where names come from: steps and parameters first, then kept values, then the notebook."""

    namespace: Mapping[str, Any]
    provided: Container[str]
    kept: Mapping[str, Any]

    def find(self, name: str) -> Any:
        """Return a name's value, or PROVIDED, GIVEN or MISSING."""
        if name in self.provided:
            return PROVIDED
        if name in self.kept:
            return self.kept[name]
        is_ipython = "get_ipython" in self.namespace
        if name in _GIVEN or (is_ipython and name in _GIVEN_BY_IPYTHON and self._is_as_given(name)):
            return GIVEN
        if name not in self.namespace or (is_ipython and name in _HISTORY):
            return MISSING
        return self.namespace[name]

    def _is_as_given(self, name: str) -> bool:
        """Tell whether a name stands for what IPython gave, not for a thing of the notebook's own."""
        if name not in self.namespace:
            return True
        value = self.namespace[name]
        # Its `open` bears the names of Python's own, which it wraps.
        made_in = value.__globals__ if isinstance(value, types.FunctionType) else {}
        home = made_in.get("__name__") or getattr(value, "__module__", None)
        return isinstance(home, str) and home.partition(".")[0] in _IPYTHON

    def module_named(self, name: str) -> Any:
        """Return the module, or the environment, that a name of the notebook stands for, if any."""
        value = self.namespace.get(name)
        return value if isinstance(value, types.ModuleType) or value is os.environ else None


@dataclass(slots=True)
class Witness:
    """What one walk looked at.

    Parameters
    ----------
    names
        What each name stood for; None where its value may change unseen.
    roots
        What first parts of dotted names stood for.
    absent
        Modules that were not imported and would have been followed.
    wanted, reached
        Imports, and what they led to.
    """

    names: dict[str, _Look | None] = field(default_factory=dict)
    roots: dict[str, object] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    wanted: Iterable[tuple[str, tuple[str, ...]]] = ()
    reached: ReachedModules = field(default_factory=ReachedModules)

    @property
    def is_complete(self) -> bool:
        """Whether all that the walk looked at can be told to be the same."""
        return None not in self.names.values() and not self.reached.unknown

    def holds(self, scope: Scope, modules: Modules) -> bool:
        """Tell whether a walk would find what it found before."""
        return (
            all(_is_same(before, look(name, scope)) for name, before in self.names.items())
            and all(scope.module_named(name) is before for name, before in self.roots.items())
            and sys.modules.keys().isdisjoint(self.absent)
            and modules.reach(self.wanted) == self.reached
        )


def look(name: str, scope: Scope) -> _Look | None:
    """Return what a name stands for, such that it is the same while all parts are the same objects."""
    value = scope.find(name)
    kind = type(value)
    if value is MISSING:
        return (value, hasattr(builtins, name))
    if value is PROVIDED or value is GIVEN or value is os.environ or kind in _UNCHANGING:
        return (value,)
    if isinstance(value, types.ModuleType):
        return (value, value.__name__)
    if kind is types.FunctionType and value.__globals__ is scope.namespace:
        return _look_at_function(value)
    if kind is tuple:
        return (value,) if all(type(item) in _UNCHANGING for item in value) else None
    if not callable(value):
        return None
    is_own = value.__module__ == "__main__" if isinstance(value, type) else hasattr(value, "__wrapped__")
    home = None if is_own else find_home(value)
    return (value, *map(sys.intern, home)) if home is not None else None


def _look_at_function(function: types.FunctionType) -> _Look | None:
    defaults = function.__defaults__ or ()
    named = tuple((function.__kwdefaults__ or {}).items())
    notes = tuple(function.__annotations__.items())
    if function.__closure__ or function.__dict__:
        return None
    values = (*defaults, *(value for _, value in named))
    if not all(type(value) in _UNCHANGING for value in values):
        return None
    if not all(type(note) in _UNCHANGING or any(note is t for t in _BUILTIN_TYPES) for _, note in notes):
        return None
    code = function.__code__
    return (
        function,
        code,
        linecache.cache.get(code.co_filename),
        function.__name__,
        function.__qualname__,
        function.__module__,
        function.__doc__,
        function.__defaults__,
        *(part for pair in (*named, *notes) for part in pair),
    )


def _is_same(before: _Look | None, now: _Look | None) -> bool:
    if before is None or now is None or len(before) != len(now):
        return False
    return all(map(operator.is_, before, now))
