"""Cells of a notebook: which of them is edited, and how."""

from __future__ import annotations

from tests.wild.notebook import Cell, edit_one


def test_the_middle_one_of_the_chosen_cells_is_edited() -> None:
    cells = [Cell(number, f"x{number} = 1") for number in range(1, 8)]
    edited, number = edit_one(cells, {4, 5, 6})
    assert number == 5
    assert edited[4] == Cell(5, "pass\nx5 = 1")
    assert edited[:4] + edited[5:] == cells[:4] + cells[5:]


def test_cells_that_take_no_line_above_are_left_alone() -> None:
    cells = [
        Cell(1, "%%time\nx = 1"),
        Cell(2, "!ls"),
        Cell(3, "from __future__ import annotations"),
    ]
    assert edit_one(cells, {1, 2, 3}) == (cells, 0)
