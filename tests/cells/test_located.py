"""Where the header of a cell lies, and where in its text a mistake is."""

from __future__ import annotations

import pytest

from jupyter_mlpipe.cells.compile import compile_cell
from jupyter_mlpipe.cells.header import parse_header
from jupyter_mlpipe.cells.located import Located, locate, place_of
from jupyter_mlpipe.cells.parameters import parse_parameters
from jupyter_mlpipe.errors import MLPipeError


def mistake(cell: str) -> str:
    """Return the part of a cell that its error is about."""
    located = locate(cell)
    assert located is not None
    with pytest.raises(MLPipeError) as raised:
        read(cell, located)
    start, end = place_of(raised.value, cell, located)
    return cell[start:end]


def read(cell: str, located: Located) -> None:
    if located.kind == "parameters":
        parse_parameters(located.body, header_lines=located.header_lines)
    else:
        header = parse_header(located.header)
        compile_cell(cell, header=header, body=located.body, header_lines=located.header_lines)


@pytest.mark.parametrize(
    ("cell", "part"),
    [
        ("%%component", "%%component"),
        ("\n\n  %%component fit-x --cpus 2\nx = 1", "fit-x"),
        ("%%component fit(a b) -> c", "(a b)"),
        ("%%component fit(a, -> c", "(a, -> c"),
        ("%%component fit(a) -> b c --cpus 2", "-> b c"),
        ("%%component fit -> a -> b", "-> b"),
        ("%%component fit --cpus 2 --memory lots --gpus 1", "--memory lots"),
        ("%%component fit --no-reuse --cpus 2 --no-reuse", "--no-reuse"),
        ("%%component fit --salt 'a  b' --zzz=3", "--zzz=3"),
        ("%%component fit --salt 'a", "--salt 'a"),
        ("%%component fit stray", "stray"),
        ("%%component fit --scratch --cpus 2 --here", "--here"),
        ("%%time\n%%component fit --cpus two\nx = 1", "--cpus two"),
        ("#| component: fit\n#|  --cpus two\nx = 1", "--cpus two"),
        ("#| component: fit(a,\n#|  b c)\nx = 1", "(a,\n#|  b c)"),
        ("%%component fit(x) -> y, z\ny = x", "z"),
        ("%%component fit(x) -> x\ndel x", "x"),
        ("%%component fit(df) -> y\ny = df.x\n'df'; df['n'] = 1", "df"),
        ("%%component fit -> a, b\ndef f(x):\n    return x, x, x", "return x, x, x"),
        ("%%component fit(x) -> a\ndef f(x):\n    return x", "f"),
        ("%%parameters\nseed = 7\nprint(seed)  \n", "print(seed)"),
        ("%%parameters\nseed = 7\n\nseed = 8", "seed"),
    ],
)
def test_a_mistake_is_where_its_part_of_the_cell_is(cell: str, part: str) -> None:
    assert mistake(cell) == part


def test_the_last_of_two_equal_options_is_the_mistake() -> None:
    cell = "%%component fit --no-reuse --cpus 2 --no-reuse"
    located = locate(cell)
    assert located is not None
    with pytest.raises(MLPipeError) as raised:
        parse_header(located.header)
    assert place_of(raised.value, cell, located) == (36, 46)


@pytest.mark.parametrize("cell", ["", "x = 1", "%%time\nx = 1", "%%components\nx", "# component: x", "\n"])
def test_a_cell_without_our_line_has_no_header(cell: str) -> None:
    assert locate(cell) is None


def test_lines_of_the_body_are_those_of_the_cell() -> None:
    for cell in ("\n%%component a\nx\ny", "%%time\n%%component a\nx\ny", "#| component: a\n#| --here\nx\ny"):
        located = locate(cell)
        assert located is not None
        assert ("\n" * located.header_lines + located.body).split("\n")[-2:] == ["x", "y"]
        assert len(("\n" * located.header_lines + located.body).split("\n")) == len(cell.split("\n"))
