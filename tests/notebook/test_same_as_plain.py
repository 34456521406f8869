"""A cell with our line on top behaves as without it: now, and again when it is reused."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from tests.support import plain_cells, shared_cells
from tests.support.kernel import Kernel
from tests.support.same import cells_of, names_of, tell, values_of

Start = Callable[..., Kernel]

CHOICES: dict[str, Callable[[int], bool]] = {
    "all": lambda number: True,
    "even": lambda number: number % 2 == 0,
    "odd": lambda number: number % 2 == 1,
}


@pytest.mark.parametrize("title", plain_cells.NOTEBOOKS)
def test_a_cell_behaves_as_without_our_line(title: str, start_kernel: Start) -> None:
    _compare(plain_cells.NOTEBOOKS[title], start_kernel, ["all"])


@pytest.mark.parametrize("title", shared_cells.NOTEBOOKS)
def test_what_names_share_stays_shared(title: str, start_kernel: Start) -> None:
    _compare(shared_cells.NOTEBOOKS[title], start_kernel, CHOICES)


def _compare(text: str, start_kernel: Start, choices: Iterable[str]) -> None:
    cells = cells_of(text)
    plain = start_kernel(load=False)
    expected = tell(plain, cells, lambda number: False)
    names = names_of(plain)
    values = values_of(plain, names)
    plain.close()
    for choice in choices:
        for time in ("first", "reused"):
            kernel = start_kernel()
            assert tell(kernel, cells, CHOICES[choice]) == expected, (choice, time)
            assert values_of(kernel, names) == values, (choice, time)
            kernel.close()
