"""Pieces of a cell's text by node: expressions as written, statements with their decorators."""

from __future__ import annotations

import ast
import builtins
import re
import sys
import textwrap
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

# What the parser itself may warn of: escapes such as "\\d", and numbers that run into a word.
_MAY_WARN = re.compile(r"\\|\d(?:and|else|for|if|in|is|not|or)\b")

# Above what the compiler takes: some 3,000 levels, each visited by three functions.
_DEEPEST = 20_000
_nesting = threading.Lock()


def may_warn(code: str) -> bool:
    """Tell whether Python may warn when it parses a code, so that only the main thread should do that."""
    return _MAY_WARN.search(code) is not None


def is_main_thread() -> bool:
    """Tell whether settings of the process, such as which warnings are shown, may be changed for a moment."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def without_warnings() -> Iterator[None]:
    """Parse in here: warnings about the user's code are shown when it runs, once.

    In another thread nothing is done: what is silent there is silent for the user's code that runs meanwhile.
    """
    if not is_main_thread():
        yield
        return
    # Not `catch_warnings`: it has Python forget which warnings were shown, and each is shown once more.
    silent = ("ignore", None, Warning, None, 0)
    filters: list[Any] = warnings.filters  # type: ignore[assignment]
    filters.insert(0, silent)
    try:
        yield
    finally:
        filters.remove(silent)


@contextmanager
def room_to_nest() -> Iterator[None]:
    """Walk in here through code that nests deeper than Python lets functions call each other.

    For code that needs it only: the limit is one for all threads, and a setting of the notebook.
    """
    with _nesting:
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, _DEEPEST))
        try:
            yield
        finally:
            sys.setrecursionlimit(limit)


def split_lines(text: str) -> list[str]:
    """Split as Python's parser counts lines: a form feed, say, does not end one."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def segment(lines: Sequence[str], first: tuple[int, int], last: tuple[int, int]) -> str:
    """Return the text between two positions of (line from 1, offset in UTF-8 bytes)."""
    (first_line, start), (last_line, end) = first, last
    chosen = list(lines[first_line - 1 : last_line])
    chosen[-1] = chosen[-1].encode()[:end].decode()
    chosen[0] = chosen[0].encode()[start:].decode()
    return "\n".join(chosen)


def expression_text(node: ast.expr, lines: Sequence[str]) -> str:
    """Return an expression as written, such that it can be evaluated by itself."""
    text = segment(lines, (node.lineno, node.col_offset), _end(node))
    try:
        with without_warnings():
            ast.parse(text, mode="eval")
    except SyntaxError:
        # Written in parentheses that are not part of the node: over several lines, or a walrus.
        return f"({ast.unparse(node)})"
    return text


def statement_text(node: ast.stmt, lines: Sequence[str]) -> str:
    """Return a statement, decorators included, with its indentation taken off."""
    line, column = first_line(node), node.col_offset
    text = segment(lines, (line, column), _end(node))
    if not column or "\n" not in text:
        return text
    dedented = textwrap.dedent(" " * column + text)
    try:
        with without_warnings():
            ast.parse(dedented)
    except SyntaxError:
        # A string that goes on at the margin, or tabs: the layout cannot be kept.
        return ast.unparse(node)
    return dedented


def first_line(node: ast.stmt) -> int:
    """Return the line of a statement's first decorator, or of the statement."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _end(node: ast.expr | ast.stmt) -> tuple[int, int]:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return node.end_lineno, node.end_col_offset


_CLASS_MAKERS = {
    *("namedtuple", "NamedTuple", "TypedDict", "make_dataclass", "create_model", "NewType", "type"),
    *("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag"),
}


def made_class(node: ast.stmt) -> str | None:
    """Return the name of a class that an assignment makes: ``Point = namedtuple("Point", "x y")``.

    What it made refers to it by this name, so it must be known by its source as other classes are.
    That can be run anywhere only where it is made of nothing but literals and built-in names.
    """
    if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
        return None
    target, call = node.targets[0], node.value
    maker = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if (
        len(node.targets) != 1
        or not isinstance(target, ast.Name)
        or maker not in _CLASS_MAKERS
        or not call.args
    ):
        return None
    if not (isinstance(call.args[0], ast.Constant) and call.args[0].value == target.id):
        return None
    parts = [part for given in (*call.args, *call.keywords) for part in ast.walk(given)]
    is_plain = all(hasattr(builtins, part.id) for part in parts if isinstance(part, ast.Name))
    return target.id if is_plain else None
