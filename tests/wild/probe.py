"""Describes a namespace by value; its text is run in the kernel, after the notebook.

Two kernels' descriptions of the same value are equal: nothing of a process (addresses, ids, order of
hashes) enters. An object counts as what pickle would keep of it, so that caches which a library
drops when it pickles make no difference.
"""

import array
import collections
import functools
import hashlib
import io
import json
import re
import sys
import types
from typing import Any

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}|\b\d{12,}\b(?=>)")
_NODES = 200_000
_DEPTH = 40


class Describer:
    """Feeds a canonical account of one value into a digest, and keeps a short text of it."""

    def __init__(self) -> None:
        self.digest = hashlib.blake2b(digest_size=12)
        self.nodes = 0
        self.stack: dict[int, int] = {}
        self.kept: list[Any] = []

    def put(self, *parts: Any) -> None:
        for part in parts:
            raw = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
            self.digest.update(len(raw).to_bytes(8, "little") + raw)

    def walk(self, value: Any) -> None:
        self.nodes += 1
        kind = type(value)
        self.put("(", f"{kind.__module__}.{kind.__qualname__}")
        if self.nodes > _NODES or len(self.stack) > _DEPTH:
            self.put("too much")
        elif id(value) in self.stack:
            self.put("inside", len(self.stack) - self.stack[id(value)])
        else:
            self.stack[id(value)] = len(self.stack)
            # What is made on the way must not be freed: another object would get its id.
            self.kept.append(value)
            try:
                self.content(value)
            finally:
                del self.stack[id(value)]
        self.put(")")

    def content(self, value: Any) -> None:
        if value is None or isinstance(value, bool | int | float | complex | str | bytes | range | slice):
            self.put(repr(value))
        elif isinstance(value, types.ModuleType):
            self.put(value.__name__)
        elif isinstance(value, type):
            self.of_class(value)
        elif isinstance(value, types.FunctionType):
            self.of_function(value)
        elif isinstance(value, types.CodeType):
            self.of_code(value)
        elif isinstance(value, types.BuiltinFunctionType | types.MethodType):
            self.put(value.__qualname__)
            if not isinstance(value.__self__, types.ModuleType | type(None)):
                self.walk(value.__self__)
        elif isinstance(value, tuple | list | collections.deque | array.array):
            self.put(len(value))
            for item in value:
                self.walk(item)
            self.attributes(value)
        elif isinstance(value, dict):
            self.put(len(value))
            for key, item in value.items():
                self.walk(key)
                self.walk(item)
            self.walk(getattr(value, "default_factory", None))
            self.attributes(value)
        elif isinstance(value, set | frozenset):
            self.put(*sorted(describe(item)["digest"] for item in value))
        elif isinstance(value, functools.partial):
            # Its pickle tells whether anybody has asked for its attributes, of which it has none.
            self.walk([value.func, value.args, value.keywords, vars(value)])
        elif isinstance(value, types.GeneratorType | io.IOBase) or hasattr(value, "__next__"):
            self.put("only its type")
        elif not self.of_library(value):
            self.of_object(value)

    def attributes(self, value: Any) -> None:
        """Of a notebook's own kind of container: what else it holds."""
        if type(value).__module__ == "__main__" and getattr(value, "__dict__", None):
            self.walk(dict(sorted(value.__dict__.items(), key=lambda item: str(item[0]))))

    def of_class(self, value: type) -> None:
        self.put(value.__module__, value.__qualname__)
        if value.__module__ == "__main__":
            self.put(*(base.__qualname__ for base in value.__mro__))
            for name, item in sorted(vars(value).items()):
                if name not in _OF_EVERY_CLASS and not isinstance(item, types.GetSetDescriptorType):
                    self.put(name)
                    self.walk(item)

    def of_function(self, value: types.FunctionType) -> None:
        self.put(value.__module__, value.__qualname__)
        if value.__module__ == "__main__":
            self.of_code(value.__code__)
            self.walk(value.__defaults__)
            self.walk(value.__kwdefaults__)
            self.put(value.__doc__)
            # Not what singledispatch remembers of the calls so far.
            remembers = value.__globals__ is vars(functools)
            passed = _OF_DISPATCH if remembers else ("__wrapped__",)
            self.walk({k: v for k, v in sorted(vars(value).items()) if k not in passed})
            for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
                if remembers and name in _OF_DISPATCH:
                    continue
                self.put(name)
                try:
                    self.walk(cell.cell_contents)
                except ValueError:
                    self.put("empty")

    def of_code(self, code: types.CodeType) -> None:
        self.put(code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_name)
        for constant in code.co_consts:
            self.walk(constant)

    def of_library(self, value: Any) -> bool:
        """Describe a value of a library whose pickles say too little or too much."""
        numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
        if numpy and isinstance(value, numpy.ndarray | numpy.generic):
            self.of_array(value)
        elif numpy and isinstance(value, numpy.random.RandomState):
            # Not how it was seeded, of which nothing that it draws depends.
            self.walk(value.get_state(legacy=False))
        elif numpy and isinstance(value, numpy.vectorize):
            # What it has made for the calls so far it makes anew.
            self.walk({k: v for k, v in sorted(vars(value).items()) if k != "_ufunc"})
        elif pandas and isinstance(value, pandas.api.extensions.ExtensionArray):
            self.of_column(value)
        elif pandas and isinstance(value, pandas.DataFrame):
            self.walk(value.columns)
            self.walk(value.index)
            for position in range(value.shape[1]):
                self.of_column(value.iloc[:, position])
            self.walk(dict(value.attrs))
        elif pandas and isinstance(value, pandas.Series):
            self.walk(value.index)
            self.of_column(value)
            self.walk(dict(value.attrs))
        elif pandas and isinstance(value, pandas.MultiIndex):
            self.walk(list(value.names))
            for level in range(value.nlevels):
                self.of_column(value.get_level_values(level))
        elif pandas and isinstance(value, pandas.Index):
            self.walk(list(value.names))
            self.put(getattr(value, "freq", None))
            self.of_column(value)
        elif _is_of(value, "matplotlib.figure", "FigureBase"):
            self.put(value.get_size_inches().tolist() if hasattr(value, "get_size_inches") else "")
            self.of_artist(value)
        elif _is_of(value, "matplotlib.artist", "Artist"):
            self.of_artist(value)
        elif _is_of(value, "matplotlib.container", "Container") or _is_of(value, "matplotlib.axis", "Tick"):
            self.put("only its type")
        elif _is_of(value, "polars", "DataFrame"):
            # Not how it lies in memory: a part of a column is a column when it has been stored.
            for column in value.get_columns():
                self.walk(column)
        elif _is_of(value, "polars", "Series"):
            self.put(value.name, repr(value.dtype))
            self.walk(value.to_list())
        elif _is_of(value, "polars", "LazyFrame"):
            self.walk(value.collect())
        elif _is_of(value, "plotly.basedatatypes", "BaseFigure") or _is_of(
            value, "plotly.basedatatypes", "BasePlotlyType"
        ):
            # Its parts have names and no order.
            self.put(json.dumps(value.to_plotly_json(), sort_keys=True, default=repr))
        elif _is_of(value, "torch._tensor", "Tensor"):
            self.put(value.dtype, tuple(value.shape), value.requires_grad, value.device)
            self.of_array(value.detach().cpu().resolve_conj().numpy())
        elif _is_of(value, "torch.nn.modules.module", "Module"):
            self.put(repr(value), value.training)
            self.walk(dict(value.state_dict()))
        elif _is_of(value, "torch.optim.optimizer", "Optimizer"):
            self.walk(value.state_dict())
        elif _is_of(value, "torch._C", "Generator"):
            self.walk(value.get_state())
        else:
            return False
        return True

    def of_array(self, value: Any) -> None:
        self.put(value.dtype.str, value.dtype.descr if value.dtype.names else "", value.shape)
        if value.dtype.names:
            # Between the fields may lie bytes that nobody has set.
            for name in value.dtype.names:
                self.walk(value[name])
        elif value.dtype.hasobject:
            for item in value.ravel().tolist():
                self.walk(item)
        else:
            self.put(value.tobytes())
        if hasattr(value, "mask"):
            self.put(repr(value.mask))
        self.attributes(value)

    def of_column(self, column: Any) -> None:
        self.put(repr(column.dtype), repr(getattr(column, "name", None)))
        if column.dtype.kind in "biufcmM" and hasattr(column.to_numpy(), "tobytes"):
            self.put(
                column.to_numpy().dtype.str,
                column.to_numpy().tobytes() if column.to_numpy().dtype.kind != "O" else "",
            )
            return
        for item in column.tolist() if hasattr(column, "tolist") else column:
            self.walk(item)

    def of_artist(self, value: Any) -> None:
        """Describe what is drawn, not the objects that draw it: the kind of each part, data and text."""
        for name in ("get_xydata", "get_text", "get_xlim", "get_ylim", "get_offsets", "get_label"):
            found = getattr(value, name, None)
            if found is not None:
                try:
                    self.put(name, _ADDRESS.sub("", repr(found())))
                except Exception as error:
                    self.put(name, type(error).__name__)
        if not _is_of(value, "matplotlib.axis", "Axis"):
            for child in value.get_children():
                self.walk(child)

    def of_object(self, value: Any) -> None:
        try:
            reduced = value.__reduce_ex__(4)
        except Exception:
            self.of_unpicklable(value)
            return
        if isinstance(reduced, str):
            self.put(reduced)
            return
        _, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        self.walk(arguments)
        if isinstance(state, dict):
            state = {
                k: v for k, v in sorted(state.items(), key=lambda item: str(item[0])) if k not in _CACHES
            }
        self.walk(state or None)  # an error has none until somebody asks for its attributes
        self.walk(list(items) if items is not None else None)
        self.walk(list(pairs) if pairs is not None else None)

    def of_unpicklable(self, value: Any) -> None:
        state = getattr(value, "__dict__", None)
        if state:
            self.walk(
                {k: v for k, v in sorted(state.items(), key=lambda item: str(item[0])) if k not in _CACHES}
            )
        else:
            self.put(_ADDRESS.sub("", repr(value)))


_OF_EVERY_CLASS = frozenset(
    ("__dict__", "__weakref__", "__module__", "__firstlineno__", "__static_attributes__", "__slotnames__")
) | {"_abc_impl", "__abstractmethods__", "__annotate_func__", "__annotations_cache__"}
_OF_DISPATCH = frozenset(("__wrapped__", "_clear_cache", "dispatch_cache", "cache_token"))
_CACHES = frozenset(("_cache", "__slotnames__", "_cached_names", "_hash", "_repr"))


def _is_of(value: Any, module: str, name: str) -> bool:
    """Tell whether a value is of a class of a module that may not be imported."""
    found = getattr(sys.modules.get(module), name, None)
    return found is not None and isinstance(value, found)


def describe(value: Any) -> dict[str, Any]:
    """Return type, digest and a short text of a value."""
    describer = Describer()
    try:
        describer.walk(value)
        digest = describer.digest.hexdigest()
    except Exception as error:
        digest = f"{type(error).__name__}: {_ADDRESS.sub('', str(error))[:100]}"
    try:
        text = repr(value)
    except Exception as error:
        text = f"repr failed: {type(error).__name__}"
    kind = type(value)
    return {
        "type": f"{kind.__module__}.{kind.__qualname__}",
        "digest": digest,
        "text": _ADDRESS.sub("0x…", text if len(text) <= 600 else text[:400] + " … " + text[-200:]),
        "complete": describer.nodes <= _NODES,
    }


def describe_all(namespace: dict[str, Any]) -> str:
    """Return JSON: what each name is, and which names are bound to one object that can change."""
    described, shared = {}, collections.defaultdict(list)
    for name, value in sorted(namespace.items()):
        if name.startswith("_") or name in _OF_THE_SHELL:
            continue
        described[name] = describe(value)
        if not isinstance(value, _UNCHANGING):
            shared[id(value)].append(name)
    groups = sorted(sorted(group) for group in shared.values() if len(group) > 1)
    return json.dumps({"names": described, "shared": groups})


_UNCHANGING = (type(None), bool, int, float, complex, str, bytes, tuple, frozenset, type, range)
_UNCHANGING = (*_UNCHANGING, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
_OF_THE_SHELL = ("In", "Out", "exit", "quit", "get_ipython", "open")
