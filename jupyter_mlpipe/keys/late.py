"""Settings of libraries that are not loaded: set as soon as somebody imports them.

To import a library only to set its options would cost more than the step that set them.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

IMPORT = "<frozen importlib._bootstrap_external>"
"""The file's name of frames that stand for Python's own import."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


def as_import(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Have the frames of a function pass for those of Python's own import.

    Warnings pass over these (`warnings._is_internal_frame`), and tracebacks leave them out
    (`remove_importlib_frames` of CPython).
    """
    function.__code__ = function.__code__.replace(co_filename=IMPORT)
    return function


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

    @as_import
    def exec_module(module: ModuleType) -> None:
        execute(module)
        call(module)

    spec.loader.exec_module = exec_module  # type: ignore[method-assign]


def put_by_module(changes: Mapping[str, Any], put: Callable[[str, Mapping[str, Any]], None]) -> None:
    """Have changes set in each module they are of: at once, or as soon as somebody imports it.

    Parameters
    ----------
    changes
        By place, ``module:path``.
    put
        Called with a module's name and its own changes, by path.
    """
    by_module: dict[str, dict[str, Any]] = {}
    for place, value in changes.items():
        module, _, path = place.partition(":")
        by_module.setdefault(module, {})[path] = value
    waiting = [module for module in by_module if module not in sys.modules]
    for module, found in by_module.items():
        if module not in waiting:
            put(module, found)
    if waiting:
        AtImport(waiting, lambda module: put(module, by_module[module])).install()
