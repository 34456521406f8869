"""``%%component NAME --here``: it runs in the kernel as a plain cell does, and is reused as a step is."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.notebook.test_displays import NOTEBOOKS
from tests.support.as_plain import assert_same_as_plain
from tests.support.kernel import Kernel, Result

Start = Callable[..., Kernel]

SHOWS = """%%component shows --here
import sys
from IPython.display import HTML, display
print("one")
print("two", file=sys.stderr)
display(HTML("<b>three</b>"))
handle = None
n = 4
n + 1"""


def own(result: Result) -> list[tuple[str, object]]:
    """Return what a cell shows of its own, streams merged and counters gone."""
    shown: list[tuple[str, object]] = []
    for output in result.own:
        if output["type"] == "stream":
            if shown and shown[-1][0] == output["name"]:
                shown[-1] = (output["name"], f"{shown[-1][1]}{output['text']}")
            else:
                shown.append((output["name"], output["text"]))
        else:
            shown.append((output["type"], output["data"]))
    return shown


def test_it_is_reused_with_all_that_it_made_and_showed(start_kernel: Start) -> None:
    first = start_kernel()
    plain = own(first.run(SHOWS.partition("\n")[2]).check())
    fresh = first.run(SHOWS).check()
    assert fresh.status_of_step == "succeeded"
    assert own(fresh) == plain
    assert first.run("n, _").check().result == "(4, 5)"
    again = first.run(SHOWS).check()
    assert again.status_of_step == "reused"
    assert own(again) == plain
    second = start_kernel()
    reused = second.run(SHOWS).check()
    assert reused.status_of_step == "reused"
    assert own(reused) == plain
    assert second.run("n, _").check().result == "(4, 5)"


@pytest.mark.parametrize("name", ["results by number", "magics of IPython", "help in the pager", "a script"])
def test_a_notebook_is_as_without_our_line(name: str, start_kernel: Start) -> None:
    assert_same_as_plain(NOTEBOOKS[name], start_kernel, options=" --here")


def test_it_runs_in_the_kernel_and_not_where_other_steps_run(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("%%component where --here\nimport os\npid = os.getpid()").check()
    assert kernel.value("pid") == kernel.pid
    # A step of its own process is another work than one that runs here.
    assert kernel.run("%%component where\nimport os\npid = os.getpid()").check().status_of_step == "succeeded"
    assert kernel.value("pid") != kernel.pid


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("n = 1", "n = 2"),
        ("def helper(x):\n    return x", "def helper(x):\n    return -x"),
        ("%%component above\nrows = [1]", "%%component above\nrows = [2]"),
        ("%%parameters\nshare = 0.1", "%%parameters\nshare = 0.2"),
    ],
    ids=["value", "helper", "input", "parameter"],
)
def test_a_change_of_what_it_reads_runs_it_again(before: str, after: str, start_kernel: Start) -> None:
    cells = [
        "n = 1",
        "def helper(x):\n    return x",
        "%%component above\nrows = [1]",
        "%%parameters\nshare = 0.1",
    ]
    cell = "%%component made --here\nmade = helper(n), rows, share"
    first = start_kernel()
    for other in cells:
        first.run(other).check()
    assert first.run(cell).check().status_of_step == "succeeded"
    second = start_kernel()
    for other in cells:
        second.run(other).check()
    assert second.run(cell).check().status_of_step == "reused"
    second.run(after).check()
    assert second.run(cell).check().status_of_step == "succeeded"
    second.run(before).check()
    assert second.run(cell).check().status_of_step == "reused"


def test_a_changed_body_runs_and_the_old_one_is_reused(start_kernel: Start) -> None:
    kernel = start_kernel()
    assert kernel.run("%%component a --here\nx = 1").check().status_of_step == "succeeded"
    assert kernel.run("%%component a --here\nx = 2").check().status_of_step == "succeeded"
    assert kernel.value("x") == 2
    assert kernel.run("%%component a --here\nx = 1").check().status_of_step == "reused"
    assert kernel.value("x") == 1


def test_what_it_changes_in_place_is_an_output(start_kernel: Start) -> None:
    cells = ["other = [0]", "%%component made\nrows = [1, 2]"]
    cell = "%%component more --here\nrows.append(3)\nother.append(1)"
    for status in ("succeeded", "reused"):
        kernel = start_kernel()
        for before in cells:
            kernel.run(before).check()
        assert kernel.run(cell).check().status_of_step == status
        assert kernel.value("(rows, other)") == ([1, 2, 3], [0, 1])
        assert kernel.run(cell).check().status_of_step == "reused"  # as running it once
        assert kernel.value("(rows, other)") == ([1, 2, 3], [0, 1])
        assert kernel.run("%%component below\nsum(rows) + sum(other)").check().result == "7"


def test_other_names_of_what_it_changes_change_with_it(start_kernel: Start) -> None:
    cell = "%%component more --here\nother.append(1)"
    for status in ("succeeded", "reused"):
        kernel = start_kernel()
        kernel.run("other = [0]\nalias = other").check()
        assert kernel.run(cell).check().status_of_step == status
        assert kernel.run("alias.append(2)\nother, other is alias").check().result == "([0, 1, 2], True)"


def test_a_name_that_it_replaces_is_read_as_it_was(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("x = 1").check()
    for status in ("succeeded", "reused", "reused"):
        assert kernel.run("%%component a --here\nx = x + 1").check().status_of_step == status
        assert kernel.value("x") == 2
    assert kernel.run("%%component a --here\nx = x + 10").check().status_of_step == "succeeded"
    assert kernel.value("x") == 11


def test_what_cannot_be_stored_lives_in_the_kernel_and_the_step_runs_each_time(start_kernel: Start) -> None:
    cell = "%%component opened --here\nimport threading\nlock = threading.Lock()\nn = 3"
    first = start_kernel()
    made = first.run(cell).check()
    assert "runs each time: lock lives in the kernel only" in made.receipt
    assert first.run("type(lock).__name__, n").check().result == "('lock', 3)"
    before = first.value("id(lock)")
    # A cell below does not run it again: it is there.
    assert first.run("%%component below\nn + 1").check().result == "4"
    assert first.value("id(lock)") == before
    assert first.run("%%component uses --here\nwith lock:\n    m = 1").check().status_of_step == "succeeded"
    assert first.value("m") == 1
    second = start_kernel()
    again = second.run(cell).check()
    assert again.status_of_step == "succeeded"
    assert "lock lives in the kernel only" in again.receipt
    why = second.run("%pipeline why opened").check().outputs[-1]["data"]["text/plain"]
    assert re.search(r"lock +lives in the kernel only", why)
    assert second.run("with lock:\n    print(n)").check().printed == "3\n"


def test_what_lives_in_the_kernel_is_handed_on_there(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("%pipeline mode register").check()
    kernel.run("%%component opened --here\nimport threading\nlock = threading.Lock()\nn = 3").check()
    kernel.run("%%component used --here\nwith lock:\n    m = n + 1").check()
    kernel.run("%%component below\nk = m + 1").check()
    for _ in range(2):
        kernel.run("run = %pipeline run").check()
        assert kernel.value("[s.status for s in run.wait().steps.values()][:2]") == ["succeeded"] * 2
        assert kernel.value("k") == 5
    why = kernel.run("%pipeline why used").check().outputs[-1]["data"]["text/plain"]
    assert re.search(r"lock +lives in the kernel only", why)
    # A step with a process of its own cannot have it.
    kernel.run("%%component elsewhere\nwith lock:\n    m = 1").check()
    assert "put --here" in kernel.run("%pipeline run elsewhere").traceback


def test_a_private_name_may_hold_what_lives_in_the_kernel(start_kernel: Start) -> None:
    cell = "%%component opened --here\nimport threading\n_lock = threading.Lock()\nwith _lock:\n    n = 3"
    assert start_kernel().run(cell).check().status_of_step == "succeeded"
    kernel = start_kernel()
    assert kernel.run(cell).check().status_of_step == "reused"
    assert kernel.value("n") == 3


WIDGET = """%%component shown --here
from IPython.display import display
display({"application/vnd.jupyter.widget-view+json": {"model_id": "m"}, "text/plain": "Slider"}, raw=True)
n = 1"""


def test_a_widget_is_live_and_its_step_runs_each_time(start_kernel: Start) -> None:
    for _ in range(2):
        kernel = start_kernel()
        result = kernel.run(WIDGET).check()
        assert result.status_of_step == "succeeded"
        assert any("application/vnd.jupyter.widget-view+json" in o.get("data", {}) for o in result.own)
        assert "it shows a widget" in result.receipt
    plan = kernel.run("%pipeline plan").check().outputs[-1]["data"]["text/plain"]
    assert "it shows a widget" in plan


def test_a_real_widget_answers(start_kernel: Start) -> None:
    pytest.importorskip("ipywidgets")
    kernel = start_kernel()
    made = kernel.run(
        "%%component w --here\nimport ipywidgets\nslider = ipywidgets.IntSlider(3)\nslider"
    ).check()
    assert any("application/vnd.jupyter.widget-view+json" in o.get("data", {}) for o in made.own)
    assert kernel.run("slider.value = 7\nslider.value").check().result == "7"
    read = kernel.run("%%component reads --here\nv = slider.value").check()
    assert kernel.value("v") == 7
    assert read.status_of_step == "succeeded"
    kernel.run("slider.value = 8").check()
    kernel.run("%%component reads --here\nv = slider.value").check()
    assert kernel.value("v") == 8


def test_an_error_is_the_cells_own(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("y = 5").check()
    body = "x = 1\n\ndef inner():\n    return 1 / 0\ninner()\ny = 2"
    failed, plain = kernel.run(f"%%component a --here\n{body}"), kernel.run("del x\n" + body)
    assert failed.error is not None
    assert plain.error is not None
    assert (failed.error["ename"], failed.error["evalue"]) == (plain.error["ename"], plain.error["evalue"])
    # The same frames, from the cell's own line on.
    frames = r"^(?:Cell In\[\d+\], line|File) .*$"
    numbers = [re.sub(r"In\[\d+\]", "In", f) for f in re.findall(frames, failed.traceback, re.M)]
    assert numbers == [re.sub(r"In\[\d+\]", "In", f) for f in re.findall(frames, plain.traceback, re.M)]
    assert "jupyter_mlpipe" not in failed.traceback
    assert failed.status_of_step == "failed"
    assert kernel.value("(x, y)") == (1, 5)
    # Nothing of it is kept: it fails again.
    assert kernel.run(f"%%component a --here\n{body}").status == "error"
    assert start_kernel().run(f"%%component a --here\n{body}").status == "error"


def test_an_interrupt_ends_it_as_a_plain_cell(start_kernel: Start) -> None:
    kernel = start_kernel()
    body = "import pathlib, time\nx = 1\npathlib.Path('began').touch()\ntime.sleep(60)\nz = 2"
    cell = f"%%component a --here\n{body}"
    request = kernel.start(cell)
    wait_for(kernel.folder / "began")
    kernel.interrupt()
    ended = kernel.wait(request)
    assert ended.error is not None
    assert ended.error["ename"] == "KeyboardInterrupt"
    assert "time.sleep(60)" in ended.traceback
    assert kernel.value("x") == 1
    assert kernel.run("z").error is not None
    assert kernel.run("%%component a --here\nx = 5").check().status_of_step == "succeeded"
    assert kernel.value("x") == 5


def test_a_time_limit_holds(start_kernel: Start) -> None:
    kernel = start_kernel()
    ended = kernel.run("%%component a --here --timeout 1s\nimport time\ntime.sleep(600)")
    assert ended.error is not None
    assert "--timeout" in ended.traceback
    assert kernel.run("1 + 1").check().result == "2"


def test_drawn_numbers_are_reused_only_where_the_state_is_the_same(start_kernel: Start) -> None:
    unseeded = "%%component drawn --here\nimport random\nx = random.random()"
    seeded = "%%component seeded --here\nimport random\nrandom.seed(3)\ny = random.random()"
    first, second = start_kernel(), start_kernel()
    for kernel in (first, second):
        assert kernel.run(unseeded).check().status_of_step == "succeeded"
    assert first.run(seeded).check().status_of_step == "succeeded"
    assert second.run(seeded).check().status_of_step == "reused"
    assert first.value("(y, random.random())") == second.value("(y, random.random())")


def test_what_it_sets_is_set_when_it_is_reused(start_kernel: Start) -> None:
    cell = "%%component sets --here\nimport numpy as np\nnp.set_printoptions(precision=2)"
    for status in ("succeeded", "reused"):
        kernel = start_kernel()
        assert kernel.run(cell).check().status_of_step == status
        assert kernel.run("np.array([1 / 3])").check().result == "array([0.33])"


def test_an_edited_module_that_the_kernel_has_loaded_is_no_lasting_result(start_kernel: Start) -> None:
    kernel = start_kernel()
    module = kernel.folder / "of_mine.py"
    module.write_text("RATE = 1\n")
    cell = "%%component a --here\nimport of_mine\nrate = of_mine.RATE"
    kernel.run("import of_mine").check()
    assert kernel.run(cell).check().status_of_step == "succeeded"
    module.write_text("RATE = 20\n")
    ran = kernel.run(cell).check()
    assert ran.status_of_step == "succeeded"
    assert "of_mine changed on disk" in ran.receipt
    assert kernel.value("rate") == 1  # as in a plain cell
    second = start_kernel()
    assert second.run(cell).check().status_of_step == "succeeded"
    assert second.value("rate") == 20
    assert start_kernel().run(cell).check().status_of_step == "reused"


def test_a_file_that_it_reads_counts(start_kernel: Start) -> None:
    cell = "%%component a --here\nwith open('data.txt') as f:\n    text = f.read()"
    kernel = start_kernel()
    (kernel.folder / "data.txt").write_text("one")
    assert kernel.run(cell).check().status_of_step == "succeeded"
    assert kernel.run(cell).check().status_of_step == "reused"
    (kernel.folder / "data.txt").write_text("two")
    assert kernel.run(cell).check().status_of_step == "succeeded"
    assert kernel.value("text") == "two"


def test_figures_are_shown_and_kept(start_kernel: Start) -> None:
    pytest.importorskip("matplotlib")
    cell = "%%component a --here\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nprint('drawn')"
    shown = []
    for status in ("succeeded", "reused"):
        result = start_kernel().run(cell).check()
        assert result.status_of_step == status
        shown.append([(kind, sorted(data) if isinstance(data, dict) else data) for kind, data in own(result)])
    assert shown[0] == shown[1]
    assert ("display_data", ["image/png", "text/plain"]) in shown[0]


def test_a_run_of_the_pipeline_runs_it_in_order(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("%pipeline mode register").check()
    kernel.run("%%component a\nx = [1]").check()
    kernel.run(
        "%%component b --here\nimport os\nx.append(2)\npid = os.getpid()\nprint('in the kernel')"
    ).check()
    kernel.run("%%component c\ny = sum(x)").check()
    kernel.run("%pipeline mode run").check()
    plan = kernel.run("%pipeline plan").check().outputs[-1]["data"]["text/plain"]
    assert re.search(r"b +undecided", plan)
    ran = kernel.run("run = %pipeline run").check()
    assert "in the kernel" in ran.printed
    assert kernel.value("(run.wait().status, run['y'], run.steps['b'].log)") == (
        "succeeded",
        3,
        "in the kernel\n",
    )
    assert kernel.value("(x, y, pid)") == ([1, 2], 3, kernel.pid)
    again = start_kernel()
    again.run("%pipeline mode register").check()
    again.run("%%component a\nx = [1]").check()
    again.run(
        "%%component b --here\nimport os\nx.append(2)\npid = os.getpid()\nprint('in the kernel')"
    ).check()
    again.run("%%component c\ny = sum(x)").check()
    again.run("run = %pipeline run").check()
    assert again.value("[s.status for s in run.wait().steps.values()]") == ["reused"] * 3
    assert again.value("(x, y)") == ([1, 2], 3)


def test_a_run_with_other_parameters_leaves_the_notebook_alone(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("%%parameters\nn = 1").check()
    kernel.run("%%component a --here\nm = n * 10").check()
    kernel.run("run = %pipeline run -p n=2").check()
    assert kernel.value("(run.wait()['m'], m, n)") == (20, 10, 1)
    assert kernel.run("%%component a --here\nm = n * 10").check().status_of_step == "reused"


def test_in_the_background_it_blocks_and_waits_for_its_inputs(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("%pipeline mode background").check()
    kernel.run("%%component a\nimport time\ntime.sleep(1)\nx = 1").check()
    here = kernel.run("%%component b --here\ny = x + 1\nprint(y)").check()
    assert here.printed == "2\n"
    assert here.status_of_step == "succeeded"
    below = kernel.run("%%component c\nz = y + 1\nz").check()
    assert kernel.value("z") == 3
    kernel.settle(below, lambda r: r.status_of_step == "succeeded")


def test_a_failed_step_above_is_told_and_nothing_runs(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("%pipeline mode background").check()
    kernel.run("%%component a\nx = 1 / 0").check()
    failed = kernel.run("%%component b --here\nprint('ran')\ny = x")
    assert failed.error is not None
    assert failed.error["ename"] == "ZeroDivisionError"
    assert failed.printed == ""


def test_functions_magics_and_commands_work_as_in_a_plain_cell(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("%%component f --here -> total\ndef total(a=1, b=2):\n    return a + b").check()
    assert kernel.value("total") == 3
    made = kernel.run("%%component g --here\n%time x = 1\n!echo from a command\nn = 2").check()
    assert "Wall time" in made.printed
    assert "from a command" in made.printed
    assert kernel.value("(x, n)") == (1, 2)
    asked = kernel.run("%%component h --here\nname = input()")
    assert asked.error is not None
    assert asked.error["ename"] == "StdinNotImplementedError"


def test_it_reads_what_its_key_holds_though_a_later_cell_has_bound_the_name(start_kernel: Start) -> None:
    cells = ["n = 1", "def f(x):\n    return x + n", "%%component a --here\nm = f(n)"]
    kernel = start_kernel()
    for number, cell in enumerate(cells):
        kernel.run(cell, cell_id=f"c{number}").check()
    kernel.run("n = 10", cell_id="later").check()
    kernel.run("def f(x):\n    return -x", cell_id="latest").check()
    kernel.run("run = %pipeline run --force a").check()
    assert kernel.value("(run.wait().steps['a'].status, m, n, f(1))") == ("succeeded", 2, 10, -1)
    second = start_kernel()
    for number, cell in enumerate(cells):
        second.run(cell, cell_id=f"c{number}").check()
    assert second.value("m") == 2


@pytest.mark.parametrize(
    "code", ["k = sorted(globals())[0]", "k = eval('n' + '')", "k = get_ipython().user_ns['n']"]
)
def test_code_that_may_read_any_name_runs_each_time(code: str, start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("n = 1").check()
    for _ in range(2):
        ran = kernel.run(f"%%component a --here\n{code}").check()
        assert ran.status_of_step == "succeeded"
    assert "may read any name there is" in ran.receipt


@pytest.mark.parametrize(
    ("code", "answer"), [("name = input('Who? ')", "Ada"), ("import pdb\npdb.set_trace()\nname = 'Ada'", "c")]
)
def test_it_may_ask_and_then_runs_each_time(code: str, answer: str, start_kernel: Start) -> None:
    kernel = start_kernel()
    for _ in range(2):
        kernel.client.execute(f"%%component asks --here\n{code}", allow_stdin=True)
        kernel.client.get_stdin_msg(timeout=60)
        kernel.client.input(answer)
        assert kernel.value("name") == "Ada"
        kernel.run("del name").check()
    why = kernel.run("%pipeline why asks").check().outputs[-1]["data"]["text/plain"]
    assert "asks for input" in why


def test_the_command_line_runs_and_reuses_it(start_kernel: Start, tmp_path: Path) -> None:
    import nbformat

    from jupyter_mlpipe.app.main import main

    cells = [
        "%load_ext jupyter_mlpipe",
        "%%component a\nx = 1",
        "%%component b --here\ny = x + 1\nprint('here', y)",
        "%%component c\nz = y + 1\nprint('z', z)",
        "print(z)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    path = tmp_path / "nb.ipynb"
    nbformat.write(notebook, path)
    for status in ("succeeded", "reused"):
        assert main(["run", str(path), "--output", str(tmp_path / "out.ipynb")]) == 0
        out = nbformat.read(tmp_path / "out.ipynb", as_version=4)
        text = "".join(o.get("text", "") for o in out.cells[2].outputs)
        assert text == "here 2\n"
        receipt = next(o for o in out.cells[2].outputs if "application/vnd.mlpipe+json" in o.get("data", {}))
        assert receipt["data"]["application/vnd.mlpipe+json"]["status"] == status
        assert out.cells[4].outputs[0]["text"] == "3\n"


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} was not made"
        time.sleep(0.01)


def test_what_cannot_be_stored_is_made_again_in_the_kernel_and_what_was_stored_stays(
    start_kernel: Start,
) -> None:
    kernel = start_kernel()
    made = (
        "%%component made\nimport os, time\nat = time.time_ns()\nfour = 4\nnumbers = iter({1: 'a', 2: 'b'})"
    )
    assert "numbers is not kept" in kernel.run(made).check().receipt
    at = kernel.run("at").check().result
    used = kernel.run("%%component used\nfirst = next(numbers), os.getpid()").check().receipt
    assert "runs in the kernel itself: it reads numbers of made" in used
    assert "made was run again there; at stays as it was" in used
    assert "four stays" not in used
    assert kernel.run("at").check().result == at
    assert kernel.run("%%component later\nthen = at").check().status_of_step == "succeeded"
    assert kernel.run("then").check().result == at
    assert kernel.run("first[1] == __import__('os').getpid(), next(numbers)").check().result == "(True, 2)"
    assert kernel.run("%%component below\nsix = four + 2").check().status_of_step == "succeeded"
    fails = "%%component late\nopened = open('file', 'x')"
    kernel.run(fails).check()
    refused = kernel.run("%%component reader\nopened.read()").traceback
    for part in ("'opened' of step 'late'", "FileExistsError", "Put --here behind the name of 'late'"):
        assert part in refused
    assert kernel.run("six").check().result == "6"
    slow = "%%component slow --timeout 1h\ngiven = (i for i in 'ab')"
    kernel.run(slow).check()
    assert "Make 'given' in 'reader' itself" in kernel.run("%%component reader\nnext(given)").traceback
