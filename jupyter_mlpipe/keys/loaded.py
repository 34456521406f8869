"""What stands for modules that a process has loaded: versions of installed ones, sources of local ones.

For code that a step hands on inside a value. It knows what it was sent, not what is on disk.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable
from types import ModuleType

from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.packages import OURSELVES, is_installed, is_standard, package_ingredients
from jupyter_mlpipe.keys.sources import imports_in
from jupyter_mlpipe.keys.syntax import syntax_digest


def digest_loaded(names: Iterable[str]) -> dict[str, str]:
    """Return a digest for each module named, or imported by local ones of them in turn."""
    found: dict[str, str] = {}
    installed: set[str] = set()
    pending = list(names)
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        top = name.partition(".")[0]
        if name in seen or is_standard(top) or top in ("__main__", OURSELVES):
            continue
        seen.add(name)
        source = _local_source(sys.modules.get(name))
        if source is None:
            installed.add(top)
            continue
        try:
            tree = ast.parse(source)
        except SyntaxError:
            found[name] = digest("loaded module", source)
            continue
        found[name] = digest("loaded module", syntax_digest(tree))
        module = sys.modules[name]
        package = name if hasattr(module, "__path__") else name.rpartition(".")[0]
        for imported, attributes in imports_in(tree, package):
            pending += [imported, *(f"{imported}.{attribute}" for attribute in attributes)]
        pending += [parent for parent in [name.rpartition(".")[0]] if parent]
    for package_part in package_ingredients(sorted(installed)):
        found[package_part.name] = package_part.digest
    return found


def _local_source(module: ModuleType | None) -> str | None:
    """Return the source of a module that is no installed one, as this process loaded it."""
    spec = getattr(module, "__spec__", None)
    origin = getattr(spec, "origin", None)
    if spec is None or spec.loader is None or not origin or is_installed(os.path.abspath(origin)):
        return None
    get_source = getattr(spec.loader, "get_source", None)
    try:
        return get_source(spec.name) if get_source is not None else None
    except (ImportError, OSError):
        return None
