"""Steps that run by themselves: ``%pipeline auto``."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.kernel import Kernel
from tests.support.marks import Marks

Start = Callable[..., Kernel]

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
