"""The user's own modules: their sources as they are on disk, with all that they import.

What the kernel has imported may be older than the files. A step runs the files, so the files are
what is digested and sent; both from one reading.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from jupyter_mlpipe.keys.packages import (
    OURSELVES,
    Package,
    file_package,
    find_package,
    find_requirements,
    find_top,
    is_installed,
    is_standard,
)
from jupyter_mlpipe.keys.slices import Counted, narrow
from jupyter_mlpipe.keys.sources import LocalModule, ModuleSource, parse_module
from jupyter_mlpipe.keys.uses import Import

_MAX_KEPT = 500
_SETTLED_S = 2.0  # a file changed so shortly before it was read may change again within its time stamp


@dataclass(slots=True)
class ReachedModules:
    """What a set of imports leads to.

    Parameters
    ----------
    local
        All local modules that can be imported in turn, by full name.
    counted
        What of them counts for a key.
    packages, required
        Installed distributions by top-level module, and by name those that they rest on.
    tops
        Top-level installed modules.
    unknown
        Top-level modules that the disk does not have.
    """

    local: dict[str, LocalModule] = field(default_factory=dict)
    counted: Counted = field(default_factory=Counted)
    packages: dict[str, Package] = field(default_factory=dict)
    required: dict[str, Package] = field(default_factory=dict)
    tops: dict[str, None] = field(default_factory=dict)
    unknown: dict[str, None] = field(default_factory=dict)

    @property
    def distributions(self) -> dict[str, Package]:
        """Return all packages by name."""
        return {**self.required, **{package.name: package for package in self.packages.values()}}


_Stamp = tuple[int, int, int, int]


class Modules(Protocol):
    """Follows imports; see `LocalModules.reach`."""

    def reach(self, imports: Iterable[Import]) -> ReachedModules: ...


class ModulesOnce:
    """The modules as they are at one moment: the same imports are followed once."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self._reached: dict[tuple[Import, ...], ReachedModules] = {}

    def reach(self, imports: Iterable[Import]) -> ReachedModules:
        wanted = tuple(imports)
        found = self._reached.get(wanted)
        if found is None:
            found = self._reached[wanted] = self._modules.reach(wanted)
        return found


class LocalModules:
    """Finds and reads local modules; a file that has not changed is not read again."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str], tuple[_Stamp, LocalModule]] = {}
        self._latest: dict[tuple[str, str], LocalModule] = {}  # those that may have changed since, too
        self._installed: dict[str, Package | None] = {}
        self._reached: dict[tuple[Import, ...], ReachedModules] = {}

    def reach(self, imports: Iterable[Import]) -> ReachedModules:
        """Follow imports through local modules to the packages that they use.

        All local modules that could be imported are found; packages count where something is reached that
        imports them.
        """
        wanted = tuple(imports)
        reached = self._follow(wanted)
        reached.counted = counted = narrow(wanted, reached.local)
        for found in (reached.packages, reached.tops, reached.unknown):
            for top in found.keys() - counted.tops:
                del found[top]
        # A result may change with what a package rests on: scikit-learn's with SciPy's version.
        for package in list(reached.packages.values()):
            reached.required.update((needed.name, needed) for needed in find_requirements(package))
        return self._kept(wanted, reached)

    def _kept(self, wanted: tuple[Import, ...], reached: ReachedModules) -> ReachedModules:
        """Return what was found the last time where that is the same: each component holds one."""
        latest = self._reached.get(wanted)
        if latest == reached:
            return latest
        if len(self._reached) >= _MAX_KEPT:
            self._reached.clear()
        self._reached[wanted] = reached
        return reached

    def _follow(self, imports: Iterable[Import]) -> ReachedModules:
        reached = ReachedModules()
        pending = list(imports)
        seen: set[Import] = set()
        places: dict[str, importlib.machinery.ModuleSpec | None] = {}
        while pending:
            wanted = pending.pop()
            if wanted in seen:
                continue
            seen.add(wanted)
            name, attributes = wanted
            top = name.partition(".")[0]
            if top == "__main__" or is_standard(top):
                continue
            if self._is_package(top, reached, places):
                continue
            # A name imported from a package may be a module in it.
            inside = (f"{name}.{part}" for chain in attributes if chain for part in _with_parents(chain))
            for candidate in (*_with_parents(name), *inside):
                if candidate in reached.local:
                    continue
                is_sure = candidate == name or name.startswith(candidate + ".")
                module = self._read_module(candidate, places)
                if module is not None:
                    reached.local[candidate] = module
                    pending.extend(module.imports)
                elif is_sure and candidate == top:
                    reached.unknown[top] = None
                    break
        return reached

    def _is_package(
        self,
        top: str,
        reached: ReachedModules,
        places: dict[str, importlib.machinery.ModuleSpec | None],
    ) -> bool:
        """Tell whether a top-level module is an installed one; note its distribution then."""
        if top in reached.tops:
            return True
        if top in self._installed:
            # Metadata may have been replaced by an upgrade since.
            package = find_package(top) or self._installed[top]
        else:
            package = self._find_installed(top, places)
            if package is None:
                return False
            if top in sys.modules:
                self._installed[top] = package
        reached.tops[top] = None
        if package is not None:
            reached.packages[top] = package
        return True

    def _find_installed(
        self, top: str, places: dict[str, importlib.machinery.ModuleSpec | None]
    ) -> Package | None:
        if top == OURSELVES:
            return find_package(top)
        spec = places[top] = find_loaded(top)
        if spec is None:
            return None
        where = spec.origin or next(iter(spec.submodule_search_locations or ()), None)
        if where is None or not is_installed(where + os.sep):
            return None
        return find_package(top) or file_package(top, where)

    def _read_module(
        self, name: str, places: dict[str, importlib.machinery.ModuleSpec | None]
    ) -> LocalModule | None:
        spec = _find(name, places)
        if spec is None:
            return None
        if spec.origin is None or not spec.has_location:
            if spec.submodule_search_locations is None:
                return None
            # A folder without __init__.py: a package without code.
            path = next(iter(spec.submodule_search_locations), "")
            source = ModuleSource("", os.path.join(path, "__init__.py"), True)
            return LocalModule(name, "namespace package", source)
        return self._read_file(name, spec.origin, spec.submodule_search_locations is not None)

    def _read_file(self, name: str, path: str, is_package: bool) -> LocalModule | None:
        known = self._read.get((name, path))
        try:
            if known is not None and known[0] == _stamp(os.stat(path)):
                return known[1]
            with open(path, "rb") as file:
                stamp = _stamp(os.fstat(file.fileno()))
                content = file.read()
        except OSError:
            return None
        module = parse_module(name, path, is_package, content, self._latest.get((name, path)))
        self._latest[name, path] = module
        if time.time_ns() - stamp[0] > _SETTLED_S * 1e9:
            self._read[name, path] = (stamp, module)
        else:
            self._read.pop((name, path), None)
        return module


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def _find(
    name: str, places: dict[str, importlib.machinery.ModuleSpec | None]
) -> importlib.machinery.ModuleSpec | None:
    if name in places:
        return places[name]
    parent = name.rpartition(".")[0]
    if not parent:
        spec = find_loaded(name)
    else:
        above = _find(parent, places)
        locations = above.submodule_search_locations if above is not None else None
        spec = None
        if locations is not None:
            spec = _find_in(list(locations), name)
    places[name] = spec
    return spec


def _find_in(folders: list[str], name: str) -> importlib.machinery.ModuleSpec | None:
    try:
        return importlib.machinery.PathFinder.find_spec(name, folders)
    except KeyError:
        # A folder without `__init__.py`: Python asks for its parent, which is loaded where it imports.
        spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
        places = [os.path.join(folder, name.rpartition(".")[2]) for folder in folders]
        spec.submodule_search_locations = [place for place in places if os.path.isdir(place)]
        return spec


def find_loaded(top: str) -> importlib.machinery.ModuleSpec | None:
    """Return what an import of a top-level module gives, as the disk is.

    One that was loaded from another file than is found, or under another name, stays that one.
    """
    found = find_top(top)
    loaded: importlib.machinery.ModuleSpec | None = getattr(sys.modules.get(top), "__spec__", None)
    origin = loaded.origin if loaded is not None and loaded.has_location else None
    if origin is None or not origin.endswith(".py") or (found is not None and found.origin == origin):
        return found
    return loaded if os.path.isfile(origin) else found


def _stamp(status: os.stat_result) -> _Stamp:
    return (status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns)
