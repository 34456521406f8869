"""What can hold something for others: modules, classes, objects, functions, variables of a context or thread.

Each part has a name: an attribute, ``variable x`` of a function's closure, ``value`` of a context's variable.
"""

from __future__ import annotations

import abc
import ast
import functools
import threading
from collections import deque
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from types import FunctionType, MemberDescriptorType, ModuleType, SimpleNamespace
from typing import Any

from jupyter_mlpipe.keys.codes import find_source
from jupyter_mlpipe.keys.keeping import NOT_BOUND, gives_once

_VARIABLE = "variable "
_VALUE = "value"
_DEFAULTS = ("__defaults__", "__kwdefaults__")
_OF_WRAPPERS = frozenset({"__wrapped__", "cache_info", "cache_clear", "cache_parameters"})
_CONTAINERS = (dict, list, set, tuple, frozenset, str, bytes, int, float)


def is_holder(value: object, modules: Container[str]) -> bool:
    """Tell whether a value is looked at part by part; `modules`: those whose own objects are."""
    if isinstance(value, FunctionType):
        return value.__globals__.get("__name__") in modules
    if isinstance(value, ContextVar | threading.local | SimpleNamespace):
        return True
    return type(value).__module__ in modules and not isinstance(value, _CONTAINERS)


def parts_of(value: Any) -> dict[str, Any]:
    """Return what a holder holds that others can see change, by name."""
    if isinstance(value, ContextVar):
        return {_VALUE: value.get(NOT_BOUND)}
    if isinstance(value, FunctionType):
        return dict(_parts_of_function(value))
    parts = dict(getattr(value, "__dict__", {}))
    parts.update((name, part_of(value, name)) for name in _slots(type(value)))
    return parts


def _parts_of_function(function: FunctionType) -> Iterator[tuple[str, Any]]:
    for name in _DEFAULTS:
        held = getattr(function, name)
        if held and not all(map(_is_fixed, held.values() if isinstance(held, dict) else held)):
            yield name, held
    yield from ((name, held) for name, held in vars(function).items() if name not in _OF_WRAPPERS)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):
            held = cell.cell_contents
            if not isinstance(held, FunctionType | type) and not _is_made(function, name):
                yield _VARIABLE + name, held


def _is_fixed(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str | bytes | type | FunctionType)


def _is_made(function: FunctionType, variable: str) -> bool:
    """Tell whether a function makes what its variable holds when it is first asked for: a cache."""
    source = find_source(function.__code__)
    return source is not None and gives_once([*ast.walk(source.node)], variable)


def _slots(kind: type) -> Iterator[str]:
    for owner in kind.__mro__:
        for name, member in vars(owner).items():
            if isinstance(member, MemberDescriptorType):
                yield name


def part_of(owner: Any, name: str) -> Any:
    """Return a part of a holder, or `NOT_BOUND`."""
    if isinstance(owner, ModuleType):
        return namespace_of(owner).get(name, NOT_BOUND)
    if isinstance(owner, type):
        return vars(owner).get(name, NOT_BOUND)
    if isinstance(owner, ContextVar):
        return owner.get(NOT_BOUND)
    if isinstance(owner, FunctionType):
        if name in _DEFAULTS:
            return getattr(owner, name)
        if not name.startswith(_VARIABLE):
            return vars(owner).get(name, NOT_BOUND)
        with suppress(ValueError):
            return _cell(owner, name).cell_contents
        return NOT_BOUND
    held = getattr(owner, "__dict__", {})
    return held[name] if name in held else _of_slot(owner, name)


def _of_slot(owner: Any, name: str) -> Any:
    for kind in type(owner).__mro__:
        member = vars(kind).get(name)
        if isinstance(member, MemberDescriptorType):
            with suppress(AttributeError):
                return member.__get__(owner)
    return NOT_BOUND


def set_part(owner: Any, name: str, value: Any) -> None:
    """Let a holder hold something else; `NOT_BOUND`: nothing."""
    if isinstance(owner, ContextVar):
        if value is not NOT_BOUND:
            owner.set(value)
    elif isinstance(owner, FunctionType) and name.startswith(_VARIABLE):
        _cell(owner, name).cell_contents = value
    elif value is not NOT_BOUND:
        setattr(owner, name, value)
    elif part_of(owner, name) is not NOT_BOUND:
        delattr(owner, name)


def _cell(function: FunctionType, name: str) -> Any:
    assert function.__closure__ is not None
    return function.__closure__[function.__code__.co_freevars.index(name.removeprefix(_VARIABLE))]


def fill(held: Any, value: Any) -> bool:
    """Give an object the content of another one, where that can be done: who else has it sees that."""
    if type(held) is not type(value):
        return False
    if isinstance(held, list | bytearray):
        held[:] = value
    elif isinstance(held, dict | set):
        held.clear()
        held.update(value)
    elif isinstance(held, deque):
        held.clear()
        held.extend(value)
    elif type(held).__name__ == "ndarray" and held.shape == value.shape and held.dtype == value.dtype:
        held[...] = value
    else:
        return False
    return True


def registered_with(value: Any) -> Mapping[Any, Any] | None:
    """Return the notebook's classes or functions that are registered; None where none can be."""
    if isinstance(value, functools.singledispatchmethod):
        value = value.dispatcher
    if isinstance(value, FunctionType):
        if not (hasattr(value, "dispatch") and hasattr(value, "registry")):
            return None
        return {kind: f for kind, f in value.registry.items() if f.__module__ == "__main__"}
    if isinstance(value, abc.ABCMeta):
        found = (reference() for reference in _registry_of(value))
        return {kind: None for kind in found if kind is not None and kind.__module__ == "__main__"}
    return None


def _registry_of(cls: abc.ABCMeta) -> Any:
    return getattr(abc, "_get_dump")(cls)[0]  # noqa: B009


def register(registry: Any, registered: Mapping[Any, Any]) -> None:
    """Register with something what `registered_with` gave."""
    for kind, function in registered.items():
        registry.register(*((kind,) if function is None else (kind, function)))


def namespace_of(module: ModuleType) -> dict[str, Any]:
    """Return a module's names, also where a step's process notes who asks for all of them."""
    namespace: dict[str, Any] = vars(ModuleType)["__dict__"].__get__(module)
    return namespace
