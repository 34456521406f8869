"""Words that cannot be understood, and the questions that run no step."""

from __future__ import annotations

import json
import re

import pytest

from jupyter_mlpipe.app.main import main
from tests.app.conftest import CommandLine

LOAD = "%%component load\nrows = [3, 1, 2]"
LOW = "%%component low\nlowest = min(rows)"
BELOW = "%%component below\ntwice = lowest * 2"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "missing.ipynb"), "There is no notebook 'missing.ipynb'."),
        (("run", "text.ipynb"), "is not a notebook"),
        (("run", "json.ipynb"), "is not a notebook"),
        (("run", "."), "There is no notebook '.'."),
        (("run", "plain.ipynb"), "has no component: put %%component NAME on top of a cell"),
        (("run", "notebook.ipynb", "--target", "lod"), "There is no step 'lod'. Did you mean 'load'?"),
        (("run", "notebook.ipynb", "--force", "lod"), "There is no step 'lod'. Did you mean 'load'?"),
        (("run", "notebook.ipynb", "-p", "sede=1"), "There is no parameter 'sede'."),
        (("run", "notebook.ipynb", "-p", "seed"), "-p expects NAME=VALUE, but found 'seed'"),
        (("run", "notebook.ipynb", "--fast"), "unrecognized arguments: --fast"),
        (("run", "notebook.ipynb", "--output", "no/out.ipynb"), "there is no folder"),
        (("run",), "the following arguments are required: NOTEBOOK"),
        (("plan", "notebook.ipynb", "--target", "lod"), "There is no step 'lod'"),
        (("why", "notebook.ipynb", "lod"), "There is no step 'lod'. Did you mean 'load'?"),
        (("accept", "notebook.ipynb", "lod"), "There is no step 'lod'. Did you mean 'load'?"),
        (("why", "notebook.ipynb"), "the following arguments are required: STEP"),
        (("why", "missing.ipynb", "load"), "There is no notebook 'missing.ipynb'."),
        (("fly", "notebook.ipynb"), "invalid choice: 'fly'"),
        ((), "the following arguments are required: COMMAND"),
    ],
)
def test_what_cannot_be_understood_is_a_usage_error(
    cli: CommandLine,
    words: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(cli.folder)
    cli.write(LOAD)
    (cli.folder / "text.ipynb").write_text("not a notebook")
    (cli.folder / "json.ipynb").write_text('{"a": 1}')
    cli.write("print(1)", name="plain.ipynb")
    assert main([*words, "--json"]) == 2
    said = capsys.readouterr()
    assert message in said.err.replace("\n", " ")
    assert "usage error: " in said.err
    answer = json.loads(said.out)
    assert message in answer.pop("error").replace("\n", " ")
    assert answer == {"status": "failed", "seconds": 0.0, "steps": {}}


def test_a_kernel_that_is_not_installed_is_named(cli: CommandLine) -> None:
    import nbformat

    notebook = nbformat.read(cli.write(LOAD), as_version=4)
    notebook.metadata["kernelspec"] = {"name": "no-such-kernel", "display_name": "None"}
    nbformat.write(notebook, cli.folder / "notebook.ipynb")
    done = cli("run", "notebook.ipynb")
    assert done.status == 2
    assert "asks for the kernel 'no-such-kernel'" in done.err


def test_plan_says_what_would_run_before_and_after_an_edit(cli: CommandLine) -> None:
    notebook = str(cli.write(LOAD, LOW, BELOW, "print(twice)"))
    before = cli("plan", notebook, "--json")
    assert before.status == 0, before.err
    assert {n: s["decision"] for n, s in before.json["steps"].items()} == {
        "load": "run",
        "low": "undecided",
        "below": "undecided",
    }
    cli("run", notebook)
    done = cli("plan", notebook, "--json").json["steps"]
    assert {step["decision"] for step in done.values()} == {"reuse"}
    cli.write(LOAD, LOW.replace("min", "sum"), BELOW)
    after = cli("plan", notebook, "--json").json["steps"]
    assert {n: s["decision"] for n, s in after.items()} == {
        "load": "reuse",
        "low": "run",
        "below": "undecided",
    }
    assert after["low"]["reasons"][0]["kind"] == "code"
    text = cli("plan", notebook, "--target", "low").out
    *steps, total = text.splitlines()
    assert [line.split()[:2] for line in steps] == [["reuse", "load"], ["run", "low"]]
    assert re.fullmatch(r"plan: 1 run, about [\d.]+ m?s; 1 reused, saves [\d.]+ m?s", total)
    # Each change with what it was.
    assert "-lowest = min(rows)\n+lowest = sum(rows)" in after["low"]["reasons"][0]["diff"]
    assert after["below"]["reasons"][0]["text"] == "input lowest: 'low' runs: code changed"


def test_why_says_part_by_part_what_a_run_would_say(cli: CommandLine) -> None:
    scale = "%%parameters\nscale = 2"
    scaled = "%%component scaled\nhigh = helper(max(rows)) * scale"
    helper = "def helper(x):\n    return x + 1"
    notebook = str(cli.write(scale, helper, LOAD, scaled, LOW))
    never = cli("why", notebook, "scaled", "--json").json
    assert (never["step"], never["decision"]) == ("scaled", "undecided")
    cli("run", notebook)
    ran, new, now, _ = cli("why", notebook, "scaled").out.splitlines()
    assert (ran.startswith("scaled ran "), new, now) == (True, "  new", "now it would be reused")
    cli.write(scale, helper.replace("1", "2"), LOAD, scaled, LOW)
    why = cli("why", notebook, "scaled", "-p", "scale=3")
    assert why.status == 0, why.err
    assert why.out.splitlines()[2:] == [
        "now it would run",
        "  helper helper changed",
        "    @@ -1,2 +1,2 @@",
        "     def helper(x):",
        "    -    return x + 1",
        "    +    return x + 2",
        "  parameter scale 2 -> 3",
    ]
    # What a run then says is the same.
    ran = cli("run", notebook, "-p", "scale=3", "--json").json["steps"]["scaled"]
    assert cli("why", notebook, "low", "--json").json["decision"] == "reuse"
    assert [(r["kind"], r["name"]) for r in ran["reasons"]] == [("helper", "helper"), ("parameter", "scale")]
    # And it is still told when nothing is left to be done.
    last = cli("why", notebook, "scaled", "-p", "scale=3", "--json").json
    assert (last["decision"], last["last"]["status"]) == ("reuse", "succeeded")
    assert [reason["text"] for reason in last["last"]["reasons"]] == [
        "helper helper changed",
        "parameter scale 2 -> 3",
    ]
    assert "+    return x + 2" in last["last"]["reasons"][0]["diff"]


def test_an_edit_is_accepted_and_taken_back_by_the_command_line(cli: CommandLine) -> None:
    notebook = str(cli.write(LOAD, LOW, BELOW))
    never = cli("accept", notebook, "load", "--json")
    assert (never.status, "'load' never ran" in never.json["error"]) == (2, True)
    cli("run", notebook)
    cli.write(LOAD, LOW.replace("min(rows)", "sorted(rows)[0]"), BELOW)
    accepted = cli("accept", notebook, "low")
    assert accepted.status == 0, accepted.err
    assert accepted.out.startswith("low: accepted as unchanged: code changed\n")
    ran = cli("run", notebook, "--json").json["steps"]
    assert {name: step["status"] for name, step in ran.items()} == dict.fromkeys(ran, "reused")
    assert ran["low"]["reasons"][0]["text"].startswith("accepted edit of the cell (")
    assert "accepted edit of the cell" in cli("run", notebook).err
    assert cli("accept", notebook, "low").status == 2
    assert cli("accept", notebook, "low", "--revoke").status == 0
    again = cli("accept", notebook, "low", "--revoke")
    assert (again.status, "no edit of 'low' was accepted" in again.err) == (2, True)
    assert cli("plan", notebook, "--json").json["steps"]["low"]["decision"] == "run"


def test_a_cell_that_fails_ends_the_plan_with_its_traceback(cli: CommandLine) -> None:
    done = cli("plan", str(cli.write(LOAD, "oops()")), "--json")
    assert done.status == 1
    assert "oops()" in done.err
    assert "NameError" in done.json["error"]


def test_graph_is_written_as_svg_or_dot(cli: CommandLine) -> None:
    notebook = str(cli.write(LOAD, LOW))
    printed = cli("graph", notebook)
    assert printed.status == 0, printed.err
    assert printed.out.startswith("digraph pipeline {")
    cli("graph", notebook, "--output", "graph.dot")
    assert (cli.folder / "graph.dot").read_text().strip() == printed.out.strip()
    cli("graph", notebook, "--output", "graph.svg")
    svg = (cli.folder / "graph.svg").read_text()
    assert svg.startswith("<svg ")
    assert 'data-mlpipe-step="low" data-mlpipe-plan="undecided"' in svg
    assert cli("graph", notebook, "--output", "graph.png").status == 2


def test_help_and_version(cli: CommandLine) -> None:
    import jupyter_mlpipe

    assert cli("--version").out.strip() == jupyter_mlpipe.__version__
    assert "--target STEP" in cli("run", "--help").out
