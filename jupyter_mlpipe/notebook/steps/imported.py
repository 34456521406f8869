"""Whether the modules that the kernel has loaded are those on disk, which is what a step's key holds."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Iterable, Mapping

from jupyter_mlpipe.execution.process.processes import started_ns
from jupyter_mlpipe.keys.closure import ModuleSource
from jupyter_mlpipe.keys.packages import is_installed, is_standard


class Imported:
    """Notes when modules were loaded: a file that was written since may not be what the kernel has."""

    def __init__(self) -> None:
        self._noted_ns = started_ns()
        # By name: its spec, which a reload replaces, and a time at which it was not loaded yet.
        self._since: dict[str, tuple[int, int]] = {}
        self._seen: tuple[int, str] = (0, "")  # how many there were, and the last
        self._edited: dict[str, None] = {}  # those that are not installed
        self.note()

    def note(self) -> None:
        """Look which modules have been loaded; to be called between cells."""
        now, loaded = time.time_ns(), sys.modules
        seen = len(loaded), next(reversed(loaded), "")
        # There are thousands, and between most cells none is new: then only what somebody edits is looked at.
        for name in list(loaded) if seen != self._seen else self._edited:
            spec = getattr(loaded.get(name), "__spec__", None)
            known = self._since.get(name)
            if known is None or known[0] != id(spec):
                self._since[name] = (id(spec), self._noted_ns)
                origin = getattr(spec, "origin", None)
                if isinstance(origin, str) and os.path.isabs(origin) and not is_installed(origin):
                    self._edited[name] = None
        self._seen, self._noted_ns = seen, now

    def outdated(self, local: Mapping[str, ModuleSource], packages: Iterable[str]) -> list[str]:
        """Return the modules which the kernel may have loaded from other files than those that were digested.

        Parameters
        ----------
        local
            Local modules as they were digested.
        packages
            Top-level installed modules.
        """
        self.note()
        loaded = sys.modules
        found = {n for n, module in local.items() if n in loaded and not self._is_same(n, module)}
        tops = {n for n in packages if n in loaded and not is_standard(n)}
        found |= {n for n in tops if not self._is_older(n, getattr(loaded[n], "__file__", None))}
        return sorted(found)

    def _is_same(self, name: str, digested: ModuleSource) -> bool:
        path = getattr(sys.modules[name], "__file__", None)
        if path is None:
            return not digested.source  # a folder without code
        if not self._is_older(name, path):
            return False
        try:
            with open(path, "rb") as file:
                return importlib.util.decode_source(file.read()) == digested.source
        except (OSError, SyntaxError, ValueError):
            return False

    def _is_older(self, name: str, path: str | None) -> bool:
        if path is None:
            return True  # it is built in, or has no code
        try:
            status = os.stat(path)
        except OSError:
            return False
        return max(status.st_mtime_ns, status.st_ctime_ns) < self._since[name][1]
