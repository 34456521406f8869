"""Whether two values are equal in all that code can see of them: types, order, layout, what is one object."""

from __future__ import annotations

import collections
import copyreg
import datetime as dt
import re
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import scipy.sparse

_COMPARED_BY_EQUALITY = (
    str, bytes, bytearray, int, bool, range, slice, types.ModuleType, re.Pattern, type(...),
    type(NotImplemented), type(None), dt.timedelta,
)  # fmt: skip


def difference(a: Any, b: Any) -> str:
    """Return where two values first differ, and how; empty where they are equal."""
    return next(_Comparison().compare(a, b, "value"), "")


class _Comparison:
    def __init__(self) -> None:
        self._counterparts: dict[int, Any] = {}
        self._alive: list[Any] = []

    def compare(self, a: Any, b: Any, at: str) -> Iterator[str]:
        if type(a) is not type(b):
            yield f"{at}: {type(a)} became {type(b)}"
        elif isinstance(a, type) or type(a) in _COMPARED_BY_EQUALITY:
            if a != b:
                yield f"{at}: {a!r} became {b!r}"
        elif type(a) in (float, complex) or isinstance(a, np.generic):
            yield from self._scalar(a, b, at)
        elif id(a) in self._counterparts:
            if self._counterparts[id(a)] is not b:
                yield f"{at}: was another reference to an object, and is an object of its own"
        else:
            self._counterparts[id(a)] = b
            self._alive += [a, b]
            yield from self._parts(a, b, at)

    def _scalar(self, a: Any, b: Any, at: str) -> Iterator[str]:
        one, other = np.asarray(a), np.asarray(b)
        if one.dtype != other.dtype or one.dtype.metadata != other.dtype.metadata:
            yield f"{at}: {one.dtype} became {other.dtype}"
        elif one.dtype.kind in "fc" and one != one:
            if other == other:
                yield f"{at}: {a!r} became {b!r}"
        elif one.dtype.itemsize == 16 or one.dtype.hasobject:  # longdouble: its padding is arbitrary
            if a != b or np.signbit(np.real(a)) != np.signbit(np.real(b)):
                yield f"{at}: {a!r} became {b!r}"
        elif one.tobytes() != other.tobytes():
            yield f"{at}: {a!r} became {b!r}"

    def _parts(self, a: Any, b: Any, at: str) -> Iterator[str]:
        library = type(a).__module__.partition(".")[0]
        if isinstance(a, np.ndarray):
            yield from self._array(a, b, at)
        elif isinstance(a, pd.DataFrame):
            yield from self._frame(a, b, at)
        elif isinstance(a, pd.Series):
            yield from self._labelled(a, b, at)
            yield from self.compare(a.name, b.name, f"{at}.name")
            if a.dtype != b.dtype or type(a.dtype) is not type(b.dtype):
                yield f"{at}: {a.dtype!r} became {b.dtype!r}"
            yield from self._column(a.array, b.array, at)
        elif isinstance(a, pd.Index):
            yield from self._index(a, b, at)
        elif isinstance(a, pd.api.extensions.ExtensionArray):
            yield from self._column(a, b, at)
        elif library == "pyarrow":
            yield from self._arrow(a, b, at)
        elif library == "polars":
            yield from self._polars(a, b, at)
        elif library == "torch":
            yield from self._torch(a, b, at)
        elif library == "matplotlib" and (hasattr(a, "savefig") or hasattr(a, "get_figure")):
            yield from self._picture(a, b, at)
        elif scipy.sparse.issparse(a):
            yield from self.compare(vars(a), vars(b), at)
        elif isinstance(a, types.FunctionType):
            yield from self._function(a, b, at)
        elif isinstance(a, (types.MethodType, types.BuiltinMethodType)):
            yield from self.compare(a.__self__, b.__self__, f"{at}.__self__")
            yield from self.compare(a.__name__, b.__name__, f"{at}.__name__")
        elif isinstance(a, (list, tuple, collections.deque)):
            yield from self._sequence(a, b, at)
        elif isinstance(a, dict):
            yield from self._sequence(list(a.items()), list(b.items()), at)
            yield from self._attributes(a, b, at)
        elif isinstance(a, types.MappingProxyType):
            yield from self._sequence(list(a.items()), list(b.items()), at)
        elif isinstance(a, (set, frozenset)):
            if a != b or sorted(map(repr, map(type, a))) != sorted(map(repr, map(type, b))):
                yield f"{at}: {a!r} became {b!r}"
        else:
            yield from self._object(a, b, at)

    def _sequence(self, a: Any, b: Any, at: str) -> Iterator[str]:
        if len(a) != len(b):
            yield f"{at}: {len(a)} elements became {len(b)}"
            return
        for i, (one, other) in enumerate(zip(a, b, strict=True)):
            yield from self.compare(one, other, f"{at}[{i}]")
        if isinstance(a, collections.deque):
            yield from self.compare(a.maxlen, b.maxlen, f"{at}.maxlen")
        yield from self._attributes(a, b, at)

    def _attributes(self, a: Any, b: Any, at: str) -> Iterator[str]:
        if isinstance(a, collections.defaultdict):
            yield from self.compare(a.default_factory, b.default_factory, f"{at}.default_factory")
        if hasattr(a, "__dict__"):
            yield from self._sequence(sorted(vars(a).items()), sorted(vars(b).items()), at)

    def _object(self, a: Any, b: Any, at: str) -> Iterator[str]:
        if isinstance(a, BaseException):
            yield from self.compare(a.args, b.args, f"{at}.args")
            yield from self.compare(vars(a), vars(b), at)
            for name in ("__cause__", "__context__", "__suppress_context__"):
                yield from self.compare(getattr(a, name), getattr(b, name), f"{at}.{name}")
            return
        one, other = (_reduced(value) for value in (a, b))
        if isinstance(one, str) or isinstance(other, str):
            if a is not b:
                yield f"{at}: {one!r} is not the same object"
            return
        for i, (left, right) in enumerate(zip(one, other, strict=True)):
            if i == 2 and isinstance(left, dict) and isinstance(right, dict):
                left, right = (dict(sorted(part.items(), key=str)) for part in (left, right))
            yield from self.compare(left, right, f"{at}: {type(a).__name__} part {i}")

    def _function(self, a: Any, b: Any, at: str) -> Iterator[str]:
        for name in ("__name__", "__qualname__", "__module__", "__defaults__", "__kwdefaults__", "__dict__"):
            yield from self.compare(getattr(a, name), getattr(b, name), f"{at}.{name}")
        if a.__code__ != b.__code__:
            yield f"{at}: its code is another"
        cells = [[cell.cell_contents for cell in f.__closure__ or ()] for f in (a, b)]
        yield from self.compare(*cells, f"{at}.__closure__")

    def _array(self, a: Any, b: Any, at: str) -> Iterator[str]:
        if type(a) is np.ndarray and a.size and not a.dtype.hasobject:
            if a.flags.writeable != b.flags.writeable:
                yield f"{at}: whether it can be written to"
            is_whole = a.base is not None and a.size == getattr(a.base, "size", 0) and min(a.strides) > 0
            repeats = any(n > 1 and stride == 0 for n, stride in zip(a.shape, a.strides, strict=True))
            if a.strides != b.strides and (is_whole or repeats):
                yield f"{at}: strides {a.strides} became {b.strides}"
        elif not b.flags.writeable:
            yield f"{at}: cannot be written to"
        facts = [
            (x.dtype, x.dtype.metadata, x.dtype.isalignedstruct, x.dtype.isnative, x.shape) for x in (a, b)
        ]
        if facts[0] != facts[1]:
            yield f"{at}: {facts[0]} became {facts[1]}"
        elif a.flags.f_contiguous != b.flags.f_contiguous and (a.flags.f_contiguous or a.flags.c_contiguous):
            yield f"{at}: its order in memory is another"
        elif isinstance(a, np.ma.MaskedArray):
            yield from self.compare(a.filled(), b.filled(), at)
            yield from self.compare(a.mask, b.mask, f"{at}.mask")
            yield from self.compare(a.hardmask, b.hardmask, f"{at}.hardmask")
            yield from self.compare(a.fill_value, b.fill_value, f"{at}.fill_value")
        elif a.dtype.hasobject or a.dtype.kind == "T":
            yield from self.compare(np.asarray(a).tolist(), np.asarray(b).tolist(), at)
        elif a.dtype.kind in "fc":
            if not np.array_equal(a, b, equal_nan=True) or np.any(np.signbit(a.real) != np.signbit(b.real)):
                yield f"{at}: its elements differ"
        elif a.dtype.names and a.dtype.isalignedstruct:  # with gaps, where anything may be
            yield from self.compare(a.tolist(), b.tolist(), at)
        elif a.tobytes() != b.tobytes():
            yield f"{at}: its elements differ"
        if not type(a).__module__.startswith("numpy"):
            yield from self._attributes(a, b, at)

    def _labelled(self, a: Any, b: Any, at: str) -> Iterator[str]:
        yield from self._index(a.index, b.index, f"{at}.index")
        yield from self.compare(a.attrs, b.attrs, f"{at}.attrs")
        yield from self.compare(
            a.flags.allows_duplicate_labels, b.flags.allows_duplicate_labels, f"{at}.flags"
        )
        own = [{n: v for n, v in vars(x).items() if not n.startswith("_")} for x in (a, b)]
        yield from self.compare(*own, at)
        for name in getattr(a, "_metadata", ()):
            if name != "_name":
                yield from self.compare(getattr(a, name, None), getattr(b, name, None), f"{at}.{name}")

    def _frame(self, a: Any, b: Any, at: str) -> Iterator[str]:
        yield from self._labelled(a, b, at)
        yield from self._index(a.columns, b.columns, f"{at}.columns")
        if a.shape != b.shape or list(a.dtypes) != list(b.dtypes):
            yield f"{at}: {a.shape}, {list(a.dtypes)} became {b.shape}, {list(b.dtypes)}"
            return
        for i in range(a.shape[1]):
            yield from self._column(a.iloc[:, i].array, b.iloc[:, i].array, f"{at}[{a.columns[i]!r}]")

    def _index(self, a: Any, b: Any, at: str) -> Iterator[str]:
        if type(a) is not type(b) or a.dtype != b.dtype or len(a) != len(b):
            yield f"{at}: {a!r} became {b!r}"
            return
        yield from self.compare(list(a.names), list(b.names), f"{at}.names")
        yield from self.compare(getattr(a, "freq", None), getattr(b, "freq", None), f"{at}.freq")
        if isinstance(a, pd.RangeIndex):
            yield from self.compare((a.start, a.stop, a.step), (b.start, b.stop, b.step), at)
        elif isinstance(a, pd.MultiIndex):
            for i, (one, other) in enumerate(zip(a.levels, b.levels, strict=True)):
                yield from self._index(one, other, f"{at}.levels[{i}]")
            for one, other in zip(a.codes, b.codes, strict=True):
                yield from self._values(np.array(one), np.array(other), f"{at}.codes")
            yield from self.compare(a.sortorder, b.sortorder, f"{at}.sortorder")
        else:
            yield from self._column(a.array, b.array, at)

    def _column(self, a: Any, b: Any, at: str) -> Iterator[str]:
        if type(a) is not type(b) or a.dtype != b.dtype or repr(a.dtype) != repr(b.dtype):
            yield f"{at}: {a!r} became {b!r}"
            return
        if len(a) != len(b):
            yield f"{at}: {len(a)} elements became {len(b)}"
            return
        tz = [getattr(x.dtype, "tz", None) for x in (a, b)]
        if type(tz[0]) is not type(tz[1]) or str(tz[0]) != str(tz[1]):
            yield f"{at}: zone {tz[0]!r} became {tz[1]!r}"
        if isinstance(a, pd.Categorical):
            yield from self._index(a.categories, b.categories, f"{at}.categories")
            yield from self._values(np.array(a.codes), np.array(b.codes), f"{at}.codes")
        elif isinstance(a, pd.arrays.SparseArray):
            yield from self.compare(a.fill_value, b.fill_value, f"{at}.fill_value")
            yield from self._values(a.sp_values, b.sp_values, f"{at}.sp_values")
            yield from self._values(a.sp_index.indices, b.sp_index.indices, f"{at}.sp_index")
            yield from self.compare(type(a.sp_index), type(b.sp_index), f"{at}.sp_index")
        elif isinstance(a, pd.arrays.IntervalArray):
            yield from self._index(a.left, b.left, f"{at}.left")
            yield from self._index(a.right, b.right, f"{at}.right")
        elif isinstance(a.dtype, np.dtype) and not a.dtype.hasobject:
            yield from self._values(a.to_numpy(), b.to_numpy(), at)
        else:
            yield from self.compare(a.tolist(), b.tolist(), at)

    def _values(self, a: Any, b: Any, at: str) -> Iterator[str]:
        # Copied: what pandas hands out of a table is there to be read.
        yield from self._array(a.copy(), b.copy(), at)

    def _arrow(self, a: Any, b: Any, at: str) -> Iterator[str]:
        if isinstance(a, (pa.Table, pa.RecordBatch)):
            if not a.schema.equals(b.schema, check_metadata=True):
                yield f"{at}: {a.schema!r} became {b.schema!r}"
            if [field.metadata for field in a.schema] != [field.metadata for field in b.schema]:
                yield f"{at}: what its fields say differs"
            yield from self.compare(a.to_pydict() if a.num_columns < 2 else a.to_pylist(),
                                    b.to_pydict() if b.num_columns < 2 else b.to_pylist(), at)  # fmt: skip
            if a.num_rows != b.num_rows:
                yield f"{at}: {a.num_rows} rows became {b.num_rows}"
        elif isinstance(a, (pa.Array, pa.ChunkedArray)):
            if a.type != b.type:
                yield f"{at}: {a.type} became {b.type}"
            yield from self.compare(a.to_pylist(), b.to_pylist(), at)
        elif isinstance(a, (pa.Schema, pa.DataType, pa.Field, pa.Scalar, pa.Buffer)):
            if a != b:
                yield f"{at}: {a!r} became {b!r}"
        else:
            raise TypeError(type(a))

    def _polars(self, a: Any, b: Any, at: str) -> Iterator[str]:
        polars = sys.modules["polars"]
        if isinstance(a, polars.DataFrame):
            if a.schema != b.schema or not a.equals(b) or list(a.schema) != list(b.schema):
                yield f"{at}: {a!r} became {b!r}"
            for one, other in zip(a, b, strict=True):
                yield from self._polars(one, other, f"{at}[{one.name!r}]")
        elif isinstance(a, polars.Series):
            if a.dtype != b.dtype or repr(a.dtype) != repr(b.dtype) or a.name != b.name:
                yield f"{at}: {a!r} became {b!r}"
            if a.dtype != polars.Object and not a.equals(b, check_dtypes=True, check_names=True):
                yield f"{at}: {a!r} became {b!r}"
            yield from self.compare(a.to_list(), b.to_list(), at)
        elif isinstance(a, polars.LazyFrame):
            yield from self._polars(a.collect(), b.collect(), at)
        elif a != b:
            yield f"{at}: {a!r} became {b!r}"

    def _torch(self, a: Any, b: Any, at: str) -> Iterator[str]:
        torch = sys.modules["torch"]
        if not isinstance(a, torch.Tensor):
            yield from self._object(a, b, at)
            return
        facts = [
            (x.dtype, x.shape, x.layout, x.device, x.requires_grad, x.is_leaf, x.stride(), x.storage_offset())
            if x.layout == torch.strided
            else (x.dtype, x.shape, x.layout, x.device, x.requires_grad)
            for x in (a, b)
        ]
        if facts[0] != facts[1]:
            yield f"{at}: {facts[0]} became {facts[1]}"
        elif a.layout != torch.strided:
            yield from self.compare(a.to_dense(), b.to_dense(), at)
        elif a.is_quantized:
            if not torch.equal(a.int_repr(), b.int_repr()) or a.qscheme() != b.qscheme():
                yield f"{at}: its elements differ"
        else:
            # By bytes: not every dtype can be compared.
            raw = [x.detach().resolve_conj().contiguous().reshape(-1).view(torch.uint8) for x in (a, b)]
            if not torch.equal(*raw):
                yield f"{at}: its elements differ"
            storages = [x.untyped_storage() for x in (a, b)]
            if storages[0].nbytes() > storages[1].nbytes():
                yield f"{at}: its memory is smaller"
            key = -1 - storages[0]._cdata
            if self._counterparts.setdefault(key, storages[1]._cdata) != storages[1]._cdata:
                yield f"{at}: it shares its memory no longer"
        if a.grad is not None or b.grad is not None:
            yield from self.compare(a.grad, b.grad, f"{at}.grad")
        yield from self.compare(vars(a), vars(b), at)

    def _picture(self, a: Any, b: Any, at: str) -> Iterator[str]:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        pictures = []
        for artist in (a, b):
            canvas = FigureCanvasAgg(artist if hasattr(artist, "savefig") else artist.get_figure())
            canvas.draw()
            pictures.append(np.array(canvas.buffer_rgba()))
        if not np.array_equal(*pictures):
            yield f"{at}: it is drawn otherwise"
        if [type(part) for part in a.findobj()] != [type(part) for part in b.findobj()]:
            yield f"{at}: it holds other artists"


def _reduced(value: Any) -> Any:
    """Return what a pickle of it would hold, its iterators read."""
    reducer = copyreg.dispatch_table.get(type(value))
    found = value.__reduce_ex__(4) if reducer is None else reducer(value)  # type: ignore[call-arg]
    if isinstance(found, str):
        return found
    parts = [*found, None, None, None, None][:6]
    return [parts[0], parts[1], parts[2], *(list(p) if p is not None else None for p in parts[3:5]), parts[5]]
