"""``%pipeline runs`` and ``diff``, and the same on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.support.kernel import Kernel

CELLS = (
    "%%parameters\nseed = 7",
    "def clean(x):\n    return x + 1",
    "%%component load\nx = clean(seed)",
    "%%component fit\ny = x * 2",
)


def command(kernel: Kernel, *words: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_mlpipe.app.main", *words, "--json"],
        cwd=kernel.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout)


def test_runs_are_listed_and_compared(kernel: Kernel) -> None:
    assert kernel.run("%pipeline runs").check().facts["runs"] == []
    for cell in CELLS:
        kernel.run(cell, cell_id=cell[:20]).check()
    kernel.run("first = %pipeline run -p seed=8\nfirst.wait()").check()
    kernel.run("def clean(x):\n    return x + 2", cell_id=CELLS[1][:20]).check()
    kernel.run("second = %pipeline run -p seed=9\nsecond.wait()").check()
    runs = kernel.run("%pipeline runs --limit 2").check()
    ids = [kernel.value("first.id"), kernel.value("second.id")]
    assert [run["id"] for run in runs.facts["runs"]] == ids[::-1]
    assert [(run["ran"], run["status"]) for run in runs.facts["runs"]] == [(2, "succeeded")] * 2
    assert runs.facts["runs"][0]["parameters"] == {"seed": 9}
    assert runs.facts["runs"][0]["targets"] == ["load", "fit"]
    assert ids[0][:8] in runs.outputs[0]["data"]["text/plain"]
    listed = command(kernel, "runs")["runs"]
    assert [run["id"] for run in listed][:2] == ids[::-1]
    assert len(listed) > 2

    diff = kernel.run(f"%pipeline diff {ids[0][:8]} {ids[1][:8]}").check()
    assert diff.facts["parameters"] == {"seed": [8, 9]}
    changed = {
        name: [reason["text"] for reason in step["changed"]] for name, step in diff.facts["steps"].items()
    }
    assert changed["load"] == ["helper clean changed", "parameter seed 8 -> 9"]
    assert [text.split()[:2] for text in changed["fit"]] == [["input", "x"]]
    assert "helper clean changed" in diff.outputs[0]["data"]["text/plain"]
    assert {name: value for name, value in diff.facts.items() if name != "kind"} == command(
        kernel, "diff", *ids
    )


def test_runs_that_are_not_there(kernel: Kernel) -> None:
    for cell in CELLS:
        kernel.run(cell).check()
    assert "No run begins with 'nothing'" in kernel.run("%pipeline diff nothing nothing").printed_error
    assert "No run begins with" in command(kernel, "diff", "nothing", "nothing")["error"]
    assert "No detached run begins" in command(kernel, "cancel", "nothing")["error"]
