"""How objects are pickled, for a step (`payload`) and for the store (`artifacts`), and made again.

Functions of the notebook travel by value, and live in the ``__main__`` of the process that loads
them: they see the names of the step, never a frozen copy. Modules, and functions and classes of
modules that can be imported, travel by name. Classes of the notebook travel by value to a step, but
are stored by name, so that ``isinstance`` holds in the notebook and in the steps alike.
"""

from __future__ import annotations

import copyreg
import functools
import importlib
import io
import pickle
import sys
import types
import weakref
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NewType, ParamSpec

import cloudpickle
from cloudpickle import cloudpickle as cloudpickle_internals

from jupyter_mlpipe.errors import EncodingError, UnknownNameError, close_matches
from jupyter_mlpipe.keys.chunks import in_one_piece, is_one_piece
from jupyter_mlpipe.keys.classes import as_made_here
from jupyter_mlpipe.keys.codes import code_reads
from jupyter_mlpipe.keys.custom import BY_TYPE, reduce_custom
from jupyter_mlpipe.keys.homes import find_home, find_in
from jupyter_mlpipe.keys.libraries import callbacks_state, frame_attributes, is_global_state
from jupyter_mlpipe.keys.lossless import add_causes, find_lossless
from jupyter_mlpipe.keys.quiet import leaving_no_trace
from jupyter_mlpipe.keys.refusals import refuse
from jupyter_mlpipe.keys.structures import reduce_type
from jupyter_mlpipe.keys.threadvalue import ThreadValue
from jupyter_mlpipe.model.files import Place

FindReduce = Callable[[type], "Callable[[Any], tuple[Any, ...] | None] | None"]

_REFERRED_TO = (type, types.FunctionType, types.BuiltinFunctionType)
_OF_PYTHON = frozenset({"__main__", "jupyter_mlpipe", "cloudpickle"} | sys.stdlib_module_names)
_LRU_CACHE = type(functools.lru_cache(lambda: None))
_REDUCED_HERE = (
    *_REFERRED_TO,
    types.CodeType,
    types.CellType,
    _LRU_CACHE,
    weakref.WeakKeyDictionary,
    functools.cached_property,
    BaseException,
    Place,
    NewType,
    ParamSpec,
)


def _reduce_file(file: io.TextIOWrapper) -> Any:
    """Reduce Python's own streams, and no other file: cloudpickle makes a text in memory of these."""
    if file is not sys.stdout and file is not sys.stderr:
        refuse(file)
    return cloudpickle.Pickler._dispatch_table[io.TextIOWrapper](file)


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles for the notebook whose names are `namespace`; definitions `by_name` where it finds them so."""

    def __init__(
        self, file: io.BytesIO, namespace: Mapping[str, Any], *, by_name: bool, buffer_callback: Any = None
    ) -> None:
        # One dict: cloudpickle's own is a chain of two, which is slow to ask for each object.
        self.dispatch_table = {
            **copyreg.dispatch_table,
            **cloudpickle.Pickler._dispatch_table,
            io.TextIOWrapper: _reduce_file,
        }
        super().__init__(file, protocol=5, buffer_callback=buffer_callback)
        self._namespace = namespace
        self._by_name = by_name
        # id -> cell. Cells of functions are made empty and filled by the function that holds them:
        # so functions that share a variable go on sharing it, and may hold themselves.
        self._cells: dict[int, types.CellType] = {}
        self._last: object = None
        self.reduced: Mapping[int, tuple[Any, ...]] = {}
        self.find_reduce: FindReduce | None = None
        self.named: dict[str, object] = {}
        self.by_value: frozenset[str] = frozenset()  # names of definitions that are not referred to by them
        self.changed: frozenset[str] = frozenset()  # of classes that elsewhere have other methods
        self.modules: set[str] = set()
        self.codecs: dict[str, str] = {}
        self.read: set[str] = set()
        self.is_artifact = False
        self._left_alone: set[type] = set()  # types whose objects nothing here reduces

    def dump_or_explain(self, value: object) -> None:
        """Pickle a value, or raise EncodingError with the type that stands in the way, and why."""
        try:
            with leaving_no_trace():
                self.dump(value)
        except EncodingError:
            raise
        except Exception as error:  # whatever a user's __reduce__ raises
            culprit = type(self._last if self._last is not None else value)
            raise EncodingError(
                f"a value of type {culprit.__module__}.{culprit.__qualname__} cannot be pickled "
                f"({type(error).__name__}: {error})"
            ) from error

    def reducer_override(self, obj: Any) -> Any:
        self._last = obj
        # Called for thousands of objects in one figure, of few types.
        kind = type(obj)
        if self.reduced and id(obj) in self.reduced:
            return self.reduced[id(obj)]
        if kind in self._left_alone:
            return NotImplemented
        if BY_TYPE and (reduced := reduce_custom(obj)) is not None:
            name, version = reduced[1][:2]
            self.codecs[name] = version
            self._note_module(kind)
            return reduced
        of_store = self.find_reduce(kind) if self.find_reduce is not None else None
        if of_store is not None and (reduced := of_store(obj)) is not None:
            self._note_module(kind)
            return reduced
        is_arrow = kind.__module__ == "pyarrow.lib"
        if is_arrow and (reduced := self._reduce_arrow(obj)) is not None:
            return reduced
        of_library = _OF_LIBRARIES.get(kind.__name__)
        if of_library is not None and (reduced := of_library(obj)) is not None:
            return reduced
        lossless = find_lossless(kind)
        if lossless is not None and not isinstance(obj, BaseException) and (reduced := lossless(obj)):
            self._note_module(kind)
            return reduced
        if not isinstance(obj, _REDUCED_HERE):
            # An object may say that it is of another class.
            if of_store is of_library is lossless is None and not is_arrow and obj.__class__ is kind:
                self._left_alone.add(kind)
            return NotImplemented
        if isinstance(obj, _REFERRED_TO) and isinstance(obj.__module__, str):
            self._note_module(obj)
        if isinstance(obj, types.FunctionType):
            return self._reduce_function(obj)
        if isinstance(obj, Place):
            if self.is_artifact:
                raise pickle.PicklingError("its content would not be kept")
            return NotImplemented
        if isinstance(obj, types.CellType) and id(obj) in self._cells:
            return _make_empty_cell, ()
        if self._by_name and isinstance(obj, type) and obj.__module__ == "__main__" and self._names(obj):
            return _find_definition, (obj.__qualname__,)
        if isinstance(obj, _LRU_CACHE) and getattr(obj, "__module__", None) == "__main__":
            # By itself it would ask for its name, which nobody has yet when a closure is loaded.
            if self._by_name and self._names(obj):
                return _find_definition, (obj.__qualname__,)
            parameters = obj.cache_parameters()
            return _make_cached, (obj.__wrapped__, parameters["maxsize"], parameters["typed"])
        if isinstance(obj, BaseException) and type(obj).__reduce__ is BaseException.__reduce__:
            # Its class is called with what was said last to the base class, which it may not take.
            return add_causes(obj, (_make_exception, (type(obj), obj.args), obj.__dict__ or None))
        if isinstance(obj, BaseException) and lossless is not None and (reduced := lossless(obj)):
            return reduced
        if type(obj) is weakref.WeakKeyDictionary:
            # A function made by singledispatch holds one.
            return weakref.WeakKeyDictionary, (dict(obj),)
        if isinstance(obj, functools.cached_property) and kind is functools.cached_property:
            # Before Python 3.12 it has a lock.
            state = {name: part for name, part in vars(obj).items() if name != "lock"}
            return functools.cached_property, (obj.func,), state
        if isinstance(obj, types.CodeType):
            return _reduce_code(obj)
        if isinstance(obj, NewType | ParamSpec):
            # Both would only give their names.
            if obj.__module__ != "__main__":
                return NotImplemented
            if isinstance(obj, NewType):
                return copyreg.__newobj__, (NewType,), dict(vars(obj))  # type: ignore[attr-defined]
            return ParamSpec, (obj.__name__,)
        if isinstance(obj, type) and (reduced := reduce_type(obj)) is not None:
            return reduced
        reduced = super().reducer_override(obj)
        return as_made_here(obj, reduced, is_stored=self._by_name) if isinstance(obj, type) else reduced

    def _reduce_arrow(self, value: Any) -> tuple[Any, ...] | None:
        """Have arrays of Arrow come in one piece: where they are read, or, as equal bytes, in the store."""
        arrow = sys.modules["pyarrow"]
        if not isinstance(value, arrow.Array | arrow.ChunkedArray) or is_one_piece(value):
            return None
        if self.is_artifact:
            value = in_one_piece(value, arrow)
            return None if not is_one_piece(value) else value.__reduce__()
        make, args = value.__reduce__()
        return _make_one_piece, (make, args)

    def _note_module(self, definition: Any) -> None:
        top = str(definition.__module__).partition(".")[0]
        if top not in _OF_PYTHON:
            self.modules.add(top)

    def _reduce_function(self, function: types.FunctionType) -> Any:
        if function.__globals__ is self._namespace:
            top, is_method, _ = function.__qualname__.partition(".")
            is_elsewhere = not (is_method and top in self.changed)
            if self._by_name and is_elsewhere and self._names(function):
                return _find_definition, (function.__qualname__,)
            if self._by_name:
                reads = code_reads(function.__code__)
                self.read.update(reads.names, reads.words)
            home = None
        else:
            if cloudpickle_internals._should_pickle_by_reference(function):
                return NotImplemented
            home = function.__globals__.get("__name__")
            module = sys.modules.get(home) if isinstance(home, str) and home != "__main__" else None
            if module is None or vars(module) is not function.__globals__:
                return super().reducer_override(function)
        closure = function.__closure__
        if closure is not None:
            self._cells.update((id(cell), cell) for cell in closure)
        contents = None if closure is None else tuple(map(_cell_contents, closure))
        state = {
            "__name__": function.__name__,
            "__qualname__": function.__qualname__,
            "__defaults__": function.__defaults__,
            "__kwdefaults__": function.__kwdefaults__,
            "__annotations__": function.__annotations__,
            "__module__": function.__module__,
            "__doc__": function.__doc__,
        }
        return (
            _make_function,
            (function.__code__, home, closure),
            (state, dict(function.__dict__), contents),
            None,
            None,
            _set_function_state,
        )

    def _names(self, definition: Any) -> bool:
        """Tell whether the notebook finds this very definition by its qualified name; note it then."""
        if find_in(self._namespace, definition.__qualname__) is not definition:
            return False
        top = definition.__qualname__.partition(".")[0]
        # In the notebook `_` is the last result.
        if top in self.by_value or not top.strip("_"):
            return False
        self.named[top] = self._namespace[top]
        return True


def _reduce_frame(value: Any) -> tuple[Any, ...] | None:
    """Pickle what was set on a frame as on any object, which pandas leaves out of the state that it gives."""
    if str(type(value).__module__).partition(".")[0] != "pandas" or not (own := frame_attributes(value)):
        return None
    make, args, state, *rest = value.__reduce_ex__(4)
    return (make, args, {**state, **own}, *rest)


def _reduce_vectorized(value: Any) -> tuple[Any, ...] | None:
    """Leave out the functions made for the calls so far, which nobody can pickle; it makes them anew."""
    if str(type(value).__module__).partition(".")[0] != "numpy":
        return None
    return copyreg.__newobj__, (type(value),), {**vars(value), "_ufunc": {}}  # type: ignore[attr-defined]


def _reduce_callbacks(value: Any) -> tuple[Any, ...] | None:
    if str(type(value).__module__).partition(".")[0] != "matplotlib":
        return None
    return copyreg.__newobj__, (type(value),), callbacks_state(value)  # type: ignore[attr-defined]


def _reduce_random_state(value: Any) -> tuple[Any, ...] | None:
    """Let what draws from NumPy's global state go on doing so: scipy's distributions, fitted models."""
    return (_global_random_state, ()) if is_global_state(value) else None


def _reduce_ufunc(value: Any) -> tuple[Any, ...] | None:
    """Say where it is imported from: pickle would take the first module that has it, such as the notebook."""
    home = find_home(value)
    return (_imported, home) if home is not None else None


# By name: libraries are looked at, never imported.
_OF_LIBRARIES = {
    "ufunc": _reduce_ufunc,
    "DataFrame": _reduce_frame,
    "Series": _reduce_frame,
    "vectorize": _reduce_vectorized,
    "RandomState": _reduce_random_state,
    "CallbackRegistry": _reduce_callbacks,
}


def _reduce_code(code: types.CodeType) -> tuple[Any, ...]:
    """Reduce code with the name of its file, by which its source is found; cloudpickle 3.1.3 drops it."""
    make, arguments = cloudpickle_internals._code_reduce(code)
    names = (code.co_filename if part == "<dynamic-code>" else part for part in arguments)
    return make, tuple(names)


_earlier: ThreadValue[Mapping[str, Any]] = ThreadValue({})
_namespace: ThreadValue[dict[str, Any] | None] = ThreadValue(None)


def referring_to(earlier: Mapping[str, Any]) -> AbstractContextManager[None]:
    """Let what stored values refer to be looked up here first, within the block."""
    return _earlier.set_to(earlier)


def loading_into(namespace: dict[str, Any]) -> AbstractContextManager[None]:
    """Let what is loaded within the block find its definitions, and have its globals, there."""
    return _namespace.set_to(namespace)


def _notebook_namespace() -> dict[str, Any]:
    namespace = _namespace.value
    return vars(sys.modules["__main__"]) if namespace is None else namespace


def _cell_contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _Empty


# What follows is named in pickles: moving or renaming it makes stored artifacts unreadable.


class _Empty:
    """Marks an empty cell."""


def _global_random_state() -> Any:
    return importlib.import_module("numpy.random.mtrand")._rand


def _imported(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def _make_one_piece(make: Any, args: tuple[Any, ...]) -> Any:
    return in_one_piece(make(*args), importlib.import_module("pyarrow"))


def _make_empty_cell() -> types.CellType:
    return types.CellType()


def _make_function(
    code: types.CodeType, home: str | None, closure: tuple[types.CellType, ...] | None
) -> types.FunctionType:
    namespace = _notebook_namespace() if home is None else vars(importlib.import_module(home))
    return types.FunctionType(code, namespace, closure=closure)


def _make_exception(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    made = kind.__new__(kind, *args)
    made.args = args
    return made


def _make_cached(function: Any, maxsize: int | None, typed: bool) -> Any:
    return functools.lru_cache(maxsize, typed)(function)


def _set_function_state(
    function: types.FunctionType,
    state: tuple[dict[str, Any], dict[str, Any], tuple[Any, ...] | None],
) -> None:
    attributes, own, contents = state
    for name, value in attributes.items():
        setattr(function, name, value)
    function.__dict__.update(own)
    for cell, value in zip(function.__closure__ or (), contents or (), strict=True):
        if value is not _Empty:
            cell.cell_contents = value


def _find_definition(qualname: str) -> Any:
    namespace = _notebook_namespace()
    earlier = _earlier.value
    found = find_in(earlier if qualname.partition(".")[0] in earlier else namespace, qualname)
    if found is None:
        raise UnknownNameError(
            f"This value needs '{qualname}', which the notebook does not define. Run the cell that "
            f"defines it, then read the value again.{close_matches(qualname, namespace)}"
        )
    return found
