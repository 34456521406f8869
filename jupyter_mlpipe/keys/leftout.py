"""What pickles of objects of the user's own classes leave out, although code can see it.

What ``__getstate__`` drops and ``__reduce__`` does not mention is there in the notebook: a step that got the
object without it would do something else than the cell does, and be reused where that is another one. So it
goes along, and is digested. What cannot leave the process fails as it does anywhere else, but for locks and
weak references, which hold nothing, and for what the class puts something else in the place of.
"""

from __future__ import annotations

import copyreg
import enum
import functools
import sys
import types
from collections.abc import Iterator
from typing import Any

from jupyter_mlpipe.keys.packages import is_installed, is_standard
from jupyter_mlpipe.keys.refusals import qualified_name, why_bound

Reduced = tuple[Any, ...]

_REDUCERS = ("__reduce_ex__", "__reduce__", "__getstate__")
_OF_OBJECT = tuple(getattr(object, name, None) for name in _REDUCERS)
_HOLDS_NOTHING = frozenset({"_thread.lock", "_thread.RLock", "threading.Condition", "weakref.ReferenceType"})


def may_leave_out(kind: type) -> bool:
    """Tell whether pickles of a class of the user's may not hold all of an object."""
    if tuple(getattr(kind, name, None) for name in _REDUCERS) == _OF_OBJECT:
        return kind in copyreg.dispatch_table and _is_users(kind)
    return _is_users(kind) and not issubclass(kind, enum.Enum)


def reduce_whole(value: Any) -> Reduced | None:
    """Return what reduces an object with what that would leave out; None where it would leave out nothing."""
    kind = type(value)
    reducer = copyreg.dispatch_table.get(kind)
    owner = kind if reducer is not None else _owner(kind)
    if owner is None:
        return None
    reduced = reducer(value) if reducer is not None else value.__reduce_ex__(4)
    if not isinstance(reduced, tuple):
        return None
    make, args, state, items, pairs, setter = (*reduced, None, None, None, None)[:6]
    kept = _named_in(state)
    left = {name: part for name, part in _attributes(value) if _is_left_out(part, kept.get(name))}
    if not _is_users(owner):
        # What its objects are made of is the library's business, not what is set on them.
        is_standard_call = is_standard(owner.__module__.partition(".")[0]) and kind in (make, *args[:1])
        is_set = getattr(value, "__dict__", {}).keys() - kept.keys() if is_standard_call or kept else ()
        left = {name: part for name, part in left.items() if name in is_set and not name.startswith("_")}
    return (make, args, (state, setter, left), items, pairs, set_whole) if left else None


def _owner(kind: type) -> type | None:
    """Return the class that says what pickles hold; None where Python does, or a dataclass with slots."""
    for owner in kind.__mro__[:-1]:
        if own := [vars(owner)[name] for name in _REDUCERS if name in vars(owner)]:
            return None if all(getattr(f, "__module__", "") == "dataclasses" for f in own) else owner
    return None


def _named_in(state: object) -> dict[str, Any]:
    """Return the attributes that a state gives by name: a dict, or one beside slots, or inside."""
    named: dict[str, Any] = {}
    for part in state if isinstance(state, tuple) else (state,):
        if isinstance(part, dict):
            inside = part.get("__dict__")
            named |= {**part, **(inside if isinstance(inside, dict) else {})}
    return named


def _is_left_out(part: object, instead: object) -> bool:
    if part is instead or qualified_name(type(part)) in _HOLDS_NOTHING:
        return False
    return instead is None or not why_bound(part)


def _attributes(value: object) -> Iterator[tuple[str, Any]]:
    own = getattr(value, "__dict__", None)
    if isinstance(own, dict):
        yield from own.items()
    for owner in type(value).__mro__:
        for name, member in vars(owner).items() if "__slots__" in vars(owner) else ():
            if isinstance(member, types.MemberDescriptorType):
                try:
                    yield name, member.__get__(value)
                except AttributeError:
                    continue  # not set


def _is_users(kind: type) -> bool:
    """Tell whether a class is the notebook's, or of a module that is not installed."""
    if kind.__module__ == "__main__":
        return True
    top = str(kind.__module__).partition(".")[0]
    if is_standard(top) or top == "jupyter_mlpipe":
        return False
    origin = getattr(getattr(sys.modules.get(kind.__module__), "__spec__", None), "origin", None)
    return isinstance(origin, str) and not _is_installed(origin)


_is_installed = functools.lru_cache(maxsize=1024)(is_installed)


# Named in pickles: renaming it makes stored artifacts unreadable.
def set_whole(value: Any, state: tuple[Any, Any, dict[str, Any]]) -> None:
    """Give an object the state that its class asks for, as pickle does, and what that leaves out."""
    own, setter, left = state
    if own is not None:
        if setter is not None:
            setter(value, own)
        elif hasattr(value, "__setstate__"):
            value.__setstate__(own)
        else:
            own, slots = own if isinstance(own, tuple) and len(own) == 2 else (own, None)
            _set(value, {**(own or {}), **(slots or {})})
    _set(value, left)


def _set(value: Any, attributes: dict[str, Any]) -> None:
    for name, part in attributes.items():
        if isinstance(getattr(type(value), name, None), types.MemberDescriptorType):
            object.__setattr__(value, name, part)  # of frozen ones as well
        else:
            value.__dict__[name] = part
