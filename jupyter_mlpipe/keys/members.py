"""Members of an enum: what their class, or somebody later, has set on them beside their values."""

from __future__ import annotations

import enum
from typing import Any


def set_on(member: enum.Enum) -> dict[str, Any]:
    """Return the attributes of a member that Python has not given it: those are `_value_` and its like."""
    return {n: value for n, value in vars(member).items() if not (n[0] == "_" and n[-1] == "_")}
