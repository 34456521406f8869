"""Pickles of what a step is sent and of what it stores.

Functions of the notebook travel by value, and live in the ``__main__`` of the process that loads
them: they see the names of the step, never a frozen copy. Modules, and functions and classes of
modules that can be imported, travel by name. Classes of the notebook travel by value to a step, but
are stored by name, so that ``isinstance`` holds in the notebook and in the steps alike.
"""

from __future__ import annotations

import contextlib
import copyreg
import functools
import importlib
import io
import itertools
import pickle
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NewType, ParamSpec

import cloudpickle
from cloudpickle import cloudpickle as cloudpickle_internals

from jupyter_mlpipe.errors import EncodingError, UnknownNameError, close_matches
from jupyter_mlpipe.keys.codes import code_reads
from jupyter_mlpipe.keys.custom import BY_TYPE, reduce_custom
from jupyter_mlpipe.keys.earlier import is_kept_as
from jupyter_mlpipe.keys.homes import find_home
from jupyter_mlpipe.keys.libraries import callbacks_state, frame_attributes, is_global_state
from jupyter_mlpipe.keys.lossless import add_causes, find_lossless
from jupyter_mlpipe.keys.quiet import fill_class, leaving_no_trace, make_class
from jupyter_mlpipe.keys.refusals import refuse
from jupyter_mlpipe.keys.structures import reduce_type, to_set
from jupyter_mlpipe.keys.validated import without_made
from jupyter_mlpipe.keys.views import arrays_in, reduce_views
from jupyter_mlpipe.model.files import Place

FindReduce = Callable[[type], "Callable[[Any], tuple[Any, ...] | None] | None"]

OUT_OF_BAND_BYTES = 64 * 1024
"""Buffers from this size on are kept beside the pickle, not copied into it."""


@dataclass(frozen=True, slots=True)
class ArtifactPickle:
    """A stored value: its pickle, the large buffers beside it, and what the notebook must define.

    Parameters
    ----------
    needs
        For each name of the notebook by which a class or function is referred to, or which a
        function that is part of the pickle reads: a digest of what it stands for.
    modules
        Top-level modules of all classes and functions that are referred to by name.
    codecs
        Versions of the codecs of users by which parts of it are stored, by name.
    """

    stream: bytes
    buffers: tuple[memoryview, ...] = ()
    needs: Mapping[str, str] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    codecs: Mapping[str, str] = field(default_factory=dict)


def dump_closure(objects: Mapping[str, object], namespace: Mapping[str, Any]) -> bytes:
    """Return one pickle of `objects` by name; `namespace` is the ``__dict__`` of the notebook's module.

    Raises
    ------
    EncodingError
        Names the object, the type inside it that cannot be pickled, and why.
    """
    reduced, _kept = reduce_views(arrays_in(objects.values()))
    try:
        return _dump(dict(objects), namespace, reduced)
    except EncodingError:
        for name, why in find_unpicklable(objects, namespace).items():
            raise EncodingError(f"'{name}' cannot be sent to a step: {why}") from None
        raise


def load_closure(stream: bytes, namespace: dict[str, Any]) -> dict[str, Any]:
    """Return the objects of `dump_closure`; their globals are `namespace` itself, which is not changed."""
    with _loading_into(namespace):
        objects: dict[str, Any] = pickle.loads(stream)
    return objects


def find_unpicklable(objects: Mapping[str, object], namespace: Mapping[str, Any]) -> dict[str, str]:
    """Return, for each of `objects` that cannot be pickled, the type in the way and the reason."""
    found = {}
    for name, value in objects.items():
        try:
            _dump(value, namespace)
        except EncodingError as error:
            found[name] = str(error)
    return found


def dump_artifact(
    value: object,
    namespace: Mapping[str, Any],
    reduced: Mapping[int, tuple[Any, ...]] | None = None,
    find_reduce: FindReduce | None = None,
) -> ArtifactPickle:
    """Pickle a value to be stored. Lambdas and closures travel by value, definitions by name.

    Parameters
    ----------
    reduced
        For objects inside the value, by `id`: what ``__reduce__`` is to give for them.
    find_reduce
        Gives for the type of any other object what reduces it; None where that is left to the object. What
        it gives may leave single ones to themselves.

    Raises
    ------
    EncodingError
        Names the type that cannot be pickled, and why.
    """
    # Not at the top: most artifacts refer to no definition.
    from jupyter_mlpipe.keys.values import Undigestable, digest_named

    buffers: list[memoryview] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < OUT_OF_BAND_BYTES:
            return True
        buffers.append(raw)
        return False

    file = io.BytesIO()
    pickler = _Pickler(file, namespace, by_name=True, buffer_callback=keep)
    pickler.reduced = reduced or {}
    pickler.is_artifact = True
    pickler.find_reduce = find_reduce
    pickler.dump_or_explain(value)
    # What functions sent by value read must be there too when they are called.
    named = {*pickler.named, *(name for name in pickler.read if name in namespace)}
    try:
        needs = {name: digest_named(name, namespace) for name in sorted(named)}
    except Undigestable as error:
        raise EncodingError(f"it refers to a definition that {error}") from None
    modules = tuple(sorted(pickler.modules))
    return ArtifactPickle(file.getvalue(), tuple(buffers), needs, modules, pickler.codecs)


def dump_definitions(
    definitions: Mapping[str, object], namespace: Mapping[str, Any], also: Iterable[str] = ()
) -> tuple[bytes, tuple[str, ...]]:
    """Pickle functions and classes of the notebook by value, and give the names of others they refer to.

    Parameters
    ----------
    also
        Names by which the notebook has them as well.
    """
    file = io.BytesIO()
    pickler = _Pickler(file, namespace, by_name=True)
    pickler.by_value = frozenset((*definitions, *also))
    pickler.dump_or_explain(dict(definitions))
    return file.getvalue(), tuple(sorted(pickler.named))


def load_artifact(
    stream: bytes | memoryview,
    buffers: Sequence[bytearray | bytes | memoryview] = (),
    namespace: dict[str, Any] | None = None,
) -> Any:
    """Return the value of `dump_artifact`.

    Parameters
    ----------
    buffers
        As dumped, in order. Arrays use them without a copy: pass writable ones for a writable value.
    namespace
        Where definitions are looked up; ``__main__`` of this process by default.

    Raises
    ------
    UnknownNameError
        The value refers to a class or function that the namespace does not define.
    """
    with _loading_into(namespace) if namespace is not None else contextlib.nullcontext():
        return pickle.loads(stream, buffers=buffers)


def parts_of(value: object, namespace: Mapping[str, Any]) -> list[object]:
    """Return the objects inside a value that a pickle of it would meet; as far as it can be pickled."""
    pickler = _Pickler(_Nowhere(), namespace, by_name=True, buffer_callback=lambda buffer: False)
    with contextlib.suppress(EncodingError):
        pickler.dump_or_explain(value)
    return [part for _position, part in pickler.memo.copy().values()]


class _Nowhere(io.BytesIO):
    """A file that keeps nothing."""

    def write(self, content: Any, /) -> int:
        return len(content)


_REFERRED_TO = (type, types.FunctionType, types.BuiltinFunctionType)
_OF_PYTHON = frozenset({"__main__", "jupyter_mlpipe", "cloudpickle"} | sys.stdlib_module_names)
_LRU_CACHE = type(functools.lru_cache(lambda: None))
_REDUCED_HERE = (
    *_REFERRED_TO,
    types.CodeType,
    types.CellType,
    _LRU_CACHE,
    weakref.WeakKeyDictionary,
    BaseException,
    Place,
    NewType,
    ParamSpec,
)


_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement, or as one


def _reduce_file(file: io.TextIOWrapper) -> Any:
    """Reduce Python's own streams, and no other file: cloudpickle makes a text in memory of these."""
    if file is not sys.stdout and file is not sys.stderr:
        refuse(file)
    return cloudpickle.Pickler._dispatch_table[io.TextIOWrapper](file)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
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
        self.modules: set[str] = set()
        self.codecs: dict[str, str] = {}
        self.read: set[str] = set()
        self.is_artifact = False
        self._left_alone: set[type] = set()  # types whose objects nothing here reduces

    def dump_or_explain(self, value: object) -> None:
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
        of_library = _OF_LIBRARIES.get(kind.__name__)
        if of_library is not None and (reduced := of_library(obj)) is not None:
            return reduced
        lossless = find_lossless(kind)
        if lossless is not None and not isinstance(obj, BaseException) and (reduced := lossless(obj)):
            self._note_module(kind)
            return reduced
        if not isinstance(obj, _REDUCED_HERE):
            # An object may say that it is of another class.
            if of_store is of_library is lossless is None and obj.__class__ is kind:
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
        return _as_made_here(obj, reduced, self._by_name) if isinstance(obj, type) else reduced

    def _note_module(self, definition: Any) -> None:
        top = str(definition.__module__).partition(".")[0]
        if top not in _OF_PYTHON:
            self.modules.add(top)

    def _reduce_function(self, function: types.FunctionType) -> Any:
        if function.__globals__ is self._namespace:
            if self._by_name and self._names(function):
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


def _global_random_state() -> Any:
    return importlib.import_module("numpy.random.mtrand")._rand


def _reduce_ufunc(value: Any) -> tuple[Any, ...] | None:
    """Say where it is imported from: pickle would take the first module that has it, such as the notebook."""
    home = find_home(value)
    return (_imported, home) if home is not None else None


def _imported(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


# By name: libraries are looked at, never imported.
_OF_LIBRARIES = {
    "ufunc": _reduce_ufunc,
    "DataFrame": _reduce_frame,
    "Series": _reduce_frame,
    "vectorize": _reduce_vectorized,
    "RandomState": _reduce_random_state,
    "CallbackRegistry": _reduce_callbacks,
}


def find_in(namespace: Mapping[str, Any], qualname: str) -> Any:
    """Return what a qualified name such as ``Outer.Inner`` stands for, or None."""
    top, *attributes = qualname.split(".")
    found = namespace.get(top)
    for attribute in attributes:
        # vars, not getattr: a descriptor or a metaclass must not run here.
        found = vars(found).get(attribute) if isinstance(found, type) else None
    return found


def _dump(
    value: object, namespace: Mapping[str, Any], reduced: Mapping[int, tuple[Any, ...]] | None = None
) -> bytes:
    file = io.BytesIO()
    pickler = _Pickler(file, namespace, by_name=False)
    pickler.reduced = reduced or {}
    pickler.dump_or_explain(value)
    return file.getvalue()


def _as_made_here(cls: type, reduced: Any, is_stored: bool) -> Any:
    """Return how a class is made again: with its slots, and with no word to the notebook's own hooks."""
    if not isinstance(reduced, tuple) or reduced[0] not in (
        cloudpickle_internals._make_skeleton_class,
        cloudpickle_internals._make_skeleton_enum,
    ):
        return reduced
    make, args, state, *rest = reduced
    # cloudpickle gives each class a random id, by which a process that has the class finds it and
    # sets it up anew. In the notebook's own process that would change the notebook's class; in an
    # artifact it would make equal values differ. An earlier class of the notebook is known by its digest.
    tracker = args[-2] if is_kept_as(args[-2]) else None if is_stored else f"{args[-2]} in a step"
    args = (*args[:-2], tracker, *args[-1:])
    if make is cloudpickle_internals._make_skeleton_class:
        if not cls.__flags__ & _HEAP_TYPE:
            raise pickle.PicklingError("a class of Python's own that has no name cannot be made again")
        make, rest[-1] = make_class, fill_class
        state = (without_made(cls, to_set(state[0])), state[1])
        metaclass, name, bases, given, *others = args
        args = (metaclass, name, bases, given | _in_order(cls, given), *others)
        # Not of a named tuple, whose bases are those that it was written with.
        if "__slots__" in vars(cls) and args[2] == cls.__bases__:
            metaclass, name, bases, given, *others = args
            args = (metaclass, name, bases, {**given, "__slots__": vars(cls)["__slots__"]}, *others)
            state = (
                {n: v for n, v in state[0].items() if n != "__slots__" and not _is_slot(v, cls)},
                state[1],
            )
    return (make, args, state, *rest)


def _in_order(cls: type, given: Mapping[str, Any]) -> dict[str, None]:
    """Return a place for each attribute that stands before those that Python adds to a class.

    Filled later on: so the class has its attributes in the order of its statement. Not where somebody may
    look at it before.
    """
    names = [*vars(cls)]
    if type(cls) is not type or "__slots__" in names:
        return {}
    if any("__init_subclass__" in vars(base) for base in cls.__mro__[1:-1]):
        return {}
    own = itertools.takewhile(lambda name: name not in ("__dict__", "__weakref__"), names)
    return dict.fromkeys(name for name in own if name not in given)


def _reduce_code(code: types.CodeType) -> tuple[Any, ...]:
    """Reduce code with the name of its file, by which its source is found; cloudpickle 3.1.3 drops it."""
    make, arguments = cloudpickle_internals._code_reduce(code)
    names = (code.co_filename if part == "<dynamic-code>" else part for part in arguments)
    return make, tuple(names)


def _is_slot(value: object, cls: type) -> bool:
    return isinstance(value, types.MemberDescriptorType) and value.__objclass__ is cls


# What follows is named in pickles: renaming it makes stored artifacts unreadable.

_loading = threading.local()


class _Empty:
    """Marks an empty cell."""


@contextlib.contextmanager
def referring_to(earlier: Mapping[str, Any]) -> Iterator[None]:
    """Let what stored values refer to be looked up here first, within the block."""
    before = getattr(_loading, "earlier", None)
    _loading.earlier = earlier
    try:
        yield
    finally:
        _loading.earlier = before


@contextlib.contextmanager
def _loading_into(namespace: dict[str, Any]) -> Iterator[None]:
    before = getattr(_loading, "namespace", None)
    _loading.namespace = namespace
    try:
        yield
    finally:
        _loading.namespace = before


def _notebook_namespace() -> dict[str, Any]:
    namespace: dict[str, Any] | None = getattr(_loading, "namespace", None)
    return vars(sys.modules["__main__"]) if namespace is None else namespace


def _cell_contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _Empty


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
    earlier: Mapping[str, Any] = getattr(_loading, "earlier", None) or {}
    found = find_in(earlier if qualname.partition(".")[0] in earlier else namespace, qualname)
    if found is None:
        raise UnknownNameError(
            f"This value needs '{qualname}', which the notebook does not define. Run the cell that "
            f"defines it, then read the value again.{close_matches(qualname, namespace)}"
        )
    return found
