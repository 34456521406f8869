"""Reasons, diffs and totals as people read them."""

from __future__ import annotations

from jupyter_mlpipe.model.diffs import count_changes, shorten_diff, unified_diff
from jupyter_mlpipe.model.planned import describe_totals, plan_json, total
from jupyter_mlpipe.model.status import (
    Reason,
    StepPlan,
    describe_reason,
    describe_reasons,
    enumerate_words,
    readable,
    reasons_json,
)

BEFORE = "def f(x):\n    return x\n"
NOW = "def f(x):\n    return x + 1\n"


def test_a_diff_holds_what_changed_and_a_little_around_it() -> None:
    diff = unified_diff(BEFORE, NOW)
    assert diff.splitlines() == ["@@ -1,2 +1,2 @@", " def f(x):", "-    return x", "+    return x + 1"]
    assert count_changes(diff) == "+1 −1"
    assert unified_diff(NOW, NOW) == ""


def test_a_long_diff_is_cut_and_says_so() -> None:
    diff = "\n".join(f"+{i}" for i in range(10))
    assert shorten_diff(diff, 3) == "+0\n+1\n+2\n… 7 more lines"
    assert shorten_diff(diff, 9) == diff


def test_a_reason_is_the_same_with_and_without_its_texts() -> None:
    assert Reason("helper", "f", "changed", (BEFORE, NOW)) == Reason("helper", "f", "changed")
    assert Reason("helper", "f", "changed").diff == ""


def test_each_kind_reads_as_a_sentence_would() -> None:
    said = {
        Reason("helper", "clean", "changed"): "helper clean changed",
        Reason("parameter", "seed", "7 -> 8"): "parameter seed 7 -> 8",
        Reason("parameter", "name", "'a' -> 'b'"): "parameter name 'a' -> 'b'",
        Reason("package", "pandas", "3.1.0 -> 3.1.1"): "pandas 3.1.0 -> 3.1.1",
        Reason("package", "pandas", "removed: 3.1.0"): "package pandas removed: 3.1.0",
        Reason("input", "df", "'load' runs: new"): "input df: 'load' runs: new",
        Reason("setting", "", "'load' runs: new"): "setting: 'load' runs: new",
        Reason("salt", "", "a -> b"): "salt a -> b",
        Reason("expired", "", "2 h 0 min old"): "expired: 2 h 0 min old",
        Reason("unhashable", "LOCK", "a lock"): "not reusable: LOCK a lock",
        Reason("reuse", "", "--no-reuse"): "--no-reuse",
        Reason("forced"): "forced",
    }
    assert {reason: describe_reason(reason) for reason in said} == said


def test_inputs_with_the_same_to_say_are_told_as_one() -> None:
    why = "'split' runs: code changed"
    reasons = [
        Reason("input", "a", why),
        Reason("code", "", "changed", ("x", "y")),
        Reason("input", "b", why),
    ]
    assert describe_reasons(reasons) == "input a, b: 'split' runs: code changed; code changed"
    assert [text for text, _ in readable(reasons_json(reasons))] == [f"input a, b: {why}", "code changed"]
    assert [diff for _, diff in readable(reasons_json(reasons))] == ["", "@@ -1 +1 @@\n-x\n+y"]
    assert "diff" not in reasons_json(reasons, diff_lines=0)[1]


def test_lists_in_sentences_are_short() -> None:
    assert [enumerate_words("abcde"[:n]) for n in range(6)] == [
        "",
        "a",
        "a and b",
        "a, b and c",
        "a, b, c and 1 more",
        "a, b, c and 2 more",
    ]


def test_a_plan_says_what_it_comes_to() -> None:
    plan = {
        step.step: step
        for step in (
            StepPlan("a", "run", seconds=43.0),
            StepPlan("b", "reuse", seconds=70.0),
            StepPlan("c", "reuse", seconds=2.0),
            StepPlan("d", "undecided", seconds=3.0, below=("a",)),
        )
    }
    assert describe_totals(total(plan.values())) == (
        "1 run, about 43.0 s; 1 undecided, up to 3.0 s; 2 reused, saves 1 min 12 s"
    )
    found = plan_json(plan)
    assert found["totals"]["reuse"] == {"steps": 2, "seconds": 72.0, "text": "2 reused, saves 1 min 12 s"}
    assert found["steps"]["d"] == {"decision": "undecided", "reasons": [], "seconds": 3.0, "below": ["a"]}


def test_a_step_that_never_ran_takes_nobody_knows_how_long() -> None:
    new, known = StepPlan("a", "run"), StepPlan("b", "run", seconds=2.0)
    assert describe_totals(total([new])) == "1 run"
    assert describe_totals(total([new, known])) == "2 run, at least 2.0 s and 1 unknown"
    assert describe_totals(total([])) == "no steps"
