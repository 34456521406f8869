"""Our line put on a cell and taken out, and the signature written into it: the rest of the text stays."""

from __future__ import annotations

import pytest

from jupyter_mlpipe.cells.editing import lock_signature, to_component, to_plain
from jupyter_mlpipe.cells.header import parse_header
from jupyter_mlpipe.cells.located import locate
from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.model.component import Input


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        ("df = pd.read_csv('x')\n", "%%component read_df"),
        ("%%time\nmodel = LinearRegression().fit(X, y)", "%%component fit_model"),
        ("import os", "%%component setup"),
        ("seed = 7", "%%component seed"),
        ("print(1)", "%%component show"),
        ("x = (", "%%component step_2"),
        ("%%bash\nls", "%%component show"),
        ("\n\n  # only a word", "%%component setup"),
    ],
)
def test_a_cell_becomes_a_component_and_is_the_same_again(cell: str, line: str) -> None:
    edit = to_component(cell, {"step"})
    after = edit.apply(cell)
    assert after == f"{line}\n{cell}"
    assert edit.select is not None
    assert after[slice(*edit.select)] == line.split()[1]
    back = to_plain(after)
    assert back.apply(after) == cell
    assert back.text == ""


def test_what_had_better_stay_a_plain_cell_is_said() -> None:
    assert to_component("import os").note == "Perhaps better left without the line: it has only imports."
    assert to_component("x = f(1)").note == ""


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("", "empty"),
        ("%%component a\nx = 1", "already"),
        ("#| component: a\nx = 1", "already"),
        ("%load_ext jupyter_mlpipe", "only speaks to"),
        ("run = %pipeline run", "only speaks to"),
    ],
)
def test_what_cannot_be_a_step_is_refused(cell: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        to_component(cell)


def test_a_plain_cell_has_no_line_to_take_out() -> None:
    with pytest.raises(UsageError, match="has no %%component line"):
        to_plain("x = 1")


@pytest.mark.parametrize(
    ("cell", "locked"),
    [
        ("%%component fit", "%%component fit(a, df=load.df, s: int = 3) -> x, y"),
        ("%%component fit --cpus 2 \nx", "%%component fit(a, df=load.df, s: int = 3) -> x, y --cpus 2 \nx"),
        ("%%component fit -> x\nx", "%%component fit(a, df=load.df, s: int = 3) -> x\nx"),
        ("%%component fit (a=[1, 2]) --here\nx", "%%component fit (a=[1, 2]) -> x, y --here\nx"),
        (
            "#| component: fit\n#|  --here\nx",
            "#| component: fit(a, df=load.df, s: int = 3) -> x, y\n#|  --here\nx",
        ),
        ("%%time\n%%component é\nx", "%%time\n%%component é(a, df=load.df, s: int = 3) -> x, y\nx"),
    ],
)
def test_a_signature_is_written_behind_the_name_and_nothing_else_changes(cell: str, locked: str) -> None:
    located = locate(cell)
    assert located is not None
    header = parse_header(located.header)
    inputs = [Input("a"), Input("df", default="load.df"), Input("s", "int", "3")]
    edit = lock_signature(cell, located, header, inputs, ["x", "y"])
    assert edit.apply(cell) == locked
    after = locate(locked)
    assert after is not None
    assert parse_header(after.header).outputs_declared


def test_nothing_is_written_where_all_is_declared_and_none_where_nothing_is_written() -> None:
    for cell, locked in (("%%component a", "%%component a() -> None"), ("%%component a() -> x", None)):
        located = locate(cell)
        assert located is not None
        header = parse_header(located.header)
        if locked is not None:
            assert lock_signature(cell, located, header, [], []).apply(cell) == locked
            continue
        with pytest.raises(UsageError, match="already"):
            lock_signature(cell, located, header, [], [])
