"""What the notebook has put into modules: ``config.RATE = 2``, ``pd.DataFrame.top = head``.

A step that reaches the module is given it, as soon as it has imported the module. Which attributes these
are is noted when a cell has run; what they hold is read when it is asked for, and counts by content.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Container, Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from jupyter_mlpipe.keys.homes import find_home
from jupyter_mlpipe.keys.late import put_by_module
from jupyter_mlpipe.keys.providers import Changes, Provider, State, nothing

_NOTED: dict[tuple[str, str], None] = {}
_GONE = object()


def note_patch(owner: object, attributes: str) -> None:
    """Note that an attribute of a module, or of a class of one, was set: ``C.k`` of ``tools``."""
    if isinstance(owner, ModuleType):
        _NOTED[owner.__name__, attributes] = None
    elif isinstance(owner, type) and owner.__module__ not in ("__main__", "builtins"):
        _NOTED[owner.__module__, f"{owner.__qualname__}.{attributes}"] = None


def of_modules(changes: Changes, tops: Container[str]) -> dict[str, Any]:
    """Return those of some top-level modules."""
    return {place: value for place, value in changes.items() if re.split("[.:]", place)[0] in tops}


def _read(_sys: Any) -> State:
    return {
        f"{module}:{path}": value
        for (module, path) in _NOTED
        if _is_set(value := _look(module, path), module, path)
    }


def _is_set(value: object, module: str, path: str) -> bool:
    # What is where it was defined has been put back.
    if value is _GONE or isinstance(value, ModuleType | ContextVar):  # what that holds is state of its module
        return False
    return find_home(value) != (module, path)


def _look(module: str, path: str) -> Any:
    found: Any = sys.modules.get(module, _GONE)
    for name in path.split("."):
        # Of a class as it stands there: a method, not what binds it.
        found = vars(found).get(name, _GONE) if isinstance(found, type) else getattr(found, name, _GONE)
    return found


def _write(_sys: Any, changes: Changes) -> None:
    put_by_module(changes, _put)


def _put(module: str, changes: Mapping[str, Any]) -> None:
    for path, value in changes.items():
        owner: Any = sys.modules[module]
        *above, name = path.split(".")
        for part in above:
            owner = getattr(owner, part)
        setattr(owner, name, value)


PATCHES = Provider("changes to modules", "sys", _read, nothing, _write, travels_back=False)
