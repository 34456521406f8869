"""What libraries keep in the kernel, and no other process can be given: mocks, tables in memory, handlers."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from jupyter_mlpipe.cells.deeds import changes_logging, temporary

_PATCHES = re.compile(r"\bpatch(?:\.(?:object|dict|multiple))?\s*\(")
_STARTS = re.compile(r"\.start\(\s*\)")
_CHANGES_TABLES = re.compile(
    r"\b(?:create|insert|update|delete|drop|alter|attach|install|load|set|pragma)\s|"
    r"\.(?:register|create|create_view|to_table|to_view|insert_into|create_function)\(",
    re.IGNORECASE,
)
_TABLES = "select 1 from duckdb_tables() union all select 1 from duckdb_views() where not internal limit 1"


def kept_here(code: str, namespace: Mapping[str, Any]) -> list[str]:
    """Return why code has to run in the kernel, as libraries are there; nothing where it has not."""
    return [
        *_of_mocks(code),
        *_of_duckdb(code, namespace),
        *(["what it adds to logging, or takes out, stays there"] if changes_logging(code) else []),
        *(f"{name} is {what}, which goes with its process" for name, what in temporary(code)),
    ]


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
