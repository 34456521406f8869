"""Where things are imported from: the module and the name by which another process finds them too."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from importlib.machinery import ExtensionFileLoader
from typing import Any

# The second stands for the first where multiprocessing has been imported.
_MAIN = ("__main__", "__mp_main__")


def find_home(value: Any) -> tuple[str, str] | None:
    """Return the module and the qualified name under which an import finds this very object."""
    names = [getattr(value, "__qualname__", None), getattr(value, "__name__", None), _alias_name(value)]
    owner = getattr(value, "__self__", None)
    modules = [getattr(value, "__module__", None), type(value).__module__]
    if isinstance(owner, types.ModuleType):
        modules.append(owner.__name__)
    elif owner is not None:
        # Such as random.random, a method of a hidden instance.
        modules.append(type(owner).__module__)
    found = _find_under(names, modules, value)
    if found is None and type(value).__name__ == "ufunc":
        # Those of scipy do not say where they come from.
        found = _find_under(names, ["scipy.special", *_modules_of_extensions(value)], value)
    return found


def find_in(namespace: Mapping[str, Any], qualname: str) -> Any:
    """Return what a qualified name such as ``Outer.Inner`` stands for, or None."""
    top, *attributes = qualname.split(".")
    found = namespace.get(top)
    for attribute in attributes:
        # vars, not getattr: a descriptor or a metaclass must not run here.
        found = vars(found).get(attribute) if isinstance(found, type) else None
    return found


def _find_under(names: Sequence[Any], modules: Iterable[Any], value: object) -> tuple[str, str] | None:
    for module_name in modules:
        if not isinstance(module_name, str) or module_name in _MAIN:
            continue
        module = sys.modules.get(module_name)
        if module is None:
            continue
        for name in names:
            if isinstance(name, str) and _find_attribute(module, name) is value:
                return module_name, name
    return None


def _alias_name(value: Any) -> Any:
    return getattr(value, "_name", None) if type(value).__module__ == "typing" else None


def _find_attribute(module: types.ModuleType, qualname: str) -> Any:
    found: Any = module
    for name in qualname.split("."):
        try:
            found = getattr(found, name)
        except Exception:  # a lazy module or a descriptor may raise anything
            return None
    return found


def _modules_of_extensions(value: Any) -> list[str]:
    """Return the extension modules that have a function under its own name."""
    name = getattr(value, "__name__", "")
    found = []
    for module_name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if isinstance(getattr(spec, "loader", None), ExtensionFileLoader) and vars(module).get(name) is value:
            found.append(module_name)
    return sorted(found)
