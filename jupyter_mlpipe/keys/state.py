"""What local modules keep of what cells told them: ``settings.use(3)``, where one of their globals holds it.

A step imports its modules anew, and is given what they keep here and importing them does not give. What a
step has them keep comes back. None says that it is as imported.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

from jupyter_mlpipe.keys.canonical import SCALARS
from jupyter_mlpipe.keys.contents import Content, take_content
from jupyter_mlpipe.keys.holders import (
    fill,
    is_holder,
    namespace_of,
    part_of,
    parts_of,
    register,
    registered_with,
    set_part,
)
from jupyter_mlpipe.keys.keeping import NOT_BOUND, UNKNOWN, find_kept
from jupyter_mlpipe.keys.late import put_by_module
from jupyter_mlpipe.keys.providers import Changes, Provider, State, nothing

_MOST_BYTES = 1 << 20
_UNCHANGING = SCALARS - {bytearray}


class Kept:
    """A value that a module keeps, as it was when it was looked at."""

    def __init__(self, content: Content) -> None:
        self._content = content

    @property
    def value(self) -> Any:
        return self._content.restore()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kept) and self._content == other._content

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> Any:
        return _keep, (self.value,)


def _keep(value: object) -> Kept:
    return Kept(take_content(value))


class _Registry:
    """What cells may register something with: `functools.singledispatch`, abstract classes."""


@dataclass(frozen=True, slots=True)
class _Holder:
    """What is looked at part by part; of a function, which one it is counts as well."""

    value: object
    parts: Mapping[str, object]


@dataclass(eq=False)
class _Watched:
    """A module with what it held once it had been imported.

    Parameters
    ----------
    spec
        The module's, another one once it has been loaded again.
    usual
        By path: what cannot change itself, the `Content` of other values, a `_Registry` or a `_Holder`; by a
        path that ends with a dot, the names of a class.
    told
        Paths to what was found changed, and too large for the usual content to be kept: they are told from
        then on, for nobody could put that back.
    made
        Paths to what was made when it was first asked for.
    """

    spec: object
    text: str
    names: frozenset[str]
    usual: dict[str, object] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)

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
    found.usual.update(_held(module.__name__, [*namespace_of(module).items()]))
    if is_late:
        written = {path: v for path, v in found.kept[0].items() if v is not UNKNOWN and v is not NOT_BOUND}
        found.usual.update((path, _noted(v)) for path, v in written.items() if path in found.usual)


def _held(module: str, names: Iterable[tuple[str, Any]], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Give what a module holds that may change, by path, as it is to be noted."""
    for name, value in names:
        if name.startswith("__") or isinstance(value, ModuleType | property | staticmethod | classmethod):
            continue
        path = prefix + name
        if registered_with(value) is not None:
            yield path, _Registry()
        elif is_holder(value, _WATCHED) and not (prefix and isinstance(value, FunctionType)):
            yield path, _Holder(value, {part: _noted(held) for part, held in parts_of(value).items()})
        elif not isinstance(value, FunctionType | type):
            yield path, _noted(value)
        if isinstance(value, type) and value.__module__ == module and not prefix:
            yield f"{path}.", frozenset(vars(value))
            yield from _held(module, [*vars(value).items()], f"{name}.")


def _noted(value: object) -> object:
    return value if type(value) in _UNCHANGING else take_content(value, _MOST_BYTES)


def loaded_again() -> list[ModuleType]:
    """Return the modules that have been loaded once more since they were watched."""
    loaded = ((sys.modules.get(name), watched.spec) for name, watched in _WATCHED.items())
    # Some put an object in their own place.
    modules = ((module, spec) for module, spec in loaded if isinstance(module, ModuleType))
    return [module for module, spec in modules if module.__spec__ is not spec]


def of_reached(changes: Changes, uncounted: Mapping[str, frozenset[str] | None]) -> dict[str, Kept]:
    """Return those that code reaches, by the names in modules that it does not."""
    found = {}
    for place, value in changes.items():
        module, _, path = place.partition(":")
        apart = uncounted.get(module)
        if apart is not None and path.partition(".")[0] not in apart:
            found[place] = value
    return found


def _read(_sys: Any) -> State:
    found: dict[str, Kept] = {}
    for name, watched in list(_WATCHED.items()):
        module = sys.modules.get(name)
        if not isinstance(module, ModuleType) or module.__spec__ is not watched.spec:
            continue  # loaded again since: as its file says
        for path, value in _changed_in(module, watched):
            found[f"{name}:{path}"] = _keep(value)
    return found


def _changed_in(module: ModuleType, watched: _Watched) -> Iterator[tuple[str, Any]]:
    namespace = namespace_of(module)
    for path, before in watched.usual.items():
        if isinstance(before, frozenset):
            yield from _new_in_class(module, path, before)
            continue
        held = namespace[path] if path in namespace else _look(module, path)
        if held is before or held is NOT_BOUND:
            continue  # nearly always: it is asked for each step
        if isinstance(before, _Registry):
            if registered := registered_with(held):
                yield path, registered
        elif isinstance(before, _Holder):
            yield from _changed_parts(watched, path, before, held)
        elif path not in watched.made and _differs(watched, path, before, held):
            if path in watched.kept[1]:
                watched.made.add(path)
            else:
                yield path, held
    if len(namespace) > len(watched.names):
        yield from _new(module, watched)


def _changed_parts(watched: _Watched, path: str, before: _Holder, held: Any) -> Iterator[tuple[str, Any]]:
    if type(held) is not type(before.value) or (isinstance(held, FunctionType) and held is not before.value):
        yield path, held
        return
    for name, part in parts_of(held).items():
        usual = before.parts.get(name, NOT_BOUND)
        # What cannot be copied, such as a connection, each process makes for itself.
        place = f"{path}.{name}"
        if part is not usual and _differs(watched, place, usual, part) and take_content(part).is_whole:
            yield place, part


def _new_in_class(module: ModuleType, path: str, names: frozenset[str]) -> Iterator[tuple[str, Any]]:
    attributes = getattr(_look(module, path[:-1]), "__dict__", {})
    if len(attributes) > len(names):
        for name in attributes.keys() - names:
            if not name.startswith("_"):
                yield path + name, attributes[name]


def _differs(watched: _Watched, path: str, before: object, held: object) -> bool:
    if not isinstance(before, Content):
        return type(before) is not type(held) or type(held) not in _UNCHANGING or before != held
    if path not in watched.told and before == take_content(held, _MOST_BYTES):
        return False
    if before.is_digest:
        watched.told.add(path)
    return True


def _new(module: ModuleType, watched: _Watched) -> Iterator[tuple[str, Any]]:
    namespace = namespace_of(module)
    said = {path for path, usual in watched.kept[0].items() if usual is NOT_BOUND}
    for path in said:
        if (value := _look(module, path)) is not NOT_BOUND:
            yield path, value
    for name in namespace.keys() - watched.names - said - watched.kept[1]:
        if not name.startswith("__") and not isinstance(namespace[name], ModuleType | FunctionType | type):
            yield name, namespace[name]


def _look(module: ModuleType, path: str) -> Any:
    found: Any = module
    for name in path.split("."):
        found = part_of(found, name)
    return found


def _write(_sys: Any, changes: Changes) -> None:
    put_by_module(changes, _put)


def _put(module: str, changes: Mapping[str, Any]) -> None:
    for path, kept in changes.items():
        above, _, name = path.rpartition(".")
        owner = _look(sys.modules[module], above) if above else sys.modules[module]
        if owner is NOT_BOUND:
            continue
        usual = _usual(module, path)
        held = part_of(owner, name)
        if isinstance(usual, _Registry):
            if kept is not None:  # nothing takes back what was registered
                register(held, kept.value)
            continue
        if kept is not None:
            value = kept.value
        elif isinstance(usual, Content) and usual.is_digest:
            continue
        else:
            value = usual.restore() if isinstance(usual, Content) else usual
        if isinstance(value, _Holder):
            value = value.value
        # Others may have imported it.
        if held is not value and not fill(held, value):
            set_part(owner, name, value)


def _usual(module: str, path: str) -> object:
    usual = _WATCHED[module].usual if module in _WATCHED else {}
    above, _, name = path.rpartition(".")
    holder = usual.get(above)
    return holder.parts.get(name, NOT_BOUND) if isinstance(holder, _Holder) else usual.get(path, NOT_BOUND)


STATE = Provider("state of modules", "sys", _read, nothing, _write)
