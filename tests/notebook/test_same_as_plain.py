"""A cell with our line on top behaves as without it: now, and again when it is reused."""

from __future__ import annotations

import pytest

from tests.support import file_cells, kept_cells, library_cells, live_cells, plain_cells, shared_cells
from tests.support.as_plain import CHOICES, Start, assert_same_as_plain


@pytest.mark.parametrize("title", plain_cells.NOTEBOOKS)
def test_a_cell_behaves_as_without_our_line(title: str, start_kernel: Start) -> None:
    assert_same_as_plain(plain_cells.NOTEBOOKS[title], start_kernel)


@pytest.mark.parametrize("title", shared_cells.NOTEBOOKS)
def test_what_names_share_stays_shared(title: str, start_kernel: Start) -> None:
    assert_same_as_plain(shared_cells.NOTEBOOKS[title], start_kernel, choices=CHOICES)


@pytest.mark.parametrize("title", live_cells.NOTEBOOKS)
def test_what_cannot_leave_the_kernel_is_read_there(title: str, start_kernel: Start) -> None:
    assert_same_as_plain(live_cells.NOTEBOOKS[title], start_kernel, choices=CHOICES)


@pytest.mark.parametrize("title", library_cells.NOTEBOOKS)
def test_what_libraries_keep_is_as_without_our_line(title: str, start_kernel: Start) -> None:
    assert_same_as_plain(library_cells.NOTEBOOKS[title], start_kernel, choices=CHOICES)


@pytest.mark.parametrize("title", kept_cells.NOTEBOOKS)
def test_what_the_kernel_keeps_is_there(title: str, start_kernel: Start) -> None:
    assert_same_as_plain(kept_cells.NOTEBOOKS[title], start_kernel, choices=CHOICES)


@pytest.mark.parametrize("title", file_cells.NOTEBOOKS)
def test_files_and_folders_are_as_without_our_line(title: str, start_kernel: Start) -> None:
    assert_same_as_plain(file_cells.NOTEBOOKS[title], start_kernel, choices=CHOICES)
