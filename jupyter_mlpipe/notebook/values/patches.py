"""Which attributes of modules the notebook has set: steps get them, see `jupyter_mlpipe.keys.patched`."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from jupyter_mlpipe.cells.patches import find_set_attributes
from jupyter_mlpipe.keys.packages import OURSELVES, is_installed, is_standard
from jupyter_mlpipe.keys.patched import note_patch

# Read before the text is parsed: a package of the user's may have hundreds of modules.
_SETS_ATTRIBUTE = re.compile(r"^[^\W\d]\w*\.[\w.]+(?:\[[^\]]*\])*\s*=[^=]", re.MULTILINE)


class Patches:
    """Notes what cells set, and what local modules do to others when they are imported."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def note(self, code: str, namespace: Mapping[str, Any]) -> None:
        """Note what a plain cell that has run has set; code that cannot be read is passed over."""
        with suppress(SyntaxError):
            _note(code, namespace)
        if "import" not in code:
            return
        for name in sys.modules.keys() - self._seen:
            self._seen.add(name)
            module = sys.modules.get(name)
            if isinstance(module, ModuleType) and (path := _local_file(module)) is not None:
                with suppress(OSError, SyntaxError, ValueError):
                    text = path.read_text(encoding="utf-8")
                    if _SETS_ATTRIBUTE.search(text):
                        _note(text, vars(module))


def _note(code: str, namespace: Mapping[str, Any]) -> None:
    for name, attributes, is_inside in find_set_attributes(code):
        owner = namespace.get(name)
        if getattr(owner, "__module__", "") == namespace.get("__name__"):
            continue  # a module does that to its own classes wherever it is imported
        # What lies inside of a library's attributes is one of its options.
        if not is_inside or (isinstance(owner, ModuleType) and _local_file(owner) is not None):
            note_patch(owner, attributes)


def _local_file(module: ModuleType) -> Path | None:
    origin = getattr(module.__spec__, "origin", None)
    top = module.__name__.partition(".")[0]
    if top == OURSELVES or origin is None or not origin.endswith(".py"):
        return None
    return None if is_standard(top) or is_installed(origin) else Path(origin)
