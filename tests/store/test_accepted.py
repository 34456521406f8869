"""Accepted edits on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_mlpipe.store.accepted import (
    Accepted,
    all_accepted,
    find_accepted,
    put_accepted,
    remove_accepted,
)
from jupyter_mlpipe.store.store import Store, open_store

NEW, OLD = "ab" * 32, "cd" * 32
EDIT = Accepted(NEW, OLD, "fit", "a.ipynb", ("helper clean changed",), "ada", 1.7e9)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def test_what_was_accepted_is_there_for_everybody_until_it_is_taken_back(store: Store) -> None:
    assert (find_accepted(store, NEW), all_accepted(store)) == (None, [])
    put_accepted(store, EDIT)
    later = Accepted("ef" * 32, OLD, "fit", "a.ipynb", (), "ada", 1.8e9)
    put_accepted(store, later)
    other = open_store(store.root)
    assert find_accepted(other, NEW) == EDIT
    assert find_accepted(other, OLD) is None
    assert all_accepted(other) == [later, EDIT]
    assert EDIT.by.startswith("ada, 2023-11-1")
    assert remove_accepted(other, NEW)
    assert not remove_accepted(other, NEW)
    assert find_accepted(store, NEW) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"key": 1}'])
def test_a_file_that_is_not_whole_accepts_nothing(store: Store, content: str) -> None:
    put_accepted(store, EDIT)
    (path,) = (store.root / "accepted").iterdir()
    path.write_text(content)
    assert (find_accepted(store, NEW), all_accepted(store)) == (None, [])


def test_a_file_counts_for_its_own_key_only(store: Store) -> None:
    put_accepted(store, EDIT)
    (path,) = (store.root / "accepted").iterdir()
    path.rename(path.with_name("12" * 32))
    assert find_accepted(store, "12" * 32) is None
    assert find_accepted(store, "../accepted/" + NEW) is None
