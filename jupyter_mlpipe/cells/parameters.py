"""The body of a ``%%parameters`` cell: plain assignments, with annotations where wanted."""

from __future__ import annotations

import ast

from jupyter_mlpipe.cells.names import parse_cell
from jupyter_mlpipe.cells.source import expression_text, split_lines
from jupyter_mlpipe.errors import ContractError
from jupyter_mlpipe.model.component import Input


def parse_parameters(body: str, *, header_lines: int = 1) -> tuple[Input, ...]:
    """Return the parameters in order; one without a value must be given to each run.

    Parameters
    ----------
    header_lines
        Lines of the cell before the body, so that errors name lines of the cell.

    Raises
    ------
    SyntaxError
        The body is no Python.
    ContractError
        Something else than ``name = value``, or a name declared twice; the message names the line.
    """
    code = "\n" * header_lines + body
    lines = split_lines(code)
    parameters: dict[str, Input] = {}
    for node in parse_cell(code, filename="<parameters>").body:
        parameter = _read_parameter(node, lines)
        if parameter is None:
            first = lines[node.lineno - 1].strip()
            raise ContractError(
                f"Line {node.lineno} of the parameters cell, '{first}', is no parameter. Write one "
                "'name = value' or 'name: type = value' a line; move all else to a cell of its own.",
                line=node.lineno,
            )
        if parameter.name in parameters:
            raise ContractError(
                f"Parameter '{parameter.name}' is declared twice in its cell, the second time on line "
                f"{node.lineno}. Keep one of them.",
                word=parameter.name,
                line=node.lineno,
            )
        parameters[parameter.name] = parameter
    return tuple(parameters.values())


def _read_parameter(node: ast.stmt, lines: list[str]) -> Input | None:
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return Input(node.targets[0].id, default=expression_text(node.value, lines))
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return Input(
            node.target.id,
            annotation=expression_text(node.annotation, lines),
            default=expression_text(node.value, lines) if node.value else None,
        )
    return None
