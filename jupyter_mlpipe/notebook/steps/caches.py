"""A word on functions that keep what they gave (`functools.lru_cache`): each step begins without it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from jupyter_mlpipe.keys.packages import is_installed
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.notebook.steps.reached import reached_from

_CACHED = type(functools.lru_cache(lambda: None))


def words_on_caches(component: Component, namespace: Mapping[str, Any]) -> list[str]:
    """Return a word on each function of the notebook, or of a local module, that a component may call so.

    Without our line it might give what it gave before something changed that it reads.
    """
    reached = reached_from(component.reads, namespace)
    found = dict.fromkeys(
        name for top in sorted(reached & namespace.keys()) for name in _cached(top, namespace[top], component)
    )
    return [
        f"{name} keeps what it gave (lru_cache): what a cache holds stays in its step, or in the kernel, "
        "and the others work it out anew"
        for name in found
    ]


def _cached(name: str, value: object, component: Component) -> Iterator[str]:
    if isinstance(value, _CACHED):
        if not _is_of_library(_globals_of(value)):
            yield name
    elif isinstance(value, type) and value.__module__ == "__main__":
        for attribute, part in vars(value).items():
            part = part.__func__ if isinstance(part, staticmethod | classmethod) else part
            if isinstance(part, _CACHED):
                yield f"{name}.{attribute}"
    elif isinstance(value, ModuleType) and not _is_of_library(vars(value)):
        words = {*re.findall(r"\w+", component.code)}
        for attribute, part in list(vars(value).items()):
            if attribute in words and isinstance(part, _CACHED) and _globals_of(part) is vars(value):
                yield f"{name}.{attribute}"


def _globals_of(cached: Any) -> Mapping[str, Any]:
    return getattr(cached.__wrapped__, "__globals__", {})


def _is_of_library(namespace: Mapping[str, Any]) -> bool:
    origin = getattr(namespace.get("__spec__"), "origin", None)
    is_of_notebook = namespace.get("__name__") == "__main__"
    return not is_of_notebook and not (isinstance(origin, str) and not is_installed(origin))
