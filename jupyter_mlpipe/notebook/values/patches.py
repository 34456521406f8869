"""Which attributes of modules plain cells have set: steps get them, see `jupyter_mlpipe.keys.patched`."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from jupyter_mlpipe.cells.patches import find_set_attributes
from jupyter_mlpipe.keys.packages import is_installed, is_standard
from jupyter_mlpipe.keys.patched import note_patch


def note_patches(code: str, namespace: Mapping[str, Any]) -> None:
    """Note what a cell that has run set.

    What lies inside of a library's attributes is one of its options.
    """
    for name, attributes, is_inside in find_set_attributes(code):
        owner = namespace.get(name)
        if not is_inside or (isinstance(owner, ModuleType) and _is_local(owner)):
            note_patch(owner, attributes)


def _is_local(module: ModuleType) -> bool:
    origin = getattr(module.__spec__, "origin", None)
    top = module.__name__.partition(".")[0]
    return origin is not None and not is_standard(top) and not is_installed(origin)
