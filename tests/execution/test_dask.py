"""Steps on real Dask clusters: our own, and one that was there before."""

from __future__ import annotations

import gc
import itertools
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import distributed
import psutil
import pytest

from jupyter_mlpipe.errors import ClusterError
from jupyter_mlpipe.execution.cluster.dask import DaskExecutor
from jupyter_mlpipe.execution.cluster.executor import Event, StepLost, StepMessage, WorkersChanged
from jupyter_mlpipe.execution.cluster.pools import Pool
from jupyter_mlpipe.model.resources import Offer
from tests.support.steps import Ended, Steps

_PATIENCE_S = 60


class Followed:
    """An executor and what it told, by token."""

    def __init__(self, executor: DaskExecutor, folder: Path) -> None:
        self.executor = executor
        self.steps = Steps(folder)
        self.events: queue.Queue[Event] = queue.Queue()
        self.heard: dict[str, Ended] = {}
        self.lost: dict[str, str] = {}
        self.changes: list[WorkersChanged] = []
        executor.listen(self.events.put)
        self.workers = executor.start()

    def submit(self, token: str, code: str, worker: str | None = None, **options: object) -> None:
        spec = self.steps.spec(code, **options).to_bytes()
        self.executor.submit(token, worker or next(iter(self.workers)), spec, {"CPU": 1})

    def follow(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not until():
            event = self.events.get(timeout=max(0.0, deadline - time.monotonic()))
            if isinstance(event, StepMessage):
                self.heard.setdefault(event.token, Ended()).messages.append(event.message)
            elif isinstance(event, StepLost):
                self.lost[event.token] = event.why
            else:
                self.changes.append(event)

    def has_ended(self, token: str) -> bool:
        messages = self.heard.get(token, Ended()).messages
        return bool(messages) and messages[-1]["type"] == "ended"

    def wait(self, token: str) -> Ended:
        self.follow(lambda: self.has_ended(token))
        return self.heard[token]

    def wait_for_text(self, token: str) -> Ended:
        self.follow(lambda: bool(self.heard.get(token, Ended()).text))
        return self.heard[token]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    executor = DaskExecutor(
        pools=[Pool("big", cpus=4, memory_bytes=10**9, custom=(("LICENCE", 1.0),)), Pool("small", cpus=1)]
    )
    yield Followed(executor, tmp_path_factory.mktemp("local"))
    executor.close()


_CLUSTER = """
import sys
import distributed
if __name__ == "__main__":
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit="1GiB", dashboard_address=None, silence_logs=50
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        for line in sys.stdin:
            cluster.scale(int(line))
"""


class ForeignCluster:
    """A cluster in a process of its own, as somebody else would have started it."""

    def __init__(self, folder: Path) -> None:
        script = folder / "cluster.py"
        script.write_text(_CLUSTER)
        self.process = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()

    def scale(self, n_workers: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{n_workers}\n")
        self.process.stdin.flush()

    def close(self) -> None:
        self.process.communicate(timeout=_PATIENCE_S)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForeignCluster]:
    running = ForeignCluster(tmp_path_factory.mktemp("cluster"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def attached(cluster: ForeignCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    executor = DaskExecutor(cluster.address)
    yield Followed(executor, tmp_path_factory.mktemp("attached"))
    executor.close()


@pytest.fixture(params=["local", "attached"])
def followed(request: pytest.FixtureRequest) -> Followed:
    chosen: Followed = request.getfixturevalue(request.param)
    return chosen


class _HearsOfAWorker(DaskExecutor):
    """Told of a worker just before its start ends, as happens where one joins."""

    def preload(self, modules: Sequence[str]) -> None:
        assert self._attached is not None
        self._client.sync(self._attached.look, callback_timeout=_PATIENCE_S)
        super().preload(modules)


def test_a_worker_that_joins_during_the_start_does_not_stop_it(cluster: ForeignCluster) -> None:
    executor = _HearsOfAWorker(cluster.address)
    try:
        assert len(executor.start()) == 2
    finally:
        executor.close()


def test_messages_come_in_order_and_end_with_the_record(followed: Followed) -> None:
    followed.submit("order", "print('a')\ndisplay(1)\nprint('b')\nx = 2", outputs=("x",))
    ended = followed.wait("order")
    # On a busy machine one text may come in two parts.
    assert [kind for kind, _ in itertools.groupby(message["type"] for message in ended.messages)] == [
        "started",
        "output",
        "ended",
    ]
    assert ended.messages[0]["worker"] in followed.workers
    assert followed.steps.value(ended, "x") == 2
    shown = itertools.groupby(output["output_type"] for output in ended.outputs)
    assert [kind for kind, _ in shown] == ["stream", "display_data", "stream"]


def test_failures_keep_their_lists(followed: Followed) -> None:
    followed.submit("fails", "1 / 0")
    error = followed.wait("fails").error
    assert error["ename"] == "ZeroDivisionError"
    assert isinstance(error["traceback"], list)


def test_kill_ends_a_running_step_at_once(followed: Followed) -> None:
    followed.submit("kill", "import time\nprint(1)\nwhile True:\n    pass")
    followed.wait_for_text("kill")
    followed.executor.kill("kill")
    assert followed.wait("kill").error["evalue"] == "Its process was killed on request."


def test_kill_right_after_submit_ends_the_step_too(followed: Followed) -> None:
    followed.submit("early", "import time\ntime.sleep(1000)")
    followed.executor.kill("early")
    assert followed.wait("early").error["kind"] == "killed"


def test_large_specs_and_much_text_arrive(followed: Followed) -> None:
    text = os.urandom(900_000).hex()
    followed.submit("large", "print(text)", parameters={"text": text})
    assert followed.wait("large").text == text + "\n"


def test_two_steps_run_at_once(local: Followed) -> None:
    local.steps.folder.joinpath("meeting").mkdir()
    code = """
import os, time
open(f"meeting/{os.getpid()}", "w").close()
while len(os.listdir("meeting")) < 2:
    time.sleep(0.01)
"""
    for token in ("left", "right"):
        local.submit(token, code)
    for token in ("left", "right"):
        assert local.wait(token).ended["status"] == "succeeded"


def test_local_workers_offer_what_was_asked(local: Followed) -> None:
    assert local.workers["big-0"] == Offer({"CPU": 4, "MEMORY": 1e9, "LICENCE": 1}, frozenset({"big"}))
    assert list(local.workers) == ["big-0", "small-0"]


def test_each_local_worker_runs_steps(local: Followed) -> None:
    for worker in local.workers:
        local.submit(f"on-{worker}", "print(1)", worker=worker)
    for worker in local.workers:
        assert local.wait(f"on-{worker}").messages[0]["worker"] == worker


def test_executor_does_not_become_the_default_client(local: Followed) -> None:
    with pytest.raises(ValueError, match="No client"):
        distributed.default_client()


def test_unknown_worker_is_refused(local: Followed) -> None:
    with pytest.raises(ClusterError, match="no worker 'gpu-7'"):
        local.submit("lost", "1", worker="gpu-7")


def test_attached_workers_get_amounts(attached: Followed) -> None:
    assert list(attached.workers.values()) == [Offer({"CPU": 1, "MEMORY": 2**30})] * 2


def test_late_joiners_get_amounts_and_lost_workers_lose_their_steps(
    cluster: ForeignCluster, attached: Followed
) -> None:
    attached.changes.clear()
    cluster.scale(3)
    attached.follow(lambda: bool(attached.changes) and len(attached.changes[-1].workers) == 3)
    joined = attached.changes[-1].workers
    [late] = set(joined) - set(attached.workers)
    assert joined[late] == Offer({"CPU": 1, "MEMORY": 2**30})
    attached.submit("lost", "import time\nprint(1)\ntime.sleep(1000)", worker=late)
    pid = attached.wait_for_text("lost").messages[0]["pid"]
    # The worker, whose child is the fork server, whose child is the step.
    worker = psutil.Process(pid).parents()[1]
    worker.send_signal(signal.SIGKILL)
    attached.follow(lambda: "lost" in attached.lost)
    assert late in attached.lost["lost"]
    deadline = time.monotonic() + _PATIENCE_S
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_no_scheduler_is_a_cluster_error_that_names_the_place() -> None:
    executor = DaskExecutor("tcp://127.0.0.1:9", connect_s=1)
    with pytest.raises(ClusterError, match=r"tcp://127\.0\.0\.1:9"):
        executor.start()
    executor.close()


def test_a_machine_without_a_network_has_workers_without_a_warning() -> None:
    apart = ["unshare", "--user", "--map-root-user", "--net"]
    if subprocess.run([*apart, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("networks cannot be taken away here")
    start = (
        "from jupyter_mlpipe.execution.cluster.dask import DaskExecutor as E; e = E(); e.start(); e.close()"
    )
    ended = subprocess.run(
        [*apart, sys.executable, "-W", "error", "-c", start], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_close_leaves_no_process_or_thread(tmp_path: Path) -> None:
    def children() -> set[int]:
        return {process.pid for process in psutil.Process().children(recursive=True)}

    before = children()
    followed = Followed(DaskExecutor(), tmp_path)
    followed.submit("running", "import time\nprint(1)\ntime.sleep(1000)")
    followed.wait_for_text("running")
    followed.executor.close()
    followed.executor.close()
    deadline = time.monotonic() + _PATIENCE_S
    while not children() <= before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not [
        t.name for t in threading.enumerate() if t.name.startswith("mlpipe-statuses") and not t.daemon
    ]
    with pytest.raises(ClusterError, match="closed"):
        followed.executor.start()
    gc.collect()


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_end_of_the_kernel_ends_everything(tmp_path: Path, how: str) -> None:
    script = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from jupyter_mlpipe.execution.cluster.dask import DaskExecutor
from tests.support.steps import Steps
def show(event):
    message = getattr(event, "message", {})
    if message.get("type") == "output":
        print(message["output"]["text"], end="", flush=True)
executor = DaskExecutor()
executor.listen(show)
executor.start()
code = "import os, time\\nprint(os.getpid(), os.getppid())\\ntime.sleep(1000)"
executor.submit("t", "local", Steps(Path(sys.argv[1])).spec(code).to_bytes(), {"CPU": 1})
sys.stdin.readline()
"""
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as kernel:
        assert kernel.stdout is not None
        assert kernel.stdin is not None
        assert kernel.stderr is not None
        pids = [int(pid) for pid in kernel.stdout.readline().split()]
        assert len(pids) == 2
        if how == "kill":
            kernel.send_signal(signal.SIGKILL)
        else:
            kernel.stdin.write("\n")
            kernel.stdin.close()
        kernel.wait(_PATIENCE_S)
        assert kernel.stderr.read() == ""
        assert how == "kill" or kernel.returncode == 0
    deadline = time.monotonic() + _PATIENCE_S
    while any(psutil.pid_exists(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_worker_without_our_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['jupyter_mlpipe'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    cluster = ForeignCluster(tmp_path)
    try:
        executor = DaskExecutor(cluster.address)
        with pytest.raises(ClusterError, match=r"\(tcp://.*\) cannot run steps[\s\S]*Install jupyter-mlpipe"):
            executor.start()
        executor.close()
    finally:
        cluster.close()


def test_a_client_that_was_given_stays_open(cluster: ForeignCluster, tmp_path: Path) -> None:
    with distributed.Client(cluster.address, set_as_default=False) as client:
        followed = Followed(DaskExecutor(client), tmp_path)
        followed.submit("given", "print(1)")
        assert followed.wait("given").text == "1\n"
        followed.executor.close()
        assert client.submit(sum, [1, 2]).result() == 3


def test_warnings_of_the_notebook_are_left_alone_while_a_cluster_starts_and_ends() -> None:
    # Filters are those of the whole process: who sets them in another thread takes warnings from the
    # notebook, for good where that one sets some at the same time.
    executor = DaskExecutor(pools=[Pool("one", cpus=1)])
    seen = set()
    for change in (executor.start, executor.close):
        thread = threading.Thread(target=change)
        thread.start()
        while thread.is_alive():
            seen.add(tuple(map(str, warnings.filters)))
            thread.join(0.001)
    assert seen == {tuple(map(str, warnings.filters))}
