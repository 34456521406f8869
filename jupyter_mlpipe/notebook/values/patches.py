"""Which attributes of modules the notebook has set: steps get them, see `jupyter_mlpipe.keys.patched`."""

from __future__ import annotations

import functools
import importlib.abc
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from jupyter_mlpipe.cells.patches import find_registrations, find_set_attributes
from jupyter_mlpipe.keys.late import call_after, find_after
from jupyter_mlpipe.keys.packages import OURSELVES, is_installed, is_standard
from jupyter_mlpipe.keys.patched import note_patch
from jupyter_mlpipe.keys.registries import note_registered
from jupyter_mlpipe.keys.state import loaded_again, watch

# Read before the text is parsed: a package of the user's may have hundreds of modules.
_SETS_ATTRIBUTE = re.compile(
    r"^[ \t]*(?!self\.|cls\.)[^\W\d]\w*\.[\w.]+(?:\[[^\]]*\])*\s*=[^=]", re.MULTILINE
)


class Patches(importlib.abc.MetaPathFinder):
    """Notes what cells set, and what local modules do to others when they are imported."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def install(self) -> None:
        """Watch local modules from the moment on at which they have been imported."""
        sys.meta_path.insert(0, self)

    def remove(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if is_standard(fullname.partition(".")[0]):
            return None
        spec = find_after(self, fullname, path, target)
        if spec is not None and (file := _local_file(fullname, spec)) is not None:
            call_after(spec, functools.partial(_watch, file))
        return spec

    def note(self, code: str, namespace: Mapping[str, Any]) -> None:
        """Note what a plain cell that has run has set; code that cannot be read is passed over."""
        with suppress(SyntaxError):
            _note(code, namespace)
            if "register" in code:
                _note_registered(code, namespace)
        for again in loaded_again():
            if (path := _file_of(again)) is not None:
                _watch(path, again)
        if "import" not in code:
            return
        for name in sys.modules.keys() - self._seen:
            self._seen.add(name)
            module = sys.modules.get(name)
            if isinstance(module, ModuleType) and (path := _file_of(module)) is not None:
                with suppress(OSError, SyntaxError, ValueError):
                    text = path.read_text(encoding="utf-8")
                    watch(module, text, is_late=True)
                    if _SETS_ATTRIBUTE.search(text):
                        _note(text, vars(module), is_module=True)


def _note(code: str, namespace: Mapping[str, Any], *, is_module: bool = False) -> None:
    for name, attributes, is_inside in find_set_attributes(code):
        owner = namespace.get(name)
        is_local = isinstance(owner, ModuleType) and _file_of(owner) is not None
        if is_local and is_module and not re.search(rf"^{name}\.{attributes}\b", code, re.MULTILINE):
            continue  # set by a function of the module: what a local one keeps is looked at in any case
        if getattr(owner, "__module__", "") == namespace.get("__name__"):
            continue  # a module does that to its own classes wherever it is imported
        # What lies inside of a library's attributes is one of its options.
        if not is_inside:
            note_patch(owner, attributes)
        elif isinstance(owner, ModuleType) and is_local:
            note_patch(owner, _path_to_object(owner, attributes))


def _path_to_object(module: ModuleType, path: str) -> str:
    """Return the part of a path that leads to an object: ``T`` of ``T.loc``, ``C.sizes`` of a class ``C``."""
    first, _, rest = path.partition(".")
    return path if rest and isinstance(vars(module).get(first), type | ModuleType) else first


def _note_registered(code: str, namespace: Mapping[str, Any]) -> None:
    for parts, name, first in find_registrations(code):
        owner = _look(parts, namespace)
        home = sys.modules.get(getattr(owner, "__module__", None) or "")
        if home is None or _file_of(home) is None:  # a local module keeps what it is told
            note_registered(owner, name, first if isinstance(first, str) else _look(first, namespace))


def _look(parts: Sequence[str], namespace: Mapping[str, Any]) -> Any:
    """Return what a dotted name stands for; None where it stands for nothing."""
    found = namespace.get(parts[0]) if parts else None
    for part in parts[1:]:
        found = getattr(found, part, None)
    return found


def _watch(file: Path, module: ModuleType) -> None:
    with suppress(OSError, ValueError):
        watch(module, file.read_text(encoding="utf-8"))


def _file_of(module: ModuleType) -> Path | None:
    """Return the file of a local module; None of any other."""
    return _local_file(module.__name__, getattr(module, "__spec__", None))


def _local_file(name: str, spec: ModuleSpec | None) -> Path | None:
    origin = spec.origin if spec is not None else None
    top = name.partition(".")[0]
    if top == OURSELVES or origin is None or not origin.endswith(".py"):
        return None
    return None if is_standard(top) or is_installed(origin) else Path(origin)
