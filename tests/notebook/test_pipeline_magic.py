"""%pipeline: each subcommand, in a real kernel."""

from __future__ import annotations

from collections.abc import Callable

import IPython
import pytest

from tests.support.kernel import MIME, Kernel

Start = Callable[..., Kernel]

CELLS = [
    "%%parameters\nscale: int = 2",
    "%%component load\nrows = [3, 1, 2]",
    "%%component left\nlow = min(rows) * scale",
    "%%component right\nhigh = max(rows)",
    "%%component both\nspread = high - low",
]


@pytest.fixture
def notebook(kernel: Kernel) -> Kernel:
    for cell in CELLS:
        kernel.run(cell).check()
    return kernel


def test_show_draws_each_step_with_its_state(notebook: Kernel) -> None:
    result = notebook.run("%pipeline show").check()
    data = next(o["data"] for o in result.outputs if MIME in o.get("data", {}))
    for step in ("load", "left", "right", "both"):
        assert f'data-mlpipe-step="{step}" data-mlpipe-status="succeeded"' in data["image/svg+xml"]
    assert data["image/svg+xml"] in data["text/html"]
    assert "✓ load" in data["text/plain"]
    assert set(result.facts["steps"]) == {"load", "left", "right", "both"}


def test_show_before_anything_ran_shows_the_plan(kernel: Kernel) -> None:
    kernel.run("%pipeline mode register").check()
    for cell in CELLS:
        kernel.run(cell).check()
    svg = next(o["data"] for o in kernel.run("%pipeline show").outputs if MIME in o["data"])["image/svg+xml"]
    assert 'data-mlpipe-step="load" data-mlpipe-plan="run"' in svg
    assert 'data-mlpipe-step="both" data-mlpipe-plan="undecided"' in svg


def test_plan_says_what_would_run_and_why(notebook: Kernel) -> None:
    plan = notebook.run("%pipeline plan -p scale=5").check().facts["steps"]
    assert {name: step["decision"] for name, step in plan.items()} == {
        "load": "reuse",
        "left": "run",
        "right": "reuse",
        "both": "undecided",
    }
    assert [r["text"] for r in plan["left"]["reasons"]] == ["parameter scale 2 -> 5"]


def test_plan_of_a_changed_cell_names_the_change(notebook: Kernel) -> None:
    notebook.run("%%component load --no-run\nrows = [3, 1, 2, 7]").check()
    plan = notebook.run("%pipeline plan").check().facts["steps"]
    assert plan["load"]["decision"] == "run"
    assert plan["load"]["reasons"][0]["kind"] == "code"
    assert plan["left"]["decision"] == "undecided"


def test_run_does_not_block_and_returns_a_run(notebook: Kernel) -> None:
    gate = notebook.folder / "go"
    notebook.run(
        f"%%component slow --no-run\nimport os, time\nwhile not os.path.exists({str(gate)!r}):\n"
        "    time.sleep(0.02)\ndone = spread + 1"
    ).check()
    result = notebook.run("run = %pipeline run slow").check()
    assert notebook.run("run.status").result == "'running'"
    gate.touch()
    assert notebook.run("run.wait() is run, run.status, run['done']").check().result == (
        "(True, 'succeeded', 2)"
    )
    assert notebook.run("run.steps['slow'].status, run.steps['load'].status").result == (
        "('succeeded', 'reused')"
    )
    assert notebook.run("run.steps['slow'].error, run.steps['slow'].log").result == "(None, '')"
    assert notebook.run("run.steps['slow'].seconds > 0").result == "True"
    assert notebook.run("done").result == "2"
    notebook.settle(result, lambda r: r.facts["status"] == "succeeded")


def test_run_with_other_parameters_leaves_the_variables_alone(notebook: Kernel) -> None:
    notebook.run("other = %pipeline run both -p scale=3").check()
    assert notebook.run("other.wait()['spread'], spread").check().result == "(0, 1)"


def test_a_step_that_fails_leaves_its_siblings_and_skips_those_below(notebook: Kernel) -> None:
    notebook.run("%%component left --no-run\nprint('about to fail')\nlow = min(rows) / 0").check()
    notebook.run("run = %pipeline run\nrun.wait()").check()
    assert notebook.run("run.status").result == "'failed'"
    states = notebook.value("{name: step.status for name, step in run.steps.items()}")
    assert states == {"load": "reused", "left": "failed", "right": "reused", "both": "skipped"}
    assert notebook.run("run.steps['left'].log").result == "'about to fail\\n'"
    assert notebook.run("type(run.steps['left'].error).__name__").result == "'StepError'"


def test_force_runs_a_step_that_could_be_reused(notebook: Kernel) -> None:
    notebook.run("run = %pipeline run --force right\nrun.wait()").check()
    states = notebook.value("{name: step.status for name, step in run.steps.items()}")
    assert states == {"load": "reused", "left": "reused", "right": "succeeded", "both": "reused"}
    assert notebook.run("run.why('right')[0].kind").result == "'forced'"


def test_only_refuses_where_something_above_would_run(notebook: Kernel) -> None:
    notebook.run("only = %pipeline run --only both\nonly.wait()").check()
    assert notebook.run("only.status").result == "'succeeded'"
    notebook.run("%%component load --no-run\nrows = [3, 1, 9]").check()
    assert "load" in notebook.run("%pipeline run --only both").printed_error


def test_from_runs_a_step_and_those_below(notebook: Kernel) -> None:
    notebook.run("run = %pipeline run --from left\nrun.wait()").check()
    assert sorted(notebook.value("list(run.targets)")) == ["both", "left"]


def test_status_why_load_and_remove(notebook: Kernel) -> None:
    status = notebook.run("%pipeline status").check().facts["steps"]
    assert {s["status"] for s in status.values()} == {"succeeded"}
    why = notebook.run("%pipeline why left").check().facts
    assert (why["last"]["reasons"][0]["kind"], why["decision"]) == ("new", "reuse")
    notebook.run("%pipeline load spread").check()
    assert notebook.run("'spread' in globals()").result == "True"
    notebook.run("%pipeline remove both").check()
    assert "both" not in notebook.run("%pipeline status").facts["steps"]


def test_cancel_stops_what_runs(notebook: Kernel) -> None:
    notebook.run("%%component slow --no-run\nimport time\ntime.sleep(600)\nd = 1").check()
    notebook.run("run = %pipeline run slow").check()
    notebook.run("%pipeline cancel").check()
    assert notebook.run("run.wait(20).status").check().result == "'cancelled'"
    assert "Nothing is running" in notebook.run("%pipeline cancel").printed_error


def test_cluster_shows_what_workers_offer(notebook: Kernel) -> None:
    facts = notebook.run("%pipeline cluster").check().facts
    (worker,) = facts["workers"].values()
    assert worker["offers"]["CPU"] >= 1
    assert worker["offers"]["MEMORY"] > 1e8
    assert (worker["pools"], worker["in_use"], facts["waiting"]) == ([], [], [])


def test_a_wholly_reused_pipeline_starts_no_cluster(start_kernel: Start) -> None:
    for status, loaded in (("succeeded", "True"), ("reused", "False")):
        kernel = start_kernel()
        for cell in CELLS:
            result = kernel.run(cell).check()
        assert result.status_of_step == status
        assert kernel.run("'distributed' in __import__('sys').modules").result == loaded
        assert kernel.run("spread").result == "1"


def test_the_python_api_does_what_the_magics_do(notebook: Kernel) -> None:
    notebook.run("import jupyter_mlpipe as mlpipe\npipeline = mlpipe.current()").check()
    notebook.run("plan = pipeline.plan(params={'scale': 4})").check()
    assert notebook.run("plan['left'].decision, plan['left'].reasons[0].kind").result == (
        "('run', 'parameter')"
    )
    notebook.run("run = pipeline.run(targets=['both'], params={'scale': 4}, force=['right'])").check()
    assert notebook.run("run.wait()['spread'], run.why('right')[0].kind").check().result == "(-1, 'forced')"


def test_a_pipeline_built_by_hand(kernel: Kernel) -> None:
    (kernel.folder / "steps.py").write_text(
        "from jupyter_mlpipe import component\n\nFACTOR = 10\n\n"
        "@component(outputs='rows')\ndef load(n: int = 3):\n    return list(range(n))\n\n"
        "@component(outputs='total', options='--cpus 1')\ndef add(rows):\n    return sum(rows) * FACTOR\n"
    )
    kernel.run("import steps, jupyter_mlpipe as mlpipe").check()
    kernel.run("p = mlpipe.Pipeline([steps.add, steps.load])").check()
    assert kernel.run("p.run().wait()['total']").check().result == "30"
    assert kernel.run("p.run(params={'n': 4}).wait()['total']").check().result == "60"
    assert kernel.run("p.plan()['add'].decision").result == "'reuse'"
    assert kernel.run("steps.add([1, 1])").result == "20"


def test_a_pipeline_built_by_hand_runs_where_and_as_it_is_called(kernel: Kernel) -> None:
    (kernel.folder / "steps.py").write_text(
        "import os\nfrom pathlib import Path\nfrom jupyter_mlpipe import component\n\n"
        "@component(outputs='mode')\ndef look():\n"
        "    Path('seen.txt').write_text('here')\n    return os.environ.get('MODE', 'none')\n"
    )
    kernel.run("import os, steps, jupyter_mlpipe as mlpipe\np = mlpipe.Pipeline([steps.look])").check()
    assert kernel.run("p.run().wait()['mode']").check().result == "'none'"
    assert (kernel.folder / "seen.txt").read_text() == "here"
    kernel.run("os.environ['MODE'] = 'fast'").check()
    assert kernel.run("p.run().wait()['mode']").check().result == "'fast'"
    assert kernel.run("p.plan()['look'].decision").result == "'reuse'"


def test_two_producers_in_a_pipeline_built_by_hand_are_an_error(kernel: Kernel) -> None:
    kernel.run(
        "import jupyter_mlpipe as mlpipe\nfrom jupyter_mlpipe import component\n"
        "@component(outputs='x')\ndef a(): return 1\n"
        "@component(outputs='x')\ndef b(): return 2\n"
        "@component(outputs='y')\ndef use(x): return x\n"
    ).check()
    failed = kernel.run("mlpipe.Pipeline([a, b, use])")
    assert "'a' and 'b'" in failed.traceback


def test_tab_completes_options_names_and_subcommands(kernel: Kernel) -> None:
    kernel.run("%%component make\nvalue_of_mine = 1").check()

    def complete(text: str, below: str = "") -> list[str]:
        kernel.client.complete(text + below, len(text))
        while True:
            reply = kernel.client.get_shell_msg(timeout=30)
            if reply["header"]["msg_type"] == "complete_reply":
                return list(reply["content"]["matches"])

    assert "--memory" in complete("%%component train --m")
    assert "value_of_mine" in complete("%%component train(value_o")
    assert "plan" in complete("%pipeline pl")
    assert "make" in complete("%pipeline why ma")
    assert "background" in complete("%pipeline mode b")
    assert "--pool" in complete("%pipeline cluster local --p")
    assert "--detach" in complete("run = %pipeline run --d")
    assert complete("%%component make --memory 1GB --m") == ["--max-age"]
    assert complete("#| component: make\n#|  --mem", "\nx = 1") == ["--memory"]
    assert complete("%%component ", "") == ["make"]
    assert "make" in complete("%%component use(x=")
    assert {"->", "--cpus"} < {*complete("%%component use ", "\ny = x")}
    kernel.run("%pipeline cluster local --pool fast:workers=1").check()
    assert complete("%%component use --pool ", "\ny = x") == ["fast"]
    if IPython.version_info >= (8, 6):  # before, one is told the line alone
        assert complete("%%component ", "\ntotal = sum(rows)") == ["make", "sum_total"]
        assert complete("%%component use(", "\ny = value_of_mine + 1") == ["value_of_mine"]
        assert complete("%%component use(x=make.", "\ny = x") == ["value_of_mine"]
        assert complete("%%component use(x) -> y, ", "\nz, y = x") == ["y", "z"]
        assert complete("%%component use(x) -> y ", "\ny = x") == ["y"]
    else:
        assert complete("%%component use(x=make.") == ["make.value_of_mine"]


def test_help_lists_every_option(kernel: Kernel) -> None:
    kernel.client.inspect("%%component", 11)
    while True:
        reply = kernel.client.get_shell_msg(timeout=30)
        if reply["header"]["msg_type"] == "inspect_reply":
            break
    text = reply["content"]["data"]["text/plain"]
    for option in ("--cpus", "--memory", "--timeout", "--no-reuse", "--background"):
        assert option in text


def test_the_store_can_be_chosen_by_configuration(kernel: Kernel) -> None:
    other = kernel.folder / "elsewhere"
    kernel.run("%%component make\nx = 1").check()
    kernel.run(f"%config MLPipe.store = {str(other)!r}").check()
    assert kernel.run("%%component make\nx = 1").check().status_of_step == "succeeded"
    assert (other / "records").is_dir()
