"""What the browser is told of a graph, and of changes only what changed."""

from __future__ import annotations

import json
from dataclasses import replace

from jupyter_mlpipe.model.status import Reason, RunSnapshot, StepSnapshot
from jupyter_mlpipe.notebook.show.graphfacts import changes, graph_facts
from jupyter_mlpipe.notebook.show.words import without_colours

LOAD = StepSnapshot(name="load", outputs=("df",), status="running", seconds=3.2, worker="w1")
FIT = StepSnapshot(name="fit", reads={"df": "load"}, status="waiting", reasons=(Reason("new"),))


def test_a_step_is_told_in_the_words_and_colours_of_the_picture() -> None:
    facts = graph_facts(RunSnapshot((LOAD, FIT), "running", 3.9))
    assert facts["run"] == {"status": "running", "text": "running, 0 of 2 steps done, 3 s"}
    assert facts["steps"]["load"] == {
        "status": "running",
        "plan": None,
        "sign": "▶",
        "text": "running 3 s",
        "colour": "#c79100",
        "filled": True,
        "why": "",
        "worker": "w1",
        "progress": None,
        "makes": [["df", "", ""]],
    }
    assert facts["steps"]["fit"]["why"] == "new"
    assert facts["flows"] == {"0": ""}


def test_a_change_is_told_alone() -> None:
    before = graph_facts(RunSnapshot((LOAD, FIT), "running", 3.2))
    done = replace(LOAD, status="succeeded", sizes={"df": 2000}, previews={"df": "10 × 2"})
    after = graph_facts(RunSnapshot((done, FIT), "running", 3.4))
    assert changes(before, before) == {}
    assert changes(before, after) == {
        "run": {"text": "running, 1 of 2 steps done, 3 s"},
        "steps": {
            "load": {
                "status": "succeeded",
                "sign": "✓",
                "text": "ran 3.2 s",
                "colour": "#2e8b36",
                "makes": [["df", "10 × 2", "2.0 kB"]],
            }
        },
        "flows": {"0": "10 × 2, 2.0 kB"},
    }


def test_a_failed_run_names_the_step() -> None:
    failed = replace(LOAD, status="failed", error="ValueError: no")
    facts = graph_facts(RunSnapshot((failed, FIT), "failed", 3.2))
    assert facts["run"]["text"] == "failed: load, 2 steps, 3.2 s"
    assert facts["steps"]["load"]["why"] == "ValueError: no"


def test_what_is_told_is_of_a_length_that_can_be_sent() -> None:
    long = StepSnapshot(name="s" * 1_000_000, outputs=("o" * 1_000_000,), error="e" * 1_000_000)
    assert len(json.dumps(graph_facts(RunSnapshot((long,))))) < 5000


def test_colours_and_commands_of_terminals_are_taken_out() -> None:
    printed = "\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x00\a\ttab\r\n"
    assert without_colours(printed) == "red link\ttab\n"
