"""Marks: how the pipeline stands after each cell and while runs go on, as the kernel tells its listeners."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.kernel import Kernel

Start = Callable[..., Kernel]

LISTEN = """
import json as _json, os as _os
from jupyter_mlpipe.notebook.extension import current_session as _session
def _listen(snapshot):
    with open("marks.new", "w") as file:
        file.write(_json.dumps(snapshot.to_json()))
    _os.replace("marks.new", "marks.json")
_stop = _session().marks.subscribe(_listen)
"""


def told(kernel: Kernel) -> dict[str, Any]:
    path = kernel.folder / "marks.json"
    return dict(json.loads(path.read_text())) if path.exists() else {"steps": {}}


def marks(kernel: Kernel) -> dict[str, str | None]:
    """Return the sign of each step as it was told last: its status, or `stale`."""
    return {
        name: "stale"
        if step["status"] in ("succeeded", "reused") and step["plan"] in ("run", "undecided")
        else step["status"]
        for name, step in told(kernel)["steps"].items()
    }


def stale(kernel: Kernel) -> set[str]:
    return {name for name, mark in marks(kernel).items() if mark == "stale"}


def wait_for(kernel: Kernel, done: Callable[[], Any]) -> None:
    kernel.listen(done)


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
def notebook(kernel: Kernel) -> Kernel:
    kernel.run(LISTEN).check()
    for cell_id, cell in CELLS.items():
        kernel.run(cell, cell_id=cell_id).check()
    wait_for(kernel, lambda: marks(kernel) == dict.fromkeys("abcde", "succeeded"))
    return kernel


def test_exactly_the_steps_below_a_change_turn_stale(notebook: Kernel) -> None:
    edits: list[tuple[str, str, set[str]]] = [
        ("helper", "def double(x):\n    return 4 * x", {"a", "b", "c"}),
        ("helper", CELLS["helper"] + "  # the same", set()),
        ("value", "shift = 2", {"b", "c"}),
        ("value", "shift = 1", set()),
        ("params", "%%parameters\nrate = 4", {"a", "b", "c"}),
        ("params", CELLS["params"], set()),
        ("other", "unrelated = 7", set()),
    ]
    for cell_id, cell, expected in edits:
        notebook.run(cell, cell_id=cell_id).check()
        wait_for(notebook, lambda expected=expected: stale(notebook) == expected)
