"""What a pickle holds of objects of libraries, where what the library itself gives would not do.

That may depend on how the object came about, on addresses, or on what it remembers, and equal values would
not be equal bytes; or it may lose something.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterable
from typing import Any

from jupyter_mlpipe.keys.imported import imported
from jupyter_mlpipe.keys.pickles import OUT_OF_BAND_BYTES

Reduced = tuple[Any, ...] | None


class Reducer:
    """Gives what reduces the objects of one pickle.

    What they get of it stands for ``__reduce__``; None leaves it to them.

    Attributes
    ----------
    arrays
        Those of NumPy that came by.
    """

    def __init__(self) -> None:
        self._tensors: Any = None
        self.arrays: list[Any] = []
        self._by_type: dict[type, Callable[[Any], Reduced] | None] = {}

    @property
    def has_detached(self) -> bool:
        """Whether a tensor came by that was computed from others, which is not kept."""
        return self._tensors is not None and bool(self._tensors.has_detached)

    def find(self, kind: type) -> Callable[[Any], Reduced] | None:
        """Return what reduces the objects of a type."""
        try:
            return self._by_type[kind]
        except KeyError:
            return self._by_type.setdefault(kind, self._find(kind))

    def _find(self, kind: type) -> Callable[[Any], Reduced] | None:
        libraries = {str(base.__module__).partition(".")[0] for base in kind.__mro__}
        # Libraries are loaded by now, and nothing else may load them.
        if str(kind.__module__).partition(".")[0] == "pandas":
            from jupyter_mlpipe.store import frames

            return frames.reduce_part
        if "torch" in libraries and imported("torch") is not None:
            from jupyter_mlpipe.store.tensors import TensorReducer

            tensors: TensorReducer = self._tensors or TensorReducer()
            self._tensors = tensors
            return tensors.find(kind)
        if kind.__module__ == "numpy" and kind.__name__ == "ndarray":
            return self._reduce_array
        if "matplotlib" in libraries and (transforms := imported("matplotlib.transforms")) is not None:
            return _reduce_transform if issubclass(kind, transforms.TransformNode) else None
        return None

    def _reduce_array(self, array: Any) -> Reduced:
        self.arrays.append(array)
        return _reduce_array(array)


def _reduce_array(array: Any) -> Reduced:
    """Let a read-only array come back as one that can be written to."""
    flags = array.flags
    if flags.writeable or array.dtype.hasobject or not (flags.c_contiguous or flags.f_contiguous):
        return None
    if array.nbytes < OUT_OF_BAND_BYTES or array.dtype.kind == "T":
        small: tuple[Any, ...] = array.copy("K").__reduce_ex__(5)
        return small
    memory: Any = (ctypes.c_uint8 * array.nbytes).from_address(array.__array_interface__["data"][0])
    memory.owner = array
    order = "C" if flags.c_contiguous else "F"
    alias = sys.modules["numpy"].ndarray(array.shape, array.dtype, memory, order=order)
    large: tuple[Any, ...] = alias.__reduce_ex__(5)
    return large


def _reduce_transform(value: Any) -> Reduced:
    """Number those who depend on a transform, which are there by their addresses."""
    make, arguments, state, *rest = value.__reduce_ex__(4)
    parents: Iterable[Any] = (p for p in state.get("_parents", {}).values() if p is not None)
    return make, arguments, {**state, "_parents": dict(enumerate(parents))}, *rest
