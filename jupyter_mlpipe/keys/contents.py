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

from blake3 import blake3

from jupyter_mlpipe.keys.leftout import may_leave_out, reduce_whole
from jupyter_mlpipe.keys.packages import is_installed, is_standard
from jupyter_mlpipe.keys.quiet import leaving_no_trace

_DEFINED = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type)
_ITERATORS = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)
_READ_BY_PICKLE = frozenset({"numpy", "pandas", "scipy", "sklearn", "torch"})
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
    is_digest
        Whether there is too much of it to be kept: `pickled` is a digest, and nothing can be restored.
    """

    pickled: bytes
    alone: tuple[object, ...] = ()
    is_whole: bool = True
    is_digest: bool = False

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Content) or self.pickled != other.pickled:
            return False
        return len(self.alone) == len(other.alone) and all(map(_is_one, self.alone, other.alone))

    __hash__ = None  # type: ignore[assignment]

    def restore(self) -> Any:
        """Return a value that holds this, and is nobody else's."""
        return _Unpickler(self).load() if self.pickled else self.alone[0]


def take_content(value: object, most_bytes: int | None = None) -> Content:
    """Return what a value holds; where that is more than `most_bytes`, a digest of it."""
    file = _File(most_bytes)
    pickler = _Pickler(file)
    try:
        with leaving_no_trace():
            pickler.dump(value)
    except RecursionError:
        return Content(b"", (value,))
    except Exception:  # whatever a user's __reduce__ raises
        return Content(b"", (value,), is_whole=False)
    pickled = file.digest.digest() if file.digest is not None else b"".join(file.parts)
    return Content(pickled, tuple(pickler.alone), pickler.is_whole, file.digest is not None)


class _File(io.RawIOBase):
    """Keeps what is written to it, or a digest as soon as that is more than `most_bytes`."""

    def __init__(self, most_bytes: int | None) -> None:
        self.parts: list[bytes] = []
        self.digest: blake3 | None = None
        self._left = most_bytes

    def write(self, part: Any, /) -> int:
        content = pickle.PickleBuffer(part).raw()
        if self._left is not None and self.digest is None:
            self._left -= content.nbytes
            if self._left < 0:
                self.digest = blake3(b"".join(self.parts))
                self.parts.clear()
        if self.digest is not None:
            self.digest.update(content)
        else:
            self.parts.append(bytes(content))
        return content.nbytes


class _Pickler(pickle.Pickler):
    def __init__(self, file: _File) -> None:
        super().__init__(file, protocol=5)
        self.alone: list[object] = []
        self.is_whole = True

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
        try:
            reducer = copyreg.dispatch_table.get(kind)
            reduced: Any = reduce_whole(value) if may_leave_out(kind) else None
            if reduced is None:
                reduced = reducer(value) if reducer is not None else value.__reduce_ex__(5)
        except Exception:  # whatever a user's __reduce__ raises
            self.is_whole = False
            return self._stand_alone(value)
        return reduced if isinstance(reduced, tuple) else self._stand_alone(value)

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
