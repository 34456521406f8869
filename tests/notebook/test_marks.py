"""Marks: how the pipeline stands after each cell and while runs go on, as the kernel tells its listeners."""

from __future__ import annotations

import pytest

from tests.support.kernel import Kernel
from tests.support.marks import Marks

CELLS = {
    "helper": "def double(x):\n    return 2 * x",
    "value": "shift = 1",
    "params": "%%parameters\nrate = 3",
    "a": "%%component a\nx = double(rate)",
    "b": "%%component b\ny = x + shift",
    "c": "%%component c\nz = y * 10",
    "d": "%%component d\nw = 5",
    "e": "%%component e(w, size=2)\nv = w * size",
}


@pytest.fixture
def marks(kernel: Kernel) -> Marks:
    marks = Marks(kernel)
    for cell_id, cell in CELLS.items():
        kernel.run(cell, cell_id=cell_id).check()
    marks.wait_for(**dict.fromkeys("abcde", "succeeded"))
    return marks


def test_exactly_the_steps_below_a_change_turn_stale(marks: Marks) -> None:
    edits: list[tuple[str, str, set[str]]] = [
        ("helper", "def double(x):\n    return 4 * x", {"a", "b", "c"}),
        ("helper", CELLS["helper"] + "  # the same", set()),
        ("value", "shift = 2", {"b", "c"}),
        ("value", "shift = 1", set()),
        ("params", "%%parameters\nrate = 4", {"a", "b", "c"}),
        ("params", CELLS["params"], set()),
    ]
    for cell_id, cell, expected in edits:
        marks.kernel.run(cell, cell_id=cell_id).check()
        marks.kernel.listen(lambda expected=expected: marks.stale == expected)


def test_settings_modules_and_steps_that_cannot_run_count_as_well(kernel: Kernel) -> None:
    (kernel.folder / "tools.py").write_text("def scale(x): return x * 2")
    kernel.run("import pandas as pd, tools\nfrom threading import Lock").check()
    cells = {
        "n": "n = 1",
        "scaled": "%%component scaled\ns = tools.scale(n)",
        "below": "%%component below\nt = s + 1",
        "alone": "%%component alone --no-reuse\nu = 1",
    }
    marks = Marks(kernel)
    for cell_id, cell in cells.items():
        kernel.run(cell, cell_id=cell_id).check()
    # What may not be reused is as its cell has left it.
    marks.wait_for(**dict.fromkeys(("scaled", "below", "alone"), "succeeded"))
    kernel.listen(lambda: marks.steps["alone"]["plan"] == "reuse")
    (kernel.folder / "tools.py").write_text("def scale(x): return x * 3")
    kernel.run("pass").check()
    kernel.listen(lambda: marks.stale == {"scaled", "below"})
    kernel.run(cells["scaled"], cell_id="scaled").check()
    marks.wait_for(scaled="succeeded", below="stale")
    kernel.run(cells["below"], cell_id="below").check()
    kernel.listen(lambda: not marks.stale)
    # It cannot be sent: its step cannot run, and all others are planned.
    kernel.run("n = Lock()", cell_id="n").check()
    kernel.listen(lambda: marks.stale == {"scaled", "below"})
    assert "cannot be sent" in marks.steps["scaled"]["reasons"][0]["text"]
    kernel.run("n = 1", cell_id="n").check()
    kernel.listen(lambda: not marks.stale)


def test_a_result_for_other_values_is_stale_though_a_plan_reuses(marks: Marks) -> None:
    kernel = marks.kernel
    kernel.run("%%parameters\nrate = 4", cell_id="params").check()
    marks.wait_for(a="stale", b="stale", c="stale")
    kernel.run(CELLS["a"], cell_id="a").check()
    kernel.run("%%parameters\nrate = 3", cell_id="params").check()
    # What `x` stands for was made with 4; b and c are those of 3.
    marks.wait_for(a="stale", b="succeeded", c="succeeded")
    assert marks.steps["a"]["plan"] == "reuse"
    kernel.run(CELLS["a"], cell_id="a").check()
    marks.wait_for(a="reused")


def test_listeners_that_fail_break_nothing_and_nobody_listens_for_nothing(kernel: Kernel) -> None:
    kernel.run("from jupyter_mlpipe.notebook.extension import current_session as session").check()
    kernel.run("%%component a\nx = 1", cell_id="a").check()
    assert kernel.value("(session().marks.seconds, session().marks.latest())") == (0.0, None)
    kernel.run("def fails(snapshot): raise ValueError('a listener')\nend = session().marks.subscribe(fails)")
    marks = Marks(kernel)
    marks.wait_for(a="succeeded")
    assert kernel.run("%%component b\ny = x", cell_id="b").check().status_of_step == "succeeded"
    marks.wait_for(b="succeeded")
    kernel.run("end()\n_stop()\n_stop()").check()
    assert kernel.value("session().marks.latest()") is None


def test_states_are_told_while_a_cell_runs(kernel: Kernel) -> None:
    marks = Marks(kernel)
    cell = (
        "%%component slow\nimport os, time\n"
        "while not os.path.isfile('og'[::-1]):\n    time.sleep(0.01)\nx = 1"
    )
    kernel.run("%%component before\nw = 1", cell_id="before").check()
    busy = kernel.start(cell, cell_id="slow")
    marks.wait_for(slow="running", before="succeeded")
    assert marks.steps["slow"]["cell_id"] == "slow"
    (kernel.folder / "go").touch()
    kernel.wait(busy).check()
    marks.wait_for(slow="succeeded")
    kernel.run("%pipeline remove slow").check()
    kernel.listen(lambda: set(marks.steps) == {"before"})
