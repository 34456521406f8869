"""Cells that declare parameters."""

from __future__ import annotations

import pytest

from jupyter_mlpipe.cells.parameters import parse_parameters
from jupyter_mlpipe.errors import ContractError
from jupyter_mlpipe.model.component import Input


def test_assignments_are_parameters_as_written() -> None:
    body = "# Which flights.\nyear = 2013\nlr: Annotated[float, Gt(0)] = 1e-1\npath: str\nxs = [\n  1,\n]"
    assert parse_parameters(body) == (
        Input("year", None, "2013"),
        Input("lr", "Annotated[float, Gt(0)]", "1e-1"),
        Input("path", "str", None),
        Input("xs", None, "[\n  1,\n]"),
    )


def test_an_empty_cell_declares_none() -> None:
    assert parse_parameters("\n# nothing yet\n") == ()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("a = 1\nprint(a)", r"Line 3 of the parameters cell, 'print\(a\)'"),
        ("a = b = 1", "Line 2"),
        ("a, b = 1, 2", "Line 2"),
        ("x.a = 1", "Line 2"),
        ("a += 1", "Line 2"),
        ("import os", "Line 2"),
        ("a = 1\na = 2", "'a' is declared twice.*line 3"),
    ],
)
def test_anything_else_is_an_error_with_its_line(body: str, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        parse_parameters(body)


def test_syntax_error_carries_the_line_of_the_cell() -> None:
    with pytest.raises(SyntaxError) as caught:
        parse_parameters("a = 1\nb = (", header_lines=2)
    assert caught.value.lineno == 4
