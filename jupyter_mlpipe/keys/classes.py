"""How a class of the notebook is made again where it travels by value: as its statement made it."""

from __future__ import annotations

import itertools
import pickle
import types
from collections.abc import Mapping
from typing import Any

from cloudpickle import cloudpickle as cloudpickle_internals

from jupyter_mlpipe.keys.earlier import is_kept_as
from jupyter_mlpipe.keys.quiet import fill_class, fill_code, fill_enum, fill_held, make_class
from jupyter_mlpipe.keys.structures import to_set
from jupyter_mlpipe.keys.validated import without_made

_OF_MEMBERS = frozenset({"_value_", "_name_", "__objclass__", "_sort_order_"})
_CONTAINERS = frozenset({list, tuple, set, dict})
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement, or as one


def as_made_here(cls: type, reduced: Any, *, is_stored: bool) -> Any:
    """Return how a class is made again: with its slots, and with no word to the notebook's own hooks.

    Parameters
    ----------
    reduced
        What cloudpickle gives for it.
    """
    if not isinstance(reduced, tuple) or reduced[0] not in (
        cloudpickle_internals._make_skeleton_class,
        cloudpickle_internals._make_skeleton_enum,
    ):
        return reduced
    make, args, state, *rest = reduced
    # cloudpickle gives each class a random id, by which a process that has the class finds it and
    # sets it up anew. In the notebook's own process that would change the notebook's class; in an
    # artifact it would make equal values differ. An earlier class of the notebook is known by its digest.
    tracker = args[-2] if is_kept_as(args[-2]) else None if is_stored else f"{args[-2]} in a step"
    args = (*args[:-2], tracker, *args[-1:])
    if make is cloudpickle_internals._make_skeleton_enum:
        return _enum_as_made(cls, args, state, rest)
    if make is cloudpickle_internals._make_skeleton_class:
        if not cls.__flags__ & _HEAP_TYPE:
            raise pickle.PicklingError("a class of Python's own that has no name cannot be made again")
        make, rest[-1] = make_class, fill_class
        state = (without_made(cls, to_set(state[0])), state[1])
        metaclass, name, bases, given, *others = args
        args = (metaclass, name, bases, given | _in_order(cls, given), *others)
        # Not of a named tuple, whose bases are those that it was written with.
        if "__slots__" in vars(cls) and args[2] == cls.__bases__:
            metaclass, name, bases, given, *others = args
            args = (metaclass, name, bases, {**given, "__slots__": vars(cls)["__slots__"]}, *others)
            state = (
                {n: v for n, v in state[0].items() if n != "__slots__" and not _is_slot(v, cls)},
                state[1],
            )
        if held := {n: v for n, v in state[0].items() if _may_hold_instances(cls, n, v)}:
            code = {n: v for n, v in state[0].items() if n not in held}
            state, rest[-1] = (_Filling(cls, (code, state[1])), held), fill_held
    return (make, args, state, *rest)


class _Filling:
    """Has a class filled where it stands in a pickle: its methods make the objects that come after."""

    def __init__(self, cls: type, state: Any) -> None:
        self._parts = cls, state

    def __reduce__(self) -> Any:
        return fill_code, self._parts


def _may_hold_instances(cls: type, name: str, value: object) -> bool:
    """Tell whether an attribute may be an object of the class itself, or have some in it."""
    kind = type(value)
    if name.startswith("__") or type(cls).__module__ not in ("__main__", "abc", "builtins"):
        return False
    return kind in _CONTAINERS or (kind.__module__ == "__main__" and not hasattr(kind, "__get__"))


def _enum_as_made(cls: Any, args: tuple[Any, ...], state: Any, rest: list[Any]) -> tuple[Any, ...]:
    """Return how an enumeration is made again: with its aliases, and what its members were given."""
    bases, name, qualname, _members, *others = args
    members = {n: member._value_ for n, member in cls.__members__.items()}
    attributes = {n: v for n, v in state[0].items() if n not in members}
    given = {
        n: vars(member) for n, member in cls.__members__.items() if not vars(member).keys() <= _OF_MEMBERS
    }
    made = (cloudpickle_internals._make_skeleton_enum, (bases, name, qualname, members, *others))
    if not given:
        return (*made, (attributes, state[1]), *rest)
    return (*made, ((attributes, state[1]), given), *rest[:-1], fill_enum)


def _in_order(cls: type, given: Mapping[str, Any]) -> dict[str, None]:
    """Return a place for each attribute that stands before those that Python adds to a class.

    Filled later on: so the class has its attributes in the order of its statement. Not where somebody may
    look at it before.
    """
    names = [*vars(cls)]
    if type(cls) is not type or "__slots__" in names:
        return {}
    if any("__init_subclass__" in vars(base) for base in cls.__mro__[1:-1]):
        return {}
    own = itertools.takewhile(lambda name: name not in ("__dict__", "__weakref__"), names)
    return dict.fromkeys(name for name in own if name not in given)


def _is_slot(value: object, cls: type) -> bool:
    return isinstance(value, types.MemberDescriptorType) and value.__objclass__ is cls
