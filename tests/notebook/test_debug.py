"""``%pipeline debug``: what a step saw, and its code, in the kernel; names kept apart, nothing recorded."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.support.kernel import Kernel

Start = Callable[..., Kernel]

HELPER = "import random\nrandom.seed(4)\nn = 3\ndef share(x):\n    return x / (n - 3)"
LOAD = "%%component load\nclass Row(list):\n    pass\nrows = Row([1, 2, 3])"
FIT = (
    "%%component fit(rows: list, seed=7) -> y\n"
    "assert isinstance(rows, list)\n"
    "draw = random.random()\n"
    "_longer = [*rows, seed]\n"
    "y = share(rows[0])"
)


def begin(kernel: Kernel, *cells: str) -> None:
    for cell in (HELPER, LOAD):
        kernel.run(cell).check()
    for cell in cells or (FIT,):
        kernel.run(cell)


def records(kernel: Kernel) -> set[Path]:
    return set((kernel.folder / ".mlpipe" / "records").rglob("*"))


def in_debugger(kernel: Kernel, code: str, *commands: str) -> str:
    """Run a cell that asks for commands; returns what it printed, without colours."""
    client = kernel.client
    message_id = client.execute(code, allow_stdin=True)
    for command in commands:
        client.get_stdin_msg(timeout=60)
        client.input(command)
    printed = ""
    while True:
        message = client.get_iopub_msg(timeout=60)
        if message["parent_header"].get("msg_id") != message_id:
            continue
        if message["header"]["msg_type"] == "stream":
            printed += message["content"]["text"]
        elif message["content"].get("execution_state") == "idle":
            client.get_shell_msg(timeout=60)
            return re.sub(r"\x1b\[[0-9;]*m", "", printed)


def test_a_failed_step_runs_in_the_kernel_on_what_it_saw(kernel: Kernel) -> None:
    begin(kernel)
    # What the notebook has since is not what the step saw.
    kernel.run("before = set(globals())\nrows.append(4)\nseed = 'mine'\nn = 0").check()
    kept = records(kernel)
    result = kernel.run("%pipeline debug fit")
    assert result.error is not None
    assert result.error["ename"] == "ZeroDivisionError"
    assert "----> 5 y = share(rows[0])" in result.traceback
    assert "in share(x)" in result.traceback
    assert "jupyter_mlpipe/" not in result.traceback
    assert result.facts == {"kind": "debug", "step": "fit", "name": "debugged"}
    assert kernel.value("(debugged.rows, debugged.seed, debugged['_longer'])") == ([1, 2, 3], 7, [1, 2, 3, 7])
    assert kernel.value("(rows, seed, n)") == ([1, 2, 3, 4], "mine", 0)
    assert (
        kernel.value("sorted(set(globals()) - before - {'before', 'seed', '_', '__', '___'})[-1]")
        == "debugged"
    )
    assert records(kernel) == kept


def test_post_mortem_stands_where_the_code_raised(kernel: Kernel) -> None:
    begin(kernel)
    kernel.run("%pipeline debug fit")
    innermost = kernel.value(
        "(lambda frames: [(f.name, f.lineno, f.line) for f in frames][-2:])"
        "(__import__('traceback').extract_tb(__import__('sys').last_traceback))"
    )
    assert innermost == [("<module>", 5, "y = share(rows[0])"), ("share", 5, "return x / (n - 3)")]
    said = in_debugger(kernel, "%debug", "p x", "up", "p draw", "p rows", "quit")
    assert "share" in said
    assert "\n1\n" in said
    assert "[1, 2, 3]" in said


def test_breakpoints_stop_in_the_lines_of_the_cell(kernel: Kernel) -> None:
    cell = (
        "%%component stop(rows) -> total\n"
        "total = sum(rows)\n"
        "import pdb; pdb.set_trace()\n"
        "total += 1\n"
        "total += 0"
    )
    begin(kernel, cell)
    # Python stops in the line that asks for it from 3.13 on, before that in the next one.
    said = in_debugger(kernel, "%pipeline debug stop", "p total", "list", "until 5", "p total", "continue")
    assert "----> 5 total += 0" in said
    assert "total += 1" in said
    assert "\n6\n" in said
    assert "\n7\n" in said
    assert kernel.value("debugged.total") == 7


def test_settings_and_random_states_are_the_step_s_and_are_put_back(kernel: Kernel) -> None:
    kernel.run("import os, random\nrandom.seed(1)\nos.environ['MY_SETTING'] = 'a'").check()
    kernel.run(
        "%%component draw\nimport os\nprint(random.random(), os.environ['MY_SETTING'])\n"
        "os.environ['MY_SETTING'] = 'b'\n1 / 0"
    )
    kernel.run("random.seed(2)\nos.environ['MY_SETTING'] = 'c'").check()
    printed = [o["text"] for o in kernel.run("%pipeline debug draw").outputs if o["type"] == "stream"]
    assert printed == [f"{kernel.value('random.Random(1).random()')} a\n"]
    assert kernel.value("(os.environ['MY_SETTING'], random.random() == random.Random(2).random())") == (
        "c",
        True,
    )


def test_a_step_that_has_not_run_and_one_that_succeeded(kernel: Kernel) -> None:
    kernel.run("%pipeline mode register").check()
    begin(
        kernel,
        "%%component count\nsize = len(rows)\nsize",
        "%%component function\ndef twice(size):\n    return 2 * size",
    )
    kept = records(kernel)
    shown = kernel.run("d = %pipeline debug count --as other").check()
    assert [o["data"]["text/plain"] for o in shown.own if o["type"] == "display_data"] == ["3"]
    assert kernel.value("(d is other, d.size, list(d))") == (True, 3, ["Row", "rows", "size"])
    # Only what it reads was made.
    assert len(records(kernel) - kept) <= 2
    brought = kernel.run(
        "import jupyter_mlpipe\nd = jupyter_mlpipe.current().debug('count', run=False)"
    ).check()
    assert "3" not in [o["data"].get("text/plain") for o in brought.own if "data" in o]
    assert kernel.value("(hasattr(d, 'size'), d.rows)") == (False, [1, 2, 3])


def test_names_that_are_taken_and_steps_that_cannot_be_debugged(kernel: Kernel) -> None:
    begin(kernel)
    kernel.run("debugged = 'mine'").check()
    assert "--as NAME" in kernel.run("%pipeline debug fit").printed_error
    assert kernel.value("debugged") == "mine"
    assert "Did you mean 'fit'" in kernel.run("%pipeline debug fitt").traceback
    kernel.run("%%component bad\nworse = 1 / 0")
    kernel.run("%pipeline mode register").check()
    kernel.run("%%component below\nresult = worse + 1").check()
    result = kernel.run("%pipeline debug below --as other")
    assert result.error is not None
    assert result.error["ename"] == "ZeroDivisionError"


def test_verbose_tracebacks_show_values_and_errors_show_them(kernel: Kernel) -> None:
    begin(kernel, "pass")
    kernel.run("%xmode Verbose").check()
    failed = kernel.run(FIT)
    assert "in share(x=1)" in failed.traceback
    kernel.run("run = %pipeline run").check()
    shown = kernel.run("run.wait()\nrun.steps['fit'].error").check()
    assert "(x=1)" in re.sub(r"\x1b\[[0-9;]*m", "", str(shown.result))
    assert "jupyter_mlpipe/" not in str(shown.result)
    kernel.run("%xmode Context").check()
    assert "in share(x)" in kernel.run(FIT).traceback
