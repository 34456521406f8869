"""What cells do to classes and functions of the notebook is seen by later cells as without our line."""

from __future__ import annotations

import pytest

from tests.support import class_cells
from tests.support.as_plain import CHOICES, Start, assert_same_as_plain


@pytest.mark.parametrize("title", class_cells.NOTEBOOKS)
def test_what_a_cell_does_to_a_class_stays(title: str, start_kernel: Start) -> None:
    assert_same_as_plain(class_cells.NOTEBOOKS[title], start_kernel, choices=CHOICES)
