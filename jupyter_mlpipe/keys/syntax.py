"""Digest of source code by its meaning: comments, docstrings, formatting and positions do not count.

The tree is walked here and not written with `ast.dump`, whose text differs between Python versions.
"""

from __future__ import annotations

import ast
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
    if isinstance(node, ast.AST):
        name = type(node).__name__
        fields = [
            (field, value)
            for field in node._fields
            if field not in _SKIPPED_FIELDS and (value := getattr(node, field, None)) not in (None, [])
        ]
        if isinstance(node, ast.Constant):
            fields = [("value", node.value)]  # the value None is no empty field
        put(b"n%d:%s%d:" % (len(name), name.encode(), len(fields)))
        for field, value in fields:
            put(b"%d:%s" % (len(field), field.encode()))
            _write(_without_docstring(node, value) if field == "body" else value, put)
    elif isinstance(node, list):
        put(b"l%d:" % len(node))
        for item in node:
            _write(item, put)
    else:
        put(b"v" + encode(node))


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
