"""Pools on real workers: those of a cluster that was there, from the command line, and our own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jupyter_mlpipe.errors import ResourceError
from jupyter_mlpipe.execution.cluster.dask import DaskExecutor
from jupyter_mlpipe.execution.cluster.pools import Pool
from jupyter_mlpipe.execution.runs.runner import Runner
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.model.resources import Resources
from jupyter_mlpipe.store.store import open_store
from tests.execution.test_runner_dask import make_task, statuses, tasks_of

_PATIENCE_S = 60
MEET = """
import os, time
os.makedirs(place, exist_ok=True)
open(os.path.join(place, me), "w").close()
while len(os.listdir(place)) < 2:
    time.sleep(0.01)
"""


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class CommandLineCluster:
    """A scheduler and workers as ``dask scheduler`` and ``dask worker`` start them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scheduler_file = folder / "scheduler.json"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
        wait_for(self.scheduler_file.exists)

    def add_worker(self, name: str, resources: str = "") -> None:
        marks = ("--resources", resources) if resources else ()
        self._start("worker", "--host", "127.0.0.1", "--name", name, "--nthreads", "1", "--no-nanny", *marks)

    def _start(self, what: str, *options: str) -> None:
        command = [sys.executable, "-m", "dask", what, "--no-dashboard", *options]
        self._processes.append(
            subprocess.Popen(
                [*command, "--scheduler-file", str(self.scheduler_file)],
                cwd=self.folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    def close(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait(_PATIENCE_S)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLineCluster]:
    running = CommandLineCluster(tmp_path_factory.mktemp("cluster"))
    running.add_worker("plain")
    running.add_worker("marked", "pool.gpu=1,pool.lab=1,GPU=2")
    yield running
    running.close()


@pytest.fixture
def runner(cluster: CommandLineCluster, tmp_path: Path) -> Iterator[Runner]:
    # Nobody starts further workers but the test that waits for them.
    runner = Runner(
        open_store(tmp_path / "store"), lambda _: DaskExecutor(cluster.scheduler_file, settles_s=0)
    )
    yield runner
    runner.close()


def meeting(tmp_path: Path, code: str = "", *outputs: str, **options: object) -> list[StepTask]:
    """Two steps that end only where both run at once."""
    place = str(tmp_path / "meeting")
    return [
        make_task(me, MEET + code, *outputs, parameters={"me": me, "place": place}, **options)
        for me in ("left", "right")
    ]


def know_workers(runner: Runner, n_workers: int) -> None:
    """Have the cluster attached, all its workers there."""
    runner.start(tasks_of(make_task("attach", "x = 0")), pipeline="p").wait()
    wait_for(lambda: len(runner.account().workers) == n_workers)


def test_steps_go_where_their_pool_or_their_amounts_are(runner: Runner) -> None:
    know_workers(runner, 2)
    tasks = tasks_of(
        make_task("named", "x = 1", pool="lab"),
        make_task("asks", "x = 2", resources=Resources(gpus=1)),
        make_task("both", "x = 3", pool="gpu", resources=Resources(gpus=2)),
        make_task("free", "x = 4"),
    )
    run = runner.start(tasks, pipeline="p").wait(_PATIENCE_S)
    assert set(statuses(run).values()) == {"succeeded"}, run
    assert {name: step.worker for name, step in run.steps.items()} == {
        "named": "marked",
        "asks": "marked",
        "both": "marked",
        "free": "plain",
    }


def test_what_is_in_no_pool_fails_before_anything_runs_and_names_all(runner: Runner) -> None:
    know_workers(runner, 2)
    tasks = tasks_of(
        make_task("typo", "x = 5", pool="gpus"),
        make_task("greedy", "x = 6", pool="lab", resources=Resources(gpus=3)),
        make_task("fine", "x = 7"),
    )
    run = runner.start(tasks, pipeline="p").wait(_PATIENCE_S)
    assert statuses(run) == {"typo": "failed", "greedy": "failed", "fine": "skipped"}
    for name, said in (
        ("typo", "asks for pool 'gpus', and there is no such pool. Did you mean 'gpu'?"),
        ("greedy", "asks for CPU=1, GPU=3 in pool 'lab', which no worker can ever serve"),
    ):
        error = run.steps[name].error
        assert isinstance(error, ResourceError)
        assert f"Step '{name}' {said}" in str(error)
        assert "marked (pools gpu, lab) offers CPU=1, GPU=2" in str(error)
        assert "2 steps cannot be served: 'typo'" in str(error)


def test_worker_that_joins_gets_what_waits_at_once(
    runner: Runner, cluster: CommandLineCluster, tmp_path: Path
) -> None:
    know_workers(runner, 2)
    run = runner.start(tasks_of(*meeting(tmp_path, pool="lab")), pipeline="p")
    wait_for(lambda: [step.status for step in run.steps.values()] == ["running", "queued"])
    [waiting] = runner.account().waiting
    assert waiting.why == "waits for 1 CPU: in use by left on marked"
    cluster.add_worker("late", "pool.lab=1")
    run.wait(_PATIENCE_S)
    assert statuses(run) == {"left": "succeeded", "right": "succeeded"}, run
    assert run.steps["right"].worker == "late"


def test_workers_on_one_host_share_out_its_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As people start them: two that see both devices, and one that was given a device of its own.
    cluster = CommandLineCluster(tmp_path)
    try:
        for name, devices in (("v", "0,1"), ("w", "0,1"), ("own", "2")):
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", devices)
            cluster.add_worker(name)
        runner = Runner(open_store(tmp_path / "store"), lambda _: DaskExecutor(cluster.scheduler_file))
        try:
            know_workers(runner, 3)
            folder = tmp_path / "met"
            folder.mkdir()
            code = f"""
import os, pathlib, time
folder, seen = pathlib.Path({str(folder)!r}), os.environ["CUDA_VISIBLE_DEVICES"]
(folder / f"{{me}}").write_text(seen)
while not (folder / "go").exists():
    time.sleep(0.01)
"""
            gpu = Resources(cpus=0.1, gpus=1)
            names = [f"s{i}" for i in range(4)]
            tasks = (make_task(n, code, "seen", parameters={"me": n}, resources=gpu) for n in names)
            run = runner.start(tasks_of(*tasks), pipeline="p")
            wait_for(lambda: len(list(folder.iterdir())) == 3)
            wait_for(lambda: len(runner.account().waiting) == 1)
            [waiting] = runner.account().waiting
            assert waiting.why.startswith("waits for 1 GPU: in use by ")
            assert sorted(path.read_text() for path in folder.iterdir()) == ["0", "1", "2"]
            (folder / "go").touch()
            run.wait(_PATIENCE_S)
            assert set(statuses(run).values()) == {"succeeded"}, run
        finally:
            runner.close()
    finally:
        cluster.close()


def test_gpus_that_a_worker_only_claims_are_not_handed_out_as_devices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One device, to be shared by as many steps as ask for one of four.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    cluster = CommandLineCluster(tmp_path)
    try:
        cluster.add_worker("w", "GPU=4")
        runner = Runner(open_store(tmp_path / "store"), lambda _: DaskExecutor(cluster.scheduler_file))
        try:
            one = Resources(cpus=0.1, gpus=1)
            seen = "import os\nseen = os.environ['CUDA_VISIBLE_DEVICES']"
            run = runner.start(tasks_of(*meeting(tmp_path, seen, "seen", resources=one)), pipeline="p")
            run.wait(_PATIENCE_S)
            assert set(statuses(run).values()) == {"succeeded"}, run
            assert (run["left.seen"], run["right.seen"]) == ("0", "0")
        finally:
            runner.close()
    finally:
        cluster.close()


def test_local_workers_have_gpus_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,7")
    pools = [Pool("gpu", 2, cpus=1, gpus=1), Pool("pair", cpus=1, gpus=1), Pool("cpu", cpus=1)]
    runner = Runner(open_store(tmp_path / "store"), lambda _: DaskExecutor(pools=pools))
    code = "import os\nseen = os.environ['CUDA_VISIBLE_DEVICES']"
    one = Resources(gpus=1)
    try:
        tasks = tasks_of(
            *meeting(tmp_path, code, "seen", pool="gpu", resources=one),
            make_task("third", code, "seen", pool="pair", resources=one),
            make_task("none", f"{code}\n# another", "seen", pool="cpu"),
        )
        run = runner.start(tasks, pipeline="p").wait(_PATIENCE_S)
        seen = {name: run[f"{name}.seen"] for name in tasks}
        assert {seen["left"], seen["right"]} == {"3", "5"}
        assert (seen["third"], seen["none"]) == ("7", "")
    finally:
        runner.close()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,5,7"
