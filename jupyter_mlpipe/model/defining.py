"""What a statement defines, and what it reads when it is run rather than when the definition is used."""

from __future__ import annotations

import ast
import dis
import inspect
from collections.abc import Iterable, Iterator
from types import CodeType

_LOADS = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"})


def defined_by(node: ast.stmt) -> str | None:
    """Return the name of the function or class that a statement makes."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    return made_function(node)


def names_bound_by(node: ast.stmt) -> list[str]:
    """Return the names that an import, or a statement that makes a function or class, binds."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names if alias.name != "*"]
    return [name] if (name := defined_by(node)) else []


def in_blocks(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements, and those in their branches and loops, but for those of functions and classes."""
    for statement in statements:
        yield statement
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if isinstance(statement, ast.Try) and chooses_import(statement):
            continue
        for part in ("body", "orelse", "finalbody"):
            yield from in_blocks(getattr(statement, part, []))
        for branch in (*getattr(statement, "handlers", []), *getattr(statement, "cases", [])):
            yield from in_blocks(branch.body)


def chooses_import(node: ast.Try) -> bool:
    """Tell whether a statement only tries imports, with constants for what is not there."""
    parts = [*node.body, *(s for handler in node.handlers for s in handler.body), *node.orelse]
    return not node.finalbody and all(
        isinstance(part, ast.Import | ast.ImportFrom | ast.Pass)
        or (isinstance(part, ast.Assign) and isinstance(part.value, ast.Constant))
        for part in parts
    )


def made_function(node: ast.stmt) -> str | None:
    """Return the name of a function that an assignment makes: ``law = lambda year: rate * year``.

    It reads what lies around it when it is called, as one that ``def`` makes.
    """
    if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda) and len(node.targets) == 1):
        return None
    target = node.targets[0]
    return target.id if isinstance(target, ast.Name) else None


def read_at_once(code: CodeType) -> set[str]:
    """Return the names that a definition reads when it is run: for its defaults, in the body of a class."""
    # Not what a class body binds itself: a method may have the name of a variable.
    read = {i.argval for i in dis.get_instructions(code) if i.opname in _LOADS}
    for constant in code.co_consts:
        if isinstance(constant, CodeType) and not constant.co_flags & inspect.CO_OPTIMIZED:
            read |= read_at_once(constant)  # the body of a class
    return read
