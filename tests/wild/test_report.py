"""Tables of what notebooks took."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.wild.report import kept_results, rows, table, times


def _result(notebook: str, **more: Any) -> dict[str, Any]:
    kept = {"choice": "all", "n_cells": 4, "n_with_line": 4, "n_names": 2, "differences": []}
    kept |= {"not_comparable": [], "notes": [], "broken": {}, "statuses": {}, "plain_errors": []}
    return {"notebook": notebook, **kept, **more}


def test_results_without_an_edited_run_still_make_tables(tmp_path: Path) -> None:
    before = _result("a", seconds={"plain": 1.0, "first": 3.0, "reused": 0.5})
    (tmp_path / "a.json").write_text(json.dumps(before))
    kept = kept_results(tmp_path)
    assert "edited |" not in "\n".join([*table(kept), *rows(kept)])
    assert list(times(kept))[2] == "| a | all | 1.0 s | 3.0 s | 0.5 s | 3.00 | 0.50 |  |"


def test_edited_runs_stand_beside_the_others() -> None:
    seconds = {"plain": 20.0, "first": 30.0, "reused": 5.0, "edited": 10.0}
    with_edited = _result("a", seconds=seconds, statuses={"edited": {"reused": 2, "succeeded": 2}}, edited=2)
    without = _result("b", seconds={"plain": 10.0, "first": 15.0, "reused": 5.0})
    lines = list(times([with_edited, without]))
    assert lines[2] == ("| a | all | 20.0 s | 30.0 s | 5.0 s | 10.0 s | 1.50 | 0.25 | 0.50 | 2 of 4 |")
    assert lines[3] == "| b | all | 10.0 s | 15.0 s | 5.0 s |  | 1.50 | 0.50 |  |  |"
    assert lines[4] == "| median |  | 15.0 s | 22.5 s | 5.0 s | 10.0 s | 1.50 | 0.38 | 0.50 |  |"
    # `a` may take 28 s, `b` 15 s; only `a` took over 10 s plainly.
    assert lines[6:] == [
        "First at most 1.3 times plain and 2 s: 1 of 2.",
        "Reused at most a third of plain, where that took over 10 s: 1 of 1.",
    ]
