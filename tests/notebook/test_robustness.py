"""What was done is not lost, and nothing stays behind: kills, full disks, damage, steps that misbehave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.support.alive import is_alive
from tests.support.kernel import Kernel, Result

Start = Callable[..., Kernel]

_WAIT_S = 30.0


def wait_until(done: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not done():
        assert time.monotonic() < deadline, f"did not happen: {what}"
        time.sleep(0.01)


class Marked:
    """The processes that inherited a mark in their environment."""

    def __init__(self) -> None:
        self.mark = uuid.uuid4().hex
        self.environment = {"MLPIPE_TEST_MARK": self.mark}

    def alive(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("MLPIPE_TEST_MARK") == self.mark and process.is_running():
                    found.append(process)
        return found

    def check_gone(self) -> None:
        wait_until(lambda: not self.alive(), f"processes left: {self.alive()}")

    def fork_server(self) -> psutil.Process:
        servers = [p for p in self.alive() if any("execution.process.server" in word for word in p.cmdline())]
        # Its children have its command line too.
        (server,) = [p for p in servers if p.ppid() not in [other.pid for other in servers]]
        return server


WAITS = """
import os, time
with open({name!r} + ".pid", "w") as _f:
    _f.write(str(os.getpid()))
while not os.path.exists({name!r} + ".go"):
    time.sleep(0.01)
"""


def waits(name: str) -> str:
    """Code that tells its process and waits for the test."""
    return WAITS.format(name=name)


def pid_of(kernel: Kernel, name: str) -> int:
    file = kernel.folder / f"{name}.pid"
    wait_until(lambda: file.exists() and file.read_text(), f"{name} begins")
    return int(file.read_text())


def go_on(kernel: Kernel, name: str) -> None:
    (kernel.folder / f"{name}.go").touch()


def status(result: Result) -> str:
    return result.check().status_of_step


def fails(kernel: Kernel, cell: str, *words: str) -> Result:
    """Run a cell that must fail with these words, soon, and leave the kernel usable."""
    result = kernel.run(cell, timeout=_WAIT_S)
    assert result.status == "error"
    said = f"{result.error and result.error['ename']} {result.traceback}"
    for word in words:
        assert word in said
    assert "jupyter_mlpipe/" not in said
    assert kernel.run("1 + 1").check().result == "2"
    return result


DONE = "%%component done\nx = 20"


def test_a_killed_kernel_leaves_no_process_and_the_next_goes_on(start_kernel: Start) -> None:
    marked = Marked()
    first = start_kernel(**marked.environment)
    assert status(first.run(DONE)) == "succeeded"
    interrupted = "%%component second" + waits("second") + "y = x + 1"
    first.start(interrupted)
    step = pid_of(first, "second")
    os.kill(first.pid, signal.SIGKILL)
    marked.check_gone()
    assert not is_alive(step)
    second = start_kernel()
    go_on(second, "second")
    assert status(second.run(DONE)) == "reused"
    assert status(second.run(interrupted)) == "succeeded"
    assert second.run("x, y").result == "(20, 21)"


def test_a_step_killed_from_outside_fails_alone(kernel: Kernel) -> None:
    kernel.run(DONE).check()
    cell = "%%component second" + waits("second") + "y = x + 1"
    running = kernel.start(cell)
    os.kill(pid_of(kernel, "second"), signal.SIGKILL)
    result = kernel.wait(running)
    assert "SIGKILL" in result.traceback
    go_on(kernel, "second")
    assert status(kernel.run(cell)) == "succeeded"
    assert status(kernel.run(DONE)) == "reused"


def end_server(marked: Marked, sign: signal.Signals) -> None:
    """End it, and wait: as long as it has only been told to, its children go on taking steps."""
    server = marked.fork_server()
    server.send_signal(sign)
    wait_until(lambda: not is_alive(server.pid), "the fork server ends")


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_fork_server_is_replaced(start_kernel: Start, sign: signal.Signals) -> None:
    marked = Marked()
    kernel = start_kernel(**marked.environment)
    kernel.run(DONE).check()
    end_server(marked, sign)  # while nothing runs
    assert status(kernel.run("%%component next\nz = x + 2")) == "succeeded"
    cell = "%%component second" + waits("second") + "y = x + 1"
    running = kernel.start(cell)
    step = pid_of(kernel, "second")
    end_server(marked, sign)  # in the middle of a step
    result = kernel.wait(running)
    assert result.status == "error"
    assert "'second'" in result.traceback or "fork server" in result.traceback
    wait_until(lambda: not is_alive(step), "the step ends with its server")
    go_on(kernel, "second")
    assert status(kernel.run(cell)) == "succeeded"


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[None]:
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "test", path], check=False).returncode:
        pytest.skip("mounting needs privileges")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_full_disk_loses_nothing(start_kernel: Start, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, "4m"):
        kernel = start_kernel(MLPIPE_STORE=str(disk / "store"))
        kernel.run(DONE).check()
        ballast = disk / "ballast"
        large = "%%component large\nprint('computing')\nblob = bytes(range(256)) * 4096"
        ballast.write_bytes(bytes(3_400_000))
        result = fails(kernel, large, "StoreFullError", str(disk / "store"), "MLPIPE_STORE")
        assert result.printed == "computing\n"
        ballast.write_bytes(b"")
        assert status(kernel.run(DONE)) == "reused"
        assert status(kernel.run(large)) == "succeeded"
        # Not even a record fits.
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(512)):
                pass
        fails(kernel, "%%component small\nlittle = 'a' * 3000", "StoreFullError", str(disk / "store"))
        assert status(kernel.run(large)) == "reused"
        ballast.unlink()
        assert status(kernel.run("%%component small\nlittle = 'a' * 3000")) == "succeeded"
        assert kernel.run("len(blob), len(little), x").result == "(1048576, 3000, 20)"
        kernel.close()


def test_a_store_deleted_while_the_kernel_runs_is_made_again(start_kernel: Start, tmp_path: Path) -> None:
    import shutil

    store = tmp_path / "the store"
    kernel = start_kernel(MLPIPE_STORE=str(store))
    kernel.run(DONE).check()
    kernel.run("%%component large\nblob = bytes(100_000)").check()
    shutil.rmtree(store)
    # Not loaded yet: its producer runs again.
    assert kernel.run("len(blob)").check().result == "100000"
    assert status(kernel.run("%%component next\ny = x + len(blob)")) == "succeeded"
    assert kernel.run("y").result == "100020"
    assert status(kernel.run(DONE)) == "reused"


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_read_only_store_still_serves(start_kernel: Start, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, "8m"):
        before = start_kernel(MLPIPE_STORE=str(disk / "store"))
        before.run(DONE).check()
        before.close()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        kernel = start_kernel(MLPIPE_STORE=str(disk / "store"))
        assert status(kernel.run(DONE)) == "reused"
        fails(kernel, "%%component next\ny = x + 1", "StoreError", "read-only", str(disk / "store"))
        assert kernel.run("x").result == "20"
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        assert status(kernel.run("%%component next\ny = x + 1")) == "succeeded"
        kernel.close()


@pytest.mark.parametrize("damage", ["other bytes", "shorter", "gone"])
def test_a_damaged_artifact_is_made_again_in_the_same_run(
    start_kernel: Start, tmp_path: Path, damage: str
) -> None:
    store = tmp_path / "the store"
    make = "%%component make\nimport numpy as np\nlarge = np.arange(50_000)"
    first = start_kernel(MLPIPE_STORE=str(store))
    first.run(make).check()
    (file,) = [p for p in (store / "objects").rglob("*") if p.is_file() and p.stat().st_size > 100_000]
    content = file.read_bytes()
    os.chmod(file, 0o600)
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(content[:-500] if damage == "shorter" else content[:-8] + b"\x01" * 8)
    second = start_kernel(MLPIPE_STORE=str(store))
    second.run(make).check()
    result = second.run("%%component use\ntotal = int(large.sum())")
    assert status(result) == "succeeded"
    assert second.run("total, int(large.sum())").result == f"({sum(range(50_000))}, {sum(range(50_000))})"
    # In the kernel that loaded nothing yet, too.
    assert first.run("int(large[-1])").result == "49999"


def test_two_kernels_run_the_same_notebook_at_once(start_kernel: Start) -> None:
    kernels = [start_kernel(), start_kernel()]
    cells = [
        "%%component a\nimport time\nprint('a'); a = 1",
        "%%component b\nb = bytes(200_000) + bytes([a])\nlen(b)",
        "%%component c\nc = len(b) + a",
    ]
    for cell in cells:
        running = [kernel.start(cell) for kernel in kernels]
        results = [kernel.wait(message).check() for kernel, message in zip(kernels, running, strict=True)]
        assert results[0].printed == results[1].printed
        assert results[0].result == results[1].result
    assert [kernel.run("a, len(b), c").result for kernel in kernels] == ["(1, 200001, 200002)"] * 2


def test_loading_unloading_and_reloading(start_kernel: Start) -> None:
    marked = Marked()
    kernel = start_kernel(**marked.environment)
    again = kernel.run("%load_ext jupyter_mlpipe").check()
    assert "already loaded" in again.printed
    listening = (
        "import psutil\n"
        "print([c.laddr.port for c in psutil.Process().net_connections() if c.status == 'LISTEN'])"
    )
    before = kernel.run(listening).check().printed
    kernel.run(DONE).check()
    kernel.run("%%component pending\nunread = 5").check()
    for _ in range(2):
        kernel.run("%unload_ext jupyter_mlpipe").check()
        assert kernel.run(listening).printed == before
        wait_until(lambda: [p.pid for p in marked.alive()] == [kernel.pid], "the servers end")
        assert "%%component" in kernel.run("%%component y\nz = 1").printed_error
        assert kernel.run("1 + 1").result == "2"
        kernel.run("%load_ext jupyter_mlpipe").check()
        assert status(kernel.run(DONE)) == "reused"
        assert kernel.run("x + 1").check().result == "21"
    kernel.run("%reload_ext jupyter_mlpipe").check()
    assert status(kernel.run(DONE)) == "reused"
    assert status(kernel.run(f"%%component fresh\nw = x + {os.getpid()}")) == "succeeded"
    assert kernel.run("1 + 1").check().outputs[0]["data"] == {"text/plain": "2"}


def test_unloading_in_the_middle_of_background_steps(start_kernel: Start) -> None:
    marked = Marked()
    kernel = start_kernel(**marked.environment)
    kernel.run("%%component long --background" + waits("long")).check()
    pid_of(kernel, "long")
    kernel.run("%unload_ext jupyter_mlpipe").check()
    wait_until(lambda: [p.pid for p in marked.alive()] == [kernel.pid], "the step ends")
    assert kernel.run("1 + 1").result == "2"


@pytest.mark.parametrize("way", ["shutdown", "exit", "restart", "SIGTERM"])
def test_a_kernel_that_ends_leaves_nothing(start_kernel: Start, tmp_path: Path, way: str) -> None:
    marked = Marked()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    kernel = start_kernel(TMPDIR=str(temporary), **marked.environment)
    kernel.run(DONE).check()
    kernel.run("%%component long --background" + waits("long")).check()
    step = pid_of(kernel, "long")
    before = kernel.pid
    if way == "shutdown":
        kernel.manager.shutdown_kernel()
    elif way == "exit":
        kernel.client.execute("exit")
    elif way == "restart":
        kernel.manager.restart_kernel()
    else:
        os.kill(kernel.pid, signal.SIGTERM)
    wait_until(lambda: before not in [p.pid for p in marked.alive()], "the kernel ends")
    if way == "restart":
        kernel.client.wait_for_ready(timeout=60)
        kernel.run("%load_ext jupyter_mlpipe").check()
        assert status(kernel.run(DONE)) == "reused"
        assert not is_alive(step)
        kernel.manager.shutdown_kernel()
    marked.check_gone()
    # Dask keeps this folder. After a kill it holds what the next kernel's Dask clears away.
    assert [path.name for path in temporary.iterdir()] == ["dask-scratch-space"]
    if way != "SIGTERM":
        assert [p.name for p in temporary.rglob("*") if p.suffix != ".lock"] == ["dask-scratch-space"]


def test_children_and_threads_of_a_step_end_with_it(start_kernel: Start) -> None:
    marked = Marked()
    kernel = start_kernel(**marked.environment)
    kernel.run(DONE).check()
    cell = (
        "%%component {0}\nimport subprocess, threading, time, multiprocessing\n"
        "children = [subprocess.Popen(['sleep', '1000']).pid,\n"
        "            subprocess.Popen(['sh', '-c', 'sleep 1000 & wait']).pid]\n"
        "threading.Thread(target=time.sleep, args=(1000,)).start()\n"
    )
    started = time.monotonic()
    assert status(kernel.run(cell.format("one") + "print('done')")) == "succeeded"
    assert time.monotonic() - started < _WAIT_S

    def sleeping() -> list[str]:
        return [p.name() for p in marked.alive() if p.name() in ("sleep", "sh")]

    wait_until(lambda: not sleeping(), "children of a step that ended")
    running = kernel.start(cell.format("two") + waits("two"))
    pid_of(kernel, "two")
    assert len(sleeping()) == 3
    kernel.interrupt()
    assert kernel.wait(running).error["ename"] == "KeyboardInterrupt"  # type: ignore[index]
    wait_until(lambda: not sleeping(), "children of a step that was interrupted")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os._exit(3)", ("StepDiedError", "status 3")),
        ("import os; os._exit(0)", ("StepDiedError", "status 0")),
        ("import sys; sys.exit(4)", ("SystemExit", "4")),
        ("raise KeyboardInterrupt", ("KeyboardInterrupt",)),
        ("raise KeyboardInterrupt('by the code')", ("KeyboardInterrupt",)),
        ("input('name? ')", ("input()", "%%component")),
        ("import getpass; getpass.getpass()", ("input()", "%%component")),
        ("breakpoint()", ("breakpoint()", "%%component")),
        ("import pdb; pdb.set_trace()", ("breakpoint()",)),
        ("import sys; sys.stdin.read()", ("input()",)),
        ("import sys; list(sys.stdin)", ("input()",)),
        ("import os; os.abort()", ("SIGABRT",)),
        ("def f(): f()\nf()", ("RecursionError",)),
        ("raise GeneratorExit", ("GeneratorExit",)),
        ("import os, signal; os.kill(0, signal.SIGTERM)", ("SIGTERM",)),
    ],
)
def test_a_step_that_leaves_or_asks_fails_clearly(kernel: Kernel, code: str, words: tuple[str, ...]) -> None:
    kernel.run(DONE).check()
    fails(kernel, f"%%component bad\nprint('before')\n{code}\ny = 1", *words)
    assert status(kernel.run(DONE)) == "reused"


@pytest.mark.parametrize("line", ["", "%%component last\n"], ids=["plain", "component"])
def test_quit_ends_the_kernel(kernel: Kernel, line: str) -> None:
    kernel.start(f"{line}quit()")
    wait_until(lambda: not kernel.manager.is_alive(), "a kernel that was asked to end")


def test_a_step_that_prints_very_much(start_kernel: Start) -> None:
    cell = "%%component many\nfor i in range(200_000):\n    print('line', i)\nlast = i"
    first = start_kernel()
    result = first.run(cell)
    assert status(result) == "succeeded"
    lines = result.printed.splitlines()
    assert len(lines) == 200_000
    assert lines[-1] == "line 199999"
    again = start_kernel().run(cell)
    assert status(again) == "reused"
    assert again.printed == result.printed
