"""`%pipeline adopt`: which cells that have run are worth a line, and why not the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.kernel import MIME, Kernel

Start = Callable[..., Kernel]

SLOW = "rows = work([3, 1, 2])"
HELPER = "import time\ndef work(values):\n    time.sleep(1.05)\n    return sorted(values)"


def _adopt(kernel: Kernel, words: str = "") -> dict[str, Any]:
    """Return what is said of each cell, by its text's first line in the order of the cells."""
    return kernel.run(f"%pipeline adopt {words}").check().facts


def _cell(facts: dict[str, Any], place: int) -> dict[str, Any]:
    return dict(facts["cells"][place])


def test_a_cell_that_takes_long_is_worth_a_line(kernel: Kernel) -> None:
    for cell in (HELPER, SLOW, "total = sum(rows)"):
        kernel.run(cell).check()
    helper, slow, quick = _adopt(kernel)["cells"]
    assert helper["line"] is None
    assert helper["why"] == "has only imports and functions and classes"
    assert slow["line"] == "%%component rows"
    assert slow["why"] == "keeps rows"
    assert 1.05 <= slow["seconds"] < 20
    assert quick["line"] is None
    assert quick["why"].startswith("takes ")


def test_the_line_that_is_shown_makes_a_step_of_the_cell(kernel: Kernel) -> None:
    kernel.run(HELPER).check()
    kernel.run(SLOW).check()
    line = _cell(_adopt(kernel), 1)["line"]
    assert kernel.run(f"{line}\n{SLOW}").check().status_of_step == "succeeded"
    assert kernel.value("rows") == [1, 2, 3]


def test_it_is_shown_as_text_and_as_a_table(kernel: Kernel) -> None:
    kernel.run(HELPER).check()
    kernel.run(SLOW).check()
    output = kernel.run("%pipeline adopt").check().outputs[-1]["data"]
    first, heads, *rows = output["text/plain"].splitlines()
    assert first == "adopt: 1 of 2 cells are worth a line of their own, to put on top of each"
    assert heads.split() == ["cell", "line", "to", "put", "on", "top", "took", "why", "begins"]
    assert rows[1].startswith("In [3]  %%component rows ")
    assert rows[1].endswith(f"  {SLOW}")
    assert 'data-mlpipe-adopt="step"' in output["text/html"]
    assert "%%component rows</code>" in output["text/html"]
    assert output[MIME]["kind"] == "adopt"


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("import math", "has only imports"),
        ("import warnings\nwarnings.filterwarnings('ignore')", "has only imports and settings"),
        ("seed = 7", "has only plain values"),
        ("%config InlineBackend.figure_format = 'png'", "has only magics and commands"),
        ("here = !echo hello\nn = len(here)", "uses !echo, which acts on more than its names"),
        ("%%capture\nx = sum([1])", "stands under the cell magic %%capture"),
        ("x = sum(globals()['_ih'] != [] for _ in [1])", "uses globals(), which needs the kernel itself"),
        ("with open('x.txt', 'w') as file:\n    n = file.write('x')", "changes something outside"),
        ("print(sum([1, 2]))", "only shows something, and takes "),
        ("sum([1, 2])", "only shows something, and takes "),
        (
            "import threading\nlock = threading.Lock()",
            "binds only what cannot be stored: lock (_thread.lock)",
        ),
        ("#| component: first\nx = sum([1])", "has our line already"),
        ("%%parameters\nx = 1", "has our line already"),
    ],
)
def test_a_cell_to_leave_alone_says_why(kernel: Kernel, cell: str, why: str) -> None:
    kernel.run(cell).check()
    (said,) = _adopt(kernel)["cells"]
    assert said["line"] is None
    assert said["why"].startswith(why)


def test_what_cannot_be_stored_is_found_by_its_value(kernel: Kernel) -> None:
    kernel.run("def numbers():\n    yield 1\nmake = numbers").check()
    kernel.run("found = make()").check()
    kernel.run("total = sum(found)").check()
    cells = _adopt(kernel, "--all")["cells"]
    assert cells[1]["why"] == "binds only what cannot be stored: found (generator)"
    assert cells[2]["why"] == "reads found (generator), which cannot leave this kernel"


def test_a_cell_that_failed_is_left(kernel: Kernel) -> None:
    kernel.run("import time\ntime.sleep(1.05)\nx = sum([1])\n1 / 0")
    assert _cell(_adopt(kernel), 0)["why"] == "failed when it last ran"


def test_a_long_cell_that_only_shows_is_worth_it(kernel: Kernel) -> None:
    kernel.run("import time").check()
    kernel.run("time.sleep(1.05)\nprint('done')").check()
    said = _cell(_adopt(kernel), 1)
    assert (said["line"], said["why"]) == ("%%component show", "what it shows is kept")


def test_names_are_different_and_none_of_a_component(kernel: Kernel) -> None:
    kernel.run("%%component total\nother = 1").check()
    kernel.run("total = sum([1])").check()
    kernel.run("total = sum([1, 2])").check()
    kernel.run("total += len('x')").check()
    assert [cell["name"] for cell in _adopt(kernel, "--all")["cells"]] == [
        None,
        "sum_total",
        "sum_total_2",
        "total_2",
    ]


def test_a_cell_that_is_run_again_stands_once(kernel: Kernel) -> None:
    kernel.run("a = sum([1])", cell_id="one").check()
    kernel.run("b = sum([2])", cell_id="two").check()
    kernel.run("a = sum([1, 1])", cell_id="one").check()
    kernel.run("c = sum([3])").check()
    kernel.run("c = sum([3])").check()
    cells = _adopt(kernel)["cells"]
    assert [(cell["cell_id"], cell["number"]) for cell in cells] == [("one", 4), ("two", 3), (None, 6)]


def test_cells_that_ran_before_the_extension_are_judged_by_their_text(start_kernel: Start) -> None:
    kernel = start_kernel(load=False)
    kernel.run("rows = sorted([3, 1])").check()
    kernel.run("%load_ext jupyter_mlpipe").check()
    (said,) = _adopt(kernel)["cells"]
    assert said["line"] == "%%component rows"
    assert said["seconds"] is None


def test_it_says_so_where_nothing_has_run(kernel: Kernel) -> None:
    assert "No cell has run yet" in kernel.run("%pipeline adopt").printed_error
    assert "unrecognized arguments: --fast" in kernel.run("%pipeline adopt --fast").printed_error
