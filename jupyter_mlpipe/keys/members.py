"""Members of an enum: what their class, or somebody later, has set on them beside their values."""

from __future__ import annotations

import enum
from typing import Any

from cloudpickle import cloudpickle as cloudpickle_internals


def set_on(member: enum.Enum) -> dict[str, Any]:
    """Return the attributes of a member that Python has not given it: those are `_value_` and its like."""
    return {n: value for n, value in vars(member).items() if not (n[0] == "_" and n[-1] == "_")}


def set_on_members(cls: type[enum.Enum]) -> dict[str, dict[str, Any]]:
    """Return the attributes of all members that have some, by name."""
    return {name: own for name, member in cls.__members__.items() if (own := set_on(member))}


# Named in pickles: renaming it makes stored artifacts unreadable.
def fill_enum(cls: Any, state: Any) -> Any:
    """Give an enum its attributes as cloudpickle does, and its members theirs."""
    own, state = state
    filled = cloudpickle_internals._class_setstate(cls, state)
    for name, attributes in own.items():
        vars(cls.__members__[name]).update(attributes)
    return filled
