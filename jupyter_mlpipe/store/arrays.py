"""NumPy arrays in the ``.npy`` format: canonical, readable elsewhere, and never a pickle."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from jupyter_mlpipe.keys.views import axes_in_memory, strides_with_gaps
from jupyter_mlpipe.store.encoding import Codec, Encoding, Sink
from jupyter_mlpipe.store.mapping import MAPPED_BYTES

_KINDS = frozenset("biufcmMSUV")
_CHUNK_BYTES = 16 << 20


def encode(value: Any, namespace: Mapping[str, object]) -> Encoding | None:
    # Subclasses (matrix, memmap, MaskedArray, recarray) carry more than their elements.
    if type(value) is not np.ndarray or not _is_exact(value.dtype):
        return None
    if value.size and (not value.flags.writeable or axes_in_memory(value) or strides_with_gaps(value)):
        return None
    fortran = value.flags.f_contiguous and not value.flags.c_contiguous

    def write(out: Sink) -> None:
        header = io.BytesIO()
        np.lib.format.write_array_header_2_0(
            header,
            {
                "descr": np.lib.format.dtype_to_descr(value.dtype),
                "fortran_order": fortran,
                "shape": value.shape,
            },
        )
        out.write(header.getvalue())
        ordered = value.T if fortran else value
        if not value.size:
            return
        if ordered.flags.c_contiguous:
            out.write(_bytes_of(ordered))
            return
        # In pieces along the first axis, so that a view of a large array needs no second one.
        n_rows = max(1, _CHUNK_BYTES // max(1, ordered.nbytes // len(ordered)))
        for start in range(0, len(ordered), n_rows):
            out.write(_bytes_of(np.ascontiguousarray(ordered[start : start + n_rows])))

    return Encoding(write, f"{value.dtype}[{', '.join(map(str, value.shape))}]", value.nbytes + 128)


def _bytes_of(array: np.ndarray[Any, Any]) -> Any:
    # Not memoryview(array): dates and records have no buffer format.
    return array.reshape(-1).view(np.uint8)


def _is_exact(dtype: np.dtype[Any]) -> bool:
    """Tell whether the format describes the type completely."""
    if dtype.kind not in _KINDS or dtype.hasobject or not dtype.itemsize or dtype.metadata:
        return False
    if dtype.fields is None:
        return dtype.subdtype is None
    if _has_metadata(dtype):
        return False  # of which NumPy would warn
    try:
        again = np.lib.format.descr_to_dtype(np.lib.format.dtype_to_descr(dtype))
    except (ValueError, TypeError):
        return False
    return (
        bool(again == dtype)
        and again.isalignedstruct == dtype.isalignedstruct
        and all(len(field) == 2 for field in dtype.fields.values())
    )


def _has_metadata(dtype: np.dtype[Any]) -> bool:
    """Tell whether a type, or one within it, holds what no file says of it."""
    if dtype.metadata is not None:
        return True
    if dtype.subdtype is not None:
        return _has_metadata(dtype.subdtype[0])
    return any(_has_metadata(field[0]) for field in (dtype.fields or {}).values())


def decode(view: memoryview, namespace: dict[str, Any] | None) -> Any:
    header = io.BytesIO(view[: 1 << 16])
    version = np.lib.format.read_magic(header)
    if version != (2, 0):
        raise ValueError(f"unexpected .npy version {version}")
    try:
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(header, max_header_size=1 << 16)
    except ValueError:
        # A record type of thousands of fields.
        header = io.BytesIO(view[: 1 << 24])
        np.lib.format.read_magic(header)
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(header, max_header_size=1 << 24)
    if not view.readonly and view.nbytes >= MAPPED_BYTES:
        return np.ndarray(shape, dtype, view, header.tell(), order="F" if fortran else "C")
    array = np.empty(shape, dtype, order="F" if fortran else "C")
    if array.size:
        flat = (array.T if fortran else array).reshape(-1).view(np.uint8)
        flat[:] = np.frombuffer(view, np.uint8, offset=header.tell())
    return array


CODEC = Codec("npy", 1, encode, decode)
