"""How a class of the notebook is made again where it travels by value: as its statement made it."""

from __future__ import annotations

import itertools
import pickle
import types
from collections.abc import Mapping
from typing import Any

from cloudpickle import cloudpickle as cloudpickle_internals

from jupyter_mlpipe.keys.earlier import is_kept_as
from jupyter_mlpipe.keys.members import fill_enum, set_on_members
from jupyter_mlpipe.keys.quiet import fill_class, make_class
from jupyter_mlpipe.keys.structures import to_set
from jupyter_mlpipe.keys.validated import without_made

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
    elif own := set_on_members(cls):
        rest[-1], state = fill_enum, (own, state)
    return (make, args, state, *rest)


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
