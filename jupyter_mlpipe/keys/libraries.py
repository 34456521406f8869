"""Arrays and tables: by their type, shape, names and bytes; what is an address by what stands there.

Libraries are looked at, never imported.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Hashable, Mapping
from typing import Any

from blake3 import blake3

from jupyter_mlpipe.keys.chunks import copied
from jupyter_mlpipe.keys.imported import imported
from jupyter_mlpipe.keys.moment import once
from jupyter_mlpipe.keys.parts import Bytes, Description, Item, Packed, describe_as
from jupyter_mlpipe.keys.views import axes_in_memory, strides_with_gaps

_PLAIN = frozenset("biufcmMSU")
"""Kinds of dtypes whose elements are all in their bytes."""

_LARGE_BYTES = 1 << 18


def is_global_state(value: Any) -> bool:
    """Tell whether a value is the random state of all of NumPy: what holds it has no state of its own."""
    module = sys.modules.get("numpy.random.mtrand")
    return module is not None and value is module._rand


def _describe_numpy(value: Any, numpy: Any) -> Description | None:
    if is_global_state(value):
        return Description("numpy's global random state", ())
    if type(value) is numpy.vectorize:
        # `_ufunc` holds what it has made for the calls so far.
        return Description("vectorize", _attributes(value, "_ufunc"))
    if isinstance(value, numpy.generic):
        array = numpy.asarray(value)
        if array.dtype.kind in "OV":
            return None
        return describe_as("numpy scalar", array.dtype.str, array.dtype.name, array.tobytes())
    if type(value) is not numpy.ndarray:
        return None
    dtype = value.dtype
    if dtype.metadata is not None:
        return None
    # The order in memory changes how sums are rounded.
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    laid_out = axes_in_memory(value) or strides_with_gaps(value) or order
    if dtype.kind in _PLAIN and not dtype.hasobject:
        flat = value if order == "C" else value.T
        content: Item = Item(Bytes(_bytes_digest(numpy.ascontiguousarray(flat))))
        meta: tuple[Any, ...] = (dtype.str, dtype.name)
        shape = Item(value.shape, "", True)
        return Description("array", (Item(meta, "", True), Item(laid_out), shape, content))
    if dtype.kind in "OT":
        items = Item(list(value.flat), "", is_temporary=True)
        return Description("array", (Item(dtype), Item(order), Item(value.shape, "", True), items))
    return None


def identify_array(value: Any) -> Hashable | None:
    """Return by what a large array is the same at one moment: its memory, and how it lies there.

    None for all else. It has to be held: memory that is given back is soon another array's.
    """
    numpy = imported("numpy")
    if numpy is None or type(value) is not numpy.ndarray or value.nbytes < _LARGE_BYTES:
        return None
    dtype = value.dtype
    if dtype.kind not in _PLAIN or dtype.hasobject or dtype.metadata is not None:
        return None
    address = value.__array_interface__["data"][0]
    return "array", address, value.shape, value.strides, dtype.str, dtype.name, value.flags.writeable


def _bytes_digest(array: Any) -> bytes:
    return blake3(array.reshape(-1).view("u1") if array.nbytes else b"").digest()


def _describe_pandas(value: Any, pandas: Any) -> Description | None:
    kind = type(value)
    if kind is pandas.DataFrame:
        columns = [Item(value.iloc[:, i].array, f"[{value.columns[i]!r}]") for i in range(value.shape[1])]
        return Description("frame", (Item(value.columns), Item(value.index), _pandas_extra(value), *columns))
    if kind is pandas.Series:
        return Description(
            "series", (Item(value.name), Item(value.index), _pandas_extra(value), Item(value.array))
        )
    if isinstance(value, pandas.Index) and str(kind.__module__).partition(".")[0] == "pandas":
        return _describe_index(value, pandas)
    extensions = pandas.api.extensions.ExtensionArray
    if isinstance(value, extensions) and str(kind.__module__).partition(".")[0] == "pandas":
        return _describe_extension(value)
    return None


def frame_attributes(value: Any) -> dict[str, Any]:
    """Return what was set on a frame as on any object: ``df.limit = 5``."""
    # pandas' own names begin with an underscore.
    return {name: part for name, part in vars(value).items() if not name.startswith("_")}


def _pandas_extra(value: Any) -> Item:
    extra = (value.attrs, value.flags.allows_duplicate_labels)
    own = frame_attributes(value)
    return Item((*extra, own) if own else extra, "", is_temporary=True)


def _describe_index(value: Any, pandas: Any) -> Description:
    kind = type(value).__name__
    if kind == "RangeIndex":
        return describe_as(kind, value.start, value.stop, value.step, value.name)
    if kind == "MultiIndex":
        parts = (list(value.levels), list(map(_as_array, value.codes)), list(value.names))
        return Description(kind, tuple(Item(part, "", is_temporary=True) for part in parts))
    return Description(kind, (Item(value.name), Item(_frequency(value), "", True), Item(value.array)))


def _frequency(index: Any) -> Any:
    """Return what a frequency is: of one of the user's own, its text leaves out the days."""
    freq = getattr(index, "freq", None)
    if freq is None or not hasattr(freq, "weekmask"):
        return getattr(index, "freqstr", None)
    # Those of pandas itself, such as business days, have these attributes and nothing in them.
    return freq.freqstr, freq.weekmask, [str(day) for day in freq.holidays or ()]


def _as_array(codes: Any) -> Any:
    return sys.modules["numpy"].asarray(codes)


def _describe_extension(value: Any) -> Description | None:
    kind = type(value).__name__
    if kind in ("NumpyExtensionArray", "PandasArray"):
        return Description("column", (Item(Packed(value.to_numpy())),))
    if kind == "Categorical":
        return Description(kind, (Item(value.codes.copy()), Item(value.categories), Item(value.ordered)))
    if kind in ("DatetimeArray", "TimedeltaArray", "PeriodArray"):
        # A zone of the same name may be Python's, or of one of several libraries.
        zone = getattr(value.dtype, "tz", None)
        of_zone = (Item(f"{type(zone).__module__}.{type(zone).__qualname__}"),) if zone is not None else ()
        return Description(kind, (Item(str(value.dtype)), *of_zone, Item(Packed(value.asi8))))
    if hasattr(value, "_mask") and hasattr(value, "_data"):
        # What stands below the mask is left over from earlier operations.
        content = value._data.copy()
        content[value._mask] = content.dtype.type()
        return Description(kind, (Item(value.dtype.name), Item(content), Item(Packed(value._mask))))
    arrow = getattr(value, "_pa_array", None)
    if arrow is not None:
        storage, missing = getattr(value.dtype, "storage", ""), repr(getattr(value.dtype, "na_value", ""))
        return Description(kind, (Item(str(value.dtype)), Item(storage), Item(missing), Item(arrow)))
    return None


def _describe_arrow(value: Any, arrow: Any) -> Description | None:
    kind = type(value)
    if isinstance(value, arrow.Array | arrow.ChunkedArray):
        table = arrow.table({"": value})
    elif kind is arrow.Table:
        table = value
    elif kind is arrow.RecordBatch:
        table = arrow.Table.from_batches([value])
    else:
        return None
    name = "Array" if isinstance(value, arrow.Array) else kind.__name__
    # It cannot be changed, and takes long.
    content = once(("arrow", id(value)), value, lambda: _arrow_digest(table, arrow))
    return Description("arrow", (Item(name), Item(Bytes(content))))


def _arrow_digest(table: Any, arrow: Any) -> bytes:
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(copied(table, arrow).combine_chunks())
    return blake3(sink.getvalue()).digest()


def _describe_torch(value: Any, torch: Any) -> Description | None:
    if type(value) not in (torch.Tensor, torch.nn.Parameter) or value.layout != torch.strided:
        return None
    if value.is_quantized or value.device.type == "meta":
        return None
    # What torch puts into a pickle has addresses in it.
    raw = value.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1).view(torch.uint8)
    meta = (str(value.dtype), str(value.device), tuple(value.shape), value.stride(), value.requires_grad)
    gradient = value.grad if value.is_leaf else None
    return Description(
        "tensor",
        (
            Item(type(value).__name__),
            Item(meta, "", True),
            Item(Bytes(_bytes_digest(raw.numpy()))),
            Item(gradient, ".grad"),
            Item(dict(vars(value)), "", is_temporary=True),
        ),
    )


def _describe_transform(value: Any, transforms: Any) -> Description | None:
    if not isinstance(value, transforms.TransformNode):
        return None
    # Its parents are there by their addresses, and each of them refers to it.
    return Description("transform", (Item(type(value)), *_attributes(value, "_parents")))


def _describe_callbacks(value: Any, cbook: Any) -> Description | None:
    if type(value) is not cbook.CallbackRegistry:
        return None
    state = callbacks_state(value)
    return Description("callbacks", _items(state, "_cid_gen"))


def callbacks_state(value: Any) -> dict[str, Any]:
    """Return what Matplotlib gives to be pickled of callbacks.

    It counts on each time that it is asked. That is put back: to look at a figure must not change it.
    """
    state: dict[str, Any] = value.__getstate__()
    if isinstance(number := state.get("_cid_gen"), int):
        value._cid_gen = itertools.count(number)
    return state


def _attributes(value: Any, without: str) -> tuple[Item, ...]:
    return _items(vars(value), without)


def _items(attributes: Mapping[str, Any], without: str) -> tuple[Item, ...]:
    kept = ((name, part) for name, part in attributes.items() if name != without)
    return tuple(Item(pair, f".{pair[0]}", is_temporary=True) for pair in kept)


LIBRARIES = (
    ("numpy", _describe_numpy),
    ("pandas", _describe_pandas),
    ("pyarrow", _describe_arrow),
    ("torch", _describe_torch),
    ("matplotlib.transforms", _describe_transform),
    ("matplotlib.cbook", _describe_callbacks),
)
