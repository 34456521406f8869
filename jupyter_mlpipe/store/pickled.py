"""Pickle protocol 5 for what no other codec holds exactly, large buffers beside the pickle.

One object: magic, the length of the pickle, the number of buffers, the length of each, the pickle,
then each buffer at a multiple of 64 bytes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Any

from jupyter_mlpipe.errors import EncodingError
from jupyter_mlpipe.keys.artifacts import dump_artifact, load_artifact
from jupyter_mlpipe.keys.custom import BY_TYPE, type_name
from jupyter_mlpipe.keys.imported import imported
from jupyter_mlpipe.keys.refusals import refuse, remedy_for
from jupyter_mlpipe.keys.views import reduce_views
from jupyter_mlpipe.store.encoding import Codec, Encoding, Sink
from jupyter_mlpipe.store.mapping import MAPPED_BYTES
from jupyter_mlpipe.store.reducing import Reducer
from jupyter_mlpipe.store.registered import load_entry_points

_MAGIC = b"mlpipe5\n"
_ALIGNMENT = 64
_LARGE_BYTES = 4 << 20


def encode(
    value: Any, namespace: Mapping[str, object], reduced: Mapping[int, tuple[Any, ...]] | None = None
) -> Encoding:
    """Pickle a value; `reduced` as in `dump_artifact`.

    Raises
    ------
    EncodingError
        Names the type that stands in the way, why, and what to do.
    """
    load_entry_points()
    if type_name(type(value)) not in BY_TYPE:
        refuse(value)
    try:
        reducer = Reducer()
        pickled = dump_artifact(value, namespace, reduced, reducer.find)
        if reduced is None and len(reducer.arrays) > 1 and _is_open(value):
            views, _kept = reduce_views(reducer.arrays, whole=True)
            if views:
                pickled = dump_artifact(value, namespace, views, Reducer().find)
    except EncodingError as error:
        # The name is the one thing that the messages of all pickling errors share.
        named = re.search(r"cannot pickle '([\w.]+)' object", str(error)) or re.search(
            r"of type ([\w.]+)", str(error)
        )
        remedy = remedy_for(named[1]) if named else ""
        advice = (
            remedy
            or "Keep what can be stored of it (its settings, its content), and make it anew where it is used."
        )
        raise EncodingError(f"{str(error).rstrip('.')}. {advice}") from error

    sizes = [buffer.nbytes for buffer in pickled.buffers]
    head = _MAGIC + struct.pack(f"<{2 + len(sizes)}Q", len(pickled.stream), len(sizes), *sizes)

    def write(out: Sink) -> None:
        position = out.write(head) + out.write(pickled.stream)
        for buffer in pickled.buffers:
            position += out.write(bytes(-position % _ALIGNMENT))
            position += out.write(buffer)

    n_bytes = len(head) + len(pickled.stream) + sum(sizes)
    return Encoding(
        write,
        _preview(value),
        n_bytes,
        pickled.needs,
        pickled.modules,
        pickled.codecs,
        reducer.has_detached,
    )


def _preview(value: Any) -> str:
    if str(type(value).__module__).partition(".")[0] == "pandas":
        from jupyter_mlpipe.store import frames  # nothing else may load pandas

        if frames.is_frame(value):
            return frames.shape_of(value)
    return type(value).__name__


def _is_open(value: Any) -> bool:
    """Tell whether arrays inside a value are for its user to change: not those of a library's object."""
    return str(type(value).__module__).partition(".")[0] in ("builtins", "collections", "types", "__main__")


def decode(view: memoryview, namespace: dict[str, Any] | None) -> Any:
    if view[: len(_MAGIC)] != _MAGIC:
        raise ValueError("not a pickle of this package")
    position = len(_MAGIC)
    n_stream, n_buffers = struct.unpack_from("<2Q", view, position)
    position += 16
    sizes = struct.unpack_from(f"<{n_buffers}Q", view, position)
    position += 8 * n_buffers
    stream = view[position : position + n_stream]
    position += n_stream
    buffers = []
    for size in sizes:
        position += -position % _ALIGNMENT
        buffers.append(_private(view[position : position + size]))
        position += size
    return load_artifact(stream, buffers, namespace)


def _private(view: memoryview) -> Any:
    if not view.readonly and view.nbytes >= MAPPED_BYTES:
        return view
    numpy = imported("numpy")
    if numpy is None or view.nbytes < _LARGE_BYTES:
        return bytearray(view)
    # NumPy asks for huge pages: half the time, since most of it goes to the first touch of memory.
    copy = numpy.empty(view.nbytes, numpy.uint8)
    copy[:] = numpy.frombuffer(view, numpy.uint8)
    return copy


CODEC = Codec("pickle", 1, encode, decode)
