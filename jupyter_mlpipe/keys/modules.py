"""The user's own modules: their sources as they are on disk, with all that they import.

What the kernel has imported may be older than the files. A step runs the files, so the files are
what is digested and sent; both from one reading.
"""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from jupyter_mlpipe.keys.canonical import digest, digest_bytes
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
from jupyter_mlpipe.keys.settings import Settings, scan_settings
from jupyter_mlpipe.keys.syntax import syntax_digest

_SETTLED_S = 2.0  # a file changed so shortly before it was read may change again within its time stamp


@dataclass(frozen=True, slots=True)
class ModuleSource:
    """A local module as a step gets it."""

    source: str
    path: str
    is_package: bool


@dataclass(frozen=True, slots=True)
class LocalModule:
    """One reading of a local module's file.

    Parameters
    ----------
    imports
        (module, names) of each import anywhere in it, relative ones resolved.
    source
        None where the file is no Python source, such as an extension module.
    """

    name: str
    digest: str
    source: ModuleSource | None
    imports: tuple[tuple[str, tuple[str, ...]], ...]
    settings: Settings


@dataclass(slots=True)
class ReachedModules:
    """What a set of imports leads to.

    Parameters
    ----------
    packages, required
        Installed distributions by top-level module, and by name those that they rest on.
    tops
        Top-level installed modules.
    unknown
        Top-level modules that the disk does not have.
    """

    local: dict[str, LocalModule] = field(default_factory=dict)
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

    def reach(self, imports: Iterable[tuple[str, tuple[str, ...]]]) -> ReachedModules: ...


class ModulesOnce:
    """The modules as they are at one moment: the same imports are followed once."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self._reached: dict[tuple[tuple[str, tuple[str, ...]], ...], ReachedModules] = {}

    def reach(self, imports: Iterable[tuple[str, tuple[str, ...]]]) -> ReachedModules:
        wanted = tuple(imports)
        found = self._reached.get(wanted)
        if found is None:
            found = self._reached[wanted] = self._modules.reach(wanted)
        return found


class LocalModules:
    """Finds and reads local modules; a file that has not changed is not read again."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str], tuple[_Stamp, LocalModule]] = {}
        self._installed: dict[str, Package | None] = {}

    def reach(self, imports: Iterable[tuple[str, tuple[str, ...]]]) -> ReachedModules:
        """Follow imports, (module, names) each, through local modules to the packages that they use."""
        reached = ReachedModules()
        pending = list(imports)
        seen: set[tuple[str, tuple[str, ...]]] = set()
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
            for candidate in (*_with_parents(name), *(f"{name}.{attribute}" for attribute in attributes)):
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
        # A result may change with what a package rests on: scikit-learn's with SciPy's version.
        for package in list(reached.packages.values()):
            reached.required.update((needed.name, needed) for needed in find_requirements(package))
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
        spec = places[top] = find_top(top)
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
            return LocalModule(name, digest("namespace package", name), source, (), Settings())
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
        module = _parse(name, path, is_package, content)
        if time.time_ns() - stamp[0] > _SETTLED_S * 1e9:
            self._read[name, path] = (stamp, module)
        else:
            self._read.pop((name, path), None)
        return module


def resolve_import(module: str, level: int, package: str) -> str:
    """Return the absolute name of an import; `package` is the importing module's package."""
    if level == 0:
        return module
    base = package.rsplit(".", level - 1)[0] if level > 1 else package
    return f"{base}.{module}" if module else base


def imports_in(tree: ast.AST, package: str = "") -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return (module, names) of each import anywhere in a tree, in order, each once."""
    found: dict[tuple[str, tuple[str, ...]], None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.name, ()] = None
        elif isinstance(node, ast.ImportFrom):
            module = resolve_import(node.module or "", node.level, package)
            if module and (package or not node.level):
                found[module, tuple(alias.name for alias in node.names)] = None
        elif isinstance(node, ast.Call) and (name := _imported_by_call(node)) is not None:
            found[name, ()] = None
    return tuple(found)


def _imported_by_call(node: ast.Call) -> str | None:
    """Return the module of ``importlib.import_module("name")`` and of ``__import__("name")``."""
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if called not in ("import_module", "__import__") or not node.args:
        return None
    first = node.args[0]
    value = first.value if isinstance(first, ast.Constant) else None
    return value if isinstance(value, str) and value and not value.startswith(".") else None


def _parse(name: str, path: str, is_package: bool, content: bytes) -> LocalModule:
    package = name if is_package else name.rpartition(".")[0]
    try:
        text = importlib.util.decode_source(content)
        tree = ast.parse(text)
        code_digest = syntax_digest(tree)
    except (SyntaxError, ValueError):
        # An extension module, or a file that only the step can complain about.
        is_source = path.endswith(".py")
        source = ModuleSource(content.decode("utf-8", "replace"), path, is_package) if is_source else None
        return LocalModule(name, digest("module bytes", digest_bytes(content)), source, (), Settings())
    return LocalModule(
        name,
        # A package and a module of the same text differ in what relative imports mean.
        digest("module", name, is_package, code_digest),
        ModuleSource(text, path, is_package),
        imports_in(tree, package),
        scan_settings(tree),
    )


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
        spec = find_top(name)
    else:
        above = _find(parent, places)
        locations = above.submodule_search_locations if above is not None else None
        spec = None
        if locations is not None:
            spec = importlib.machinery.PathFinder.find_spec(name, list(locations))
    places[name] = spec
    return spec


def _stamp(status: os.stat_result) -> _Stamp:
    return (status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns)
