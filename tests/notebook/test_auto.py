"""Steps that run by themselves: ``%pipeline auto``."""

from __future__ import annotations

import ast
from collections.abc import Callable

from tests.support.kernel import Kernel
from tests.support.marks import Marks

Start = Callable[..., Kernel]

# A name that the code does not hold: a file that it names counts as one that it reads.
GATED = "import os, time\nwhile not os.path.isfile('og'[::-1]): time.sleep(0.01)\n"
CELLS = {
    "params": "%%parameters\nrate = 3",
    "a": "%%component a\nprint('a makes', rate)\nx = rate * 2",
    "b": "%%component b\ny = x + 1",
}


def begin(kernel: Kernel, cells: dict[str, str] = CELLS, auto: str = "on") -> Marks:
    for cell_id, cell in cells.items():
        kernel.run(cell, cell_id=cell_id).check()
    marks = Marks(kernel)
    kernel.run(f"%pipeline auto {auto}").check()
    return marks


def set_rate(kernel: Kernel, rate: object) -> None:
    kernel.run(f"%%parameters\nrate = {rate!r}", cell_id="params").check()


def open_gate(kernel: Kernel) -> None:
    (kernel.folder / "go").touch()


def close_gate(kernel: Kernel) -> None:
    (kernel.folder / "go").unlink()


def run_counts(kernel: Kernel) -> dict[str, int]:
    """Return how often each step has run, as the history has it."""
    code = (
        "import collections, jupyter_mlpipe as mlpipe\n"
        "_steps = [step for run in mlpipe.current().runs(200) for step in run.details['steps'].items()]\n"
        "_ran = [name for name, step in _steps if step['status'] in ('succeeded', 'failed')]\n"
        "print(repr(dict(collections.Counter(_ran))))"
    )
    return dict(ast.literal_eval(kernel.run(code).check().printed))


def test_what_is_stale_runs_by_itself_and_binds_its_names(kernel: Kernel) -> None:
    marks = begin(kernel)
    assert kernel.value("(x, y)") == (6, 7)
    cell = kernel.start(CELLS["a"], cell_id="a")
    shown = kernel.wait(cell).check()
    set_rate(kernel, 4)
    marks.wait_for(a="by itself", b="by itself")
    assert kernel.value("(x, y)") == (8, 9)
    kernel.settle(shown, lambda result: "a makes 4" in str(result.outputs[-1]))
    assert "ran by itself" in shown.receipt
    # Back again: nothing has to run, and the names follow all the same.
    set_rate(kernel, 3)
    marks.wait_for(a="reused", b="reused")
    assert kernel.value("(x, y)") == (6, 7)


def test_names_change_together_and_never_within_a_cell(kernel: Kernel) -> None:
    open_gate(kernel)
    marks = begin(kernel, {**CELLS, "b": "%%component b\n" + GATED + "y = x + 1"})
    close_gate(kernel)
    set_rate(kernel, 4)
    marks.wait_for(a="waiting", b="running")
    # The first step has ended: its name waits for the other's.
    assert kernel.value("(rate, x, y)") == (4, 6, 7)
    ends = (
        "open('go', 'w').close()\nimport time\n"
        "while _session().auto._run.status == 'running': time.sleep(0.01)\n"
        "import jupyter_mlpipe as mlpipe\nmlpipe.current().run(targets=['a'], params={'rate': 3}).wait()\n"
        "print(x, y)"
    )
    assert kernel.run(ends).check().printed == "6 7\n"
    marks.wait_for(a="by itself", b="by itself")
    assert kernel.value("(x, y)") == (8, 9)


def test_what_changes_meanwhile_is_run_for_anew_and_finished_work_is_kept(kernel: Kernel) -> None:
    open_gate(kernel)
    cells = {"shift": "shift = 1", **CELLS, "b": "%%component b\n" + GATED + "y = x + shift"}
    marks = begin(kernel, cells)
    close_gate(kernel)
    set_rate(kernel, 4)
    marks.wait_for(b="running")
    kernel.run("shift = 2", cell_id="shift").check()
    kernel.run("shift = 3", cell_id="shift").check()
    kernel.listen(lambda: "shift" in str(marks.steps["b"]["reasons"]) and marks.signs["b"] == "running")
    open_gate(kernel)
    marks.wait_for(a="reused", b="by itself")
    assert kernel.value("(x, y)") == (8, 11)
    assert run_counts(kernel) == {"a": 2, "b": 2}


def test_only_what_fits_the_budget_runs_by_itself(kernel: Kernel) -> None:
    slow = "%%component b\nimport time\ntime.sleep(0.4)\ny = x + 1"
    marks = begin(kernel, {**CELLS, "b": slow, "c": "%%component c\nz = y"}, "on --budget 300ms")
    set_rate(kernel, 4)
    marks.wait_for(a="by itself", b="stale", c="stale")
    facts = kernel.run("%pipeline auto").check().facts
    assert facts["level"] == "on"
    assert facts["budget_s"] == 0.3
    assert (facts["runs"], facts["left"].keys()) == ([], {"b", "c"})
    assert facts["left"]["b"].startswith("takes about 0.")
    assert facts["left"]["c"] == "reads from b"
    assert facts["stale"]["text"].startswith("run 2 stale, about 0.")
    assert kernel.value("(x, y)") == (8, 7)
    kernel.run("%pipeline auto --budget 10s").check()
    marks.wait_for(b="by itself", c="by itself")
    assert kernel.value("(x, y, z)") == (8, 9, 9)


def test_some_steps_never_run_by_themselves(kernel: Kernel) -> None:
    cells = {
        **CELLS,
        "apart": "%%component apart --no-auto\nu = rate",
        "here": "%%component here --here\nv = rate",
        "writes": "%%component writes\nopen('out.txt', 'w').write(str(rate))",
        "below": "%%component below\nq = u",
    }
    marks = begin(kernel, cells)
    set_rate(kernel, 4)
    marks.wait_for(a="by itself", b="by itself", apart="stale", here="stale", writes="stale")
    assert kernel.run("%pipeline auto").check().facts["left"] == {
        "apart": "--no-auto",
        "here": "runs in the kernel (--here)",
        "writes": "writes files",
        "below": "reads from apart",
    }
    kernel.run(cells["apart"], cell_id="apart").check()
    marks.wait_for(below="by itself")


def test_what_failed_is_not_tried_again_as_it_is(kernel: Kernel) -> None:
    cells = {**CELLS, "b": "%%component b\ny = 12 // x", "other": "k = 1", "c": "%%component c\nz = k"}
    marks = begin(kernel, cells)
    set_rate(kernel, 0)
    marks.wait_for(a="by itself", b="failed")
    reading = kernel.run("y")
    assert (reading.status, reading.error and reading.error["ename"]) == ("error", "ZeroDivisionError")
    for k in (2, 3, 4):
        kernel.run(f"k = {k}", cell_id="other").check()
        kernel.listen(lambda k=k: marks.steps["c"]["previews"].get("z") == str(k))
    assert run_counts(kernel) == {"a": 2, "b": 2, "c": 4}
    set_rate(kernel, 2)
    marks.wait_for(a="by itself", b="by itself")
    assert kernel.value("(x, y)") == (4, 3)


def test_a_run_by_hand_goes_first(kernel: Kernel) -> None:
    open_gate(kernel)
    marks = begin(kernel, {**CELLS, "b": "%%component b\n" + GATED + "y = x + 1"})
    close_gate(kernel)
    set_rate(kernel, 4)
    marks.wait_for(b="running")
    # The same by hand waits for what is on its way.
    cell = kernel.start("%%component b\n" + GATED + "y = x + 1", cell_id="b")
    marks.wait_for(b="queued")
    open_gate(kernel)
    kernel.wait(cell).check()
    assert kernel.value("(x, y)") == (8, 9)
    close_gate(kernel)
    set_rate(kernel, 5)
    marks.wait_for(b="running")
    kernel.run("%%component hand\nh = 1", cell_id="hand").check()
    open_gate(kernel)
    marks.wait_for(b="by itself", hand="succeeded")
    assert kernel.value("(x, y, h)") == (10, 11, 1)
    assert run_counts(kernel) == {"a": 3, "b": 3, "hand": 1}


def test_what_the_user_stops_stays_stopped(kernel: Kernel) -> None:
    open_gate(kernel)
    marks = begin(kernel, {**CELLS, "b": "%%component b\n" + GATED + "y = x + 1"})
    kernel.run("k = 1\n", cell_id="k").check()
    kernel.run("%%component c\nz = k", cell_id="c").check()
    close_gate(kernel)
    set_rate(kernel, 4)
    marks.wait_for(b="running")
    kernel.run("%pipeline cancel").check()
    marks.wait_for(a="stale", b="stale")
    assert kernel.value("(x, y)") == (6, 7)
    assert kernel.run("%pipeline status").check().status == "ok"
    open_gate(kernel)
    # Something else changes: all is considered again.
    kernel.run("k = 2", cell_id="k").check()
    marks.wait_for(a="reused", b="by itself", c="by itself")


def test_run_all_runs_nothing_by_itself(kernel: Kernel) -> None:
    marks = begin(kernel)
    cells = {**CELLS, "params": "%%parameters\nrate = 9"}
    for _ in range(2):
        begun = [kernel.start(cell, cell_id=cell_id) for cell_id, cell in cells.items()]
        for cell in begun:
            kernel.wait(cell).check()
    marks.wait_for(a="reused", b="reused")
    assert kernel.value("(x, y)") == (18, 19)
    assert run_counts(kernel) == {"a": 2, "b": 2}


def test_two_kernels_and_a_restart(start_kernel: Start) -> None:
    one, other = start_kernel(), start_kernel()
    first, second = begin(one), begin(other)
    set_rate(one, 5)
    set_rate(other, 6)
    first.wait_for(a="by itself", b="by itself")
    second.wait_for(a="by itself", b="by itself")
    assert (one.value("(x, y)"), other.value("(x, y)")) == ((10, 11), (12, 13))
    set_rate(one, 6)
    first.wait_for(a="reused", b="reused")
    assert one.value("(x, y)") == (12, 13)
    later = start_kernel()
    third = begin(later)
    third.wait_for(a="reused", b="reused")
    set_rate(later, 7)
    third.wait_for(a="by itself", b="by itself")
    assert later.value("(x, y)") == (14, 15)


def test_levels_say_what_they_do(kernel: Kernel) -> None:
    marks = begin(kernel, auto="mark")
    set_rate(kernel, 4)
    marks.wait_for(a="stale", b="stale")
    facts = kernel.run("%pipeline auto").check().facts
    assert facts["text"].splitlines()[0] == "auto mark"
    assert "with on (budget 5.0 s), runs by itself: a, b" in facts["text"]
    kernel.run("%pipeline auto off").check()
    marks.wait_for(a="succeeded", b="succeeded")
    assert marks.steps["a"]["plan"] is None
    kernel.run("%config MLPipe.auto = 'on'").check()
    marks.wait_for(a="by itself", b="by itself")
    for line, words in (("onn", "Did you mean 'on'?"), ("on --budget soon", "expected a duration")):
        assert words in kernel.run(f"%pipeline auto {line}").printed_error
