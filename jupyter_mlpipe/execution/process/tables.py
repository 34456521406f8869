"""Objects that go on reading the table that they were made of: groups, styles, charts, grids of axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHARED_TABLE = "shared table of "
"""Stands in a record, with names, for a table of a step and what reads it: stored, each has its own.

The name of the table comes first.
"""
_LIBRARIES = frozenset({"pandas", "altair", "seaborn"})
_HELD_AS = ("obj", "data")


def shared_tables(values: Mapping[str, object]) -> list[str]:
    """Return `SHARED_TABLE` and the names, for each table that other values read."""
    readers: dict[int, list[str]] = {}
    for name, value in values.items():
        if (table := _table_of(value)) is not None:
            readers.setdefault(id(table), []).append(name)
    if not readers:
        return []
    found = ((name, readers[id(value)]) for name, value in values.items() if id(value) in readers)
    return [f"{SHARED_TABLE}{' '.join((name, *names))}" for name, names in found]


def _table_of(value: object) -> Any:
    """Return the table that an object reads; None where it reads none."""
    if str(type(value).__module__).partition(".")[0] not in _LIBRARIES or hasattr(value, "_mgr"):
        return None
    held: dict[str, Any] = getattr(value, "__dict__", {})
    held = held.get("_kwds", held)  # a chart of Altair
    found = next((held[name] for name in _HELD_AS if name in held), None)
    return found if hasattr(found, "_mgr") else None
