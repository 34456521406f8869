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
