"""What definitions hold is told whole."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_mlpipe.keys.artifacts import dump_artifact
from jupyter_mlpipe.keys.held import held_by


@pytest.mark.parametrize("n_more", range(8))
def test_a_class_is_told_whole_while_its_own_objects_are_pickled(notebook: Any, n_more: int) -> None:
    names = [f"later_{i}" for i in range(n_more)]
    # How many attributes a class has room for depends on the version of Python.
    body = "".join(f"    {name} = 1\n" for name in ("one", *names, "last"))
    notebook.run(f"class Single:\n{body}Single.one = Single()")
    told = []
    for (name,), held in held_by(notebook.namespace["Single"]):
        dump_artifact(held, notebook.namespace)
        told.append(name)
    assert told == ["one", *names, "last"]
