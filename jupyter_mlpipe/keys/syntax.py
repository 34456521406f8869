"""Digest of source code by its meaning: comments, docstrings, formatting and positions do not count.

The tree is walked here and not written with `ast.dump`, whose text differs between Python versions.
"""

from __future__ import annotations

import ast
import functools
import io
import tokenize
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_mlpipe.keys.canonical import digest, encode

# What a parser adds that does not change what the code does; empty fields are left out altogether.
_SKIPPED_FIELDS = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
_HAS_DOCSTRING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

_Nodes = defaultdict[type, list[Any]]


@dataclass(frozen=True, slots=True)
class Syntax:
    """What one walk through a tree gives.

    Parameters
    ----------
    digest
        None where the tree is nested too deeply.
    nodes
        Its nodes by their types, docstrings as well; not contexts and operators. Of one type, each is before
        those in it.
    """

    digest: str | None
    nodes: Mapping[type[ast.AST], Sequence[Any]]


def syntax_digest(source: str | ast.AST) -> str:
    """Return the digest of a program, or of one node of it.

    Raises
    ------
    SyntaxError
        The text is not Python.
    """
    found = read_syntax(ast.parse(source) if isinstance(source, str) else source).digest
    if found is None:
        raise SyntaxError("the code is nested too deeply to be compared")
    return found


@functools.lru_cache(maxsize=1024)  # by identity: several readers look at the same code, one after the other
def read_syntax(tree: ast.AST) -> Syntax:
    """Walk through a tree, once for all readers."""
    parts: list[bytes] = []
    nodes: _Nodes = defaultdict(list)
    try:
        _write(tree, parts.append, nodes)
    except RecursionError:
        nodes.clear()
        for node in ast.walk(tree):
            nodes[type(node)].append(node)
        return Syntax(None, dict(nodes))
    return Syntax(digest("syntax", b"".join(parts)), dict(nodes))


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


def _write(node: object, put: Callable[[bytes], None], nodes: _Nodes) -> None:
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
    head, fields, is_whole = shape
    if not fields:
        put(head)  # an operator, `pass`
        return
    nodes[kind].append(node)
    if kind is ast.Name:
        put(head + _encode_text(node.id))  # type: ignore[attr-defined]
        return
    if kind is ast.Constant:
        put(head)  # the value None is no empty field
        _write(node.value, put, nodes)  # type: ignore[attr-defined]
        return
    put(head)
    if not is_whole:
        held = []
        for field, name in fields:
            value = getattr(node, field, None)
            if value is None or (type(value) is list and not value):
                continue
            held.append((name, _without_docstring(node, value, nodes) if field == "body" else value))
        put(b"%d:" % len(held))
    else:
        held = [(name, getattr(node, field)) for field, name in fields]
    for name, value in held:
        if type(value) is str:
            put(name + _encode_text(value))
        elif type(value) is list:
            put(name + b"l%d:" % len(value))
            for item in value:
                _write(item, put, nodes)
        else:
            put(name)
            _write(value, put, nodes)


@functools.lru_cache(maxsize=10_000)
def _encode_text(text: str) -> bytes:
    return b"v" + encode(text)


# Kinds whose fields are never empty.
_WHOLE = frozenset(
    [
        ast.Attribute,
        ast.AugAssign,
        ast.BinOp,
        ast.BoolOp,
        ast.Compare,
        ast.Constant,
        ast.Expr,
        ast.IfExp,
        ast.Name,
        ast.Starred,
        ast.Subscript,
        ast.UnaryOp,
    ]
)
_shapes: dict[type, tuple[bytes, tuple[tuple[str, bytes], ...], bool]] = {}


def _shape(kind: type[ast.AST]) -> tuple[bytes, tuple[tuple[str, bytes], ...], bool]:
    """Return how a kind of node is written: its name, and those of the fields that count."""
    fields = ((field, field.encode()) for field in kind._fields if field not in _SKIPPED_FIELDS)
    named = tuple((field, b"%d:%s" % (len(name), name)) for field, name in fields)
    head = b"n%d:%s" % (len(kind.__name__), kind.__name__.encode())
    if kind in _WHOLE or not named:
        head += b"%d:" % len(named)
    if kind in (ast.Name, ast.Constant):
        head += named[0][1]
    shape = _shapes[kind] = (head, named, kind in _WHOLE)
    return shape


def _without_docstring(node: object, body: object, nodes: _Nodes) -> object:
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
    if not is_docstring:
        return body
    nodes[ast.Expr].append(first)
    nodes[ast.Constant].append(first.value)
    return body[1:]
