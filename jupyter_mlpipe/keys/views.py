"""Arrays as they lie in memory, which NumPy's own pickles do not keep.

Views of one memory: pickled one by one, each would get memory of its own. And what can be seen of a single
one: whether it can be written to, the order of its axes, its gaps, and that it repeats what it has once.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
from collections.abc import Iterable
from typing import Any

from jupyter_mlpipe.keys.imported import imported

Reduced = tuple[Any, ...]


_CONTAINERS = (list, tuple, dict)
_SPREAD, _SPREAD_BYTES = 4, 64 << 20
_COPIED_BYTES = 1 << 20


def arrays_in(values: Iterable[object]) -> list[object]:
    """Return the arrays among values and inside containers of Python's own.

    Not those of tables: pandas would no longer know which of these share memory, and change both.
    """
    numpy = imported("numpy")
    if numpy is None:
        return []
    found: list[object] = []
    containers: dict[int, Any] = {}
    pending = [values]
    while pending:
        for part in pending.pop():
            kind = type(part)
            if kind is numpy.ndarray or _is_masked(part):
                found.append(part)
            elif kind in _CONTAINERS and id(part) not in containers:
                containers[id(part)] = inside = part
                pending.append(inside.values() if kind is dict else inside)  # type: ignore[attr-defined, arg-type]
    return found


def reduce_views(parts: Iterable[object], *, whole: bool = False) -> tuple[dict[int, Reduced], list[object]]:
    """Return how to pickle arrays that overlap in memory, by `id`, and what must live until that is done.

    The memory that they span is one array of bytes, of which each is a view again. Where it is small and all
    of the array that they are views of, they are views of that one again: ``part.base is whole``.

    Parameters
    ----------
    whole
        Only where they cover that memory: two columns of a large table would bring all the others along.
    """
    numpy = imported("numpy")
    if numpy is None:
        return {}, []
    arrays: dict[int, tuple[int, int, Any]] = {}
    masked: dict[int, Any] = {}
    part: Any
    for part in parts:
        array = part
        if _is_masked(part):
            array = part.data
            masked[id(array)] = part
        if type(array) is numpy.ndarray and array.size and not array.dtype.hasobject:
            arrays[id(array)] = (*bounds_in_memory(array), array)
    reduced: dict[int, Reduced] = {}
    kept: list[object] = [*masked.values()]
    cluster: list[Any] = []
    low = high = 0
    for start, end, array in [*sorted(arrays.values(), key=lambda found: found[:2]), (sys.maxsize, 0, None)]:
        if cluster and start < high:
            cluster.append(array)
            high = max(high, end)
            continue
        is_changeable = any(part.flags.writeable for part in cluster)
        if (
            len(cluster) > 1
            and is_changeable
            and not (whole and sum(part.nbytes for part in cluster) < high - low)
        ):
            memory = numpy.frombuffer((ctypes.c_uint8 * (high - low)).from_address(low), numpy.uint8)
            kept += [memory, *cluster]  # whose numbers would be given to other arrays
            if (owner := _owner_of(cluster, (low, high), numpy)) is not None:
                reduced[id(owner)] = (make_owner, (memory, owner.dtype, owner.shape))
                memory = owner
            for view in cluster:
                if view is owner:
                    continue
                offset = view.__array_interface__["data"][0] - low
                make = make_view if view.flags.writeable else make_reading_view
                reduced[id(view)] = (make, (memory, view.dtype, view.shape, offset, view.strides))
            for view in cluster:
                if (around := masked.get(id(view))) is not None:
                    settings = around._mask, around._fill_value, around._hardmask, around._sharedmask
                    reduced[id(around)] = (make_masked, (view, *settings))
        cluster, low, high = [array], start, end
    return reduced, kept


def _owner_of(cluster: Iterable[Any], span: tuple[int, int], numpy: Any) -> Any:
    """Return the array that is a whole span of memory and that all these are views of; None where none is."""
    owners: dict[int, Any] = {}
    for owner in cluster:
        while isinstance(owner.base, numpy.ndarray):
            owner = owner.base
        owners[id(owner)] = owner
    owner = owners.popitem()[1]
    if owners or owner.nbytes > _COPIED_BYTES or owner.dtype.hasobject or not owner.flags.owndata:
        return None
    is_whole = owner.flags.c_contiguous and numpy.lib.array_utils.byte_bounds(owner) == span
    return owner if is_whole and owner.flags.writeable else None


# Named in pickles: renaming it makes stored artifacts unreadable.
def make_owner(memory: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
    """Return an array that owns what another one's memory holds."""
    return sys.modules["numpy"].ndarray(shape, dtype, memory).copy()


# Named in pickles: renaming it makes stored artifacts unreadable.
def make_view(memory: Any, dtype: Any, shape: tuple[int, ...], offset: int, strides: tuple[int, ...]) -> Any:
    """Return an array in the memory of another one."""
    return sys.modules["numpy"].ndarray(shape, dtype, memory, offset, strides)


# Named in pickles: renaming it makes stored artifacts unreadable.
def make_reading_view(memory: Any, dtype: Any, shape: Any, offset: int, strides: Any) -> Any:
    """Return an array in the memory of another one, which cannot be written to through it."""
    return _fix(make_view(memory, dtype, shape, offset, strides))


# Named in pickles: renaming it makes stored artifacts unreadable.
def make_masked(values: Any, mask: Any, fill_value: Any, hard: bool, shared: bool) -> Any:
    """Return a masked array over the memory of another array."""
    masked = importlib.import_module("numpy.ma").MaskedArray(values)
    masked._mask, masked._fill_value, masked._hardmask, masked._sharedmask = mask, fill_value, hard, shared
    return masked


def _is_masked(value: object) -> bool:
    """Tell whether a value is a plain masked array: with one mask, and nothing of its user's."""
    kind: Any = type(value)
    if kind.__name__ != "MaskedArray" or not kind.__module__.startswith("numpy.ma"):
        return False
    array: Any = value
    return array.dtype.names is None and not array._optinfo and not array._basedict


def bounds_in_memory(array: Any) -> tuple[int, int]:
    """Return where an array's memory begins, and where it ends."""
    numpy: Any = sys.modules["numpy"]
    # It moved in NumPy 2.
    bounds = getattr(numpy, "byte_bounds", None) or numpy.lib.array_utils.byte_bounds
    low, high = bounds(array)
    return low, high


def axes_in_memory(array: Any) -> tuple[int, ...]:
    """Return in which order of axes an array without gaps lies, outermost first; empty for the usual two."""
    if array.ndim < 3 or array.flags.c_contiguous or array.flags.f_contiguous:
        return ()
    axes = tuple(sorted(range(array.ndim), key=lambda axis: -array.strides[axis]))
    return axes if array.transpose(axes).flags.c_contiguous else ()


def strides_with_gaps(array: Any) -> tuple[int, ...]:
    """Return the strides of a writable array with gaps, or that runs backwards; they change how sums round.

    Empty where it has none, or where they take so much more than it does that nobody should pay for them.
    """
    flags, dtype = array.flags, array.dtype
    if flags.c_contiguous or flags.f_contiguous or not flags.writeable or axes_in_memory(array):
        return ()
    if dtype.hasobject or dtype.kind == "T":
        return ()
    before, behind = _reach(array.shape, strides := tuple(array.strides))
    span = before + behind + array.itemsize
    is_wide = span > _SPREAD * array.nbytes and span > _SPREAD_BYTES
    return () if is_wide else strides


def _reach(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, int]:
    """Return how many bytes an array takes in front of its first element, and from there to its last one."""
    steps = [(size - 1) * stride for size, stride in zip(shape, strides, strict=True)]
    return sum(-step for step in steps if step < 0), sum(step for step in steps if step > 0)


def reduce_layout(array: Any) -> Reduced | None:
    """Reduce an array that pickle would make a writable one of, or order otherwise."""
    if array.dtype.hasobject or not array.size:
        return None
    if array.flags.writeable:
        if axes := axes_in_memory(array):
            back = tuple(axes.index(axis) for axis in range(array.ndim))
            return _transpose, (array.transpose(axes), back)
        strides = strides_with_gaps(array)
        return (_spread, (array.copy(), strides)) if strides else None
    once = tuple(slice(0, 1) if stride == 0 else slice(None) for stride in array.strides)
    if 0 in array.strides and array[once].size < array.size:
        return _repeat, (array[once].copy(), array.shape)
    return _fix, (_writable(array),)


def _writable(array: Any) -> Any:
    """Return an array of the same memory that pickle takes for one that can be written to; else a copy."""
    flags = array.flags
    if array.dtype.kind == "T" or not (flags.c_contiguous or flags.f_contiguous):
        return array.copy("K")
    memory: Any = (ctypes.c_uint8 * array.nbytes).from_address(array.__array_interface__["data"][0])
    memory.owner = array
    order = "C" if flags.c_contiguous else "F"
    return sys.modules["numpy"].ndarray(array.shape, array.dtype, memory, order=order)


# As `make_view`.
def _transpose(array: Any, axes: tuple[int, ...]) -> Any:
    return array.transpose(axes)


def _spread(array: Any, strides: tuple[int, ...]) -> Any:
    numpy = sys.modules["numpy"]
    before, behind = _reach(array.shape, strides)
    memory = numpy.zeros(before + behind + array.itemsize, numpy.uint8)
    spread = numpy.ndarray(array.shape, array.dtype, memory, before, strides)
    spread[...] = array
    return spread


def _repeat(array: Any, shape: tuple[int, ...]) -> Any:
    return sys.modules["numpy"].broadcast_to(array, shape)


def _fix(array: Any) -> Any:
    array.flags.writeable = False
    return array
