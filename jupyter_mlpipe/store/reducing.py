"""What a pickle holds of objects of libraries, where what the library itself gives would not do.

That may depend on how the object came about, on addresses, or on what it remembers, and equal values would
not be equal bytes; or it may lose something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from jupyter_mlpipe.keys.imported import imported

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
            return self._note_array
        if "matplotlib" in libraries and (transforms := imported("matplotlib.transforms")) is not None:
            return _reduce_transform if issubclass(kind, transforms.TransformNode) else None
        return None

    def _note_array(self, array: Any) -> Reduced:
        self.arrays.append(array)
        return None


def _reduce_transform(value: Any) -> Reduced:
    """Number those who depend on a transform, which are there by their addresses."""
    make, arguments, state, *rest = value.__reduce_ex__(4)
    parents: Iterable[Any] = (p for p in state.get("_parents", {}).values() if p is not None)
    return make, arguments, {**state, "_parents": dict(enumerate(parents))}, *rest
