"""Short readable forms of helpers and values, kept beside their digests to say what changed."""

from __future__ import annotations

import reprlib
import textwrap
import types
from collections.abc import Iterator
from typing import Any

from jupyter_mlpipe.keys.canonical import SCALARS
from jupyter_mlpipe.keys.codes import find_source
from jupyter_mlpipe.model.files import Place

MAX_SOURCE = 100_000
MAX_VALUE = 200

_PLAIN = (list, tuple, dict, set, frozenset)


def source_kept(text: str) -> str:
    """Return a program's text; nothing where it is so long that nobody reads what changed in it."""
    return text if len(text) <= MAX_SOURCE else ""


def shorten(text: str, limit: int) -> str:
    """Return text cut to `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def helper_source(definition: Any) -> str:
    """Return the source of a notebook's function or class, where it is known."""
    while not isinstance(definition, type) and hasattr(definition, "__wrapped__"):
        definition = definition.__wrapped__
    if isinstance(definition, type):
        return source_kept("\n".join(_class_source(definition)))
    source = find_source(definition.__code__) if isinstance(definition, types.FunctionType) else None
    return source_kept(source.text) if source is not None else ""


def _class_source(definition: type) -> Iterator[str]:
    """Give the lines of a class as it is, without looking for its text: fields, attributes, methods."""
    bases = ", ".join(base.__name__ for base in definition.__bases__ if base is not object)
    yield f"class {definition.__name__}({bases}):" if bases else f"class {definition.__name__}:"
    held = vars(definition)
    # From Python 3.14 on they are there once somebody has asked for them, as a dataclass does.
    fields = held.get("__annotations__") or held.get("__annotations_cache__") or {}
    for name, annotation in fields.items():
        kind = annotation.__name__ if isinstance(annotation, type) else annotation
        value = f" = {short_value(held[name])}" if name in held else ""
        yield f"    {name}: {kind}{value}"
    for name, value in held.items():
        if isinstance(value, types.FunctionType):
            # A dataclass, for one, has methods that come from elsewhere.
            is_own = value.__globals__.get("__name__") == "__main__"
            if is_own and (source := find_source(value.__code__)) is not None:
                yield textwrap.indent(source.text, "    ")
        elif type(value) in (*SCALARS, *_PLAIN) and not name.startswith("__") and name not in fields:
            yield f"    {name} = {short_value(value)}"


def short_value(value: Any) -> str:
    """Return a value as text where it is small and plain, else its type and shape."""
    kind = type(value)
    if kind in SCALARS or kind in _PLAIN:
        if _is_small(value):
            return shorten(_sorted_repr(value), MAX_VALUE)
        return f"{kind.__name__} of {len(value)}"
    if isinstance(value, Place):
        return shorten(str(value), MAX_VALUE)
    shape = getattr(value, "shape", None)
    if type(shape) is tuple:
        return f"{kind.__name__} {' x '.join(map(str, shape))}"
    return kind.__name__


def _is_small(value: Any, room: int = 50) -> bool:
    kind = type(value)
    if kind in (str, bytes, bytearray):
        return len(value) <= 10_000
    if kind is int:
        return bool(value.bit_length() <= 1000)
    if kind in SCALARS:
        return True
    if kind not in _PLAIN or len(value) > room:
        return False
    items = [*value, *value.values()] if kind is dict else value
    return all(type(item) in SCALARS and _is_small(item) for item in items)


def _sorted_repr(value: Any) -> str:
    # The order of a set differs from process to process.
    if type(value) in (set, frozenset):
        return "{" + ", ".join(sorted(map(reprlib.repr, value))) + "}"
    return repr(value)
