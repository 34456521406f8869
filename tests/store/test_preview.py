"""A look at what is stored, without running anybody's code."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_mlpipe.store.preview import first_rows
from jupyter_mlpipe.store.store import open_store
from tests.support.values import FAMILIES

VALUES = [(family, name) for family in ("array", "pandas", "arrow") for name in FAMILIES[family]]


@pytest.mark.parametrize(("family", "name"), VALUES)
def test_each_table_and_array_can_be_looked_at(tmp_path: Path, family: str, name: str) -> None:
    store = open_store(tmp_path)
    artifact = store.put_value(FAMILIES[family][name]())
    shown = first_rows(store, artifact)
    assert len(shown.splitlines()) < 12
    assert shown or artifact.codec != "npy"
