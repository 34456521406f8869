"""What Python and libraries keep in the kernel, and no other process can be given.

Mocks, tables in memory, handlers, magics, contexts that a later cell leaves, and where what is printed
goes meanwhile.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from jupyter_mlpipe.cells.deeds import (
    changes_logging,
    enters_contexts,
    lets_enter_contexts,
    registers_magics,
    temporary,
)
from jupyter_mlpipe.cells.magics import OF_FOLDERS
from jupyter_mlpipe.keys.closure import Closure
from jupyter_mlpipe.keys.logs import filtered_loggers, held_by_handlers

_PATCHES = re.compile(r"\bpatch(?:\.(?:object|dict|multiple))?\s*\(")
_STARTS = re.compile(r"\.start\(\s*\)")
_CHANGES_TABLES = re.compile(
    r"\b(?:create|insert|update|delete|drop|alter|attach|install|load|set|pragma)\s|"
    r"\.(?:register|create|create_view|to_table|to_view|insert_into|create_function)\(",
    re.IGNORECASE,
)
_LOGS = re.compile(r"\.(?:debug|info|warn|warning|error|exception|critical)\(")
_ENDS = re.compile(r"(?<![.\w])(exit|quit)\(")
_MAGIC = re.compile(r"\.run_(line|cell)_magic(?:_over)?\('(\w+)'")
_KNOWN_TO_STEPS = frozenset({"IPython", "ipykernel", "jupyter_mlpipe"})
_TABLES = "select 1 from duckdb_tables() union all select 1 from duckdb_views() where not internal limit 1"


def kept_here(code: str, closure: Closure, shell: Any) -> list[str]:
    """Return why code has to run in the kernel, as libraries are there; nothing where it has not.

    Parameters
    ----------
    closure
        What the code reaches.
    """
    return [
        *_of_mocks(code),
        *_of_duckdb(code, shell.user_ns),
        *_of_streams(),
        *_of_handlers(code, closure, shell.user_ns),
        *(["what it enters is left by a later cell"] if _enters_contexts(code, closure) else []),
        *_of_magics(code, shell),
        *_of_ends(code, shell.user_ns),
        *(f"{name} is {what}, which goes with its process" for name, what in temporary(code)),
    ]


def folder_magics(code: str) -> list[str]:
    """Return the magics for folders that code runs itself."""
    return [name for _, name in dict.fromkeys(_MAGIC.findall(code)) if name in OF_FOLDERS]


def _enters_contexts(code: str, closure: Closure) -> bool:
    names = {*closure.names, *closure.provided_reads}
    return enters_contexts(code) or any(
        lets_enter_contexts(text, names.__contains__) for text in closure.sources.values()
    )


def _of_magics(code: str, shell: Any) -> Iterator[str]:
    if registers_magics(code):
        yield "magics belong to the kernel"
    known = shell.magics_manager.magics
    for name in folder_magics(code):
        yield f"%{name} goes by the folders that the kernel has been in"
    for kind, name in dict.fromkeys(_MAGIC.findall(code)):
        module = getattr(known[kind].get(name), "__module__", None)
        if module is not None and module.partition(".")[0] not in _KNOWN_TO_STEPS:
            yield f"{'%' if kind == 'line' else '%%'}{name} is a magic of the kernel"


def _of_ends(code: str, namespace: Mapping[str, Any]) -> Iterator[str]:
    """Say that IPython's own `exit` and `quit` end the kernel, of which steps have none."""
    for name in dict.fromkeys(_ENDS.findall(code)):
        if type(namespace.get(name)).__module__.startswith("IPython."):
            yield f"{name}() ends the kernel"


def _of_streams() -> Iterator[str]:
    """Say where what cells print or warn of goes, if not below them."""
    for name in ("stdout", "stderr"):
        # Where there is no kernel, what steps print is written to these.
        usual, stream = _usual_streams.get(name), getattr(sys, name)
        if type(usual).__module__.startswith("ipykernel.") and type(stream) is not type(usual):
            yield f"sys.{name} is {type(stream).__name__} there"
    if getattr(warnings, "_showwarnmsg_impl") is not _show_warning:  # noqa: B009
        yield "warnings are recorded there"


_usual_streams = {name: getattr(sys, name) for name in ("stdout", "stderr")}
_show_warning = getattr(warnings, "_showwarnmsg_impl")  # noqa: B009


def _of_handlers(code: str, closure: Closure, namespace: Mapping[str, Any]) -> Iterator[str]:
    names = {*closure.names, *closure.provided_reads}
    if (
        changes_logging(code)
        or any(changes_logging(text, names.__contains__) for text in closure.sources.values())
        or any(
            changes_logging(module.source, lambda name, apart=module.uncounted: name not in apart)  # type: ignore[misc]
            for module in closure.modules.values()
            if module.uncounted is not None
        )
    ):
        yield "what it adds to logging, or takes out, stays there"
    filtered = filtered_loggers()
    if filtered and any(map(_LOGS.search, (code, *closure.sources.values()))):
        yield f"what {', '.join(filtered)} lets through its filters say there"
    held = {id(value) for value in held_by_handlers()}
    for name in sorted(names & namespace.keys()):
        if id(namespace[name]) in held:
            yield f"a handler of logging writes to {name}"


def _of_mocks(code: str) -> Iterator[str]:
    mock = sys.modules.get("unittest.mock")
    active = [_place(patch) for patch in getattr(getattr(mock, "_patch", None), "_active_patches", ())]
    if active:
        yield f"unittest.mock replaces {', '.join(active)} there"
    elif _PATCHES.search(code) and _STARTS.search(code):
        yield "what it replaces with unittest.mock is replaced there only"


def _place(patch: Any) -> str:
    with suppress(Exception):  # it imports what is patched, and only a name is wanted
        owner = patch.getter()
        return f"{getattr(owner, '__name__', type(owner).__name__)}.{patch.attribute}"
    return str(getattr(patch, "attribute", "something"))


def _of_duckdb(code: str, namespace: Mapping[str, Any]) -> Iterator[str]:
    duckdb: Any = sys.modules.get("duckdb")
    names = {"duckdb", *re.findall(r"\bimport duckdb as (\w+)", code)}
    names |= {name for name, value in namespace.items() if duckdb is not None and value is duckdb}
    if not re.search(rf"\b(?:{'|'.join(map(re.escape, names))})\.(?!connect\b)\w+\(", code):
        return
    if _CHANGES_TABLES.search(code):
        yield "what it tells DuckDB without a connection stays there"
    elif duckdb is not None:
        with suppress(Exception):  # an aborted transaction, say: the cell's own query tells of it
            if duckdb.sql(_TABLES).fetchall():
                yield "tables of DuckDB that belong to no file are there"
