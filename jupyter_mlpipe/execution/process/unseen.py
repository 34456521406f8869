"""What running a cell binds without its text saying so: `exec`, `globals()["x"] = 1`, ``%run other.py``."""

from __future__ import annotations

import ast
import io
import sys
import types
from collections.abc import Collection, Iterator, Mapping
from typing import Any

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
    candidates = [
        name
        for name, value in namespace.items()
        if (name not in known or (name in values and values[name] is not value))
        and name not in outputs
        and not name.startswith("_")
        and name not in _OF_IPYTHON
        and not isinstance(value, _DEFINED)
        and not hasattr(value, "__wrapped__")  # a function that a decorator made something else of
    ]
    if not candidates:
        return []
    tree = ast.parse(code)
    defined = set(_names_defined(tree))
    starred = [
        sys.modules.get(node.module or "")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]
    return [
        name
        for name in candidates
        if name not in defined
        and not any(getattr(module, name, starred) is namespace[name] for module in starred)
    ]


def _names_defined(tree: ast.AST) -> Iterator[str]:
    """Give the names of functions, classes and imports, which are known by their source."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0]


def is_closed_file(value: object) -> bool:
    """Tell whether a value is what ``with open(path) as f`` leaves behind."""
    return isinstance(value, io.IOBase) and value.closed


def settle_classes(namespace: Mapping[str, Any]) -> None:
    """Let classes that `make_dataclass` made be those of the notebook: it leaves their module open."""
    for name, value in namespace.items():
        is_open = isinstance(value, type) and value.__module__ == "types" and value.__name__ == name
        if is_open and getattr(types, name, None) is not value:
            value.__module__ = "__main__"
