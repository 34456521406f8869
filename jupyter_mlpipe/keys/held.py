"""What functions and classes of the notebook hold beside their code, and may come to hold otherwise.

Class attributes, attributes of functions, default arguments, the variables of decorators. Each has a path:
the attributes and variables that lead to it.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from jupyter_mlpipe.keys.artifacts import load_artifact
from jupyter_mlpipe.keys.holders import register, registered_with
from jupyter_mlpipe.keys.values import is_closure

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DefinitionPickle:
    """Functions and classes of the notebook, or what they hold, by name; `needs`: other ones it refers to."""

    names: tuple[str, ...]
    stream: bytes
    buffers: tuple[bytes, ...] = ()
    needs: tuple[str, ...] = ()


_DEFAULTS = ("__defaults__", "__kwdefaults__")
_OF_FUNCTION = "variable "
_REGISTERED = "registered classes"
_LEAD_ON = frozenset({"__main__", "functools"})
# What singledispatch remembers of earlier calls.
_REMEMBERED = frozenset({"dispatch_cache", "cache_token"})


def is_holder(value: object) -> bool:
    """Tell whether a value is a definition of the notebook that is known by its source."""
    if isinstance(value, types.FunctionType):
        return _is_own(value) and not is_closure(value)
    if isinstance(value, type):
        return value.__module__ == "__main__"
    # What a class that decorates made of a function.
    return type(value).__module__ == "__main__" and callable(value) and hasattr(value, "__wrapped__")


def held_by(value: object) -> Iterator[tuple[Path, object]]:
    """Yield what a definition holds, with the path to it."""
    if isinstance(value, types.FunctionType):
        if not is_closure(value):
            yield from _of_function(value, (), {id(value)})
    elif isinstance(value, type):
        # All at once: whoever pickles one of them may have Python note something in the class.
        for name, held in [*vars(value).items()]:
            if not name.startswith("_abc_") and (not name.startswith("__") or isinstance(held, _CODE)):
                yield (name,), held
        if registered := registered_with(value):
            yield (_REGISTERED,), list(registered)
    else:
        for name, held in getattr(value, "__dict__", {}).items():
            if name != "__wrapped__":
                yield (name,), held


_CODE = (types.FunctionType, classmethod, staticmethod, property)


def alter(altered: DefinitionPickle, namespace: dict[str, Any]) -> list[str]:
    """Let definitions hold what a step made them hold; returns the names of those that are there."""
    found = load_artifact(altered.stream, [bytearray(b) for b in altered.buffers], namespace)
    there = [name for name in altered.names if name in namespace]
    for name in there:
        for path, is_there, held in found[name]:
            # What was made from its source may lack what was taken away.
            with suppress(AttributeError):
                _put(namespace[name], path, held, is_there=is_there)
        _forget_calls(namespace[name])
    return there


def _put(value: Any, path: Path, held: object, *, is_there: bool) -> None:
    """Let a definition hold something else at a path, or nothing."""
    for step in path[:-1]:
        value = _cell(value, step).cell_contents
    last = path[-1]
    if last == _REGISTERED:
        # Nothing takes back what was registered with an abstract class.
        register(value, dict.fromkeys(held) if isinstance(held, list) else {})
        return
    if is_there and _fill(_get(value, last), held):
        return
    if last.startswith(_OF_FUNCTION):
        if is_there:
            _cell(value, last).cell_contents = held
    elif is_there:
        setattr(value, last, held)
    elif last in _DEFAULTS:
        setattr(value, last, None)
    else:
        delattr(value, last)


def _get(value: Any, step: str) -> object:
    if not step.startswith(_OF_FUNCTION):
        return vars(value).get(step)
    try:
        contents: object = _cell(value, step).cell_contents
    except ValueError:
        return None
    return contents


def _fill(container: Any, held: Any) -> bool:
    """Give a container the content of another one: who else has it sees that."""
    kind = type(container)
    if kind is not type(held) or container is held or kind not in (list, dict, set):
        return False
    container.clear()
    if kind is list:
        container.extend(held)
    else:
        container.update(held)
    return True


def _forget_calls(value: Any) -> None:
    """Let a function that chooses by type look at what is registered again."""
    if isinstance(value, types.FunctionType) and "_clear_cache" in value.__dict__:
        value.__dict__["_clear_cache"]()


def _is_own(function: types.FunctionType) -> bool:
    return function.__module__ == "__main__"


def _of_function(function: types.FunctionType, path: Path, seen: set[int]) -> Iterator[tuple[Path, object]]:
    for name in _DEFAULTS:
        if (held := getattr(function, name)) is not None:
            yield (*path, name), held
    for name, held in function.__dict__.items():
        if name not in ("__wrapped__", "_clear_cache"):
            yield (*path, name), held
    is_of_library = function.__globals__.get("__name__") == "functools"
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            held = cell.cell_contents
        except ValueError:
            continue
        if is_of_library and name in _REMEMBERED:
            continue
        yield (*path, _OF_FUNCTION + name), held
        if isinstance(held, types.FunctionType) and held.__module__ in _LEAD_ON and id(held) not in seen:
            seen.add(id(held))
            yield from _of_function(held, (*path, _OF_FUNCTION + name), seen)


def _cell(function: types.FunctionType, step: str) -> types.CellType:
    index = function.__code__.co_freevars.index(step.removeprefix(_OF_FUNCTION))
    assert function.__closure__ is not None
    return function.__closure__[index]
