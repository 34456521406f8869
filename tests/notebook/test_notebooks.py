"""Notebooks that share a kernel, by the clients that speak for them."""

from __future__ import annotations

from jupyter_mlpipe.notebook.show.notebooks import Notebooks, split_cell


def test_without_a_word_on_notebooks_all_clients_are_one() -> None:
    notebooks = Notebooks()
    assert notebooks.run_cell("a", "c0") == notebooks.run_cell("b", "c0") == "c0"
    assert notebooks.shown_to("b", "c0") == "c0"


def test_cells_of_one_id_are_told_apart_by_their_notebooks() -> None:
    notebooks = Notebooks()
    notebooks.meet("a", "one.ipynb")
    notebooks.meet("b", "copy.ipynb")
    first, second = notebooks.run_cell("a", "c0"), notebooks.run_cell("b", "c0")
    assert first != second
    assert [split_cell(cell) for cell in (first, second)] == [("c0", 0), ("c0", 1)]
    assert [notebooks.shown_to("b", cell) for cell in (first, second, None)] == ["", "c0", ""]
    assert notebooks.cell("b", "c0") == second


def test_a_page_that_is_loaded_again_or_looks_twice_shows_the_same_notebook() -> None:
    notebooks = Notebooks()
    notebooks.meet("a", "one.ipynb")
    notebooks.meet("b", "copy.ipynb")
    notebooks.meet("a again", "one.ipynb")
    notebooks.meet("b again", "copy.ipynb")
    assert notebooks.by_client == {"a": 0, "b": 1, "a again": 0, "b again": 1}


def test_what_has_run_before_anybody_said_where_is_of_the_notebook_that_ran_it() -> None:
    notebooks = Notebooks()
    notebooks.run_cell("a", "c0")
    notebooks.meet("b", "copy.ipynb")
    notebooks.meet("a", "one.ipynb")
    assert notebooks.by_client == {"a": 0, "b": 1}


def test_a_notebook_that_is_renamed_is_the_same_and_its_old_path_another() -> None:
    notebooks = Notebooks()
    notebooks.meet("a", "one.ipynb")
    notebooks.meet("b", "copy.ipynb")
    notebooks.meet("b", "renamed.ipynb")
    notebooks.meet("c", "copy.ipynb")
    notebooks.meet("d", "renamed.ipynb")
    assert notebooks.by_client == {"a": 0, "b": 1, "c": 2, "d": 1}
