"""Local modules of a step: imported from the snapshot that came with it, never from what the worker has.

Of a module the step's key may hold a part only. What it does with the rest, by whatever way, is noticed here.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import linecache
import os
import sys
from collections.abc import Callable, Container, Mapping, Sequence
from dis import opmap
from importlib.machinery import ModuleSpec
from types import CodeType, FrameType, ModuleType
from typing import TYPE_CHECKING, Any

from jupyter_mlpipe.keys.holders import namespace_of
from jupyter_mlpipe.keys.late import as_import
from jupyter_mlpipe.keys.state import watch

if TYPE_CHECKING:
    from jupyter_mlpipe.keys.closure import ModuleSource

# These look into a module for what an annotation means or whether it has a name, and take nothing from it.
_ONLY_LOOK = frozenset({"dataclasses", "importlib._bootstrap"})
# By whom the first ones have annotations read, from Python 3.13 on.
_LOOK_FOR_OTHERS = frozenset({"inspect", "annotationlib"})
_IMPORT_FROM = opmap["IMPORT_FROM"]


class Beyond:
    """Notes the modules of which a step uses more than what counts for its key."""

    def __init__(self, local: Container[str]) -> None:
        self._local = local
        self._used: dict[str, ModuleSource] = {}
        self._watched: list[ModuleType] = []

    def watch(self, module: ModuleType, source: ModuleSource) -> None:
        """Note when something in a module is looked up that does not count, or all of its names."""
        name, uncounted = module.__name__, source.uncounted
        if uncounted is None:
            self._used[name] = source
        if not uncounted:
            return

        def note() -> None:
            if not self._is_accounted_for(sys._getframe(2)):
                self._used[name] = source

        # In the type, so that all other names are looked up as fast as ever.
        told = {attribute: _Told(attribute, note) for attribute in (*uncounted, "__dict__")}
        module.__class__ = type("module", (ModuleType,), {**told, "__module__": "builtins"})
        self._watched.append(module)

    def _is_accounted_for(self, frame: FrameType) -> bool:
        """Tell whether what is looked up there was seen in the code: an import at the top binds a name."""
        by = frame.f_globals.get("__name__")
        asking, asks = frame, by
        while asks in _LOOK_FOR_OTHERS and asking.f_back is not None:
            asking = asking.f_back
            asks = asking.f_globals.get("__name__")
        if asks in _ONLY_LOOK:
            return True
        if by not in self._local or frame.f_code.co_name != "<module>":
            return False
        return frame.f_code.co_code[frame.f_lasti] == _IMPORT_FROM

    def stop(self) -> dict[str, str]:
        """Leave the modules as they are elsewhere; return the texts of those that were noted, by file."""
        for module in self._watched:
            module.__class__ = ModuleType
        return {source.path: source.source for source in self._used.values()}


class _Told:
    """A module's attribute that tells when it is looked up."""

    def __init__(self, name: str, tell: Callable[[], None]) -> None:
        self._name = name
        self._tell = tell

    def __get__(self, module: ModuleType | None, owner: type) -> Any:
        if module is None:
            return self
        self._tell()
        namespace = namespace_of(module)
        if self._name == "__dict__":
            return namespace
        try:
            return namespace[self._name]
        except KeyError:
            raise AttributeError(
                f"module {namespace['__name__']!r} has no attribute {self._name!r}"
            ) from None

    def __set__(self, module: ModuleType, value: object) -> None:
        namespace_of(module)[self._name] = value

    def __delete__(self, module: ModuleType) -> None:
        try:
            del namespace_of(module)[self._name]
        except KeyError:
            raise AttributeError(self._name) from None


def install_modules(modules: Mapping[str, ModuleSource]) -> Beyond:
    """Have imports of these names find the given sources, whatever was imported before."""
    beyond = Beyond(modules)
    if not modules:
        return beyond
    for name in modules:
        sys.modules.pop(name, None)
    for name, module in modules.items():
        parent = name.partition(".")[0]
        if parent in modules:
            # A submodule that is not in the snapshot must not come from an older import.
            for loaded in [loaded for loaded in sys.modules if loaded.startswith(parent + ".")]:
                sys.modules.pop(loaded, None)
        quote(module.path, module.source)
    sys.meta_path.insert(0, _SnapshotFinder(modules, beyond))
    return beyond


def quote(file_name: str, text: str) -> None:
    """Let tracebacks quote `text` as the file's lines."""
    # Without a modification time linecache never compares the entry with the disk.
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"  # as linecache itself does
    linecache.cache[file_name] = (len(text), None, lines, file_name)


class _SnapshotFinder(importlib.abc.MetaPathFinder):
    def __init__(self, modules: Mapping[str, ModuleSource], beyond: Beyond) -> None:
        self._modules = modules
        self._beyond = beyond

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        module = self._modules.get(fullname)
        if module is None:
            return None
        spec = importlib.util.spec_from_loader(
            fullname,
            _SnapshotLoader(fullname, module, self._beyond),
            origin=module.path,
            is_package=module.is_package,
        )
        if spec is not None:
            spec.has_location = True
            if module.is_package:
                spec.submodule_search_locations = [os.path.dirname(module.path)]
        return spec


class _SnapshotLoader(importlib.abc.FileLoader):
    """Gives the snapshot as the code; what lies beside the file is read from there, as by any loader."""

    def __init__(self, name: str, module: ModuleSource, beyond: Beyond) -> None:
        super().__init__(name, module.path)
        self._module = module
        self._beyond = beyond

    @as_import
    def exec_module(self, module: ModuleType) -> None:
        namespace = vars(module)
        self._beyond.watch(module, self._module)
        exec(self.get_code(module.__name__), namespace)
        watch(module, self._module.source)

    def is_package(self, fullname: str) -> bool:
        return self._module.is_package

    def get_source(self, fullname: str) -> str:
        return self._module.source

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._module.source, self._module.path)
