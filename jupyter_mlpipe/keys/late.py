"""Settings of libraries that are not loaded: set as soon as somebody imports them.

To import a library only to set its options would cost more than the step that set them.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


class AtImport(importlib.abc.MetaPathFinder):
    """Calls `call` with the module's name when one of `modules` has been imported; takes each one once."""

    def __init__(self, modules: Iterable[str], call: Callable[[str], None]) -> None:
        self.modules = set(modules)
        self._call = call

    def install(self) -> None:
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def remove(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self.modules:
            return None
        self.modules.discard(fullname)
        spec = find_after(self, fullname, path, target)
        if spec is not None:
            call_after(spec, lambda module: self._call(fullname))
        return spec


def find_after(
    finder: importlib.abc.MetaPathFinder,
    name: str,
    path: Sequence[str] | None,
    target: ModuleType | None,
) -> ModuleSpec | None:
    """Return what the other finders find."""
    for other in sys.meta_path:
        spec = None if other is finder else other.find_spec(name, path, target)
        if spec is not None:
            return spec
    return None


def call_after(spec: ModuleSpec, call: Callable[[ModuleType], None]) -> None:
    """Have a function called when the module of a spec has been run."""
    if spec.loader is None or isinstance(spec.loader, type):
        return  # built in: shared by other modules
    execute = spec.loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        call(module)

    spec.loader.exec_module = exec_module  # type: ignore[method-assign]
