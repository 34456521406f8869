"""Bad input: a clear message that says what to do, and nothing that was done is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.kernel import Kernel

Start = Callable[..., Kernel]


@pytest.fixture
def started(kernel: Kernel) -> Kernel:
    kernel.run("%%component good\nx = 1").check()
    return kernel


def fails(kernel: Kernel, cell: str, *parts: str) -> None:
    """Run a cell that is refused: the words are there, our frames are not, what was done still is."""
    result = kernel.run(cell)
    text = result.traceback + "".join(o.get("text", "") for o in result.outputs if o["type"] == "stream")
    assert result.status == "error" or "UsageError" in text, result.outputs
    for part in parts:
        assert part in text
    assert "site-packages" not in text
    assert "jupyter_mlpipe/" not in text
    assert kernel.run("%%component good\nx = 1").check().status_of_step == "reused"


def test_a_syntax_error(started: Kernel) -> None:
    fails(started, "%%component bad\nx = 1\ny = = 2", "SyntaxError", "line 3", "y = = 2")


def test_an_unknown_option(started: Kernel) -> None:
    fails(started, "%%component bad --memry 4GB\ny = 2", "--memry", "--memory")


def test_a_wrong_unit(started: Kernel) -> None:
    fails(started, "%%component bad --memory 4XB\ny = 2", "4XB", "GB")


def test_a_name_that_nothing_provides(started: Kernel) -> None:
    started.run("model_of_mine = 1").check()
    fails(started, "%%component bad\ny = model_of_min", "'model_of_min'", "model_of_mine", "line 2")


def test_an_undeclared_read(started: Kernel) -> None:
    started.run("a, b = 1, 2").check()
    fails(started, "%%component bad(a) -> y\ny = a + b", "'b'", "line 2", "bad(a, b)")


def test_an_input_of_the_wrong_type(started: Kernel) -> None:
    started.run("rows = (1, 2)").check()
    fails(started, "%%component bad(rows: list) -> n\nn = len(rows)", "'rows'", "list", "tuple")


def test_a_file_that_is_not_there(started: Kernel) -> None:
    started.run("from pathlib import Path\nimport jupyter_mlpipe as mlpipe\nPath('rows.csv').touch()").check()
    fails(started, "%%component bad(p: File = 'row.csv')\ny = 1", "'bad'", "'row.csv'", "'rows.csv'")
    started.run("raw = mlpipe.Folder('rows.csv')").check()
    fails(started, "%%component bad\ny = raw", "Folder 'rows.csv' is a file", "Declare it as a File")


def test_a_file_that_is_no_longer_there(started: Kernel) -> None:
    started.run(
        "from pathlib import Path\nimport os, jupyter_mlpipe as mlpipe\nPath('rows.csv').touch()"
    ).check()
    started.run("%%component first --no-run\nopen('ran.txt', 'w').close()\nz = 1").check()
    started.run("%%component reads(z, p: File = 'rows.csv') -> y --no-run\ny = open(p).read()").check()
    started.run("os.remove('rows.csv')").check()
    result = started.run("%pipeline run reads")
    assert "'reads' cannot be run: File 'rows.csv' does not exist" in result.traceback
    assert started.value("os.path.exists('ran.txt')") is False


def test_a_cycle(started: Kernel) -> None:
    started.run("%%component p --no-run\nu = 1").check()
    started.run("%%component q --no-run\nv = u").check()
    fails(started, "%%component p(v=q.v) -> u\nu = v", "'p'", "'q'", "wait for each other")
    # The component of before is still there.
    assert started.run("v").status == "error"
    assert started.run("run = %pipeline run q\nrun.wait()['v']").check().result == "1"


def test_a_declared_output_that_is_never_bound(started: Kernel) -> None:
    fails(started, "%%component bad -> model\nmdl = 2", "'model'", "mdl")
    fails(started, "%%component bad -> model\nif False:\n    model = 2", "'model'")


def test_an_undeclared_change_in_place(started: Kernel) -> None:
    started.run("%%component load\nd = {}").check()
    fails(started, "%%component bad(d) -> n\nd['a'] = 1\nn = len(d)", "'d'", "line 2")


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("import threading\nlock = threading.Lock()", "lock"),
        ("lock = open(__import__('os').devnull)", "TextIOWrapper"),
        ("lock = (i for i in range(3))", "generator"),
    ],
)
def test_a_declared_output_that_cannot_be_stored(started: Kernel, code: str, word: str) -> None:
    fails(started, f"%%component bad -> lock\n{code}", word)


def test_an_inferred_output_that_cannot_be_stored_is_left_out_with_a_word(started: Kernel) -> None:
    result = started.run("%%component some\nkept = 2\ngen = (i for i in range(3))").check()
    assert "gen is not kept" in result.receipt
    assert started.run("kept").result == "2"
    assert "<generator" in started.run("gen").check().result
    started.run("%%component late --timeout 1h\ndrawn = (i for i in range(3))").check()
    reader = started.run("drawn")
    assert reader.status == "error"
    assert "generator" in reader.traceback
    assert "'late'" in reader.traceback
    # A step that fails says so, too: its names stand for what they were.
    started.run("given = {'n': 1}")
    failed = started.run("%%component fails\ngiven['g'] = (i for i in range(3))\nraise ValueError('no')")
    assert "given is not kept, and is as it was before the cell" in failed.receipt
    assert "generator" in failed.receipt
    assert started.run("given").result == "{'n': 1}"


def test_a_parameter_of_the_wrong_type(started: Kernel) -> None:
    started.run("from typing import Annotated\nfrom annotated_types import Gt").check()
    fails(started, "%%parameters\nrate: Annotated[float, Gt(0)] = -1.0", "'rate'", "greater than 0")
    started.run("%%parameters\nrate: Annotated[float, Gt(0)] = 0.5").check()
    started.run("%%component use\ny = rate * 2").check()
    fails(started, "%pipeline run -p rate=-3", "'rate'", "greater than 0")
    fails(started, "%pipeline run -p rate=fast", "'rate'", "fast")
    fails(started, "%pipeline run -p ratee=3", "'ratee'", "'rate'")


def test_a_store_that_cannot_be_written(start_kernel: Start, tmp_path: object) -> None:
    kernel = start_kernel()
    blocked = kernel.folder / "a-file"
    blocked.write_text("in the way")
    other = start_kernel(MLPIPE_STORE=str(blocked / "store"))
    result = other.run("%%component make\nx = 1")
    assert result.status == "error"
    assert "a-file" in result.traceback
    assert "StoreError" in result.traceback
    assert other.run("1 + 1").check().result == "2"


def test_nothing_to_run(kernel: Kernel) -> None:
    result = kernel.run("%pipeline run")
    assert "There is nothing to run" in result.traceback + result.printed_error


def test_an_unknown_step(started: Kernel) -> None:
    for command in ("run goood", "why goood", "plan goood", "remove goood", "run --force goood"):
        fails(started, f"%pipeline {command}", "'goood'", "'good'")


def test_an_unknown_subcommand(started: Kernel) -> None:
    fails(started, "%pipeline pln", "pln", "'plan'")


def test_what_no_worker_can_serve_fails_before_anything_starts(started: Kernel) -> None:
    fails(started, "%%component big --memory 900TB\ny = 1", "big", "MEMORY", "900")


def test_a_value_that_cannot_be_sent(started: Kernel) -> None:
    started.run("import threading\nmy_lock = threading.Lock()").check()
    moved = started.run("%%component good\ny = my_lock.locked()").check()
    assert "my_lock is a _thread.lock, which belongs to the threads of one process" in moved.receipt
    fails(started, "%%component bad --timeout 1h\ny = my_lock.locked()", "my_lock", "lock", "--here")


def test_a_step_that_dies_names_the_signal(started: Kernel) -> None:
    cell = "%%component bad\nimport os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\ny = 1"
    fails(started, cell, "SIGSEGV")


def test_a_step_past_its_timeout(started: Kernel) -> None:
    cell = "%%component bad --timeout 1s\nimport time\ntime.sleep(60)\ny = 1"
    fails(started, cell, "--timeout of 1.0 s", "bad")
