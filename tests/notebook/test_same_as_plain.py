"""A cell with our line on top behaves as without it: now, and again when it is reused."""

from __future__ import annotations

import pytest

from tests.support.as_plain import Start, assert_same_as_plain
from tests.support.plain_cells import NOTEBOOKS


@pytest.mark.parametrize("title", NOTEBOOKS)
def test_a_cell_behaves_as_without_our_line(title: str, start_kernel: Start) -> None:
    assert_same_as_plain(NOTEBOOKS[title], start_kernel)
