"""What the browser is told of a graph, and of changes only what changed."""

from __future__ import annotations

import json
from dataclasses import replace

from jupyter_mlpipe.model.status import Reason, RunSnapshot, StepSnapshot
from jupyter_mlpipe.notebook.show.graphfacts import changes, graph_facts, step_facts
from jupyter_mlpipe.notebook.show.words import without_colours

LOAD = StepSnapshot(name="load", outputs=("df",), status="running", seconds=3.2, worker="w1")
FIT = StepSnapshot(name="fit", reads={"df": "load"}, status="waiting", reasons=(Reason("new"),))


def test_a_step_is_told_in_the_words_and_colours_of_the_picture() -> None:
    facts = graph_facts(RunSnapshot((LOAD, FIT), "running", 3.9))
    text = "running, 0 of 2 steps done, 3 s"
    look = {"sign": "▶", "colour": "#c79100"}
    assert facts["run"] == {"status": "running", **look, "text": text, "seconds": 0.0, "path": ""}
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
        "makes": [["df", "", "", ""]],
        "group": "",
        "members": [],
    }
    assert facts["steps"]["fit"]["why"] == "new"
    assert facts["flows"] == {"0": ["", "df"]}
    assert facts["bars"] == {}


def test_a_change_is_told_alone() -> None:
    before = graph_facts(RunSnapshot((LOAD, FIT), "running", 3.2))
    done = replace(LOAD, status="succeeded", sizes={"df": 2000}, previews={"df": "10 × 2"})
    after = graph_facts(RunSnapshot((done, FIT), "running", 3.4))
    assert changes(before, before) == {}
    assert changes({"a": {"x": 1, "y": 2}}, {"a": {"x": 1}}) == {"a": {"y": None}}
    assert changes(before, after) == {
        "run": {"text": "running, 1 of 2 steps done, 3 s"},
        "steps": {
            "load": {
                "status": "succeeded",
                "sign": "✓",
                "text": "ran 3.2 s",
                "colour": "#2e8b36",
                "makes": [["df", "10 × 2", "2.0 kB", ""]],
            }
        },
        "flows": {"0": ["10 × 2, 2.0 kB", "df: 10 × 2, 2.0 kB"]},
    }


def test_what_flows_is_told_with_what_it_was_the_time_before() -> None:
    done = replace(LOAD, status="succeeded", sizes={"df": 2000}, previews={"df": "10 × 2"})
    shape = "1,000,000 × 29"
    more = replace(done, previews={"df": shape}, was={"df": ("4 × 2", 800)})
    facts = graph_facts(RunSnapshot((more, FIT)))
    assert facts["flows"]["0"] == [f"{shape}, 2.0 kB Δ", f"df: {shape}, 2.0 kB, was 4 × 2, 800 B"]
    assert facts["steps"]["load"]["makes"] == [["df", shape, "2.0 kB", "was 4 × 2, 800 B"]]
    plain = replace(more, previews={})
    assert graph_facts(RunSnapshot((plain, FIT)))["flows"]["0"][0] == "2.0 kB (+1.2 kB)"
    same_size = replace(plain, was={"df": ("", 2000)})
    assert graph_facts(RunSnapshot((same_size, FIT)))["flows"]["0"][0] == "2.0 kB (changed)"


def test_bars_say_where_and_when_steps_ran_and_which_chain_took_the_time() -> None:
    load = replace(LOAD, status="succeeded", reached={"queued": 10.0, "running": 10.5, "succeeded": 13.7})
    fit = replace(FIT, status="running", worker="w2", reached={"queued": 13.7, "running": 13.7})
    facts = graph_facts(RunSnapshot((load, fit), "running", 3.9), now=14.04)
    assert facts["run"]["seconds"] == 4.0
    assert facts["bars"] == {
        "load": ["w1", 0.0, 0.5, 3.7, False, "waited 0.5 s for a worker"],
        "fit": ["w2", 3.7, 3.7, None, False, ""],
    }
    ended = replace(fit, status="succeeded", reached={**fit.reached, "succeeded": 15.0})
    facts = graph_facts(RunSnapshot((load, ended), "succeeded", 5.0))
    assert facts["run"]["path"] == "load → fit: 4.5 s of 5.0 s"
    assert facts["bars"]["load"][-1] == "waited 0.5 s for a worker, on the critical path"
    assert facts["bars"]["fit"] == ["w2", 3.7, 3.7, 5.0, True, "on the critical path"]


def test_a_queued_step_says_what_it_waits_for() -> None:
    queued = replace(FIT, status="queued", why="waits for its turn")
    assert step_facts(queued)["text"] == "queued"
    assert step_facts(queued)["why"] == "waits for its turn"
    who = "computed by another process (pid 7 on h)"
    busy = step_facts(replace(queued, why=who, reasons=(Reason("reuse", "", who),)))
    assert (busy["text"], busy["why"]) == ("computed elsewhere", who)


def test_a_folded_group_is_told_beside_its_steps() -> None:
    load = replace(LOAD, group="prepare")
    facts = graph_facts(RunSnapshot((load, FIT), "running"), {"prepare"})
    assert set(facts["steps"]) == {"prepare/", "load", "fit"}
    assert facts["steps"]["prepare/"]["status"] == "running"
    assert facts["steps"]["prepare/"]["members"] == ["load"]
    assert facts["flows"] == {"0": ["", "df"]}


def test_a_failed_run_names_the_step() -> None:
    failed = replace(LOAD, status="failed", error="ValueError: no")
    facts = graph_facts(RunSnapshot((failed, FIT), "failed", 3.2))
    assert facts["run"]["text"] == "failed: load, 2 steps, 3.2 s"
    assert (facts["run"]["sign"], facts["run"]["colour"]) == ("✗", "#d03a3a")
    assert facts["stale"]["text"] == "run 1 failed"
    assert facts["steps"]["load"]["why"] == "ValueError: no"


def test_a_run_that_holds_no_more_looks_like_one_to_come() -> None:
    stale = replace(LOAD, status="succeeded", plan="run")
    run = graph_facts(RunSnapshot((stale, FIT), "succeeded", 3.2))["run"]
    assert (run["sign"], run["text"]) == ("▷", "2 steps: 1 stale")
    planned = replace(FIT, status=None, plan="run")
    assert graph_facts(RunSnapshot((planned,)))["run"]["sign"] == "▷"
    assert graph_facts(RunSnapshot((replace(FIT, status=None),)))["run"]["sign"] == ""


def test_what_is_told_is_of_a_length_that_can_be_sent() -> None:
    long = StepSnapshot(name="s" * 1_000_000, outputs=("o" * 1_000_000,), error="e" * 1_000_000)
    assert len(json.dumps(graph_facts(RunSnapshot((long,))))) < 5000


def test_colours_and_commands_of_terminals_are_taken_out() -> None:
    printed = "\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x00\a\ttab\r\n"
    assert without_colours(printed) == "red link\ttab\n"
