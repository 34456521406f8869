"""Types of ctypes: what Python makes of the fields, arrays and pointers that somebody wrote."""

from __future__ import annotations

import importlib
import operator
import sys
from typing import Any


def is_field(value: object) -> bool:
    """Tell whether a value is what a structure has for each of its `_fields_`."""
    kind = type(value)
    return kind.__name__ == "CField" and kind.__module__ == "_ctypes"


def reduce_type(cls: Any) -> tuple[Any, ...] | None:
    """Return how an array or pointer type is had again; None of others.

    There is one for each type and length, and a value of another such type is refused.
    """
    if type(cls).__module__ != "_ctypes":
        return None
    ctypes = sys.modules["ctypes"]
    if issubclass(cls, ctypes.Array) and cls.__bases__ == (ctypes.Array,):
        made = cls._type_ * cls._length_
        return (operator.mul, (cls._type_, cls._length_)) if made is cls else None
    if issubclass(cls, ctypes._Pointer) and ctypes.POINTER(cls._type_) is cls:
        return _pointer, (cls._type_,)
    return None


# Named in pickles: renaming it makes stored artifacts unreadable.
def _pointer(kind: Any) -> Any:
    return importlib.import_module("ctypes").POINTER(kind)
