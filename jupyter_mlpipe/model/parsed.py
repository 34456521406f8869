"""What Python makes of a text: parsed and compiled once for all that look at the same cell."""

from __future__ import annotations

import ast
import functools
import types

# A cell is looked at while it runs and soon after it; a tree takes fifty times its text.
_MAX_CACHED = 32


@functools.lru_cache(_MAX_CACHED)
def parse(code: str) -> ast.Module:
    """Return the tree of a text. It is everybody's: nobody may change it.

    Raises
    ------
    SyntaxError
        The text is not Python.
    ValueError, RecursionError
        It holds a null byte, or is nested too deeply.
    """
    return ast.parse(code)


@functools.lru_cache(_MAX_CACHED)
def compile_whole(code: str, flags: int = 0) -> types.CodeType:
    """Return a text compiled as one module that may ``await``; `flags` are of ``from __future__`` imports.

    Raises
    ------
    SyntaxError
        Also what only the compiler finds, such as a ``return`` outside of functions.
    """
    return compile_tree(parse(code), flags)


def compile_tree(tree: ast.Module, flags: int = 0) -> types.CodeType:
    """As `compile_whole`, of a tree."""
    compiled: types.CodeType = compile(
        tree, "<source>", "exec", flags=flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
    )
    return compiled
