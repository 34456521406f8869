"""Accessors: what cells give the tables of libraries as an attribute, such as ``df.geo``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from jupyter_mlpipe.keys.contents import is_foreign
from jupyter_mlpipe.keys.providers import Changes, Provider, State, nothing


def _read_accessors(library: Any, classes: tuple[str, ...]) -> State:
    found = {}
    for cls in filter(None, (getattr(library, name, None) for name in classes)):
        names = getattr(cls, "_accessors", None) or vars(cls)
        for name in names:
            accessor = _class_of(vars(cls).get(name))
            if accessor is None or is_foreign(accessor):
                continue
            if accessor.__module__.partition(".")[0] != library.__name__:
                found[f"{cls.__name__}.{name}"] = accessor
    return found


def _class_of(attribute: object) -> type | None:
    """Return the class behind an accessor; None of any other attribute."""
    held = getattr(attribute, "__dict__", {})
    found = held.get("_ns", held.get("_accessor"))
    return found if isinstance(found, type) else None


def _write_accessors(library: Any, changes: Changes, make: Callable[[Any, str, Any], object]) -> None:
    for place, accessor in changes.items():
        owner, _, name = place.partition(".")
        cls = getattr(library, owner)
        if accessor is not None:
            setattr(cls, name, make(library, name, accessor))
        elif _class_of(vars(cls).get(name)) is not None:
            delattr(cls, name)
        if (names := getattr(cls, "_accessors", None)) is not None:
            (names.discard if accessor is None else names.add)(name)


def _accessors(library: str, classes: tuple[str, ...], make: Callable[[Any, str, Any], object]) -> Provider:
    return Provider(
        f"{library} accessors",
        library,
        lambda module: _read_accessors(module, classes),
        nothing,
        lambda module, changes: _write_accessors(module, changes, make),
    )


def _make_of_pandas(pandas: Any, name: str, accessor: Any) -> object:
    return type(vars(pandas.Series)["str"])(name, accessor)


def _make_of_polars(_polars: Any, name: str, accessor: Any) -> object:
    return sys.modules["polars.api"].NameSpace(name, accessor)


def _make_of_xarray(xarray: Any, name: str, accessor: Any) -> object:
    return sys.modules["xarray.core.extensions"]._CachedAccessor(name, accessor)


ACCESSORS = (
    _accessors("pandas", ("DataFrame", "Series", "Index"), _make_of_pandas),
    _accessors("polars", ("DataFrame", "LazyFrame", "Series", "Expr"), _make_of_polars),
    _accessors("xarray", ("Dataset", "DataArray", "DataTree"), _make_of_xarray),
)
