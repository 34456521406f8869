"""Local modules of a step: imported from the snapshot that came with it, never from what the worker has."""

from __future__ import annotations

import importlib.abc
import importlib.util
import linecache
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_mlpipe.keys.closure import ModuleSource


def install_modules(modules: Mapping[str, ModuleSource]) -> None:
    """Have imports of these names find the given sources, whatever was imported before."""
    if not modules:
        return
    for name in modules:
        sys.modules.pop(name, None)
    for name, module in modules.items():
        parent = name.partition(".")[0]
        if parent in modules:
            # A submodule that is not in the snapshot must not come from an older import.
            for loaded in [loaded for loaded in sys.modules if loaded.startswith(parent + ".")]:
                sys.modules.pop(loaded, None)
        quote(module.path, module.source)
    sys.meta_path.insert(0, _SnapshotFinder(modules))


def quote(file_name: str, text: str) -> None:
    """Let tracebacks quote `text` as the file's lines."""
    # Without a modification time linecache never compares the entry with the disk.
    linecache.cache[file_name] = (len(text), None, text.splitlines(keepends=True), file_name)


class _SnapshotFinder(importlib.abc.MetaPathFinder):
    def __init__(self, modules: Mapping[str, ModuleSource]) -> None:
        self._modules = modules

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        module = self._modules.get(fullname)
        if module is None:
            return None
        spec = importlib.util.spec_from_loader(
            fullname, _SnapshotLoader(module), origin=module.path, is_package=module.is_package
        )
        if spec is not None:
            spec.has_location = True
            if module.is_package:
                spec.submodule_search_locations = [os.path.dirname(module.path)]
        return spec


class _SnapshotLoader(importlib.abc.InspectLoader):
    def __init__(self, module: ModuleSource) -> None:
        self._module = module

    def is_package(self, fullname: str) -> bool:
        return self._module.is_package

    def get_source(self, fullname: str) -> str:
        return self._module.source

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._module.source, self._module.path)
