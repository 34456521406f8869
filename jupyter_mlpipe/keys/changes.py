"""Which parts of a program differ between two of its texts: functions, methods, other names."""

from __future__ import annotations

import ast

from jupyter_mlpipe.keys.syntax import syntax_digest

_Parts = dict[str, list[str]]


def changed_parts(before: str, now: str) -> tuple[str, ...] | None:
    """Return the names of what differs at the top level of two programs, methods by ``Class.method()``.

    Comments, docstrings and formatting do not count. Empty where nothing else differs; None where one of
    them is not Python.
    """
    try:
        old, new = _parts(ast.parse(before)), _parts(ast.parse(now))
    except (SyntaxError, ValueError, RecursionError):
        return None
    return tuple(name for name in {**new, **old} if old.get(name) != new.get(name))


def _parts(tree: ast.Module | ast.ClassDef, owner: str = "") -> _Parts:
    """Return digests of the statements by the name that they bind."""
    parts: _Parts = {}
    for number, node in enumerate(tree.body):
        if number == 0 and _is_text(node):
            continue  # a docstring
        if isinstance(node, ast.ClassDef):
            around = (*node.bases, *node.keywords, *node.decorator_list)
            parts.setdefault(f"{owner}{node.name}", []).extend(map(syntax_digest, around))
            for name, digests in _parts(node, f"{owner}{node.name}.").items():
                parts.setdefault(name, []).extend(digests)
        else:
            parts.setdefault(owner + _name(node), []).append(syntax_digest(node))
    return parts


def _is_text(node: ast.stmt) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _name(node: ast.stmt) -> str:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return f"{node.name}()"
    if isinstance(node, ast.Import | ast.ImportFrom):
        return "its imports"
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    names = [
        n.id for target in targets if target is not None for n in ast.walk(target) if isinstance(n, ast.Name)
    ]
    return ", ".join(names) or "its statements"
