"""What a user sees when cells with %%component run in a real kernel."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

from tests.support.dask_cluster import wait_for
from tests.support.kernel import Kernel

Start = Callable[..., Kernel]


def test_outputs_become_ordinary_variables(kernel: Kernel) -> None:
    kernel.run("%%component make\nx = 20\ny = [x, 2]\n_hidden = 3").check()
    result = kernel.run("x + y[1] * 11").check()
    assert result.result == "42"
    assert kernel.run("_hidden").status == "error"


def test_receipt_tells_the_interface_and_what_happened(kernel: Kernel) -> None:
    first = kernel.run("%%component make\nx = 20").check()
    assert first.receipt.startswith("make  -> x · ran ")
    assert first.receipt.endswith(": new")
    second = kernel.run("%%component use\ny = x + 1").check()
    assert second.receipt.startswith("use  x -> y · ran ")
    third = kernel.run("%%component use\ny = x + 1").check()
    assert third.receipt.startswith("use  x -> y · reused")


def test_a_step_is_reused_in_a_fresh_kernel_with_text_and_result(start_kernel: Start) -> None:
    cell = "%%component make\nprint('hello')\nx = 20\nx * 2"
    first = start_kernel().run(cell).check()
    again = start_kernel().run(cell).check()
    for result in (first, again):
        assert result.printed == "hello\n"
        assert result.result == "40"
    assert first.status_of_step == "succeeded"
    assert again.status_of_step == "reused"


def test_a_comment_or_formatting_does_not_run_a_step_again(start_kernel: Start) -> None:
    start_kernel().run("%%component make\nx = [1,2]").check()
    again = start_kernel().run("%%component make\n# the first two\nx = [1, 2]  # numbers").check()
    assert again.status_of_step == "reused"


def test_changed_code_runs_and_says_so(start_kernel: Start) -> None:
    start_kernel().run("%%component make\nx = 1").check()
    again = start_kernel().run("%%component make\nx = 2").check()
    assert again.status_of_step == "succeeded"
    assert "code" in again.receipt


def test_an_edited_helper_runs_the_steps_that_use_it(start_kernel: Start) -> None:
    cells = ["%%component make\nx = helper(1)", "%%component other\nz = 5"]
    one = start_kernel()
    one.run("def inner(v):\n    return v + 1\ndef helper(v):\n    return inner(v) * 10").check()
    assert [one.run(cell).status_of_step for cell in cells] == ["succeeded", "succeeded"]
    two = start_kernel()
    two.run("def inner(v):\n    return v + 2\ndef helper(v):\n    return inner(v) * 10").check()
    results = [two.run(cell).check() for cell in cells]
    assert [r.status_of_step for r in results] == ["succeeded", "reused"]
    assert "helper inner" in results[0].receipt
    assert two.run("x").result == "30"


def test_an_edited_local_module_reaches_the_step(start_kernel: Start) -> None:
    one = start_kernel()
    module = one.folder / "local_helper.py"
    module.write_text("def twice(x):\n    return x * 2\n")
    cell = "%%component make\nfrom local_helper import twice\nx = twice(4)"
    assert one.run(cell).check().status_of_step == "succeeded"
    assert one.run("x").result == "8"
    # The same kernel, the module not reloaded: what is on disk is what counts.
    module.write_text("def twice(x):\n    return x * 3\n")
    again = one.run(cell).check()
    assert again.status_of_step == "succeeded"
    assert one.run("x").result == "12"


def test_what_is_stale_above_runs_first(kernel: Kernel) -> None:
    kernel.run("base = 1", cell_id="base").check()
    kernel.run("%%component a\nx = base + 1").check()
    kernel.run("%%component b\ny = x * 10").check()
    kernel.run("base = 5", cell_id="base").check()
    again = kernel.run("%%component b\ny = x * 10").check()
    assert again.status_of_step == "succeeded"
    assert kernel.run("x, y").result == "(6, 60)"


def test_equal_output_of_a_step_that_ran_again_leaves_those_below_reused(kernel: Kernel) -> None:
    kernel.run("base = 1").check()
    kernel.run("%%component a\nx = base > 0").check()
    kernel.run("%%component b\ny = not x").check()
    kernel.run("base = 2").check()
    kernel.run("%%component a\nx = base > 0").check()
    assert kernel.run("%%component b\ny = not x").check().status_of_step == "reused"


def test_tables_and_figures_show_as_without_us(start_kernel: Start) -> None:
    setup = "import pandas as pd, matplotlib.pyplot as plt"
    body = "df = pd.DataFrame({'a': [1, 2]})\nplt.plot([1, 2])\nplt.show()\ndf"
    plain = start_kernel()
    plain.run(setup).check()
    expected = plain.run(body).check()
    for status in ("succeeded", "reused"):
        kernel = start_kernel()
        kernel.run(setup).check()
        result = kernel.run("%%component show\n" + body).check()
        assert result.status_of_step == status
        kinds = [(o["type"], sorted(o["data"])) for o in result.own]
        assert kinds == [(o["type"], sorted(o["data"])) for o in expected.own]
        assert result.own[-1]["data"] == expected.own[-1]["data"]


def test_a_failed_step_shows_the_users_traceback_with_the_line_of_the_cell(kernel: Kernel) -> None:
    result = kernel.run("%%component bad\nx = 1\ny = x / 0\nz = 3")
    assert result.status == "error"
    assert result.error is not None
    assert (result.error["ename"], result.error["evalue"]) == ("ZeroDivisionError", "division by zero")
    assert "----> 3 y = x / 0" in result.traceback
    assert "jupyter_mlpipe" not in result.traceback


def test_reading_an_output_of_a_step_that_failed_in_the_background_fails_with_its_error(
    kernel: Kernel,
) -> None:
    kernel.run("%%component bad --background\ny = 1 / 0")
    reader = kernel.run("print('before', y)")
    assert reader.status == "error"
    assert reader.error is not None
    assert reader.error["ename"] == "ZeroDivisionError"
    assert reader.printed == ""


def test_a_step_below_a_failed_one_names_the_cause(kernel: Kernel) -> None:
    kernel.run("%%component bad --background\ny = 1 / 0")
    below = kernel.run("%%component below\nz = y + 1")
    assert below.status == "error"
    assert below.error is not None
    assert below.error["ename"] == "ZeroDivisionError"


def test_interrupting_the_kernel_stops_the_step(kernel: Kernel) -> None:
    message = kernel.start("%%component slow\nimport os, time\nprint(os.getpid())\ntime.sleep(600)")
    kernel.settle(kernel.result_of(message), lambda r: r.printed.endswith("\n"))
    kernel.interrupt()
    result = kernel.wait(message, timeout=20)
    assert result.error is not None
    assert result.error["ename"] == "KeyboardInterrupt"
    assert result.status_of_step == "cancelled"
    wait_for(lambda: not psutil.pid_exists(int(result.printed)), "the step's process goes on")


def test_printed_text_arrives_while_the_step_runs(kernel: Kernel) -> None:
    gate = kernel.folder / "go"
    cell = (
        "%%component slow\nimport os, time\nprint('first')\n"
        f"while not os.path.exists({str(gate)!r}):\n    time.sleep(0.02)\nprint('second')"
    )
    message = kernel.start(cell)
    kernel.settle(kernel.result_of(message), lambda r: r.printed == "first\n")
    gate.touch()
    assert kernel.wait(message).check().printed == "first\nsecond\n"


def test_the_line_reaches_the_parser_as_typed(kernel: Kernel) -> None:
    kernel.run("HOME = 'expanded'").check()
    result = kernel.run("%%component odd(table={'a': 1}, word='$HOME {HOME}') -> x\nx = (table, word)")
    result.check()
    assert kernel.value("x") == ({"a": 1}, "$HOME {HOME}")


def test_a_comment_header_works_the_same(kernel: Kernel) -> None:
    result = kernel.run("#| component: make(n=3)\n#|   -> x\nx = n * 2").check()
    assert result.receipt.startswith("make  n=3 -> x · ran")
    assert kernel.run("x").result == "6"
    failed = kernel.run("#| component: bad\n#|  --cpus 1\nx = 1 / 0")
    assert "----> 3 x = 1 / 0" in failed.traceback


def test_function_form_takes_its_signature_from_the_def(kernel: Kernel) -> None:
    kernel.run("%%component load\nrows = [3, 1, 2]").check()
    result = kernel.run(
        "%%component order -> low, high\ndef order(rows, reverse=False):\n"
        "    done = sorted(rows, reverse=reverse)\n    return done[0], done[-1]"
    ).check()
    assert result.receipt.startswith("order  rows, reverse=False -> low, high · ran")
    assert kernel.value("(low, high)") == (1, 3)


def test_definitions_of_a_component_cell_reach_later_cells(kernel: Kernel) -> None:
    kernel.run("%%component tools\nimport math\nK = 3\ndef area(r):\n    return K * r * r").check()
    assert kernel.run("area(2), math.floor(2.5)").check().result == "(12, 2)"
    assert kernel.run("%%component use\ny = area(10)").check().status_of_step == "succeeded"
    assert kernel.run("y").result == "300"


def test_instances_keep_their_class(kernel: Kernel) -> None:
    kernel.run("class Point:\n    def __init__(self, x):\n        self.x = x").check()
    kernel.run("%%component make\np = Point(3)").check()
    kernel.run("%%component use\nok = isinstance(p, Point) and p.x").check()
    assert kernel.run("isinstance(p, Point), ok").result == "(True, 3)"


def test_an_edited_method_runs_the_steps_that_get_an_instance(start_kernel: Start) -> None:
    def cells(factor: int) -> list[str]:
        return [
            f"class Point:\n    x = 3\n    def size(self):\n        return self.x * {factor}",
            "%%component make\np = Point()",
            "%%component use\ns = p.size()",
        ]

    one = start_kernel()
    for cell in cells(1):
        one.run(cell).check()
    two = start_kernel()
    for cell in cells(2):
        two.run(cell).check()
    assert two.run("s").result == "6"


def test_magics_commands_and_await_work_in_a_step(kernel: Kernel) -> None:
    result = kernel.run(
        "%%component all\nimport asyncio\nawait asyncio.sleep(0)\nfiles = !echo one two\n!echo shouted"
    ).check()
    assert "shouted" in result.printed
    assert kernel.value("list(files)") == ["one two"]


def test_registered_only_does_not_run_and_reading_says_how(kernel: Kernel) -> None:
    result = kernel.run("%%component make --no-run\nx = 1").check()
    assert result.receipt == "make  -> x · registered"
    reader = kernel.run("x")
    assert "has not run" in reader.traceback
    assert "%pipeline run make" in reader.traceback


def test_after_a_restart_registering_is_enough(start_kernel: Start) -> None:
    start_kernel().run("%%component make\nx = 41").check()
    fresh = start_kernel()
    fresh.run("%pipeline mode register").check()
    fresh.run("%%component make\nx = 41").check()
    assert fresh.run("x + 1").check().result == "42"


def test_background_cells_return_at_once_and_readers_wait(kernel: Kernel) -> None:
    gate = kernel.folder / "go"
    kernel.run("%pipeline mode background").check()
    wait = f"import os, time\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.02)\n"
    one = kernel.run(f"%%component one\n{wait}print('from one')\nx = 1").check()
    two = kernel.run(f"%%component two\n{wait}y = 2").check()
    kernel.settle(two, lambda r: r.status_of_step == "running")
    kernel.settle(one, lambda r: r.status_of_step == "running")  # both at once
    reader = kernel.start("x + y")
    gate.touch()
    assert kernel.wait(reader).check().result == "3"
    kernel.settle(one, lambda r: r.printed == "from one\n" and r.status_of_step == "succeeded")


def test_a_background_step_that_fails_fails_its_reader(kernel: Kernel) -> None:
    kernel.run("%%component bad --background\nx = 1 / 0").check()
    reader = kernel.run("x")
    assert reader.error is not None
    assert reader.error["ename"] == "ZeroDivisionError"


def test_registering_a_component_takes_little_time(kernel: Kernel) -> None:
    # Not a measurement: that it does not start a cluster or a process.
    kernel.run("%pipeline mode register").check()
    started = time.monotonic()
    kernel.run("%%component make\nx = 1").check()
    assert kernel.run("'distributed' in __import__('sys').modules").result == "False"
    assert time.monotonic() - started < 30


def test_a_word_says_that_what_a_definition_holds_stays_in_the_step(kernel: Kernel) -> None:
    kernel.run(
        "import threading\n"
        "def note(log=[]):\n    log.append(threading.Lock())\n    return len(log)\n"
        "class Account:\n    lock = None\n    def __init__(self): Account.lock = threading.Lock()"
    ).check()
    calls = "%%component use\nx = note(), bool(Account())"
    for status in ("succeeded", "reused"):
        result = kernel.run(calls).check()
        assert result.status_of_step == status
        told = [name for name in ("note", "Account") if f"in {name} itself" in result.receipt]
        assert told == ["note", "Account"]
    own = kernel.run(
        "%%component own\nimport threading\n"
        "def keep(log=[]):\n    log.append(threading.Lock())\n    return len(log)\n"
        "class Box:\n    items = []\n    def put(self, x): self.items.append(x)\n"
        "y = keep()\nBox().put(2)"
    ).check()
    assert [name for name in ("keep", "Box") if f"in {name} itself" in own.receipt] == ["keep"]
