"""Python's workers that are started anew (spawn, forkserver, loky) tell what they see of files, too.

What such a process needs is sent to it as a pickle. Something is added to that, which begins to tell when it
is read, before any code of the user runs there. Nothing happens where it cannot: in another environment, say.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from jupyter_mlpipe.keys.late import AtImport

_MODULES = ("multiprocessing.spawn", "joblib.externals.loky.backend.spawn", "loky.backend.spawn")
_NAME = "get_preparation_data"


class Workers:
    """Has workers tell that are started from `start` until `stop`.

    Parameters
    ----------
    place
        Gives the path of the file to which they tell; None where they cannot.
    folder, ignored
        As in `Paths`.
    """

    def __init__(self, place: Callable[[], str | None], folder: str, ignored: Sequence[str]) -> None:
        self._place = place
        self._where = folder, tuple(ignored)
        self._originals: dict[str, Any] = {}
        self._hook = AtImport(_MODULES, self._wrap)

    def start(self) -> None:
        for name in _MODULES:
            if name in sys.modules:
                self._wrap(name)
        self._hook.install()

    def stop(self) -> None:
        """Leave all as it was; may be called twice."""
        self._hook.remove()
        while self._originals:
            name, original = self._originals.popitem()
            setattr(sys.modules[name], _NAME, original)

    def _wrap(self, name: str) -> None:
        module = sys.modules[name]
        original = self._originals[name] = getattr(module, _NAME)

        def get_preparation_data(*args: Any, **options: Any) -> Any:
            prepared = original(*args, **options)
            place = self._place()
            if place is not None and isinstance(prepared, dict):
                prepared["mlpipe"] = _Begin(place, *self._where)
            return prepared

        setattr(module, _NAME, get_preparation_data)


class _Begin:
    """Is None where it is unpickled, where telling has begun then."""

    def __init__(self, *where: Any) -> None:
        self._where = where

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (_CODE.format(self._where), {})


_CODE = """
try:
    from jupyter_mlpipe.execution.process.sightings import tell_to
    tell_to(*{!r})
except Exception:
    pass
"""
