"""Indexes of pandas that several values share: who names one in place names it for all of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

SHARED_INDEX = "shared index of "
"""Stands in a record, with names, for values of a step that have one index: stored, each has its own.

Behind the name of the index itself stands a colon.
"""


def shared_indexes(values: Mapping[str, object]) -> list[str]:
    """Return `SHARED_INDEX` and the names, for each index that several values have."""
    holders: dict[int, dict[str, None]] = {}
    for name, value in values.items():
        for index in _indexes_of(value):
            holders.setdefault(id(index), {})[f"{name}:" if index is value else name] = None
    found = {" ".join(sorted(names)) for names in holders.values() if len(names) > 1}
    return [f"{SHARED_INDEX}{names}" for names in sorted(found)]


def _indexes_of(value: object) -> list[Any]:
    pandas: Any = sys.modules.get("pandas")
    if isinstance(value, getattr(pandas, "Index", ())):
        return [value]
    frames = (getattr(pandas, "DataFrame", ()), getattr(pandas, "Series", ()))
    return list(getattr(value, "axes", ())) if isinstance(value, frames) else []
