"""Systems without a fork server, as `tests/support/othersystem` makes them of this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.support.kernel import Kernel

SUPPORT = Path(__file__).parents[1] / "support" / "othersystem"
FIRST = "%%component first\nprint('printed')\nx = [1, 2]\nx"
CHILD = "%%component total\nimport subprocess\nsubprocess.run(['echo', 'child'])\ntotal = sum(x)"
SLEEP = "import time\nprint('begun')\ntime.sleep(1000)"
RUN_UNTIL_KILLED = """
import sys, tempfile
from pathlib import Path
from tests.support.steps import Steps

steps = Steps(Path(tempfile.mkdtemp()))
spec = steps.spec("import os, time; print('runs', os.getpid(), flush=True)\\nwhile True: time.sleep(0.01)")
steps.server.run("t", spec.to_bytes(), lambda message: print(message, flush=True))
"""

REPLACE = """
import psutil, sys, tempfile, time
from pathlib import Path
from jupyter_mlpipe.execution.process import unforked
from tests.support.steps import Steps

steps = Steps(Path(tempfile.mkdtemp()))
print(steps.run("x = 1", outputs=("x",)).ended["status"])
while len(found := psutil.Process().children()) > 1:
    time.sleep(0.01)  # one of them has served the step, and ends
found[0].kill()
found[0].wait()
print(steps.run("x = 1", outputs=("x",)).ended["status"])
steps.server.close()
unforked._BOOT = "sys.exit('no such luck')"
steps = Steps(steps.folder)
print(steps.run("x = 1").error["evalue"])
steps.server.close()
"""


def _as(system: str, temporary: Path) -> dict[str, str]:
    temporary.mkdir()
    return {"OTHER_SYSTEM": system, "PYTHONPATH": str(SUPPORT), "TMPDIR": str(temporary)}


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.01)


def _end_reason(kernel: Kernel, cell: str) -> str:
    result = kernel.run(cell)
    assert result.status == "error"
    return result.receipt


@pytest.mark.parametrize("system", ["windows", "macos"])
def test_a_notebook_runs_where_nothing_can_be_forked(
    start_kernel: Callable[..., Kernel], tmp_path: Path, system: str
) -> None:
    environment = _as(system, temporary := tmp_path / "temporary")
    kernel = start_kernel(**environment)
    first = kernel.run(FIRST).check()
    assert (first.printed, first.result, first.status_of_step) == ("printed\n", "[1, 2]", "succeeded")
    assert kernel.run("x + [3]").result == "[1, 2, 3]"
    assert kernel.run(CHILD).check().printed == "child\n"

    assert "ZeroDivisionError: division by zero" in _end_reason(kernel, "%%component fails\n1 / 0")
    assert "--timeout" in _end_reason(kernel, f"%%component slow --timeout 1s\n{SLEEP}")
    assert "with 400.0 MB asked for" in _end_reason(
        kernel, f"%%component large --memory 400MB\nb = b'1' * (600 << 20)\n{SLEEP}"
    )
    assert "SIGSEGV" in _end_reason(kernel, "%%component crashes\nimport ctypes; ctypes.string_at(0)")
    long = kernel.start(f"%%component long\n{SLEEP}")
    kernel.settle(kernel.result_of(long), lambda result: result.printed == "begun\n")  # while it runs
    kernel.interrupt()
    assert kernel.wait(long).status_of_step == "cancelled"
    if system == "windows":
        detached = kernel.run("%pipeline run first --detach --force first")
        assert "--detach needs a Unix system" in detached.printed_error

    started = psutil.Process(kernel.pid).children(recursive=True)
    assert started  # one waits for the next step
    kernel.close()
    _wait_until(lambda: not any(process.is_running() for process in started))
    assert not [*temporary.glob("mlpipe-*")]

    again = start_kernel(**environment)
    assert again.run(FIRST).check().status_of_step == "reused"
    assert again.run(CHILD).check().status_of_step == "reused"


@pytest.mark.parametrize("system", ["windows", "macos"])
def test_a_step_ends_with_its_worker(tmp_path: Path, system: str) -> None:
    environment = {**os.environ, **_as(system, tmp_path / "temporary")}
    command = [sys.executable, "-c", RUN_UNTIL_KILLED]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, env=environment, cwd=root, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        line = next(line for line in worker.stdout if "runs" in line)
        step = psutil.Process(int(line.partition("runs ")[2].split("\\n")[0]))
        worker.send_signal(signal.SIGKILL)
    _wait_until(lambda: not step.is_running())


def test_an_interpreter_that_dies_while_it_waits_is_replaced(tmp_path: Path) -> None:
    environment = {**os.environ, **_as("windows", tmp_path / "temporary")}
    command = [sys.executable, "-c", REPLACE]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, env=environment, cwd=root, stdout=subprocess.PIPE, text=True, check=True)
    first, second, failed = done.stdout.splitlines()
    assert (first, second) == ("succeeded", "succeeded")
    assert "no such luck" in failed
