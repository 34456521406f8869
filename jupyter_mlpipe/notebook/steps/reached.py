"""Which names of the notebook running some of its functions may read."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from types import (
    AsyncGeneratorType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
)
from typing import Any

from jupyter_mlpipe.keys.codes import code_reads

_UNDER_WAY = {GeneratorType: "gi", CoroutineType: "cr", AsyncGeneratorType: "ag"}


def reached_from(names: Iterable[str], namespace: Mapping[str, Any]) -> set[str]:
    """Return `names` and the global names that the notebook's functions behind them read.

    Behind a name are the functions that its function is wrapped around, the methods of its class or of the
    class of its object, the code that its generator goes on with, and all that these read in turn.
    """
    reached = set(names)
    seen: set[int] = set()
    held: list[Any] = []  # a number must not be given to another object
    stack = [namespace[name] for name in reached if name in namespace]
    while stack:
        value = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        held.append(value)
        stack.extend(_parts(value))
        if (code := _code_in(value, namespace)) is not None:
            found = set(code_reads(code).names) - reached
            stack.extend(namespace[name] for name in found if name in namespace)
            reached |= found
    return reached


def _code_in(value: Any, namespace: Mapping[str, Any]) -> CodeType | None:
    """Return the code that a value runs in the notebook's namespace; None where it is none, or has ended."""
    if isinstance(value, FunctionType):
        return value.__code__ if value.__globals__ is namespace else None
    frame = _frame(value)
    return frame.f_code if frame is not None and frame.f_globals is namespace else None


def _frame(value: Any) -> FrameType | None:
    prefix = _UNDER_WAY.get(type(value))
    frame: FrameType | None = getattr(value, f"{prefix}_frame") if prefix else None
    return frame


def _parts(value: Any) -> Iterator[Any]:
    """Yield the functions and classes that a value is made of, one level deep. No code of its own runs."""
    kind = type(value)
    if kind is FunctionType:
        for cell in value.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:
                continue  # not bound yet
        yield from value.__defaults__ or ()
        yield from (value.__kwdefaults__ or {}).values()
    elif kind in _UNDER_WAY:
        if (frame := _frame(value)) is not None:
            yield from frame.f_locals.values()
    elif kind is MethodType:
        yield from (value.__func__, value.__self__)
    elif kind in (staticmethod, classmethod):
        yield value.__func__
    elif kind is property:
        yield from (value.fget, value.fset, value.fdel)
    elif kind is functools.cached_property:
        yield value.func
    elif kind is functools.partial:
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, type):
        if value.__module__ == "__main__":
            yield from vars(value).values()
            yield from value.__mro__[1:]
    elif kind.__module__ == "__main__":
        yield kind
    if callable(value) and not isinstance(value, type):
        # Such as what functools.lru_cache gives.
        own = getattr(value, "__dict__", None)
        if isinstance(own, dict) and "__wrapped__" in own:
            yield own["__wrapped__"]
