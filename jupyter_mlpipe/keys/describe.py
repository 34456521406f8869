"""What a value is made of, one level deep, for the digest to go on with.

A description is a tag and items; two values with equal descriptions are equal. Objects that no case
below knows are described by what their pickle would hold.
"""

from __future__ import annotations

import contextlib
import copyreg
import enum
import functools
import pickle
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ForwardRef, NewType, ParamSpec, TypeVar

from jupyter_mlpipe.keys.codes import CodeReads, code_reads, digest_code, names_in
from jupyter_mlpipe.keys.custom import reduce_custom
from jupyter_mlpipe.keys.holders import registered_with
from jupyter_mlpipe.keys.homes import find_home, find_in
from jupyter_mlpipe.keys.imported import imported
from jupyter_mlpipe.keys.leftout import set_whole
from jupyter_mlpipe.keys.libraries import LIBRARIES
from jupyter_mlpipe.keys.lossless import find_lossless
from jupyter_mlpipe.keys.members import set_on
from jupyter_mlpipe.keys.parts import Description, Item, describe_as
from jupyter_mlpipe.keys.quiet import leaving_no_trace
from jupyter_mlpipe.keys.structures import is_field
from jupyter_mlpipe.keys.uses import is_open_to
from jupyter_mlpipe.keys.validated import complete
from jupyter_mlpipe.model.files import Place

if TYPE_CHECKING:
    from jupyter_mlpipe.keys.values import Digester, Reach


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
        "_value2member_map_",  # of an enum; flags that are joined are noted there
        "_abc_impl",
        "_abc_registry",
        "_abc_cache",
        "_abc_negative_cache",
        "_abc_negative_cache_version",
    }
)
# Metaclasses of libraries may read a docstring: it is a prompt, or part of a schema.
_WITHOUT_INTEREST_IN_TEXTS = sys.stdlib_module_names | {"__main__"}
# Of what pydantic puts on a class only these are not made from the rest.
_ANNOTATED = frozenset({"__annotations__", "__annotate_func__"})
_AS_IT_IS = contextlib.nullcontext()
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
        return describe_as("module", value.__name__)
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
        return _describe_class(value, digester)
    if isinstance(value, ForwardRef):
        # It also keeps what it was last found to stand for.
        _reach_annotations([value.__forward_arg__], digester.reach)
        return describe_as("forward reference", value.__forward_arg__, value.__forward_is_class__)
    if isinstance(value, Place):
        digester.reach.places[repr(value)] = value
        return describe_as(type(value).__name__, str(value))
    if isinstance(value, enum.Enum):
        return _describe_member(value)
    if (special := _SPECIAL.get(type(value))) is not None:
        return special(value)
    if type(value).__module__ == "pydantic._internal._decorators" and hasattr(value, "cls_ref"):
        # It also holds the address of its class.
        return describe_as("pydantic decorator", value.cls_var_name, value.func, value.shim, value.info)
    for module, describer in LIBRARIES:
        library = imported(module)
        if library is not None and (found := describer(value, library)) is not None:
            # Its methods are the library's code.
            digester.reach.modules[module] = None
            return found
    return _describe_reduced(value, digester)


def _describe_member(member: enum.Enum) -> Description:
    own = set_on(member)
    items = (Item(type(member)), Item(member.name), Item(member._value_, ".value"))
    return Description("enum", (*items, Item(own, "", is_temporary=True)) if own else items)


def _by_name(value: Any, digester: Digester) -> Description | None:
    home = getattr(value, "__globals__", None) is digester.namespace or (
        isinstance(value, type) and value.__module__ == "__main__"
    )
    if home:
        name = value.__qualname__
        # A method is part of its class, which would only name it in turn.
        if "." in name and not isinstance(value, type):
            return None
        found_now = find_in(digester.namespace, name)
        if found_now is not value and not (digester.loosely and found_now is not None):
            return None
        digester.reach.names[name.partition(".")[0]] = None
        return describe_as("notebook", name)
    found = find_home(value)
    if found is None:
        return None
    if found[0] != "builtins":
        digester.reach.symbols[found] = None
    return describe_as("global", *found)


def _describe_function(function: types.FunctionType, digester: Digester) -> Description:
    code, reach = function.__code__, digester.reach
    reads = code_reads(code)
    globals_: list[Item] = []
    home = function.__globals__.get("__name__")
    if function.__globals__ is digester.namespace:
        for name in reads.names:
            reach.names[name] = None
        for word in reads.words:
            reach.words[word] = None
        for text in reads.texts:
            reach.texts[text] = None
        reach.codes[id(code)] = code
        reach.attributes |= reads.attributes
        _reach_annotations(_annotations(function).values(), reach)
        place = "notebook"
    elif isinstance(home, str) and vars(sys.modules.get(home, types)) is function.__globals__:
        _reach_home(home, reads, digester.reach)
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
    if id(code) not in reach.codes:
        for statement in reads.imports:
            reach.imports[statement] = None
    cells = list(zip(code.co_freevars, function.__closure__ or (), strict=True))
    own = dict(function.__dict__)
    if function.__globals__ is vars(functools):
        # What singledispatch remembers of earlier calls.
        cells = [(name, cell) for name, cell in cells if name not in ("dispatch_cache", "cache_token")]
        own.pop("_clear_cache", None)
    return Description(
        "function",
        (
            Item(function.__name__),
            Item(place),
            Item(digest_code(code)),
            Item(function.__defaults__, ".__defaults__"),
            Item(function.__kwdefaults__, ".__kwdefaults__"),
            Item(_annotations(function), ".__annotations__", is_temporary=True),
            Item(own, "", is_temporary=True),
            *(Item(_cell(name, cell), f" variable {name}") for name, cell in cells),
            *globals_,
        ),
    )


def _reach_home(home: str, reads: CodeReads, reach: Reach) -> None:
    """Note what the code of another module reads of it."""
    is_plain = all(level == 0 for _, level, _ in reads.imports) and not reads.words
    if not is_plain or is_open_to(reads.attributes, reads.attributes):
        reach.modules[home] = None
    for name in ("", *reads.names):
        reach.symbols[home, name] = None


def _reach_annotations(annotations: Iterable[object], reach: Reach) -> None:
    """Follow annotations that are texts as others: ``get_type_hints`` and libraries evaluate them."""
    texts = (annotation for annotation in annotations if isinstance(annotation, str))
    reach.words.update(dict.fromkeys(names_in(texts)))


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
        return describe_as("empty variable", name)


def _describe_class(cls: type, digester: Digester) -> Description:
    if cls.__module__ == "__main__":
        complete(cls)
        if not _ANNOTATED.isdisjoint(vars(cls)):  # else asking for them would give the class some
            _reach_annotations(_annotations(cls).values(), digester.reach)
    items = [Item(cls.__name__), Item(type(cls), ".__class__")]
    items += [Item(base, ".__bases__") for base in cls.__bases__]
    # By name: a class that was sent by value has its attributes in that order. Where an order counts
    # (fields, members), an attribute of its own holds it.
    if str(type(cls).__module__).partition(".")[0] not in _WITHOUT_INTEREST_IN_TEXTS:
        items.append(Item(cls.__doc__))
    for name, value in sorted(attributes_of(cls).items()):
        # What was defined inside the class has no other place to be written out.
        is_inline = isinstance(value, type) and value.__qualname__ == f"{cls.__qualname__}.{name}"
        items += [Item(name), Item(value, f".{name}", is_inline=is_inline)]
    if registered := registered_with(cls):
        items.append(Item(sorted({kind.__qualname__ for kind in registered}), is_temporary=True))
    return Description("class", tuple(items))


def attributes_of(cls: type) -> dict[str, Any]:
    """Return what a class holds of which its digest is made, in its own order."""
    return {
        name: value
        for name, value in vars(cls).items()
        if name not in _NOT_OF_CLASS
        and (not name.startswith("__pydantic_") or name in _OF_PYDANTIC)
        and not is_field(value)
    }


def _describe_reduced(value: Any, digester: Digester) -> Description:
    reducer = copyreg.dispatch_table.get(type(value))
    try:
        if (custom := reduce_custom(value)) is not None:
            name, version, content = custom[1]
            return describe_as("custom", name, version, bytes(content))
        # Only the notebook's classes have a trace to leave, and a figure has thousands of other parts.
        with leaving_no_trace() if type(value).__module__ == "__main__" else _AS_IT_IS:
            lossless = find_lossless(type(value))
            reduced: Any = lossless(value) if lossless is not None else None
            if reduced is None:
                reduced = reducer(value) if reducer is not None else value.__reduce_ex__(4)
    except RecursionError:
        raise
    except Exception as error:  # whatever a user's __reduce__ raises
        raise digester.refuse(value, str(error) or type(error).__name__) from None
    if isinstance(reduced, str):
        return _describe_self_named(value, reduced, digester)
    filled: list[Any] = [*reduced, None, None, None, None]
    make, args, state, items, pairs, setter = filled[:6]
    if isinstance(state, dict) and str(type(value).__module__).partition(".")[0] == "pandas":
        state = {name: part for name, part in state.items() if name != "_cache"}
    parts = [Item(make), Item(args, "", is_temporary=True)]
    if setter is set_whole:
        state, setter, left = state
        parts.append(_state_item(left))
    parts.append(_state_item(state))
    parts.append(Item(list(items) if items is not None else None, "", is_temporary=items is not None))
    parts.append(Item(dict(pairs) if pairs is not None else None, "", is_temporary=pairs is not None))
    parts.append(Item(setter))
    return Description("object", tuple(parts))


def _describe_self_named(value: Any, name: str, digester: Digester) -> Description:
    """Describe what says of itself by which name it is found."""
    module = pickle.whichmodule(value, name)  # type: ignore[attr-defined]
    if module != "__main__":
        digester.reach.symbols[module, name] = None
        return describe_as("global", module, name)
    # Python says this of what no module has, too. What the notebook has would only lead back here.
    if find_in(digester.namespace, name) is not value or not hasattr(value, "__dict__"):
        raise digester.refuse(value, f"it is known by its name only, {name!r}")
    return Description("self-named", (Item(type(value)), Item(dict(vars(value)), "", is_temporary=True)))


def _state_item(state: Any) -> Item:
    if type(state) is dict and all(type(name) is str for name in state):
        attributes = []
        for name, value in state.items():
            attributes += [Item(name), Item(value, f".{name}")]
        return Item(Description("attributes", tuple(attributes)))
    return Item(state, "", is_temporary=type(state) in (dict, list, tuple))


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
    types.MemberDescriptorType: lambda value: describe_as("member", value.__name__),
    types.GetSetDescriptorType: lambda value: describe_as("member", value.__name__),
    types.MappingProxyType: _describe_mapping,
    types.CodeType: lambda value: describe_as("code", digest_code(value)),
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
    ParamSpec: _attributes("parameters of a type", "__name__"),
    NewType: _attributes("new type", "__name__", "__supertype__"),
}
