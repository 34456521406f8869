"""Interrupting `jupyter mlpipe run`: steps stop, and no process is left behind."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable

import psutil
import pytest

from tests.app.conftest import CommandLine

DONE = "%%component done\nx = 1"
LOOP = "import time\nwhile True:\n    time.sleep(0.05)"
ENDLESS = f"%%component endless\nimport pathlib\nx\npathlib.Path('runs').touch()\n{LOOP}"
Family = Callable[[int], list[psutil.Process]]


def wait_for_file(cli: CommandLine, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not (cli.folder / "runs").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("last", ["", LOOP])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_the_steps_and_leaves_no_process(
    cli: CommandLine, family: Family, number: signal.Signals, last: str
) -> None:
    notebook = cli.write(DONE, ENDLESS, *([last] if last else []))
    process = cli.start("run", str(notebook), "--json", "--output", "out.ipynb")
    wait_for_file(cli, process)
    started = family(process.pid)
    assert started
    process.send_signal(number)
    done = cli.finish(process)
    assert done.status == 1, done.err
    assert done.json["status"] == "cancelled"
    assert done.statuses == {"done": "succeeded", "endless": "cancelled"}
    _, alive = psutil.wait_procs(started, timeout=10)
    assert alive == []
    assert cli.saved("out.ipynb").cells[1].outputs
    assert cli("run", str(cli.write(DONE)), "--json").statuses == {"done": "reused"}


def test_an_interrupt_while_the_kernel_starts_leaves_no_process(cli: CommandLine, family: Family) -> None:
    process = cli.start("run", str(cli.write(DONE)), "--json")
    deadline = time.monotonic() + 60
    while not (started := family(process.pid)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    done = cli.finish(process)
    assert done.status == 1, done.err
    assert done.json["status"] == "cancelled"
    _, alive = psutil.wait_procs(started, timeout=10)
    assert alive == []
