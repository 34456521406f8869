"""What a value is made of, one level deep, for the digest to go on with.

A description is a tag and items; two values with equal descriptions are equal. Objects that no case
below knows are described by what their pickle would hold.
"""

from __future__ import annotations

import copyreg
import enum
import functools
import pickle
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from blake3 import blake3

from jupyter_mlpipe.keys.codes import code_reads, digest_code
from jupyter_mlpipe.keys.pickles import find_in

if TYPE_CHECKING:
    from jupyter_mlpipe.keys.values import Digester


@dataclass(frozen=True, slots=True)
class Token:
    """Bytes that stand for themselves."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Item:
    """A part of a value.

    Parameters
    ----------
    step
        How to get to it from the value, for messages: ``.name``.
    is_temporary
        Made for the description only.
    is_inline
        A definition to be written out where a name would do.
    """

    value: Any
    step: str = ""
    is_temporary: bool = False
    is_inline: bool = False


@dataclass(frozen=True, slots=True)
class Description:
    tag: str
    items: tuple[Item, ...] = ()


# Attributes of a class that its definition does not give, or that say where it stands.
_NOT_OF_CLASS = frozenset(
    {
        "__doc__",
        "__module__",
        "__dict__",
        "__weakref__",
        "__firstlineno__",
        "__static_attributes__",
        "__classdictcell__",
        "__annotate_func__",
        "__annotations_cache__",
        "__signature__",
        "__slotnames__",  # left by the first pickling of an instance
        "_abc_impl",
        "_abc_registry",
        "_abc_cache",
        "_abc_negative_cache",
        "_abc_negative_cache_version",
    }
)
# Of what pydantic puts on a class only these are not made from the rest.
_OF_PYDANTIC = frozenset({"__pydantic_fields__", "__pydantic_decorators__", "__pydantic_root_model__"})


def describe(value: Any, digester: Digester) -> Description:
    """Return what `value` is made of; definitions that have a name stand for themselves by that name.

    Raises
    ------
    Undigestable
        It is of a type that has no content to speak of, such as a lock or an open file.
    """
    if isinstance(value, types.ModuleType):
        digester.reach.modules[value.__name__] = None
        return _of("module", value.__name__)
    if isinstance(value, type) or callable(value):
        named = _by_name(value, digester)
        if named is not None:
            return named
    return describe_definition(value, digester)


def describe_definition(value: Any, digester: Digester) -> Description:
    """Return what `value` is made of, written out even where it has a name."""
    if isinstance(value, types.FunctionType):
        return _describe_function(value, digester)
    if isinstance(value, type):
        return _describe_class(value)
    if isinstance(value, enum.Enum):
        return Description("enum", (Item(type(value)), Item(value.name), Item(value._value_, ".value")))
    if (special := _SPECIAL.get(type(value))) is not None:
        return special(value)
    for module, describer in _LIBRARIES:
        if module in sys.modules and (found := describer(value, sys.modules[module])) is not None:
            # Its methods are the library's code.
            digester.reach.modules[module] = None
            return found
    return _describe_reduced(value, digester)


def find_home(value: Any) -> tuple[str, str] | None:
    """Return the module and the qualified name under which an import finds this very object."""
    names = [getattr(value, "__qualname__", None), getattr(value, "__name__", None), _alias_name(value)]
    owner = getattr(value, "__self__", None)
    modules = [getattr(value, "__module__", None), type(value).__module__]
    if isinstance(owner, types.ModuleType):
        modules.append(owner.__name__)
    elif owner is not None:
        # Such as random.random, a method of a hidden instance.
        modules.append(type(owner).__module__)
    for module_name in modules:
        if not isinstance(module_name, str) or module_name == "__main__":
            continue
        module = sys.modules.get(module_name)
        if module is None:
            continue
        for name in names:
            if isinstance(name, str) and _find_attribute(module, name) is value:
                return module_name, name
    return None


def _alias_name(value: Any) -> Any:
    return getattr(value, "_name", None) if type(value).__module__ == "typing" else None


def _find_attribute(module: types.ModuleType, qualname: str) -> Any:
    found: Any = module
    for name in qualname.split("."):
        try:
            found = getattr(found, name)
        except Exception:  # a lazy module or a descriptor may raise anything
            return None
    return found


def _by_name(value: Any, digester: Digester) -> Description | None:
    home = getattr(value, "__globals__", None) is digester.namespace or (
        isinstance(value, type) and value.__module__ == "__main__"
    )
    if home:
        name = value.__qualname__
        # A method is part of its class, which would only name it in turn.
        if "." in name and not isinstance(value, type):
            return None
        if find_in(digester.namespace, name) is not value:
            return None
        digester.reach.names[name.partition(".")[0]] = None
        return _of("notebook", name)
    found = find_home(value)
    if found is None:
        return None
    if found[0] != "builtins":
        digester.reach.modules[found[0]] = None
    return _of("global", *found)


def _describe_function(function: types.FunctionType, digester: Digester) -> Description:
    code, reach = function.__code__, digester.reach
    reads = code_reads(code)
    globals_: list[Item] = []
    home = function.__globals__.get("__name__")
    if function.__globals__ is digester.namespace:
        for name in reads.names:
            reach.names[name] = None
        reach.codes[id(code)] = code
        reach.attributes |= reads.attributes
        place = "notebook"
    elif isinstance(home, str) and vars(sys.modules.get(home, types)) is function.__globals__:
        reach.modules[home] = None
        place = home
    else:
        # Made by exec in a dict of its own: its globals travel with it.
        place = "elsewhere"
        reach.codes[id(code)] = code
        globals_ = [
            Item(function.__globals__[name], f".__globals__[{name!r}]")
            for name in reads.names
            if name in function.__globals__
        ]
        globals_.insert(
            0, Item(tuple(name for name in reads.names if name in function.__globals__), "", True)
        )
    for statement in reads.imports:
        reach.imports[statement] = None
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    return Description(
        "function",
        (
            Item(function.__name__),
            Item(place),
            Item(digest_code(code)),
            Item(function.__defaults__, ".__defaults__"),
            Item(function.__kwdefaults__, ".__kwdefaults__"),
            Item(_annotations(function), ".__annotations__", is_temporary=True),
            Item(dict(function.__dict__), "", is_temporary=True),
            *(Item(_cell(name, cell), f" variable {name}") for name, cell in cells),
            *globals_,
        ),
    )


def _annotations(definition: Any) -> dict[str, Any]:
    try:
        return dict(definition.__annotations__)
    except (AttributeError, NameError):
        # Python 3.14 evaluates them only here; what cannot be evaluated is in the source.
        return {}


def _cell(name: str, cell: types.CellType) -> Description:
    try:
        return Description("variable", (Item(name), Item(cell.cell_contents)))
    except ValueError:
        return _of("empty variable", name)


def _describe_class(cls: type) -> Description:
    items = [Item(cls.__name__), Item(type(cls), ".__class__")]
    items += [Item(base, ".__bases__") for base in cls.__bases__]
    for name, value in vars(cls).items():
        if name in _NOT_OF_CLASS or (name.startswith("__pydantic_") and name not in _OF_PYDANTIC):
            continue
        # What was defined inside the class has no other place to be written out.
        is_inline = isinstance(value, type) and value.__qualname__ == f"{cls.__qualname__}.{name}"
        items += [Item(name), Item(value, f".{name}", is_inline=is_inline)]
    return Description("class", tuple(items))


def _describe_reduced(value: Any, digester: Digester) -> Description:
    reducer = copyreg.dispatch_table.get(type(value))
    try:
        reduced = reducer(value) if reducer is not None else value.__reduce_ex__(4)
    except RecursionError:
        raise
    except Exception as error:  # whatever a user's __reduce__ raises
        raise digester.refuse(value, str(error) or type(error).__name__) from None
    if isinstance(reduced, str):
        module = pickle.whichmodule(value, reduced)  # type: ignore[attr-defined]
        if module == "__main__":
            digester.reach.names[reduced] = None
        else:
            digester.reach.modules[module] = None
        return _of("global", module, reduced)
    filled: list[Any] = [*reduced, None, None, None, None]
    make, args, state, items, pairs, setter = filled[:6]
    if isinstance(state, dict) and type(value).__module__.partition(".")[0] == "pandas":
        state = {name: part for name, part in state.items() if name != "_cache"}
    parts = [Item(make), Item(args, "", is_temporary=True)]
    parts.append(_state_item(state))
    parts.append(Item(list(items) if items is not None else None, "", is_temporary=items is not None))
    parts.append(Item(dict(pairs) if pairs is not None else None, "", is_temporary=pairs is not None))
    parts.append(Item(setter))
    return Description("object", tuple(parts))


def _state_item(state: Any) -> Item:
    if type(state) is dict and all(type(name) is str for name in state):
        attributes = []
        for name, value in state.items():
            attributes += [Item(name), Item(value, f".{name}")]
        return Item(Description("attributes", tuple(attributes)))
    return Item(state, "", is_temporary=type(state) in (dict, list, tuple))


def _of(tag: str, *values: Any) -> Description:
    return Description(tag, tuple(map(Item, values)))


def _attributes(tag: str, *names: str) -> Callable[[Any], Description]:
    def describer(value: Any) -> Description:
        return Description(tag, tuple(Item(getattr(value, name), f".{name}") for name in names))

    return describer


def _describe_mapping(value: Mapping[Any, Any]) -> Description:
    return Description("mappingproxy", (Item(dict(value), "", is_temporary=True),))


def _describe_cached(value: Any) -> Description:
    parameters = value.cache_parameters()
    return Description(
        "lru_cache", (Item(parameters["maxsize"]), Item(parameters["typed"]), Item(value.__wrapped__))
    )


def _describe_partial(value: Any) -> Description:
    return Description(
        "partial",
        (
            Item(value.func, ".func"),
            Item(value.args, ".args"),
            Item(dict(value.keywords), ".keywords", is_temporary=True),
            Item(dict(vars(value)), "", is_temporary=True),
        ),
    )


_SPECIAL: dict[type, Callable[[Any], Description]] = {
    slice: _attributes("slice", "start", "stop", "step"),
    types.MethodType: _attributes("method", "__self__", "__func__"),
    types.BuiltinMethodType: _attributes("builtin method", "__self__", "__name__"),
    types.MethodWrapperType: _attributes("method wrapper", "__self__", "__name__"),
    types.WrapperDescriptorType: _attributes("slot", "__objclass__", "__name__"),
    types.MethodDescriptorType: _attributes("slot", "__objclass__", "__name__"),
    types.ClassMethodDescriptorType: _attributes("slot", "__objclass__", "__name__"),
    # The class that has it is being written out: only its name matters.
    types.MemberDescriptorType: lambda value: _of("member", value.__name__),
    types.GetSetDescriptorType: lambda value: _of("member", value.__name__),
    types.MappingProxyType: _describe_mapping,
    types.CodeType: lambda value: _of("code", digest_code(value)),
    types.CellType: lambda value: _cell("", value),
    staticmethod: _attributes("staticmethod", "__func__"),
    classmethod: _attributes("classmethod", "__func__"),
    property: _attributes("property", "fget", "fset", "fdel"),
    functools.cached_property: _attributes("cached_property", "func", "attrname"),
    functools.partial: _describe_partial,
    functools.partialmethod: _attributes("partialmethod", "func", "args", "keywords"),
    functools.singledispatchmethod: _attributes("singledispatchmethod", "dispatcher", "func"),
    type(functools.lru_cache(lambda: None)): _describe_cached,
    TypeVar: _attributes("type variable", "__name__", "__bound__", "__constraints__"),
}


def _describe_numpy(value: Any, numpy: Any) -> Description | None:
    if isinstance(value, numpy.generic):
        array = numpy.asarray(value)
        if array.dtype.kind in "OV":
            return None
        return _of("numpy scalar", array.dtype.str, array.dtype.name, array.tobytes())
    if type(value) is not numpy.ndarray:
        return None
    dtype = value.dtype
    # The order in memory changes how sums are rounded.
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    if dtype.kind in "biufcmMSU" and not dtype.hasobject:
        flat = value if order == "C" else value.T
        content: Item = Item(Token(_bytes_digest(numpy.ascontiguousarray(flat))))
        meta: tuple[Any, ...] = (dtype.str, dtype.name)
        return Description("array", (Item(meta, "", True), Item(order), Item(value.shape, "", True), content))
    if dtype.kind in "OT":
        items = Item(list(value.flat), "", is_temporary=True)
        return Description("array", (Item(dtype), Item(order), Item(value.shape, "", True), items))
    return None


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
    if isinstance(value, pandas.Index) and kind.__module__.partition(".")[0] == "pandas":
        return _describe_index(value, pandas)
    extensions = pandas.api.extensions.ExtensionArray
    if isinstance(value, extensions) and kind.__module__.partition(".")[0] == "pandas":
        return _describe_extension(value)
    return None


def _pandas_extra(value: Any) -> Item:
    return Item((value.attrs, value.flags.allows_duplicate_labels), "", is_temporary=True)


def _describe_index(value: Any, pandas: Any) -> Description:
    kind = type(value).__name__
    if kind == "RangeIndex":
        return _of(kind, value.start, value.stop, value.step, value.name)
    if kind == "MultiIndex":
        parts = (list(value.levels), list(map(_as_array, value.codes)), list(value.names))
        return Description(kind, tuple(Item(part, "", is_temporary=True) for part in parts))
    freq = getattr(value, "freqstr", None)
    return Description(kind, (Item(value.name), Item(freq), Item(value.array)))


def _as_array(codes: Any) -> Any:
    return sys.modules["numpy"].asarray(codes)


def _describe_extension(value: Any) -> Description | None:
    kind = type(value).__name__
    if kind in ("NumpyExtensionArray", "PandasArray"):
        return Description("column", (Item(value.to_numpy()),))
    if kind == "Categorical":
        return Description(kind, (Item(value.codes.copy()), Item(value.categories), Item(value.ordered)))
    if kind in ("DatetimeArray", "TimedeltaArray", "PeriodArray"):
        return Description(kind, (Item(str(value.dtype)), Item(value.asi8)))
    if hasattr(value, "_mask") and hasattr(value, "_data"):
        # What stands below the mask is left over from earlier operations.
        content = value._data.copy()
        content[value._mask] = content.dtype.type()
        return Description(kind, (Item(value.dtype.name), Item(content), Item(value._mask)))
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
    # As a stream in one piece: how the values are cut into chunks and slices does not count.
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    name = "Array" if isinstance(value, arrow.Array) else kind.__name__
    return Description("arrow", (Item(name), Item(Token(blake3(sink.getvalue()).digest()))))


_LIBRARIES = (
    ("numpy", _describe_numpy),
    ("pandas", _describe_pandas),
    ("pyarrow", _describe_arrow),
)
