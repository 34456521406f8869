"""Pickling instances of the notebook's classes, and making these again, such that nobody notices.

To the notebook it is the same class: a metaclass that keeps a list, or a base class that registers those
derived from it, has seen it once, when its statement ran. Named in pickles: renaming makes them unreadable.
"""

from __future__ import annotations

import contextlib
import copyreg
from collections.abc import Iterable, Iterator
from typing import Any

from cloudpickle import cloudpickle as cloudpickle_internals

from jupyter_mlpipe.keys.packages import is_of_user
from jupyter_mlpipe.keys.threadvalue import ThreadValue
from jupyter_mlpipe.keys.validated import let_make

_is_quiet = ThreadValue(False)
_filled: dict[int, type] = {}
_OF_METACLASS = ("__prepare__", "__new__", "__init__", "__setattr__")


def is_hooked(cls: type) -> bool:
    """Tell whether code of the notebook, or of a local module, runs when a class like this one is made."""
    return next(_hooks(type(cls), cls.__mro__[1:]), None) is not None


def make_class(metaclass: type, name: str, bases: tuple[Any, ...], *rest: Any) -> Any:
    """Return a class with an empty ``__dict__``, as cloudpickle makes it."""
    owners = [owner for base in bases if isinstance(base, type) for owner in base.__mro__]
    with _suspended(metaclass, owners):
        return cloudpickle_internals._make_skeleton_class(metaclass, name, bases, *rest)


def fill_class(cls: type, state: Any) -> Any:
    """Give a class of `make_class` its attributes as cloudpickle does, but once: it may hold others since."""
    if id(cls) in _filled:
        return cls
    _filled[id(cls)] = cls
    with _suspended(type(cls), ()):
        filled = cloudpickle_internals._class_setstate(cls, state)
    let_make(filled)
    return filled


def fill_code(cls: type, state: Any) -> bool:
    """Do what `fill_class` does, and tell whether it had not been done before."""
    is_new = id(cls) not in _filled
    fill_class(cls, state)
    return is_new


def fill_held(cls: type, state: tuple[bool, dict[str, Any]]) -> type:
    """Give a class of `fill_code` what else it holds: objects of its own among it, made by its methods."""
    is_new, held = state
    if is_new:
        with _suspended(type(cls), ()):
            cloudpickle_internals._class_setstate(cls, (held, {}))
    return cls


def fill_enum(cls: Any, state: Any) -> Any:
    """Give an enumeration its attributes, and its members theirs: their statement made these."""
    own, given = state
    filled = cloudpickle_internals._class_setstate(cls, own)
    for name, attributes in given.items():
        vars(filled[name]).update(attributes)
    # By their values, which a `__new__` may have chosen.
    filled._value2member_map_.clear()
    for member in filled:
        with contextlib.suppress(TypeError):  # it cannot be looked up
            filled._value2member_map_[member.value] = member
    return filled


def mark_filled(cls: type) -> None:
    """Let a class that was not made of a pickle be as it is, should one of it be read."""
    _filled.setdefault(id(cls), cls)


def leaving_no_trace() -> contextlib.AbstractContextManager[None]:
    """Let Python not keep ``__slotnames__`` in the notebook's classes when an instance is reduced."""
    return _is_quiet.set_to(True)


def _find_slot_names(cls: type) -> Any:
    names = _keep_slot_names(cls)
    if _is_quiet.value and cls.__module__ == "__main__" and "__slotnames__" in vars(cls):
        type.__delattr__(cls, "__slotnames__")
    return names


# `object.__reduce_ex__` asks for it by this name, each time that a class has none yet.
_keep_slot_names = getattr(copyreg, "_slotnames")  # noqa: B009
setattr(copyreg, "_slotnames", _find_slot_names)  # noqa: B010


def _hooks(metaclass: type, owners: Iterable[type]) -> Iterator[tuple[type, str]]:
    for kind in metaclass.__mro__:
        if is_of_user(kind.__module__):
            yield from ((kind, name) for name in _OF_METACLASS if name in vars(kind))
    for owner in dict.fromkeys(owners):
        if "__init_subclass__" in vars(owner) and is_of_user(owner.__module__):
            yield owner, "__init_subclass__"


@contextlib.contextmanager
def _suspended(metaclass: type, owners: Iterable[type]) -> Iterator[None]:
    """Take away what the notebook wants to be called when a class is made, for the time of one."""
    hooks = [(owner, name, vars(owner)[name]) for owner, name in _hooks(metaclass, owners)]
    for owner, name, _ in hooks:
        type.__delattr__(owner, name)
    try:
        yield
    finally:
        for owner, name, hook in hooks:
            type.__setattr__(owner, name, hook)
