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


def test_to_look_at_the_notebook_does_not_change_what_it_means(kernel: Kernel) -> None:
    marks = Marks(kernel)
    kernel.run("%%component a --no-run\nx = k", cell_id="a").check()
    kernel.run("k = 1", cell_id="k").check()
    kernel.run("%%component other --no-run\ny = 1", cell_id="other").check()
    kernel.listen(lambda: marks.steps.get("other", {}).get("plan") == "run")
    # Nobody has asked for `a` so far: it reads what is there when somebody does, as without a look.
    kernel.run("%%component b --no-run\nk = 5", cell_id="b").check()
    kernel.run("run = %pipeline run\nrun.wait()").check()
    assert kernel.value("x") == 5


@pytest.mark.parametrize("later", ["x = x + [10]", "x = [100]", "push(x)"])
def test_a_reader_of_what_a_step_below_has_replaced_since_is_stale(kernel: Kernel, later: str) -> None:
    marks = Marks(kernel)
    kernel.run("def push(items): items.append(10)").check()
    cells = {"x": "x = [1]", "a": "%%component a\ny = len(x)", "b": f"%%component b\n{later}"}
    for cell_id in "xab":
        kernel.run(cells[cell_id], cell_id=cell_id).check()
        kernel.run("print(x)").check()
    kernel.listen(lambda: marks.signs == {"a": "succeeded", "b": "succeeded"})
    kernel.run("x = [5, 6]", cell_id="x").check()
    kernel.run(cells["b"], cell_id="b").check()
    kernel.listen(lambda: marks.stale == {"a"})
    kernel.run("x").check()  # which loads what the step has made of it
    kernel.listen(lambda: marks.stale == {"a"})
    kernel.run("%pipeline run a").check()
    assert kernel.value("y") == 2
    kernel.listen(lambda: not marks.stale)
