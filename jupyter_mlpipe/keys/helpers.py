"""What the text of a function says, read once: as soon as its cell has run, or when a step reaches it."""

from __future__ import annotations

import ast
import functools
import types
from collections.abc import Iterator
from typing import Any

from jupyter_mlpipe.keys.codes import CodeReads, code_reads, find_source
from jupyter_mlpipe.keys.settings import Settings, scan_settings
from jupyter_mlpipe.keys.uses import Uses, find_uses

_MAX_CACHED = 4096


def read_ahead(value: Any) -> None:
    """Read a function, or the methods of a class, of the notebook: a step that reaches it waits the less."""
    for code in _codes_of(value):
        code_reads(code)
        settings_of(code)
        uses_of(code)


def _codes_of(value: Any) -> Iterator[types.CodeType]:
    if isinstance(value, types.FunctionType):
        yield value.__code__
    elif isinstance(value, type):
        for attribute in vars(value).values():
            if isinstance(attribute, types.FunctionType):
                yield attribute.__code__


def uses_of(code: types.CodeType) -> Uses | None:
    """Return what a function does with names; None where its text is not known."""
    source = find_source(code)
    return _find_uses(source.node) if source is not None else None


def settings_of(code: types.CodeType) -> Settings:
    """Return what a function takes from the process around it, as `scan_settings` does."""
    source = find_source(code)
    return _scan_settings(source.node) if source is not None else _scan_names(code_reads(code))


@functools.lru_cache(_MAX_CACHED)
def _scan_settings(node: ast.AST) -> Settings:
    return scan_settings(node)


def _scan_names(reads: CodeReads) -> Settings:
    """Take code without a source by the names in it: rather once too often."""
    attributes = reads.attributes
    reads_environment = attributes & {"environ", "environb", "getenv", "getenvb", "expandvars"}
    # Under whatever name: `from os import environ as settings`.
    environment: tuple[tuple[str, str | None], ...] = tuple((name, None) for name in reads.names)
    if reads_environment:
        environment += (("os.environ", None),)
    dotted = frozenset(f"{name}.random.{attribute}" for name in reads.names for attribute in attributes)
    plain = frozenset(f"{name}.{attribute}" for name in reads.names for attribute in attributes)
    return Settings(dotted | plain | frozenset(reads.names), environment, attributes)


@functools.lru_cache(_MAX_CACHED)
def _find_uses(node: ast.AST) -> Uses:
    return find_uses(node)
