"""Modules that a step looks for by a name that it makes up, such as plugins: where they were not found.

Those that stand in its code are in its key. What is found is read; what comes before it would be found.
"""

from __future__ import annotations

import importlib.abc
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dis import opmap
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType

from jupyter_mlpipe.execution.process.questions import is_asked_by_user, is_ours, is_users

_IMPORT_NAME = opmap["IMPORT_NAME"]
_BY_NAME = re.compile(r"/importlib/|/pkgutil\.py$|/runpy\.py$")


class Searches(importlib.abc.MetaPathFinder):
    """Finds nothing, and notes what is looked for from `start` until `stop`.

    Parameters
    ----------
    heard
        Called when there is something to `take`.
    """

    def __init__(self, heard: Callable[[], None] | None = None) -> None:
        self._asked: dict[tuple[str, tuple[str, ...]], None] = {}
        self._heard = heard

    def start(self) -> None:
        sys.meta_path.insert(0, self)

    def stop(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if _is_made_up(sys._getframe(1)):
            self._asked[fullname, tuple(sys.path if path is None else path)] = None
            if self._heard is not None:
                self._heard()
        return None

    def take(self, counts: Callable[[str], bool]) -> Iterator[str]:
        """Give the paths that were looked at in vain since this was last called.

        As seen from the working directory: to be called before that changes.

        Parameters
        ----------
        counts
            Tells whether a folder on the import path counts.
        """
        while self._asked:
            (name, folders), _ = self._asked.popitem()
            for folder in filter(counts, folders):
                place = os.path.join(folder, name.rpartition(".")[2])
                for path in (os.path.join(place, "__init__.py"), f"{place}.py"):
                    if os.path.exists(path):
                        break
                    yield path
                else:
                    continue
                break


def _is_made_up(frame: FrameType | None) -> bool:
    """Tell whether the user's own code asks for a module otherwise than by an import of its name."""
    while frame is not None:
        name = frame.f_code.co_filename
        if is_users(name):
            return frame.f_code.co_code[frame.f_lasti] != _IMPORT_NAME
        if not name.startswith("<frozen importlib") and not is_ours(name):
            return _BY_NAME.search(name) is not None and is_asked_by_user(frame)
        frame = frame.f_back
    return False
