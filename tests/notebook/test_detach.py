"""Runs in a process of their own: they outlive the kernel, are found again, and leave only their log."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from jupyter_mlpipe.execution.runs.detached import runs_of
from tests.execution.test_dask import ForeignCluster
from tests.notebook.test_nothing_left import family, listening
from tests.notebook.test_robustness import (
    Marked,
    fails,
    go_on,
    pid_of,
    small_disk,
    status,
    wait_until,
    waits,
)
from tests.notebook.test_runs import command
from tests.support.alive import is_alive
from tests.support.kernel import Kernel

Start = Callable[..., Kernel]

LOAD = "%%component load\nprint('loading'); x = helper(1)"
SLOW = "%%component slow" + waits("slow") + "print('slept'); y = x + 1"
LAST = "%%component last\nz = y * 2\nz"
HELPER = "n = 3\ndef helper(x):\n    return x + n"


@pytest.fixture(autouse=True)
def _no_driver_left(tmp_path: Path) -> Iterator[None]:
    """End the runs of a test that failed: they outlive it."""
    yield
    for folder in runs_of(tmp_path / ".mlpipe"):
        folder.cancel()


def register(kernel: Kernel, *cells: str) -> None:
    kernel.run("%pipeline mode register").check()
    for cell in (HELPER, *(cells or (LOAD, SLOW, LAST))):
        kernel.run(cell).check()


def detach(kernel: Kernel, words: str = "") -> str:
    """Start a detached run, bound to `run`; returns its id."""
    kernel.run(f"run = %pipeline run --detach {words}").check()
    return str(kernel.value("run.id"))


def driver_of(kernel: Kernel, run: str) -> psutil.Process:
    note = (store_of(kernel) / "runs" / run / "driver").read_text()
    return psutil.Process(int(note.split()[1]))


def store_of(kernel: Kernel) -> Path:
    return kernel.folder / ".mlpipe"


def statuses(kernel: Kernel) -> dict[str, str]:
    found: dict[str, str] = kernel.value("{name: step.status for name, step in run.steps.items()}")
    return found


def check_left(kernel: Kernel, *runs: str) -> None:
    """Of detached runs that have ended nothing is left but the log."""
    folders = [store_of(kernel) / "runs" / run for run in runs]
    wait_until(
        lambda: all([path.name for path in f.iterdir()] == ["events"] for f in folders),
        f"files left: {[path for f in folders for path in f.iterdir()]}",
    )


def test_a_detached_run_outlives_its_kernel_and_is_found_again(start_kernel: Start) -> None:
    marked = Marked()
    first = start_kernel(**marked.environment)
    register(first)
    run = detach(first)
    pid_of(first, "slow")
    # What it was given is a snapshot.
    first.run("n = 100\n").check()
    first.run("%%component last\nz = 'edited'").check()
    driver = driver_of(first, run)
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(first.pid), "the kernel is gone")
    assert driver.is_running()

    second = start_kernel(load=False)
    loaded = second.run("%load_ext jupyter_mlpipe").check()
    assert loaded.facts == {"kind": "detached", "run": run}
    assert second.run("%pipeline status").check().facts == {"kind": "detached", "run": run}
    attached = second.run("run = %pipeline attach")
    assert attached.check().facts["steps"]["slow"]["status"] == "running"
    assert second.value("(run.steps['load'].log, run.status, run.id)") == ("loading\n", "running", run)
    # The cells wait for what the other process makes.
    second.run(HELPER).check()
    assert status(second.run(LOAD)) == "reused"
    running = second.start(SLOW)
    go_on(second, "slow")
    result = second.wait(running)
    assert (status(result), result.printed) == ("reused", "slept\n")
    assert second.value("(run.wait().status, run['z'])") == ("succeeded", 10)
    assert second.value("run.steps['slow'].log") == "slept\n"
    second.settle(attached, lambda shown: shown.facts["status"] == "succeeded")
    assert attached.facts["steps"]["last"]["status"] == "succeeded"

    marked.check_gone()
    check_left(second, run)
    third = start_kernel(load=False)
    assert not third.run("%load_ext jupyter_mlpipe").check().outputs
    third.run(f"run = %pipeline attach {run[:6]}").check()
    assert third.value("(run.status, run['z'], run.seconds < 60)") == ("succeeded", 10, True)


def test_a_detached_run_is_a_run_like_any_other(start_kernel: Start) -> None:
    kernel = start_kernel()
    register(kernel)
    started = kernel.run("run = %pipeline run --detach\nrun").check()
    assert "%pipeline attach" in str(started.result)
    running = kernel.start("z + 1")  # waits for the step that makes it
    go_on(kernel, "slow")
    assert kernel.wait(running).check().result == "11"
    kernel.settle(started, lambda shown: shown.facts["status"] == "succeeded")
    assert statuses(kernel) == dict.fromkeys(("load", "slow", "last"), "succeeded")
    assert kernel.value("[reason.kind for reason in run.why('load')]") == ["new"]
    # Its records are those that any other run finds.
    kernel.run("again = %pipeline run --detach").check()
    assert kernel.value("(again.status, again.is_detached)") == ("succeeded", False)
    assert {kernel.value(f"again.steps[{step!r}].status") for step in ("load", "last")} == {"reused"}


def test_what_the_notebook_set_reaches_a_detached_run(start_kernel: Start) -> None:
    kernel = start_kernel()
    cells = (
        "import os, random\nimport pandas as pd\nfrom dataclasses import dataclass\n"
        "pd.set_option('display.precision', 3)\nos.environ['MY_SETTING'] = 'a'\nrandom.seed(3)",
        "@dataclass\nclass Point:\n    x: float\norigin = Point(0.5)",
        "%%component draw\npoint = Point(random.random())\nhome = os.environ['MY_SETTING']",
        "%%component table\nframe = pd.DataFrame({'a': [point.x, origin.x]})\nframe",
    )
    register(kernel, *cells)
    detach(kernel)
    kernel.run("run.wait()").check()
    assert statuses(kernel) == dict.fromkeys(("draw", "table"), "succeeded")
    assert kernel.value("(type(point) is Point, home)") == (True, "a")
    again = start_kernel()
    for cell in cells[:2]:
        again.run(cell).check()
    assert [status(again.run(cell)) for cell in cells[2:]] == ["reused", "reused"]
    assert again.value("(type(point) is Point, home, point.x)") == (True, "a", kernel.value("point.x"))


def test_a_killed_driver_loses_only_what_ran(start_kernel: Start) -> None:
    marked = Marked()
    kernel = start_kernel(**marked.environment)
    register(kernel)
    run = detach(kernel)
    step = pid_of(kernel, "slow")
    driver_of(kernel, run).kill()
    result = kernel.run("run.wait()").check()
    assert statuses(kernel) == {"load": "succeeded", "slow": "failed", "last": "cancelled"}
    assert "was ended in the middle" in str(result.result)
    wait_until(lambda: not is_alive(step), "the step ends with its driver")
    wait_until(lambda: [p.pid for p in marked.alive()] == [kernel.pid], "its processes end")
    check_left(kernel, run)
    go_on(kernel, "slow")
    detach(kernel)
    kernel.run("run.wait()").check()
    assert statuses(kernel) == {"load": "reused", "slow": "succeeded", "last": "succeeded"}


def test_the_list_of_runs_knows_the_detached_ones(start_kernel: Start) -> None:
    kernel = start_kernel()
    register(kernel)
    run = detach(kernel)
    pid_of(kernel, "slow")
    assert [(r["id"], r["status"]) for r in command(kernel, "runs")["runs"]] == [(run, "running")]
    driver = driver_of(kernel, run)
    os.kill(kernel.pid, signal.SIGKILL)
    driver.kill()
    wait_until(lambda: not is_alive(driver.pid), "the driver ends")
    assert [(r["id"], r["status"]) for r in command(kernel, "runs")["runs"]] == [(run, "failed")]
    check_left(kernel, run)


def test_a_run_whose_folder_is_removed_ends(start_kernel: Start) -> None:
    marked = Marked()
    kernel = start_kernel(**marked.environment)
    register(kernel)
    detach(kernel)
    pid_of(kernel, "slow")
    shutil.rmtree(store_of(kernel))
    wait_until(lambda: [p.pid for p in marked.alive()] == [kernel.pid], "its processes end")
    assert kernel.run("run.wait(20).status").check().result == "'failed'"


def test_a_driver_that_was_killed_while_nobody_looked_is_told_later(start_kernel: Start) -> None:
    first = start_kernel()
    register(first)
    run = detach(first)
    pid_of(first, "slow")
    os.kill(first.pid, signal.SIGKILL)
    driver_of(first, run).kill()
    second = start_kernel()
    second.run("run = %pipeline attach").check()
    assert second.value("run.status") == "failed"
    assert "start the run again" in second.value("str(run.failure('last'))")
    check_left(second, run)


@pytest.mark.parametrize("way", ["object", "magic", "other kernel", "SIGTERM", "command line"])
def test_a_detached_run_is_cancelled(start_kernel: Start, way: str) -> None:
    marked = Marked()
    kernel = start_kernel(**marked.environment)
    register(kernel)
    run = detach(kernel)
    step = pid_of(kernel, "slow")
    # An interrupt ends the waiting only.
    waiting = kernel.start("print('waiting')\nrun.wait()")
    kernel.settle(kernel.result_of(waiting), lambda shown: shown.printed == "waiting\n")
    kernel.interrupt()
    assert kernel.wait(waiting).error["ename"] == "KeyboardInterrupt"  # type: ignore[index]
    assert kernel.value("run.status") == "running"
    if way == "object":
        kernel.run("run.cancel()").check()
    elif way == "magic":
        kernel.run("%pipeline cancel").check()
    elif way == "other kernel":
        other = start_kernel()
        assert run[:8] in other.run("%pipeline cancel").printed_error
        other.run(f"%pipeline cancel {run[:8]}").check()
    elif way == "SIGTERM":
        driver_of(kernel, run).terminate()
    else:
        assert command(kernel, "cancel", run[:8]) == {"status": "cancelled", "run": run}
    assert kernel.run("run.wait(20).status").check().result == "'cancelled'"
    assert statuses(kernel) == {"load": "succeeded", "slow": "cancelled", "last": "cancelled"}
    assert not is_alive(step)
    wait_until(lambda: [p.pid for p in marked.alive()] == [kernel.pid], "its processes end")
    check_left(kernel, run)
    assert "has ended" in kernel.run(f"%pipeline cancel {run}").printed_error


def test_a_step_of_the_kernel_cannot_be_detached(kernel: Kernel) -> None:
    register(kernel, "%%component load\nx = 1", "%%component draw --here\ny = x")
    result = kernel.run("%pipeline run --detach")
    assert "'draw' runs in the kernel (--here)" in result.printed_error
    assert not (store_of(kernel) / "runs").exists()
    detach(kernel, "load")
    assert kernel.value("run.wait()['x']") == 1


def test_a_process_that_cannot_be_started_is_told(kernel: Kernel) -> None:
    register(kernel, "%%component load\nx = 1")
    # Whatever is wrong with it, it says so before anybody waits for the run.
    kernel.run("import sys\nsys.executable = '/bin/false'").check()
    assert "could not be started" in kernel.run("%pipeline run --detach").traceback
    assert not list((store_of(kernel) / "runs").iterdir())


def test_a_detached_step_that_fails_says_so_as_ever(kernel: Kernel) -> None:
    register(kernel, "%%component bad\nprint('before')\nv = 1\nraise ValueError('no')", LAST)
    detach(kernel, "bad")
    kernel.run("run.wait()").check()
    assert kernel.value("(run.status, run.steps['bad'].log)") == ("failed", "before\n")
    fails(kernel, "raise run.steps['bad'].error", "no")
    assert "raise ValueError('no')" in kernel.value("'\\n'.join(run.steps['bad'].error.traceback)")
    assert kernel.value("run['v']") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_full_disk_is_told_and_the_run_ends(start_kernel: Start, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, "4m"):
        kernel = start_kernel(MLPIPE_STORE=str(disk / "store"))
        register(kernel, "%%component large" + waits("large") + "blob = bytes(range(256)) * 4096")
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(3_900_000))
        result = kernel.run("run = %pipeline run --detach")
        assert "StoreFullError" in result.traceback
        ballast.write_bytes(b"")
        detach(kernel)
        pid_of(kernel, "large")
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(512)):
                pass
        go_on(kernel, "large")
        kernel.run("run.wait()").check()
        assert kernel.value("(run.status, run.steps['large'].error.ename)") == ("failed", "StoreFullError")
        ballast.unlink()
        detach(kernel)
        assert kernel.value("run.wait().status") == "succeeded"
        kernel.close()


def test_others_can_neither_read_nor_reach_a_detached_run(start_kernel: Start) -> None:
    kernel = start_kernel()
    register(kernel)
    run = detach(kernel)
    pid_of(kernel, "slow")
    folder = store_of(kernel) / "runs" / run
    assert {path.stat().st_mode & 0o077 for path in (folder.parent, folder, *folder.iterdir())} == {0}
    driver = driver_of(kernel, run)
    assert driver.pid not in [process.pid for process in family(kernel.pid)]
    assert listening(family(driver.pid)) == set()
    kernel.run("run.cancel(); run.wait()").check()


PIPELINE = """
import sys
from steps import load, slow
import jupyter_mlpipe
pipeline = jupyter_mlpipe.Pipeline([load, slow], name="by hand")
if len(sys.argv) == 1:
    print(pipeline.run(detach=True).id)
else:
    run = pipeline.attach(sys.argv[1]).wait()
    print(run.status, run["slow"], [(entry.id == run.id, entry.status) for entry in pipeline.runs()])
"""
STEPS = """
from jupyter_mlpipe import component
import os, time
@component
def load():
    return 20
@component
def slow(load):
    open("FOLDER/slow.pid", "w").write(str(os.getpid()))
    while not os.path.exists("FOLDER/slow.go"):
        time.sleep(0.01)
    return load + 1
"""


def test_a_pipeline_of_a_script_outlives_it(tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text(STEPS.replace("FOLDER", str(tmp_path)))
    (tmp_path / "run.py").write_text(PIPELINE)
    marked = Marked()

    def run(*words: str) -> str:
        return subprocess.run(
            [sys.executable, "run.py", *words],
            cwd=tmp_path,
            env={**os.environ, **marked.environment},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    started = run()
    wait_until((tmp_path / "slow.pid").exists, "the step begins")
    (tmp_path / "slow.go").touch()
    assert run(started[:8]) == "succeeded 21 [(True, 'succeeded')]"
    marked.check_gone()


@pytest.mark.parametrize("by", ["address", "client"])
def test_a_detached_run_attaches_to_a_cluster_that_exists(
    foreign_cluster: ForeignCluster, kernel: Kernel, by: str
) -> None:
    cluster = foreign_cluster
    register(kernel)
    if by == "client":
        kernel.run(f"import distributed\nmine = distributed.Client({cluster.address!r})").check()
    kernel.run(f"%pipeline cluster {'mine' if by == 'client' else cluster.address}").check()
    detach(kernel)
    step = psutil.Process(pid_of(kernel, "slow"))
    assert cluster.process.pid in [parent.pid for parent in step.parents()]
    go_on(kernel, "slow")
    assert kernel.value("(run.wait().status, run['z'])") == ("succeeded", 10)


def test_a_cluster_that_is_gone_keeps_no_detached_run(
    foreign_cluster: ForeignCluster, start_kernel: Start
) -> None:
    cluster = foreign_cluster
    marked = Marked()
    kernel = start_kernel(**marked.environment)
    register(kernel)
    kernel.run(f"%pipeline cluster {cluster.address}").check()
    run = detach(kernel)
    pid_of(kernel, "slow")
    cluster.process.kill()
    kernel.run("run.cancel()").check()
    assert kernel.value("run.wait(30).status") in ("cancelled", "failed")
    wait_until(lambda: [p.pid for p in marked.alive()] == [kernel.pid], "its processes end")
    check_left(kernel, run)
    go_on(kernel, "slow")
    kernel.run("%pipeline cluster local").check()
    detach(kernel)
    assert kernel.value("run.wait(30).status") == "succeeded"
    assert statuses(kernel)["load"] == "reused"


def test_a_cluster_that_ends_with_the_kernel_is_refused(kernel: Kernel) -> None:
    register(kernel, "%%component load\nx = 1")
    kernel.run(
        "import distributed\n"
        "mine = distributed.Client(n_workers=1, processes=False, dashboard_address=None)\n"
        "%pipeline cluster mine"
    ).check()
    assert "ends with it" in kernel.run("%pipeline run --detach").printed_error
    assert not (store_of(kernel) / "runs").exists()
    kernel.run("mine.close()").check()
