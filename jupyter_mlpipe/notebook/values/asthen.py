"""Functions and classes of the notebook that hold, for a while, what they held when a cell was run.

A copy of them would do for the code, but not for what it makes: an object of the notebook's class would
come to be one of another class.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from jupyter_mlpipe.store.comparing import content_of

_ABSENT = object()


def is_made_alike(definition: object, copy: object) -> bool:
    """Tell whether a copy of a class or plain function differs at most in what it holds beside its code."""
    if isinstance(definition, type) and isinstance(copy, type):
        bases = [[base.__qualname__ for base in cls.__mro__] for cls in (definition, copy)]
        return bases[0] == bases[1] and dict(_code_in(definition)) == dict(_code_in(copy))
    if isinstance(definition, types.FunctionType) and isinstance(copy, types.FunctionType):
        return definition.__closure__ is None is copy.__closure__ and definition.__code__ == copy.__code__
    return False


def hold_as(definition: Any, copy: Any, namespace: Mapping[str, Any]) -> dict[str, object]:
    """Let a definition hold what a copy of it holds; returns what it held, for `hold_again`."""
    before, then = _held(definition), _held(copy)
    differ = {
        name: before.get(name, _ABSENT)
        for name in before.keys() | then.keys()
        if not _is_same(before.get(name, _ABSENT), then.get(name, _ABSENT), namespace)
    }
    hold_again(definition, {name: then.get(name, _ABSENT) for name in differ})
    return differ


def hold_again(definition: Any, held: Mapping[str, object]) -> None:
    """Let a definition hold these very objects."""
    for name, value in held.items():
        # Some attributes of a class nobody can set: the members of an enumeration.
        with suppress(AttributeError, TypeError):
            if value is not _ABSENT:
                setattr(definition, name, value)
            elif name in _DEFAULTS:
                setattr(definition, name, None)
            else:
                delattr(definition, name)


_DEFAULTS = ("__defaults__", "__kwdefaults__")


def _held(definition: Any) -> dict[str, object]:
    if isinstance(definition, types.FunctionType):
        defaults = {name: getattr(definition, name) for name in _DEFAULTS}
        return {**definition.__dict__, **{n: value for n, value in defaults.items() if value is not None}}
    return {
        name: value
        for name, value in vars(definition).items()
        if not name.startswith(("__", "_abc_")) and _function_of(value) is None and not _is_descriptor(value)
    }


def _is_descriptor(value: object) -> bool:
    return inspect.isdatadescriptor(value) or isinstance(value, type)


def _is_same(one: object, other: object, namespace: Mapping[str, Any]) -> bool:
    if one is _ABSENT or other is _ABSENT:
        return one is other
    content = content_of(one, namespace)
    return content is not None and content == content_of(other, namespace)


def _code_in(cls: type) -> Iterator[tuple[str, types.CodeType]]:
    for name, value in vars(cls).items():
        if (function := _function_of(value)) is not None:
            yield name, function.__code__


def _function_of(value: object) -> types.FunctionType | None:
    if isinstance(value, property):
        value = value.fget
    elif isinstance(value, classmethod | staticmethod):
        value = value.__func__
    return value if isinstance(value, types.FunctionType) else None
