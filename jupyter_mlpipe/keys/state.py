"""What local modules keep of what cells told them: ``settings.use(3)``, where one of their globals holds it.

A step imports its modules anew, and is given what they keep here and importing them does not give. What a
step has them keep comes back. Each value travels alone in a tuple; None says that it is as imported.
"""

from __future__ import annotations

import ast
import copy
import functools
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from types import FunctionType, ModuleType
from typing import Any

from jupyter_mlpipe.keys.canonical import SCALARS
from jupyter_mlpipe.keys.keeping import NOT_BOUND, UNKNOWN, find_kept
from jupyter_mlpipe.keys.late import put_by_module
from jupyter_mlpipe.keys.providers import Changes, Provider, State

_CONTAINERS = (dict, list, set)
_MAX_PARTS = 1000
_MAX_ITEMS = 10_000
_PLAIN = SCALARS | {type(Path()), PurePath, PurePosixPath}


@dataclass(frozen=True, slots=True)
class _Object:
    """An object whose methods may change it, by those of its attributes that are plain data."""

    attributes: Mapping[str, Any]


class _Dispatch:
    """A function with which cells may register others: `functools.singledispatch`."""


@dataclass(eq=False)
class _Watched:
    """A module with what it held once it had been imported.

    Parameters
    ----------
    spec
        The module's, another one once it has been loaded again.
    """

    spec: object
    text: str
    names: frozenset[str]
    usual: dict[str, Any] = field(default_factory=dict)

    @functools.cached_property
    def kept(self) -> tuple[Mapping[str, object], set[str]]:
        """Return what `find_kept` does, read when something has changed: few modules keep anything."""
        try:
            return find_kept(ast.parse(self.text))
        except (SyntaxError, ValueError, RecursionError):
            return {}, set()


_WATCHED: dict[str, _Watched] = {}


def watch(module: ModuleType, text: str, *, is_late: bool = False) -> None:
    """Look out for what a module keeps from now on.

    Parameters
    ----------
    text
        That of which it was made.
    is_late
        Whether it may have been told something before: then what its text says counts.
    """
    known = _WATCHED.get(module.__name__)
    if known is not None and known.spec is module.__spec__:
        return
    found = _WATCHED[module.__name__] = _Watched(module.__spec__, text, frozenset(namespace_of(module)))
    found.usual.update(_holds(module.__name__, namespace_of(module)))
    if is_late:
        written = {path: v for path, v in found.kept[0].items() if v is not UNKNOWN and v is not NOT_BOUND}
        found.usual.update((path, v) for path, v in written.items() if path in found.usual)


def _holds(module: str, namespace: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in namespace.items():
        if name.startswith("__") or isinstance(value, ModuleType | property | staticmethod | classmethod):
            continue
        if isinstance(value, FunctionType):
            if hasattr(value, "dispatch") and hasattr(value, "registry"):
                yield prefix + name, _Dispatch()
        elif isinstance(value, type):
            if value.__module__ == module and not prefix:
                yield from _holds(module, vars(value), f"{name}.")
        elif type(value).__module__ in _WATCHED:
            yield prefix + name, _Object(_attributes(value))
        else:
            yield prefix + name, _copied(value)


def loaded_again() -> list[ModuleType]:
    """Return the modules that have been loaded once more since they were watched."""
    loaded = ((sys.modules.get(name), watched.spec) for name, watched in _WATCHED.items())
    return [module for module, spec in loaded if module is not None and module.__spec__ is not spec]


def of_reached(changes: Changes, uncounted: Mapping[str, frozenset[str] | None]) -> Changes:
    """Return those that code reaches, by the names in modules that it does not."""
    found = {}
    for place, value in changes.items():
        module, _, path = place.partition(":")
        apart = uncounted.get(module)
        if apart is not None and path.partition(".")[0] not in apart:
            found[place] = value
    return found


def _read(_sys: Any) -> State:
    found: dict[str, Any] = {}
    for name, watched in list(_WATCHED.items()):
        module = sys.modules.get(name)
        if module is None or module.__spec__ is not watched.spec:
            continue  # loaded again since: as its file says
        for path, value in _changed_in(module, watched):
            found[f"{name}:{path}"] = (value,)
    return found


def _changed_in(module: ModuleType, watched: _Watched) -> Iterator[tuple[str, Any]]:
    namespace = namespace_of(module)
    for path, before in watched.usual.items():
        held = namespace[path] if path in namespace else _look(module, path)
        if held is before:
            continue  # nearly always: it is asked for each step
        for inner, value in _changed(path, before, held):
            if path not in watched.kept[1]:
                yield inner, value
    if len(namespace) > len(watched.names):
        for path, usual in watched.kept[0].items():
            if usual is NOT_BOUND and (value := _look(module, path)) is not NOT_BOUND:
                yield path, _copied(value)


def _changed(path: str, before: Any, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(before, _Object):
        for name, now in _attributes(value).items():
            if not _is_same(before.attributes.get(name, NOT_BOUND), now):
                yield f"{path}.{name}", now
    elif isinstance(before, _Dispatch):
        registered = {kind: f for kind, f in value.registry.items() if f.__module__ == "__main__"}
        if registered:
            yield path, registered
    elif value is not NOT_BOUND and not _is_same(before, value):
        yield path, _copied(value)


def _attributes(value: Any) -> dict[str, Any]:
    held = getattr(value, "__dict__", {})
    return {name: copy.deepcopy(part) for name, part in held.items() if _is_plain(part, _MAX_PARTS)}


def _is_plain(value: Any, most: int) -> bool:
    """Tell whether something is what settings are made of, and little of it."""
    kind = type(value)
    if kind in _PLAIN:
        return True
    if kind not in (*_CONTAINERS, tuple) or len(value) > most:
        return False
    parts = (*value, *value.values()) if kind is dict else value
    return all(_is_plain(part, most // 10) for part in parts)


def _is_same(before: Any, value: Any) -> bool:
    if before is value:
        return True
    if type(before) is not type(value):
        return False
    try:
        return bool(before == value)
    except (ValueError, TypeError):
        return False


def _copied(value: Any) -> Any:
    # Later changes are to be told from it, but of what is large only that it is another one.
    is_small = type(value) in _CONTAINERS and len(value) <= _MAX_ITEMS
    return copy.copy(value) if is_small else value


def _look(module: ModuleType, path: str) -> Any:
    found: Any = module
    for name in path.split("."):
        found = _held_by(found).get(name, NOT_BOUND)
    return found


def _held_by(owner: Any) -> Mapping[str, Any]:
    return namespace_of(owner) if isinstance(owner, ModuleType) else getattr(owner, "__dict__", {})


def namespace_of(module: ModuleType) -> dict[str, Any]:
    """Return a module's names, also where a step's process notes who asks for all of them."""
    namespace: dict[str, Any] = vars(ModuleType)["__dict__"].__get__(module)
    return namespace


def _write(_sys: Any, changes: Changes) -> None:
    put_by_module(changes, _put)


def _put(module: str, changes: Mapping[str, Any]) -> None:
    for path, value in changes.items():
        owner: Any = sys.modules[module]
        *above, name = path.split(".")
        for part in above:
            owner = _held_by(owner).get(part)
        if owner is None:
            continue
        kept = _usual(module, path) if value is None else value[0]
        if kept is NOT_BOUND:
            if name in _held_by(owner):
                delattr(owner, name)
            continue
        held = _held_by(owner).get(name)
        if isinstance(kept, _Dispatch):
            continue  # nothing takes back what was registered
        if (register := getattr(held, "register", None)) is not None and isinstance(kept, dict):
            for registered, function in kept.items():
                register(registered, function)
        elif type(held) is type(kept) and type(kept) in _CONTAINERS:
            _fill(held, kept)  # others may have imported it
        else:
            setattr(owner, name, _copied(kept))


def _usual(module: str, path: str) -> Any:
    usual = _WATCHED[module].usual if module in _WATCHED else {}
    above, _, name = path.rpartition(".")
    holder = usual.get(above)
    return (
        holder.attributes.get(name, NOT_BOUND) if isinstance(holder, _Object) else usual.get(path, NOT_BOUND)
    )


def _fill(held: Any, kept: Any) -> None:
    if isinstance(held, list):
        held[:] = kept
    else:
        held.clear()
        held.update(kept)


STATE = Provider("state of modules", "sys", _read, lambda sys: {}, _write)
