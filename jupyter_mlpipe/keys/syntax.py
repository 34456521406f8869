"""Digest of source code by its meaning: comments, docstrings, formatting and positions do not count.

The tree is walked here and not written with `ast.dump`, whose text differs between Python versions.
"""

from __future__ import annotations

import ast
import functools
import io
import tokenize
from collections.abc import Callable

from jupyter_mlpipe.keys.canonical import digest, encode

# What a parser adds that does not change what the code does; empty fields are left out altogether.
_SKIPPED_FIELDS = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
_HAS_DOCSTRING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def syntax_digest(source: str | ast.AST) -> str:
    """Return the digest of a program, or of one node of it.

    Raises
    ------
    SyntaxError
        The text is not Python.
    """
    tree = ast.parse(source) if isinstance(source, str) else source
    parts: list[bytes] = []
    try:
        _write(tree, parts.append)
    except RecursionError:
        raise SyntaxError("the code is nested too deeply to be compared") from None
    return digest("syntax", b"".join(parts))


def nodes_of(tree: ast.AST) -> list[ast.AST]:
    """Return all nodes in the order of `ast.walk`, in a third of its time."""
    nodes = [tree]
    for node in nodes:
        for name in node._fields:
            value = getattr(node, name, None)
            if type(value) is list:
                nodes += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                nodes.append(value)
    return nodes


def ends_quietly(source: str) -> bool:
    """Tell whether a semicolon after the last expression keeps a cell from showing it."""
    if ";" not in source:
        return False
    last = ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type in (tokenize.OP, tokenize.NAME, tokenize.NUMBER, tokenize.STRING):
                last = token.string
    except (tokenize.TokenError, IndentationError):
        return False
    return last == ";"


def _write(node: object, put: Callable[[bytes], None]) -> None:
    kind = type(node)
    if kind is str:
        put(_encode_text(node))
    elif kind is list:
        put(b"l%d:" % len(node))  # type: ignore[arg-type]
        for item in node:  # type: ignore[attr-defined]
            _write(item, put)
    elif isinstance(node, ast.AST):
        head, fields = _shapes.get(kind) or _shape(type(node))
        if kind is ast.Constant:
            put(head + b"1:5:value")  # the value None is no empty field
            _write(node.value, put)  # type: ignore[attr-defined]
            return
        held = []
        for field, name in fields:
            value = getattr(node, field, None)
            if value is not None and value != []:
                held.append((name, _without_docstring(node, value) if field == "body" else value))
        put(head + b"%d:" % len(held))
        for name, value in held:
            put(name)
            if type(value) is str:
                put(_encode_text(value))
            else:
                _write(value, put)
    else:
        put(b"v" + encode(node))


@functools.lru_cache(maxsize=10_000)
def _encode_text(text: str) -> bytes:
    return b"v" + encode(text)


_shapes: dict[type, tuple[bytes, tuple[tuple[str, bytes], ...]]] = {}


def _shape(kind: type[ast.AST]) -> tuple[bytes, tuple[tuple[str, bytes], ...]]:
    """Return how a kind of node is written: its name, and those of the fields that count."""
    fields = ((field, field.encode()) for field in kind._fields if field not in _SKIPPED_FIELDS)
    named = tuple((field, b"%d:%s" % (len(name), name)) for field, name in fields)
    shape = _shapes[kind] = (b"n%d:%s" % (len(kind.__name__), kind.__name__.encode()), named)
    return shape


def _without_docstring(node: ast.AST, body: object) -> object:
    if not isinstance(body, list) or not body:
        return body
    # A cell of one string shows it, so there it is no docstring.
    if not (isinstance(node, _HAS_DOCSTRING) or (isinstance(node, ast.Module) and len(body) > 1)):
        return body
    first = body[0]
    is_docstring = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    return body[1:] if is_docstring else body
