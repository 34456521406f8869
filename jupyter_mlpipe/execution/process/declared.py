"""Files and folders that a step was declared to read: they are part of its key, with what was in them then.

Should they be something else when the step has run, nobody knows which of the two it read: its record is
kept, and never reused.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_mlpipe.errors import PlaceError
from jupyter_mlpipe.execution.process.writes import State, state_of
from jupyter_mlpipe.keys.derive import place_ingredients
from jupyter_mlpipe.keys.places import local_place, place_digest
from jupyter_mlpipe.model.files import Folder, Place
from jupyter_mlpipe.model.status import Ingredient

_CONTAINERS = (list, tuple, set, frozenset)


@dataclass(frozen=True, slots=True)
class DeclaredPlace:
    """A place as it is in a step's key.

    Parameters
    ----------
    place
        As declared.
    local
        Where the step finds it.
    content
        The digest in its ingredient.
    """

    place: Place
    local: Place
    content: str


def declared_places(places: Iterable[Place], ingredients: Iterable[Ingredient]) -> tuple[DeclaredPlace, ...]:
    """Return what a step's process is told of the places in its key.

    Raises
    ------
    PlaceError
        A remote one can no longer be read.
    """
    known = {(i.name, i.digest) for i in ingredients if i.kind == "file"}
    found = []
    for place in places:
        content = [d for name, d in known if name == str(place)]
        # A `File` and a `Folder` of one path: one of them is refused before anything runs.
        found += [DeclaredPlace(place, local_place(place), d) for d in content[:1]]
    return tuple(found)


def localised(value: Any, places: Iterable[DeclaredPlace]) -> Any:
    """Return a parameter's value with local copies in place of what is remote."""
    local: Mapping[str, Place] = {repr(d.place): d.local for d in places if d.place.is_remote}
    if not local:
        return value
    if isinstance(value, Place):
        return local.get(repr(value), value)
    if type(value) in _CONTAINERS:
        return type(value)(localised(item, places) for item in value)
    if type(value) is dict:
        return {key: localised(item, places) for key, item in value.items()}
    return value


class Declared:
    """What became of the declared places of the step that runs in this process."""

    def __init__(self, places: Iterable[DeclaredPlace] = ()) -> None:
        self._places: list[tuple[DeclaredPlace, str, State | None]] = []
        for declared in places:
            path = os.path.abspath(declared.local)
            self._places.append((declared, path, state_of(path)))
        self._roots = [
            (root, isinstance(declared.place, Folder))
            for declared, path, _ in self._places
            for root in {path, os.path.realpath(path)}
        ]

    def covers(self, path: str) -> bool:
        """Tell whether a path is a declared file, or is in a declared folder."""
        if not self._roots:
            return False
        return any(
            candidate == root or (is_folder and candidate.startswith(os.path.join(root, "")))
            for candidate in {path.rstrip(os.sep), os.path.realpath(path)}
            for root, is_folder in self._roots
        )

    def changed(self, written: Container[str]) -> Iterator[str]:
        """Give the places that are not what they were, but for files that the step itself wrote to."""
        for declared, path, state in self._places:
            is_folder = isinstance(declared.place, Folder)
            if path in written and not is_folder:
                continue
            try:
                (now,) = place_ingredients([(declared.place, place_digest(declared.local))])
                is_same = now.digest == declared.content and (is_folder or state_of(path) == state)
            except PlaceError:
                is_same = False
            if not is_same:
                yield str(declared.place) if declared.place.is_remote else path
