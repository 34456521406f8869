"""Which values share mutable objects, so that a change of one is seen in another.

``fig, ax = plt.subplots()``, an optimizer and the parameters of its model, two names for one list: stored
one by one they would come back as separate copies.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import pathlib
import re
import types
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jupyter_mlpipe.keys.artifacts import parts_of
from jupyter_mlpipe.keys.imported import imported
from jupyter_mlpipe.keys.values import is_closure
from jupyter_mlpipe.store.drawn import figure_of

# What nobody can change, or what a pickle refers to by name: two owners of it share nothing that matters.
_IMMUTABLE = (
    str, bytes, int, float, complex, type(None), type(...), range, slice, frozenset, tuple,
    type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType, types.CodeType, types.CellType,
    property, enum.Enum, re.Pattern, uuid.UUID, decimal.Decimal, fractions.Fraction,
    datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, pathlib.PurePath,
)  # fmt: skip
_ATOMS = frozenset(kind for kind in _IMMUTABLE if kind not in (tuple, frozenset, types.FunctionType)) | {bool}
# A star import brings hundreds of them.
_FUNCTIONS_OF_NUMPY = frozenset({"ufunc", "_ArrayFunctionDispatcher"})
_FRAMES = frozenset({"DataFrame", "Series", "LazyFrame", "Table", "RecordBatch", "ChunkedArray"})
_LIBRARIES_OF_FRAMES = frozenset({"pandas", "polars", "pyarrow"})
# Whose objects hold arrays for their users to change. A fitted estimator keeps a reference to its training
# data as well, but nobody changes that through it: to store both together each time would only cost.
_OPEN = frozenset({"builtins", "collections", "functools", "types", "__main__"})
_HOLDERS = _OPEN | {"torch"}
_CONTAINERS = frozenset({list, dict, set, bytearray})


def find_groups(values: Mapping[str, object], namespace: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the groups of names, of two and more, whose values share something that can be changed."""
    held: list[object] = []
    owner: dict[int, str] = {}
    leader: dict[str, str] = {}
    figures = {name: id(figure) for name, value in values.items() if (figure := figure_of(value)) is not None}
    others = {name: value for name, value in values.items() if name not in figures}
    # What a figure holds is looked for only where there is somebody who may hold it, too.
    is_alone = len({*figures.values()}) < 2 and all(map(_is_in_no_figure, others.values()))
    drawn: dict[int, str] = {}
    reading: list[tuple[str, int]] = []

    def lead(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for name, value in values.items():
        if name in figures:
            is_known = figures[name] in drawn
            leader[lead(name)] = lead(drawn.setdefault(figures[name], name))
            if is_known or is_alone:
                continue
        around = owner.get(id(value))
        if around is not None and _library(value) == _library(values[around]):
            # A part of another value, such as the axes of a figure: all that it shares was found there.
            leader[lead(name)] = lead(around)
            continue
        for identity in identities(value, namespace, held):
            if identity < 0:
                reading.append((name, -identity))
                lead(name)
                continue
            leader[lead(name)] = lead(owner.setdefault(identity, name))
    for name, memory in reading:
        if memory in owner:
            leader[lead(name)] = lead(owner[memory])
    groups: dict[str, list[str]] = {}
    for name in leader:
        groups.setdefault(lead(name), []).append(name)
    return [tuple(sorted(group)) for group in groups.values() if len(group) > 1]


def find_sharing(
    values: Iterable[object], others: Mapping[str, object], namespace: Mapping[str, Any]
) -> set[str]:
    """Return the names in `others` whose values share something with one of `values`."""
    held: list[object] = []
    found = {identity for value in values for identity in identities(value, namespace, held)}
    # Two that can only read a memory share nothing that changes.
    wanted = {identity for identity in found if identity > 0} | {-identity for identity in found}
    if not wanted:
        return set()
    return {
        name
        for name, value in others.items()
        if any(identity in wanted for identity in identities(value, namespace, held))
    }


def identities(value: object, namespace: Mapping[str, Any], held: list[object]) -> Iterator[int]:
    """Yield an `id` for each mutable object inside a value; that of memory which it only reads is negative.

    Parameters
    ----------
    held
        Gets what must live as long as the numbers are compared.
    """
    kind = type(value)
    if is_atom(value):
        return
    held.append(value)
    if (found := _of_memory(value)) is not None:
        yield from found
    elif kind in (list, set, dict) and _holds_atoms_only(value):
        yield id(value)
    else:
        parts = parts_of(value, namespace)
        held.append(parts)
        library = _library(value)
        immutable: dict[type, bool] = {}  # a figure has thousands of parts of few types
        for part in (value, *parts):
            if (known := immutable.get(type(part))) is None:
                known = immutable[type(part)] = isinstance(part, _IMMUTABLE) or _is_immutable_of_library(part)
            if isinstance(part, types.CellType) and library in _OPEN:
                # Of functions that one call of another one made: what one sets in it the other sees.
                yield id(part)
            if known:
                continue
            memory = _of_memory(part)
            if memory is not None:
                if library in _HOLDERS:
                    yield from memory
            elif library in _OPEN or type(part) not in _CONTAINERS:
                # The lists inside a library's objects are its own; some are its defaults, in every object.
                yield id(part)


def _library(value: object) -> str:
    return str(type(value).__module__).partition(".")[0]


def is_atom(value: object) -> bool:
    """Tell whether a value is immutable, and has nothing mutable inside."""
    if isinstance(value, types.FunctionType):
        return not is_closure(value)
    kind = type(value)
    if isinstance(value, types.BuiltinFunctionType):
        # `rows.append` is the list's.
        return isinstance(value.__self__, types.ModuleType | None)
    if kind in _ATOMS or kind.__name__ in _FUNCTIONS_OF_NUMPY:
        return True
    return isinstance(value, types.ModuleType | type)


def _holds_atoms_only(value: Any) -> bool:
    kinds = set(map(type, value))
    if type(value) is dict:
        kinds.update(map(type, value.values()))
    return kinds <= _ATOMS


def _of_memory(value: Any) -> tuple[int, ...] | None:
    """Return the identity of an array's memory, or of a frame; None for anything else.

    It is negative where the array can only be read: what others write to that memory is seen in it.
    """
    kind = type(value)
    numpy = imported("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        if value.dtype.hasobject and kind is numpy.ndarray:
            return None
        owner = value
        while isinstance(owner.base, numpy.ndarray):
            owner = owner.base
        if not value.flags.writeable and not owner.flags.writeable:
            return ()
        memory = id(owner if owner.base is None else owner.base)
        return (memory if value.flags.writeable else -memory,)
    if kind.__name__ in _FRAMES and str(kind.__module__).partition(".")[0] in _LIBRARIES_OF_FRAMES:
        return (id(value),)
    return None


def _is_in_no_figure(value: object) -> bool:
    """Tell whether a value has nothing that a figure would be found to hold: arrays and plain values."""
    if is_atom(value) or _of_memory(value) is not None or _is_immutable_of_library(value):
        return True
    return type(value) in (list, set, dict) and _holds_atoms_only(value)


def _is_immutable_of_library(value: object) -> bool:
    kind, library = type(value), _library(value)
    if library == "numpy":
        is_scalar = hasattr(kind, "itemsize") and not hasattr(kind, "__array_finalize__")
        return kind.__name__ == "dtype" or "DType" in kind.__name__ or is_scalar
    if library == "pandas":
        # Indexes, time stamps, offsets, dtypes: all but frames, which `_of_memory` knows.
        return not hasattr(value, "_mgr")
    if library == "sympy":
        # Symbols and expressions compare by what they say. Matrices that can be changed have no hash.
        return kind.__hash__ not in (None, object.__hash__)
    return library in ("zoneinfo", "pytz", "dateutil") or kind.__module__ == "matplotlib.path"
