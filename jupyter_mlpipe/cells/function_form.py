"""Cells that hold one function: its signature is the interface, what it returns the output."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from jupyter_mlpipe.cells.header import Header, read_arguments
from jupyter_mlpipe.cells.scopes import arguments_of
from jupyter_mlpipe.cells.source import split_lines
from jupyter_mlpipe.errors import ContractError, HeaderError
from jupyter_mlpipe.model.component import Component

Def = ast.FunctionDef | ast.AsyncFunctionDef


def find_function(tree: ast.Module) -> Def | None:
    """Return the one function of a cell that holds, besides, only imports and texts."""
    functions: list[Def] = []
    for node in tree.body:
        if isinstance(node, Def):
            functions.append(node)
        elif not isinstance(node, ast.Import | ast.ImportFrom) and not _is_text(node):
            return None
    return functions[0] if len(functions) == 1 else None


def compile_function_form(component: Component, header: Header, function: Def) -> Component:
    """Return the component with the function's interface.

    Raises
    ------
    ContractError
        The interface is written twice, or what the function returns cannot be the declared outputs.
    """
    at = f"(line {function.lineno})"
    if header.inputs_declared:
        raise ContractError(
            f"Component '{header.name}' has inputs in its header and in 'def {function.name}(...)' {at}. "
            f"Keep those of the function: write '%%component {header.name}'.",
            word=function.name,
            line=function.lineno,
        )
    try:
        inputs = read_arguments(header.name, function.args, split_lines(component.code))
    except HeaderError as problem:
        raise ContractError(
            f"{problem} See 'def {function.name}' {at}.", word=function.name, line=function.lineno
        ) from None
    outputs = header.outputs if header.outputs_declared else (function.name,)
    _check_returns(header, function)
    arguments = arguments_of(function)
    return replace(
        component,
        inputs=inputs,
        inputs_declared=True,
        outputs=outputs,
        outputs_declared=True,
        # An argument hides a global of its name; only a default can still read that.
        reads=tuple(name for name in component.reads if name not in arguments),
        may_read=tuple(name for name in component.may_read if name not in arguments),
        # Where the output has the function's name, that name is the value for everybody else.
        definitions=tuple(known for known in component.definitions if known.name not in outputs),
        function=function.name,
    )


def _check_returns(header: Header, function: Def) -> None:
    name, outputs = header.name, header.outputs
    for node in _own_nodes(function.body):
        if isinstance(node, ast.Yield | ast.YieldFrom):
            raise ContractError(
                f"'{function.name}' of component '{name}' is a generator (line {node.lineno}), which cannot "
                "be stored. Collect what it yields in a list and return that.",
                line=node.lineno,
            )
    returns = [node for node in _own_nodes(function.body) if isinstance(node, ast.Return)]
    if not header.outputs_declared or not outputs:
        return
    declared = ", ".join(outputs)
    if not any(node.value is not None for node in returns) and not _always_raises(function):
        raise ContractError(
            f"Component '{name}' declares '-> {declared}', but '{function.name}' (line {function.lineno}) "
            f"returns no value. End it with 'return {declared}', or write '-> None'.",
            word=function.name,
            line=function.lineno,
        )
    for node in returns:
        n_returned = _count_returned(node.value)
        if len(outputs) > 1 and n_returned is not None and n_returned != len(outputs):
            raise ContractError(
                f"Component '{name}' declares {len(outputs)} outputs ({declared}), but "
                f"'{function.name}' returns {n_returned} on line {node.lineno}. Make the two agree.",
                line=node.lineno,
            )


def _count_returned(value: ast.expr | None) -> int | None:
    """Return how many values a return statement gives, where its text tells."""
    if value is None:
        return 0
    if isinstance(value, ast.Constant):
        return 0 if value.value is None else 1
    if isinstance(value, ast.Tuple) and not any(isinstance(item, ast.Starred) for item in value.elts):
        return len(value.elts)
    return None


def _own_nodes(statements: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes of a function's body, those of functions and classes inside it left out."""
    waiting: list[ast.AST] = list(statements)
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, Def | ast.Lambda | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))


def _always_raises(function: Def) -> bool:
    return isinstance(function.body[-1], ast.Raise)


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
