"""Pickles of what a step is sent: all that its code reaches, definitions of the notebook by value."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from blake3 import blake3

from jupyter_mlpipe.errors import EncodingError
from jupyter_mlpipe.keys.imported import imported
from jupyter_mlpipe.keys.moment import once
from jupyter_mlpipe.keys.pickles import Pickler, loading_into
from jupyter_mlpipe.keys.views import arrays_in, bounds_in_memory, reduce_views

LIVE_BYTES = 1 << 20

_IsInBand: TypeAlias = Callable[[pickle.PickleBuffer], bool]


@dataclass(frozen=True, slots=True)
class LivePickle:
    """A pickle of objects whose large arrays are not copied: they are the notebook's own memory.

    Most closures are taken to be looked at, for each step again after each cell; few are sent.

    Parameters
    ----------
    buffers
        That memory, in the order in which the pickle refers to it (PEP 574).
    n_bytes, digests
        How large each was, and of what was in it.
    """

    content: bytes
    buffers: tuple[pickle.PickleBuffer, ...] = field(compare=False)
    n_bytes: tuple[int, ...]
    digests: tuple[bytes, ...]

    def seal(self) -> bytes:
        """Return the pickle with its arrays, for `load_closure`.

        Raises
        ------
        EncodingError
            They have been changed since.
        """
        if all(map(_is_there, self.buffers, self.n_bytes)):
            sealed = pickle.dumps((self.content, self.buffers), protocol=5)
            # Afterwards: code of the user may change it at any time.
            if tuple(map(_digest, self.buffers)) == self.digests:
                return sealed
        raise EncodingError("what its cell had captured was changed since in place; run the cell again")

    def __reduce__(self) -> tuple[Any, ...]:
        return bytes, (self.seal(),)


def dump_live(objects: Mapping[str, object], namespace: Mapping[str, Any]) -> bytes | LivePickle:
    """Return what `dump_closure` does; where there are large arrays, a pickle that leaves them in place."""
    buffers: list[pickle.PickleBuffer] = []

    def is_small(buffer: pickle.PickleBuffer) -> bool:
        if buffer.raw().nbytes < LIVE_BYTES:
            return True
        buffers.append(buffer)
        return False

    content = _dump_closure(objects, namespace, is_small)
    if not buffers:
        return content
    digests = [once(_where(buffer), buffer, partial(_digest, buffer)) for buffer in buffers]
    sizes = (buffer.raw().nbytes for buffer in buffers)
    return LivePickle(content, tuple(buffers), tuple(sizes), tuple(digests))


def dump_closure(objects: Mapping[str, object], namespace: Mapping[str, Any]) -> bytes:
    """Return one pickle of `objects` by name; `namespace` is the ``__dict__`` of the notebook's module.

    Raises
    ------
    EncodingError
        Names the object, the type inside it that cannot be pickled, and why.
    """
    return _dump_closure(objects, namespace)


def _dump_closure(
    objects: Mapping[str, object], namespace: Mapping[str, Any], is_in_band: _IsInBand | None = None
) -> bytes:
    reduced, _kept = reduce_views(arrays_in(objects.values()))
    try:
        return _dump(dict(objects), namespace, reduced, is_in_band)
    except EncodingError:
        for name, why in find_unpicklable(objects, namespace).items():
            raise EncodingError(f"'{name}' cannot be sent to a step: {why}") from None
        raise


def load_closure(stream: bytes, namespace: dict[str, Any]) -> dict[str, Any]:
    """Return the objects of `dump_closure`, or of a sealed pickle.

    Their globals are `namespace` itself, which is not changed.
    """
    with loading_into(namespace):
        objects: dict[str, Any] | tuple[bytes, tuple[Any, ...]] = pickle.loads(stream)
        if isinstance(objects, dict):
            return objects
        content, buffers = objects
        loaded: dict[str, Any] = pickle.loads(content, buffers=buffers)
    return loaded


def find_unpicklable(objects: Mapping[str, object], namespace: Mapping[str, Any]) -> dict[str, str]:
    """Return, for each of `objects` that cannot be pickled, the type in the way and the reason."""
    found = {}
    for name, value in objects.items():
        try:
            _dump(value, namespace)
        except EncodingError as error:
            found[name] = str(error)
    return found


def _dump(
    value: object,
    namespace: Mapping[str, Any],
    reduced: Mapping[int, tuple[Any, ...]] | None = None,
    is_in_band: _IsInBand | None = None,
) -> bytes:
    file = io.BytesIO()
    pickler = Pickler(file, namespace, by_name=False, buffer_callback=is_in_band)
    pickler.reduced = reduced or {}
    pickler.dump_or_explain(value)
    return file.getvalue()


def _digest(buffer: pickle.PickleBuffer) -> bytes:
    return blake3(buffer.raw()).digest()


def _is_there(buffer: pickle.PickleBuffer, n_bytes: int) -> bool:
    """Tell whether memory is still an array's: to resize one without a check gives it back all the same."""
    numpy, array = imported("numpy"), memoryview(buffer).obj
    if numpy is None or not isinstance(array, numpy.ndarray):
        return True
    start, n_now = _span(buffer, numpy)
    while isinstance(array.base, numpy.ndarray):
        array = array.base
    low, high = bounds_in_memory(array)
    return bool(n_now == n_bytes and low <= start and start + n_bytes <= high)


def _where(buffer: pickle.PickleBuffer) -> Hashable:
    """Return by what memory is the same at one moment, as long as it is held."""
    numpy = imported("numpy")
    if numpy is None:
        return object()
    return "memory", *_span(buffer, numpy)


def _span(buffer: pickle.PickleBuffer, numpy: Any) -> tuple[int, int]:
    """Return where memory begins, and how many bytes it has."""
    raw = buffer.raw()
    return numpy.frombuffer(raw, "u1").__array_interface__["data"][0], raw.nbytes
