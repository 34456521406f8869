"""Short readable forms of helpers and values, kept beside their digests to say what changed."""

from __future__ import annotations

import reprlib
import types
from typing import Any

from jupyter_mlpipe.keys.canonical import SCALARS
from jupyter_mlpipe.keys.codes import find_source
from jupyter_mlpipe.model.files import Place

MAX_SOURCE = 4096
MAX_VALUE = 200

_PLAIN = (list, tuple, dict, set, frozenset)


def shorten(text: str, limit: int = MAX_SOURCE) -> str:
    """Return text cut to `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def helper_source(definition: Any) -> str:
    """Return the source of a notebook's function or class, where it is known."""
    while not isinstance(definition, type) and hasattr(definition, "__wrapped__"):
        definition = definition.__wrapped__
    if isinstance(definition, type):
        # A dataclass, for one, has methods that come from elsewhere.
        methods = [
            value
            for value in vars(definition).values()
            if isinstance(value, types.FunctionType) and value.__globals__.get("__name__") == "__main__"
        ]
        texts = [source.text for method in methods if (source := find_source(method.__code__)) is not None]
        return shorten("\n".join([f"class {definition.__name__}:", *texts]))
    source = find_source(definition.__code__) if isinstance(definition, types.FunctionType) else None
    return shorten(source.text) if source is not None else ""


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
