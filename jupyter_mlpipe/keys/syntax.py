"""Digest of source code by its meaning: comments, docstrings, formatting and positions do not count.

The tree is walked here and not written with `ast.dump`, whose text differs between Python versions.
"""

from __future__ import annotations

import ast
import functools
import io
import tokenize
from collections.abc import Callable, Sequence
from typing import Any

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


@functools.lru_cache(maxsize=1024)  # by identity: several readers look at the same code, one after the other
def nodes_of(tree: ast.AST) -> Sequence[ast.AST]:
    """Return all nodes but contexts (`ast.Load`) in the order of `ast.walk`, in a fifth of its time."""
    nodes = [tree]
    for node in nodes:
        names = _children.get(type(node))
        for name in _find_children(type(node)) if names is None else names:
            value = getattr(node, name, None)
            if type(value) is list:
                nodes += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                nodes.append(value)
    return nodes


_children: dict[type, tuple[str, ...]] = {}
_WITHOUT_CHILDREN = {ast.Constant: ("value", "kind"), ast.Name: ("id",), ast.alias: ("name", "asname")}


def _find_children(kind: type[ast.AST]) -> tuple[str, ...]:
    """Return the fields of a kind of node that may hold nodes."""
    without = ("ctx", *_WITHOUT_CHILDREN.get(kind, ()))
    found = _children[kind] = tuple(field for field in kind._fields if field not in without)
    return found


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
    shape = _shapes.get(kind)
    if shape is None:
        if kind is str:
            put(_encode_text(node))
            return
        if not isinstance(node, ast.AST):
            put(b"v" + encode(node))
            return
        shape = _shape(type(node))
    head, fields = shape
    if kind is ast.Name:
        put(head + b"1:2:id" + _encode_text(node.id))  # type: ignore[attr-defined]
        return
    if kind is ast.Constant:
        put(head + b"1:5:value")  # the value None is no empty field
        _write(node.value, put)  # type: ignore[attr-defined]
        return
    held: list[tuple[bytes, Any]] = []
    for field, name in fields:
        value = getattr(node, field, None)
        if value is None or (type(value) is list and not value):
            continue
        held.append((name, _without_docstring(node, value) if field == "body" else value))
    put(head + b"%d:" % len(held))
    for name, value in held:
        if type(value) is str:
            put(name + _encode_text(value))
        elif type(value) is list:
            put(name + b"l%d:" % len(value))
            for item in value:
                _write(item, put)
        else:
            put(name)
            _write(value, put)


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


def _without_docstring(node: object, body: object) -> object:
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
