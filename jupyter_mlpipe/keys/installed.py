"""What a step that has run rests on of all that is installed: packages that programs import, and programs.

The packages that its code imports are in its key (`jupyter_mlpipe.keys.packages`). A Python that it starts
imports others; which of two programs of one name is started, the folders on `PATH` decide.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping

from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.packages import find_installed
from jupyter_mlpipe.keys.variables import value_of
from jupyter_mlpipe.model.status import Ingredient

PACKAGES = "installed packages"
_IN = f"{PACKAGES} in "
_PROGRAM = "program "
_OF_DISTRIBUTION = (".dist-info", ".egg-info", ".egg-link", ".egg", ".pth")
_INSTALLED = re.compile(r"(.*?/(?:site|dist)-packages)(?:/|$)")
_IS_PYTHON = re.compile(r"(?:python|pypy)[\d.]*t?$")
_SHEBANG_BYTES = 256
_OF_SYSTEM = ("/usr/lib/python3/dist-packages", "/usr/local/lib/python3*/dist-packages")
_known: dict[str, tuple[int, tuple[str, ...]]] = {}


def packages_digest() -> str:
    """Return the digest of which packages this environment has, in which versions."""
    return _digest_of(_own_folders())


def of_package(name: str) -> Ingredient:
    """Return what stands in a key for a package after which code asks by name."""
    package = find_installed(name)
    if package is None:
        return Ingredient("package", name, digest("absent package", name), "not installed")
    return Ingredient("package", name, package.digest, package.version)


def packages_state(folder: str) -> tuple[str, str]:
    """Return what a record says of the packages in a folder: the name of the state, and its digest."""
    if folder in _own_folders():
        return PACKAGES, packages_digest()
    return f"{_IN}{folder}", _digest_of([folder])


def folder_of_packages(path: str) -> str | None:
    """Return the folder of packages that a path lies in, if any."""
    found = _INSTALLED.match(path)
    return found[1] if found is not None else None


def program_states(word: str, base: str) -> Iterator[tuple[str, str]]:
    """Give what a record says of a word on a command line, if it is a program.

    Parameters
    ----------
    base
        The folder that relative paths are seen from.
    """
    if os.sep in word:
        path = os.path.join(base, word)
        place = path if os.access(path, os.X_OK) and os.path.isfile(path) else None
    elif (place := shutil.which(word)) is not None:
        yield f"{_PROGRAM}{word}", digest("program", place)
    if place is not None and (python := _python_of(place)) is not None:
        yield from map(packages_state, _folders_of(python))


def installed_now(
    before: Iterable[str], environment: Mapping[str, str | None], *, elsewhere: bool
) -> Iterator[tuple[str, str | None]]:
    """Give what the states of packages and programs are now, as `variables.states_now` does."""
    for state in before:
        if state.startswith((PACKAGES, _PROGRAM)):
            yield state, None if elsewhere else _now(state, environment)


def _now(state: str, environment: Mapping[str, str | None]) -> str:
    if state == PACKAGES:
        return packages_digest()
    if state.startswith(_IN):
        return _digest_of([state.removeprefix(_IN)])
    place = shutil.which(state.removeprefix(_PROGRAM), path=value_of("PATH", environment))
    return digest("program", place or "")


def _python_of(program: str) -> str | None:
    """Return the Python that a program is, or that its first line names."""
    if _IS_PYTHON.match(os.path.basename(program)):
        return program
    try:
        with open(program, "rb", buffering=0) as file:
            first = file.read(_SHEBANG_BYTES).partition(b"\n")[0]
    except OSError:
        return None
    words = os.fsdecode(first).removeprefix("#!").split() if first.startswith(b"#!") else []
    for word in words:
        if _IS_PYTHON.match(os.path.basename(word)):
            return word if os.sep in word else shutil.which(word)
    return None


def _folders_of(python: str) -> list[str]:
    """Return the folders of packages of an interpreter, by where such folders are beside it."""
    if python == sys.executable:
        return [sysconfig.get_path("purelib")]
    prefix = os.path.dirname(os.path.dirname(os.path.abspath(python)))
    found = glob.glob(os.path.join(glob.escape(prefix), "lib", "python3*", "site-packages"))
    if not os.path.exists(os.path.join(prefix, "pyvenv.cfg")):
        found += [folder for pattern in _OF_SYSTEM for folder in glob.glob(pattern)]
    return sorted(found)


def _own_folders() -> tuple[str, ...]:
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()]
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    folders += [path for path in sys.path if folder_of_packages(path) == path]
    return tuple(sorted({folder.rstrip(os.sep) for folder in folders if folder}))


def _digest_of(folders: Iterable[str]) -> str:
    return digest("installed", [_distributions(folder) for folder in folders])


def _distributions(folder: str) -> tuple[str, ...]:
    """Return the names of what is installed in a folder, with versions, as its entries say them."""
    try:
        changed_ns = os.stat(folder).st_mtime_ns
        known = _known.get(folder)
        if known is None or known[0] != changed_ns:
            names = sorted(name for name in os.listdir(folder) if name.endswith(_OF_DISTRIBUTION))
            known = _known[folder] = changed_ns, tuple(names)
    except OSError:
        return ()
    return known[1]
