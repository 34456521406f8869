"""What running a cell binds without its text saying so: `exec`, `globals()["x"] = 1`, ``%run other.py``."""

from __future__ import annotations

import io
import re
import sys
import types
from collections.abc import Collection, Mapping
from typing import Any

_STAR = re.compile(r"from\s+([\w.]+)\s+import\s+\*")
_OF_IPYTHON = frozenset({"In", "Out", "exit", "quit", "get_ipython", "open", "display"})
_DEFINED = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)


def names_bound_unseen(
    code: str,
    known: Collection[str],
    values: Mapping[str, object],
    outputs: Collection[str],
    namespace: Mapping[str, object],
) -> list[str]:
    """Return names that hold values which the code bound, and which are no outputs by its text.

    Parameters
    ----------
    known
        Names that were there before the code ran.
    values
        What inputs, parameters and captured values stood for then.
    """
    starred = [sys.modules.get(name) for name in _STAR.findall(code)]
    found = []
    for name, value in namespace.items():
        if name in outputs or name.startswith("_") or name in _OF_IPYTHON or isinstance(value, _DEFINED):
            continue
        is_new = name not in known or (name in values and values[name] is not value)
        if is_new and not any(getattr(module, name, starred) is value for module in starred):
            found.append(name)
    return found


def is_closed_file(value: object) -> bool:
    """Tell whether a value is what ``with open(path) as f`` leaves behind."""
    return isinstance(value, io.IOBase) and value.closed


def settle_classes(namespace: Mapping[str, Any]) -> None:
    """Let classes that `make_dataclass` made be those of the notebook: it leaves their module open."""
    for name, value in namespace.items():
        is_open = isinstance(value, type) and value.__module__ == "types" and value.__name__ == name
        if is_open and getattr(types, name, None) is not value:
            value.__module__ = "__main__"
