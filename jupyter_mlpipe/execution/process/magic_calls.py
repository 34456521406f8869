"""Makes IPython's calls again of what `jupyter_mlpipe.cells.magics` wrote out as Python."""

from __future__ import annotations

import ast
from typing import Any

_OVER_CELL = "run_cell_magic_over"
_OVER_LINE = "run_line_magic_over"


def restore_calls(tree: ast.Module, code: str) -> ast.Module:
    """Return the tree with each magic called on the text that it stands above or before."""
    if _OVER_CELL not in code and _OVER_LINE not in code:
        return tree
    for number, statement in enumerate(tree.body):
        found = _over(statement, _OVER_CELL)
        if found is not None and number == 0:
            lines = code.split("\n")
            text = found[2] if len(found) > 2 else _body_text(tree, lines)
            call = _call("run_cell_magic", found[0], found[1], text)
            return ast.Module([_at(ast.Expr(call), statement)], [])
        found = _with_line(statement)
        if found is not None:
            tree.body[number] = _at(ast.Expr(_call("run_line_magic", *found)), statement)
    return tree


def _body_text(tree: ast.Module, lines: list[str]) -> str:
    """Return what stands below the first magic, with further magics as lines; lines keep their numbers."""
    first = tree.body[0].lineno
    inner = []
    for statement in tree.body[1:]:
        found = _over(statement, _OVER_CELL)
        if found is None:
            break
        inner.append(f"%%{found[0]} {found[1]}".rstrip())
        first = statement.lineno
    rest = lines[first:]
    return "\n".join([*inner, *([] if inner else [""] * first), *rest]) + "\n"


def _over(statement: ast.stmt, method: str) -> list[str] | None:
    call = statement.value if isinstance(statement, ast.Expr | ast.Assign) else None
    return _arguments(call, method)


def _with_line(statement: ast.stmt) -> list[str] | None:
    if not isinstance(statement, ast.With):
        return None
    return _arguments(statement.items[0].context_expr, _OVER_LINE)


def _arguments(call: ast.expr | None, method: str) -> list[str] | None:
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == method):
        return None
    return [str(argument.value) for argument in call.args if isinstance(argument, ast.Constant)]


def _call(method: str, *arguments: str) -> ast.Call:
    shell = ast.Call(ast.Name("get_ipython", ast.Load()), [], [])
    return ast.Call(ast.Attribute(shell, method, ast.Load()), [ast.Constant(text) for text in arguments], [])


def _at(node: Any, place: ast.stmt) -> Any:
    return ast.fix_missing_locations(ast.copy_location(node, place))
