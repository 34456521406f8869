"""Which distribution a module belongs to, and in which version; which modules are the user's own."""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.metadata
import inspect
import os
import re
import site
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jupyter_mlpipe.keys.canonical import digest, digest_bytes
from jupyter_mlpipe.model.status import Ingredient

OURSELVES = "jupyter_mlpipe"
_FIRST_PART = re.compile(r'^"?([^/,"\n]+)([/,])', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Package:
    """An installed distribution; `folder` is its metadata, which goes when the version changes."""

    name: str
    version: str
    folder: str = ""

    @property
    def digest(self) -> str:
        return digest("package", self.name, self.version)


_packages: dict[str, Package | None] = {}


def find_package(top: str) -> Package | None:
    """Return the distribution that provides a top-level module, or None where none says so.

    Standard library modules have none; Python's version stands for them.
    """
    if is_standard(top):
        return None
    if top in _packages:
        known = _packages[top]
        if known is None or is_current(known):
            return known
        _modules_by_package.cache_clear()
    found = _packages[top] = _look_up(top)
    return found


def is_current(package: Package) -> bool:
    """Tell whether a package is still installed as it was when it was found."""
    return not package.folder or os.path.isdir(package.folder)


def find_requirements(package: Package) -> list[Package]:
    """Return the installed distributions that a package rests on, directly or not; extras left out."""
    found: dict[str, Package] = {}
    pending = [package.name]
    while pending:
        for name in _requirements(pending.pop()):
            if name not in found and name != package.name and (needed := find_installed(name)) is not None:
                found[name] = needed
                pending.append(name)
    return list(found.values())


@functools.cache
def _requirements(name: str) -> tuple[str, ...]:
    try:
        listed = importlib.metadata.distribution(name).requires or []
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return ()
    # Markers need no reading: what a marker excludes here is mostly not installed here either.
    words = (re.match(r"[\w.-]+", line) for line in listed if "extra ==" not in line)
    return tuple(_normalised(word[0]) for word in words if word is not None)


_by_name: dict[str, Package] = {}


def find_installed(name: str) -> Package | None:
    """Return the distribution of a name, None where it is not installed."""
    known = _by_name.get(name)
    if known is not None and is_current(known):
        return known
    try:
        found = _by_name[name] = _package(importlib.metadata.distribution(name))
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None
    return found


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def package_ingredients(tops: Iterable[str]) -> tuple[Ingredient, ...]:
    """Return ingredients for top-level modules, with what they rest on.

    For what a cell's code does not show: the library whose objects it is given as inputs.
    """
    found: dict[str, Package] = {}
    for top in tops:
        package = find_package(top)
        if package is not None:
            found.update((each.name, each) for each in (package, *find_requirements(package)))
    return tuple(
        Ingredient("package", name, package.digest, package.version)
        for name, package in sorted(found.items())
    )


def is_standard(top: str) -> bool:
    return top in sys.stdlib_module_names or top in sys.builtin_module_names


def is_installed(path: str) -> bool:
    """Tell whether a file lies where packages are installed, or in the standard library."""
    if any(part in path for part in (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")):
        return True
    return path.startswith(_library_folders())


def is_of_user(module: str) -> bool:
    """Tell whether a module that is loaded is the notebook, or one that lies where no packages are."""
    top = module.partition(".")[0]
    if top == "__main__":
        return True
    origin = None if top == OURSELVES or is_standard(top) else getattr(sys.modules.get(top), "__file__", None)
    return isinstance(origin, str) and not is_installed(origin)


def file_package(top: str, path: str) -> Package:
    """Return what stands for an installed module without metadata: the content of its files."""
    folder = Path(path).parent if Path(path).name.startswith("__init__.") else None
    return _package_by_content(top, str(folder or path))


@functools.cache
def _package_by_content(top: str, path: str) -> Package:
    root = Path(path)
    files = [root] if root.is_file() else sorted(file for file in root.rglob("*") if file.is_file())
    parts = [
        (str(file.relative_to(root.parent)), digest_bytes(file.read_bytes()))
        for file in files
        if "__pycache__" not in file.parts
    ]
    return Package(top, f"files {digest('files', parts)[:16]}")


@functools.cache
def _library_folders() -> tuple[str, ...]:
    folders = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders += [*site.getsitepackages(), site.getusersitepackages()]
    return tuple(folder.rstrip(os.sep) + os.sep for folder in folders if folder)


def _look_up(top: str) -> Package | None:
    # The distribution of the same name mostly is it, and reading all metadata takes a while.
    try:
        named = importlib.metadata.distribution(top)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        named = None
    if named is not None and (top == OURSELVES or _provides(named, top)):
        return _package(named)
    # Several distributions may share a namespace: all their versions count.
    by_name: dict[str, Package] = {}
    for distribution in _modules_by_package().get(top, ()):
        package = _package(distribution)
        by_name.setdefault(package.name, package)
    found = [by_name[name] for name in sorted(by_name)]
    if len(found) <= 1:
        return found[0] if found else None
    return Package(
        " ".join(package.name for package in found), " ".join(package.version for package in found)
    )


def _provides(distribution: importlib.metadata.Distribution, top: str) -> bool:
    listed = distribution.read_text("top_level.txt")
    if listed is not None:
        return top in listed.split()
    prefixes = (f"{top}/", f"{top}.py")
    record = distribution.read_text("RECORD") or ""
    return any(line.startswith(prefixes) for line in record.splitlines())


@functools.cache
def _modules_by_package() -> dict[str, list[importlib.metadata.Distribution]]:
    # As importlib.metadata.packages_distributions, which takes a second with some hundred packages.
    found: dict[str, list[importlib.metadata.Distribution]] = {}
    for distribution in importlib.metadata.distributions():
        for top in _top_levels(distribution):
            found.setdefault(top, []).append(distribution)
    return found


def _top_levels(distribution: importlib.metadata.Distribution) -> set[str]:
    """Return the top-level modules that a distribution provides."""
    listed = (distribution.read_text("top_level.txt") or "").split()
    if listed:
        return set(listed)
    record = distribution.read_text("RECORD")
    if record is None:
        paths = [str(file) for file in distribution.files or ()]
        places = [(head, "/" if slash else ",") for head, slash, _ in (path.partition("/") for path in paths)]
    else:
        places = _FIRST_PART.findall(record)
    found = set()
    for name, end in set(places):
        top = name if end == "/" else inspect.getmodulename(name)
        if top and "." not in top:
            found.add(top)
    return found


def _package(distribution: importlib.metadata.Distribution) -> Package:
    folder = getattr(distribution, "_path", "")
    return Package(_normalised(distribution.metadata["Name"]), distribution.version, str(folder))


def find_top(top: str) -> importlib.machinery.ModuleSpec | None:
    """Return where an import would find a top-level module, as the disk is."""
    # Not importlib.util.find_spec: it answers with what is imported already. Editable installs may
    # come with finders of their own.
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(top, None)
        except (AttributeError, ImportError, ValueError):
            continue
        if spec is not None:
            return spec
    return None
