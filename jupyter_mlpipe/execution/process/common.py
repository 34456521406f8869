"""What values have in common until they are stored: after that, who changes it does so for one name.

The table that groups, styles, charts and grids of axes were made of, which they go on reading; and memory
that is a tensor's and an array's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from jupyter_mlpipe.keys.views import bounds_in_memory

IN_COMMON = "in common: "
"""Stands in a record, with what it is, the name by which it is changed, and those that do not see it then."""
HELD_BY_CLASS = "held by a class: "
"""Stands in a record, with the class's attribute, and the names of what it holds that is stored apart."""
_LIBRARIES = frozenset({"pandas", "altair", "seaborn"})
_HELD_AS = ("obj", "data")


def in_common(values: Mapping[str, object]) -> list[str]:
    """Return `IN_COMMON` and what it is, for each name whose values others have something in common with."""
    found = (*_tables(values), *_memory(values))
    return [f"{IN_COMMON}{what} {' '.join((name, *others))}" for what, name, others in found]


def _tables(values: Mapping[str, object]) -> Iterator[tuple[str, str, list[str]]]:
    readers: dict[int, list[str]] = {}
    for name, value in values.items():
        if (table := _table_of(value)) is not None:
            readers.setdefault(id(table), []).append(name)
    for name, value in values.items() if readers else ():
        if id(value) in readers:
            yield "table", name, readers[id(value)]


def _table_of(value: object) -> Any:
    """Return the table that an object reads; None where it reads none."""
    if str(type(value).__module__).partition(".")[0] not in _LIBRARIES or hasattr(value, "_mgr"):
        return None
    held: dict[str, Any] = getattr(value, "__dict__", {})
    held = held.get("_kwds", held)  # a chart of Altair
    found = next((held[name] for name in _HELD_AS if name in held), None)
    return found if hasattr(found, "_mgr") else None


def _memory(values: Mapping[str, object]) -> Iterator[tuple[str, str, list[str]]]:
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is None or not hasattr(torch, "Tensor"):
        return
    tensors = {n: memory for n, v in values.items() if (memory := _of_tensor(v, torch)) is not None}
    if not tensors:
        return
    for name, value in values.items():
        if type(value) is numpy.ndarray:
            start, end = bounds_in_memory(value)
            others = [n for n, (first, last) in tensors.items() if first < end and start < last]
            if others:
                yield "memory", name, others
                yield from (("memory", other, [name]) for other in others)


def _of_tensor(value: object, torch: Any) -> tuple[int, int] | None:
    """Return where a tensor lies, and where that ends; None for what is none, or not in plain memory."""
    if not isinstance(value, torch.Tensor):
        return None
    tensor: Any = value
    if tensor.device.type != "cpu" or tensor.layout is not torch.strided or not tensor.numel():
        return None
    storage = tensor.untyped_storage()
    return storage.data_ptr(), storage.data_ptr() + storage.nbytes()
