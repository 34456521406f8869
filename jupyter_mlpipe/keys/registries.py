"""Registries of Python itself, and of libraries, that cells fill: a dialect of CSV, how a class is copied.

Their settings are functions and classes of the notebook as often as plain values.
"""

from __future__ import annotations

import codecs
import copyreg
import csv
import functools
import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

from jupyter_mlpipe.keys.holders import register, registered_with
from jupyter_mlpipe.keys.homes import find_home
from jupyter_mlpipe.keys.providers import Changes, Provider, State, nothing

# How classes are copied and pickled


def _read_reducers(_copyreg: Any) -> State:
    return {
        f"{kind.__module__}.{kind.__qualname__}": (kind, reduce)
        for kind, reduce in list(copyreg.dispatch_table.items())
        if "__main__" in (kind.__module__, getattr(reduce, "__module__", None))
    }


def _write_reducers(_copyreg: Any, changes: Changes) -> None:
    known = _read_reducers(copyreg)
    for name, value in changes.items():
        if value is not None:
            copyreg.pickle(*value)
        elif name in known:
            del copyreg.dispatch_table[known[name][0]]


# CSV


_DIALECT = ("delimiter", "doublequote", "escapechar", "lineterminator", "quotechar", "quoting")
_PYTHONS_DIALECTS = frozenset({"excel", "excel-tab", "unix"})


def _read_dialects(_csv: Any) -> State:
    names = [name for name in csv.list_dialects() if name not in _PYTHONS_DIALECTS]
    found = {name: csv.get_dialect(name) for name in names}
    options = (*_DIALECT, "skipinitialspace", "strict")
    return {name: {o: getattr(dialect, o) for o in options} for name, dialect in found.items()}


def _write_dialects(_csv: Any, changes: Changes) -> None:
    for name, value in changes.items():
        if value is not None:
            csv.register_dialect(name, **value)
        elif name in csv.list_dialects():
            csv.unregister_dialect(name)


# Names of logging's levels


def _read_levels(_logging: Any) -> State:
    return {str(level): name for level, name in list(getattr(logging, "_levelToName").items())}  # noqa: B009


def _write_levels(_logging: Any, changes: Changes) -> None:
    for level, name in changes.items():
        if name is not None:
            logging.addLevelName(int(level), name)
        elif (gone := getattr(logging, "_levelToName").pop(int(level), None)) is not None:  # noqa: B009
            getattr(logging, "_nameToLevel").pop(gone, None)  # noqa: B009


_USUAL_LEVELS = {"50": "CRITICAL", "40": "ERROR", "30": "WARNING", "20": "INFO", "10": "DEBUG", "0": "NOTSET"}


# Types of files by their names


def _read_types(mimetypes: Any) -> State:
    if not mimetypes.inited:
        return {}
    found: dict[str, str] = {}
    for prefix, now, usual in zip(_KINDS, mimetypes._db.types_map, _usual_types(), strict=True):
        if now != usual:  # nearly never, and there are a thousand
            found.update((prefix + n, value) for n, value in now.items() if usual.get(n) != value)
    return found


@functools.cache
def _usual_types() -> tuple[Mapping[str, str], ...]:
    mimetypes = sys.modules["mimetypes"]
    usual = mimetypes.MimeTypes()
    for path in filter(os.path.isfile, mimetypes.knownfiles):
        usual.read(path)
    return tuple(usual.types_map)


_KINDS = ("", "strict ")


def _write_types(mimetypes: Any, changes: Changes) -> None:
    for name, value in changes.items():
        is_strict, ending = name.startswith("strict "), name.removeprefix("strict ")
        value = _usual_types()[is_strict].get(ending) if value is None else value
        if value is not None:
            mimetypes.add_type(value, ending, strict=is_strict)
        elif mimetypes.inited:
            mimetypes._db.types_map[is_strict].pop(ending, None)


# What databases hold and how values come back


def _read_adapters(sqlite3: Any) -> State:
    found = {
        kind.__qualname__: (kind, adapt)
        for (kind, protocol), adapt in list(sqlite3.adapters.items())
        if protocol is sqlite3.PrepareProtocol and _is_own(kind, adapt)
    }
    return {**found, **{n: f for n, f in list(sqlite3.converters.items()) if _is_own(f)}}


def _write_adapters(sqlite3: Any, changes: Changes) -> None:
    for name, value in changes.items():
        if isinstance(value, tuple):
            sqlite3.register_adapter(*value)
        elif value is not None:  # nothing takes back what was registered
            sqlite3.register_converter(name, value)


def _is_own(*parts: Any) -> bool:
    return any(getattr(part, "__module__", None) == "__main__" for part in parts)


# Tags of YAML

_TAGS = {"yaml_constructors": "add_constructor", "yaml_multi_constructors": "add_multi_constructor"}
_TAGS |= {"yaml_representers": "add_representer", "yaml_multi_representers": "add_multi_representer"}
_PREFIXES = ("", "C", "Safe", "CSafe", "Full", "Unsafe")
_OF_YAML = tuple(f"{prefix}{name}" for prefix in _PREFIXES for name in ("Loader", "Dumper"))


def _read_tags(yaml: Any) -> State:
    classes = {name: getattr(yaml, name) for name in _OF_YAML if hasattr(yaml, name)}
    return {
        f"{name}.{table}.{getattr(tag, '__qualname__', tag)}": (cls, table, tag, function)
        for name, cls in classes.items()
        for table in _TAGS
        for tag, function in list(vars(cls).get(table, {}).items())
        if _is_own(tag, function)
    }


def _write_tags(_yaml: Any, changes: Changes) -> None:
    for value in changes.values():
        if value is not None:  # nothing takes back what was registered
            cls, table, tag, function = value
            getattr(cls, _TAGS[table])(tag, function)


# What only those who register it know of


_ERRORS: dict[str, None] = {}
_SEARCHES: dict[str, Any] = {}
_REGISTRIES: dict[tuple[str, str], Any] = {}
_SEARCHED: list[Any] = []


def note_registered(owner: object, name: str, first: object) -> None:
    """Note that a cell has called a function that registers something.

    Parameters
    ----------
    owner
        What it is a function of.
    first
        Its first argument, or None.
    """
    if owner is codecs and name == "register_error" and isinstance(first, str):
        _ERRORS[first] = None
    elif owner is codecs and name == "register" and callable(first):
        _SEARCHES[getattr(first, "__qualname__", repr(first))] = first
    elif name == "register" and registered_with(owner) is not None:
        home = find_home(owner)
        if home is not None and home[0] != "__main__":
            _REGISTRIES[home] = owner


def _read_errors(_codecs: Any) -> State:
    return {name: codecs.lookup_error(name) for name in _ERRORS}


def _write_errors(_codecs: Any, changes: Changes) -> None:
    for name, handle in changes.items():
        if handle is not None:  # nothing takes back what was registered
            codecs.register_error(name, handle)
            _ERRORS[name] = None


def _read_searches(_codecs: Any) -> State:
    return dict(_SEARCHES)


def _write_searches(_codecs: Any, changes: Changes) -> None:
    for name, search in changes.items():
        if search is not None and _SEARCHES.get(name) is not search:
            _SEARCHES[name] = search
            codecs.register(search)


def _read_registries(_sys: Any) -> State:
    found = {home: registered_with(owner) for home, owner in _REGISTRIES.items()}
    return {
        f"{module}.{name}": (_REGISTRIES[module, name], list(registered.items()))
        for (module, name), registered in found.items()
        if registered
    }


def _write_registries(_sys: Any, changes: Changes) -> None:
    for value in changes.values():
        if value is not None:
            owner, registered = value
            register(owner, dict(registered))


REGISTRIES = (
    Provider("how classes are copied", "copyreg", _read_reducers, nothing, _write_reducers),
    Provider("dialects of CSV", "csv", _read_dialects, nothing, _write_dialects),
    Provider("names of levels", "logging", _read_levels, lambda logging: _USUAL_LEVELS, _write_levels),
    Provider("types of files", "mimetypes", _read_types, nothing, _write_types),
    Provider("types of databases", "sqlite3", _read_adapters, nothing, _write_adapters),
    Provider("tags of YAML", "yaml", _read_tags, nothing, _write_tags),
    Provider("errors of codecs", "codecs", _read_errors, nothing, _write_errors),
    Provider("codecs", "codecs", _read_searches, nothing, _write_searches),
    Provider("classes and functions registered", "sys", _read_registries, nothing, _write_registries),
)
"""Any code may be affected by these."""
