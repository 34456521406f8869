"""What an environment has of the packages that code mentions: looked up where the code runs.

The closure of a cell holds the notebook's own. On a cluster of somebody else, what counts is what its
workers have: they answer with this, and their answer takes the place of the notebook's in a key.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Mapping

from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.modules import LocalModules
from jupyter_mlpipe.keys.packages import is_installed
from jupyter_mlpipe.model.status import Ingredient

Report = Mapping[str, tuple[Ingredient, ...]]
"""By top-level module, what stands for it in a key: its distribution, and what that rests on."""

NOT_THERE = "not installed"


def look_up(tops: Iterable[str], modules: LocalModules) -> dict[str, tuple[Ingredient, ...]]:
    """Return what this process has of top-level modules of packages.

    Where there is code, but no installed package, the part is of kind ``unhashable``: it may change
    at any time, and nobody would notice.
    """
    return {top: _look_up(top, modules) for top in tops}


def _look_up(top: str, modules: LocalModules) -> tuple[Ingredient, ...]:
    reached = modules.reach([(top, ())])
    if top in reached.unknown:
        return (absent(top),)
    if reached.local:
        why = "is loose code on the worker. Install it there, or have its files beside the notebook"
        return (Ingredient("unhashable", top, "", why),)
    found = sorted(reached.distributions.items())
    return tuple(Ingredient("package", name, package.digest, package.version) for name, package in found)


def absent(top: str) -> Ingredient:
    """Return what stands for a module that is not installed."""
    return Ingredient("package", top, digest("absent package", top), NOT_THERE)


@functools.lru_cache(maxsize=4096)
def mark_of(top: str, parts: tuple[Ingredient, ...]) -> str:
    """Return a text that is the same for all environments that have the same of a top-level module."""
    return f"{top}={digest('environment', top, [(i.kind, i.name, i.digest) for i in parts])[:32]}"


def find_changed(marks: Iterable[str], modules: LocalModules) -> list[str]:
    """Return the top-level modules of which this process has something else than the marks say."""
    expected = {mark.partition("=")[0]: mark for mark in marks}
    found = look_up(expected, modules)
    return [top for top, mark in expected.items() if mark_of(top, found[top]) != mark]


def folders_of_user(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the folders of an import path that are not those of an environment's packages."""
    return tuple(path for path in paths if not is_installed(path.rstrip(os.sep) + os.sep))
