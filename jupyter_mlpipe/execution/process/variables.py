"""Which environment variables are asked for while a step runs, through `os.environ`, whoever asks.

What code in other languages asks for is not seen; what the step's code names is in its key already.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from jupyter_mlpipe.execution.process.questions import is_asked_by_us, is_asked_by_user
from jupyter_mlpipe.keys.process import is_own_variable
from jupyter_mlpipe.keys.variables import OF_USER, is_of_session

ALL = ""


class Variables:
    """Tells of each variable that is asked for, once, from `start` until `stop`.

    Parameters
    ----------
    note
        Takes its name, `ALL` where all are asked for.

    Attributes
    ----------
    started
        All variables as they were at the start.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._noted: set[str] = set()
        self.started: dict[str, str] = {}

    def start(self) -> None:
        self.started = dict(os.environ)
        _exchange(lambda data: _Asked(data, self._asked))

    def stop(self) -> None:
        """Leave all as it was; may be called twice."""
        _exchange(lambda data: data.plain() if isinstance(data, _Asked) else data)

    def _asked(self, name: str) -> None:
        if name in self._noted or is_own_variable(name):
            return
        frame = sys._getframe(2)
        if is_asked_by_us(frame):
            return
        if is_of_session(name) and not _is_of_user(name, frame):
            return
        self._noted.add(name)
        self._note(name)


def _is_of_user(name: str, frame: FrameType | None) -> bool:
    """Tell whether the user's code asks for something that says who the user is, or where a program is."""
    if name == "PATH":
        # Whoever starts a program asks for it, too: where that lies is noted by itself.
        while frame is not None and frame.f_code.co_name != "which":
            frame = frame.f_back
    elif name not in OF_USER:
        return False
    return is_asked_by_user(frame)


def _exchange(other: Callable[[Any], Any]) -> None:
    environ: Any = os.environ
    if isinstance(getattr(environ, "_data", None), dict):
        environ._data = other(environ._data)
        if hasattr(os, "environb"):
            setattr(os.environb, "_data", environ._data)  # noqa: B010 - as for the other


class _Asked(dict[Any, str]):
    """What `os.environ` keeps its variables in, by encoded name."""

    __slots__ = ("_tell",)

    def __init__(self, data: dict[Any, Any], tell: Callable[[str], None]) -> None:
        super().__init__(data)
        self._tell = tell

    def plain(self) -> dict[Any, Any]:
        return {key: dict.__getitem__(self, key) for key in dict.__iter__(self)}

    def __getitem__(self, key: Any) -> Any:
        self._tell(os.fsdecode(key))
        return super().__getitem__(key)

    def __contains__(self, key: Any) -> bool:
        self._tell(os.fsdecode(key))
        return super().__contains__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        self._tell(os.fsdecode(key))
        return super().get(key, default)

    def __iter__(self) -> Iterator[Any]:
        self._tell(ALL)
        return super().__iter__()

    def keys(self) -> Any:
        self._tell(ALL)
        return super().keys()

    def values(self) -> Any:
        self._tell(ALL)
        return super().values()

    def items(self) -> Any:
        self._tell(ALL)
        return super().items()

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (self.plain(),)
