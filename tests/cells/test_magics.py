"""Magics in a cell, written such that what they run is seen as code."""

from __future__ import annotations

import ast

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from jupyter_mlpipe.cells.magics import LineMagic, component_first, expand_magics
from jupyter_mlpipe.cells.names import analyse
from jupyter_mlpipe.errors import UsageError

_to_python = TransformerManager().transform_cell


@pytest.mark.parametrize(
    ("cell", "reads", "binds"),
    [
        ("%time y = f(x)", ("f", "x"), ("y",)),
        ("%%time\ny = f(x)\nz = y", ("f", "x"), ("y", "z")),
        ("%%capture out\ny = x", ("x",), ("out", "y")),
        ("%%time\n%%capture out\ny = x", ("x",), ("out", "y")),
        ("%%bash --out text --err=more\necho x", (), ("text", "more")),
        ("%%bash\ny=1", (), ()),
        ("if x:\n    y = 1\n%matplotlib inline", ("x",), ("y",)),
    ],
)
def test_what_a_magic_runs_is_read_and_bound(
    cell: str, reads: tuple[str, ...], binds: tuple[str, ...]
) -> None:
    names = analyse(expand_magics(cell, _to_python).code)
    assert names.reads == reads
    assert sorted(names.binds) == sorted(binds)


def test_lines_keep_their_numbers() -> None:
    expanded = expand_magics("\n%%time\n\nx = 1\n%time y = 2\nz = 3", _to_python)
    lines = [node.lineno for node in ast.parse(expanded.code).body]
    assert lines == [2, 4, 5, 6]


def test_settings_go_to_the_kernel_before_the_step_or_after_it() -> None:
    cell = "import os\n%matplotlib inline\n%load_ext autoreload\nos.mkdir('a')\n%cd a\n%env HOME"
    expanded = expand_magics(cell, _to_python)
    assert expanded.for_kernel == (
        LineMagic("matplotlib", "inline"),
        LineMagic("load_ext", "autoreload"),
        LineMagic("cd", "a", is_after=True, is_followed=True),
    )
    assert "run_magic_quietly('matplotlib', 'inline')" in expanded.code
    assert "autoreload" not in expanded.code
    assert "run_magic_followed('cd', 'a')" in expanded.code


@pytest.mark.parametrize("cell", ["%cd a", "import os\n%cd -\n%pushd a\nx = 1", "%matplotlib inline\n%cd a"])
def test_folders_are_changed_once_in_the_kernel(cell: str) -> None:
    expanded = expand_magics(cell, _to_python)
    assert {magic.name for magic in expanded.for_kernel} >= {"cd"}
    assert "'cd'" not in expanded.code
    assert not any(magic.is_after for magic in expanded.for_kernel)


@pytest.mark.parametrize("cell", ["x = 1\n%cd -", "%cd a\nx = 1\n%cd -", "for x in 'ab':\n    %cd {x}"])
def test_folders_that_rest_on_those_before_are_changed_by_the_code(cell: str) -> None:
    expanded = expand_magics(cell, _to_python)
    assert not expanded.for_kernel
    assert expanded.code.count("run_line_magic('cd'") == cell.count("%cd")


def test_what_a_cell_binds_is_kept_once_it_is_bound() -> None:
    expanded = expand_magics("%store -r rates\nx = rates\n%store x", _to_python)
    before, after = LineMagic("store", "-r rates"), LineMagic("store", "x", is_last=True, is_after=True)
    assert expanded.for_kernel == (before, after)


def test_our_line_comes_first() -> None:
    lines = ["%%time\n", "%%component a\n", "x = 1\n"]
    assert component_first(lines) == ["%%component a\n", "%%time\n", "x = 1\n"]
    for other in (["x = 1\n", "%%component a\n"], ["%%component a\n", "%%time\n"], ["%%time\n", "x\n"], []):
        assert component_first(other) == other


def test_names_are_not_restored_behind_the_code_that_binds_them() -> None:
    with pytest.raises(UsageError, match=r"'%store -r x' stands below code that .* 'x'.* a cell of its own"):
        expand_magics("del x\n%store -r x\nx", _to_python)
    assert not expand_magics("y = 1\n%store -r x\nx", _to_python).for_kernel[0].is_after
    assert expand_magics("x = 1\n%xdel x", _to_python).for_kernel[0].is_after
