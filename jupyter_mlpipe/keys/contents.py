"""What a value holds at one moment, as bytes that only this process reads: later changes do not reach them.

By them it is told whether the value holds something else later, and it can be made again. Functions, classes,
modules, objects of installed libraries and what cannot be pickled stand for themselves.
"""

from __future__ import annotations

import ast
import copyreg
import io
import itertools
import pickle
import sys
import types
from dataclasses import dataclass
from typing import Any

from jupyter_mlpipe.keys.packages import is_installed, is_standard
from jupyter_mlpipe.keys.quiet import leaving_no_trace

_DEFINED = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type)
_ITERATORS = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)
_READ_BY_PICKLE = frozenset({"numpy", "pandas"})
_FOREIGN: dict[type, bool] = {}
_READABLE_ITERATORS = sys.version_info < (3, 12)  # from then on, to pickle one of `itertools` warns


@dataclass(frozen=True, slots=True)
class Content:
    """What a value holds.

    Parameters
    ----------
    alone
        What stands for itself in it, in the order in which it is met.
    is_whole
        Whether all that is in it could be pickled.
    """

    pickled: bytes
    alone: tuple[object, ...] = ()
    is_whole: bool = True

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Content) or self.pickled != other.pickled:
            return False
        return len(self.alone) == len(other.alone) and all(map(_is_one, self.alone, other.alone))

    __hash__ = None  # type: ignore[assignment]

    def restore(self) -> Any:
        """Return a value that holds this, and is nobody else's."""
        return _Unpickler(self).load() if self.pickled else self.alone[0]


def take_content(value: object, most_bytes: int | None = None) -> Content:
    """Return what a value holds; where that is more than `most_bytes`, which value it is."""
    file = _File(most_bytes)
    pickler = _Pickler(file, most_bytes)
    try:
        with leaving_no_trace():
            pickler.dump(value)
    except (_TooLargeError, RecursionError):
        return Content(b"", (value,))
    except Exception:  # whatever a user's __reduce__ raises
        return Content(b"", (value,), is_whole=False)
    return Content(b"".join(file.parts), tuple(pickler.alone), pickler.is_whole)


class _TooLargeError(Exception):
    """There is more of it than is looked at."""


class _File(io.RawIOBase):
    def __init__(self, most_bytes: int | None) -> None:
        self.parts: list[bytes] = []
        self._left = most_bytes

    def write(self, part: Any, /) -> int:
        content = bytes(part)
        self.parts.append(content)
        if self._left is not None:
            self._left -= len(content)
            if self._left < 0:
                raise _TooLargeError
        return len(content)


class _Pickler(pickle.Pickler):
    def __init__(self, file: _File, most_bytes: int | None) -> None:
        super().__init__(file, protocol=5)
        self.alone: list[object] = []
        self.is_whole = True
        self._most_bytes = most_bytes

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if value is _stands_alone:
            return NotImplemented
        if isinstance(value, _DEFINED):
            return self._stand_alone(value)
        if isinstance(value, _ITERATORS):
            return self._stand_alone(value, *_position(value))
        if kind is itertools.count:
            return itertools.count, _arguments(value)
        if kind.__module__ == "itertools" and not _READABLE_ITERATORS:
            return self._stand_alone(value, len(self.alone), id(object()))
        if is_foreign(kind):
            return self._stand_alone(value)
        if kind.__module__.partition(".")[0] in _READ_BY_PICKLE and self._is_large(value):
            raise _TooLargeError  # before all of it is copied
        try:
            reducer = copyreg.dispatch_table.get(kind)
            reduced = reducer(value) if reducer is not None else value.__reduce_ex__(5)
        except Exception:  # whatever a user's __reduce__ raises
            self.is_whole = False
            return self._stand_alone(value)
        return reduced if isinstance(reduced, tuple) else self._stand_alone(value)

    def _is_large(self, value: Any) -> bool:
        return self._most_bytes is not None and getattr(value, "size", 0) > self._most_bytes

    def _stand_alone(self, value: object, *more: object) -> tuple[Any, ...]:
        self.alone.append(value)
        return _stands_alone, (len(self.alone) - 1, *more)


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: Content) -> None:
        super().__init__(io.BytesIO(content.pickled))
        self._alone = content.alone

    def find_class(self, module: str, name: str) -> Any:
        if name == _stands_alone.__name__ and module == __name__:
            return self._find_alone
        return super().find_class(module, name)

    def _find_alone(self, index: int, *_more: object) -> object:
        return self._alone[index]


def _stands_alone(index: int, *_more: object) -> object:
    """Be the name in a pickle of what stands for itself."""
    raise pickle.UnpicklingError("only the process that made this can read it")


def _is_one(one: object, other: object) -> bool:
    return one is other


def is_foreign(kind: type) -> bool:
    """Tell whether objects of a type are a library's: they may hold anything, and much of it."""
    found = _FOREIGN.get(kind)
    if found is None:
        top = kind.__module__.partition(".")[0]
        origin = getattr(getattr(sys.modules.get(kind.__module__), "__spec__", None), "origin", None)
        found = not is_standard(top) and top not in _READ_BY_PICKLE
        found = found and isinstance(origin, str) and is_installed(origin)
        _FOREIGN[kind] = found
    return found


def _position(value: Any) -> tuple[object, ...]:
    """Return how far a generator has come."""
    for name in ("gi_frame", "cr_frame", "ag_frame"):
        frame = getattr(value, name, None)
        if frame is not None:
            return frame.f_lasti, dict(frame.f_locals)
    return ("ended",)


def _arguments(count: Any) -> tuple[Any, ...]:
    """Return what makes a counter that stands where this one does."""
    found = ast.literal_eval(repr(count).removeprefix("count"))
    return found if isinstance(found, tuple) else (found,)
