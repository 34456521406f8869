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


def to_set(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return what a class of its own is to be given, in this order: `_fields_` after what lays them out."""
    found = {name: value for name, value in attributes.items() if not is_field(value)}
    if "_fields_" in found:
        found["_fields_"] = found.pop("_fields_")
    return found


def reduce_type(cls: Any) -> tuple[Any, ...] | None:
    """Return how a type that no module has is had again; None of others.

    There is one array type for each type and length, and a value of another one is refused.
    """
    if "_ctypes" not in (cls.__module__, type(cls).__module__) or "ctypes" not in sys.modules:
        return None
    ctypes = sys.modules["ctypes"]

    def is_named(kind: Any) -> bool:
        return kind is not None and getattr(ctypes, kind.__name__, None) is kind

    if is_named(cls):
        return None
    if issubclass(cls, type):
        kinds = (ctypes.Structure, ctypes.Union, ctypes.Array, ctypes._Pointer, ctypes._SimpleCData)
        return next(((type, (kind,)) for kind in kinds if type(kind) is cls), None)
    for order, usual in (("__ctype_be__", "__ctype_le__"), ("__ctype_le__", "__ctype_be__")):
        of_usual_order = getattr(cls, usual, None)
        if of_usual_order is not cls and is_named(of_usual_order) and getattr(of_usual_order, order) is cls:
            return getattr, (of_usual_order, order)
    if issubclass(cls, ctypes.Array) and cls.__bases__ == (ctypes.Array,):
        made = cls._type_ * cls._length_
        return (operator.mul, (cls._type_, cls._length_)) if made is cls else None
    if issubclass(cls, ctypes._Pointer) and ctypes.POINTER(cls._type_) is cls:
        return _pointer, (cls._type_,)
    return None


# Named in pickles: renaming it makes stored artifacts unreadable.
def _pointer(kind: Any) -> Any:
    return importlib.import_module("ctypes").POINTER(kind)
