"""Clusters that are there, and what may happen to them in the middle of a run."""

import asyncio
import subprocess
import sys
import threading
import uuid
from dataclasses import replace
from pathlib import Path

import dask
import distributed
import pytest

from jupyter_mlpipe import __version__
from jupyter_mlpipe.errors import ClusterError, ResourceError
from jupyter_mlpipe.execution.cluster.dask import DaskExecutor
from jupyter_mlpipe.execution.cluster.dask_worker import join
from jupyter_mlpipe.execution.runs.plan import plan_steps
from jupyter_mlpipe.execution.runs.runner import Runner
from jupyter_mlpipe.store.store import open_store
from tests.execution.test_dask_pools import meeting
from tests.execution.test_runner_dask import make_task, statuses, tasks_of
from tests.support.dask_cluster import DaskCluster, end, wait_for


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "dask").mkdir()
    return tmp_path / "dask"


@pytest.fixture
def attach(tmp_path):
    """Make runners on one store that attach to a cluster."""
    runners = []

    def attach(target, **options):
        store = open_store(tmp_path / "store")
        runner = Runner(store, lambda _: DaskExecutor(target, store=store.address, **options), attaches=True)
        runners.append(runner)
        return runner

    yield attach
    for runner in runners:
        runner.close()


@pytest.fixture
def cluster(folder):
    started = DaskCluster(folder)
    yield started
    started.close()


def task_in(folder, name, code, *outputs, **options):
    """A step of a notebook in this folder: what it writes there is known by its name."""
    return replace(make_task(name, code, *outputs, **options), folder=str(folder))


def meets(folder, name, n=1):
    """Code that says it has begun, and goes on when a file is there; each time that it runs leaves a line."""
    return f"""
import os, pathlib, time
folder = pathlib.Path({str(folder)!r})
with open(folder / "{name}.ran", "a") as ran:
    ran.write(f"{{os.getpid()}}\\n")
while not (folder / "{name}.go").exists():
    time.sleep(0.01)
{name} = {n}
"""


def offers(runner):
    return {use.name: use.offer for use in runner.account().workers}


def times_ran(folder, name):
    path = Path(folder) / f"{name}.ran"
    return len(path.read_text().split()) if path.exists() else 0


@pytest.mark.parametrize(
    "options",
    [
        ("--nthreads", "1"),
        ("--nthreads", "1", "--no-nanny", "--memory-limit", "0"),
        ("--nthreads", "3", "--no-nanny"),
        ("--nthreads", "1", "--resources", "CPU=3"),
    ],
    ids=lambda options: " ".join(options[1:]),
)
def test_workers_from_the_command_line_run_as_many_steps_as_they_have_cpus(cluster, attach, folder, options):
    cluster.worker("w", *options)
    runner = attach(str(cluster.file))
    runner.attach()
    wait_for(lambda: offers(runner))
    n_cpus = int(offers(runner)["w"].amounts["CPU"])
    assert n_cpus == (3 if "3" in " ".join(options) else 1)
    assert offers(runner)["w"].amounts["MEMORY"] > 1e8
    names = [f"s{i}" for i in range(n_cpus)]
    run = runner.start(tasks_of(*(task_in(folder, n, meets(folder, n), n) for n in names)), pipeline="p")
    wait_for(lambda: all(times_ran(folder, n) for n in names))
    for n in names:
        (folder / f"{n}.go").touch()
    assert run.wait(60).status == "succeeded"


def test_encrypted_clusters_are_found_by_configuration_and_by_a_client(folder, attach, monkeypatch):
    security = distributed.Security.temporary()
    (folder / "ca.pem").write_text(security.tls_ca_file)
    (folder / "cert.pem").write_text(security.tls_scheduler_cert)
    (folder / "key.pem").write_text(security.tls_scheduler_key)
    keys = {
        f"{role}__{part.upper()}": str(folder / f"{part}.pem")
        for role in ("SCHEDULER", "WORKER", "CLIENT")
        for part in ("cert", "key")
    }
    keys["CA_FILE"] = str(folder / "ca.pem")
    for name, path in keys.items():
        monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{name}", path)
    cluster = DaskCluster(folder, "--protocol", "tls://")
    try:
        cluster.worker("w", "--protocol", "tls://")
        # In this process nothing says it but the Client.
        with pytest.raises(ClusterError, match="Certificates"):
            attach(cluster.address).attach()
        with distributed.Client(cluster.address, security=security, set_as_default=False) as client:
            run = attach(client).start(tasks_of(make_task("s", "x = 1", "x")), pipeline="p")
            assert run.wait(60).status == "succeeded", run.steps["s"].error
        said = {
            "distributed.comm.tls.ca-file": keys["CA_FILE"],
            "distributed.comm.tls.client.cert": keys["CLIENT__CERT"],
            "distributed.comm.tls.client.key": keys["CLIENT__KEY"],
        }
        with dask.config.set(said):
            for target in (cluster.address, str(cluster.file)):
                run = attach(target).start(tasks_of(make_task("s", f"x = {target!r}", "x")), pipeline="p")
                assert run.wait(60).status == "succeeded", run.steps["s"].error
    finally:
        cluster.close()


def test_a_cluster_that_is_not_there_fails_the_run_and_is_said_in_the_plan(tmp_path):
    store = open_store(tmp_path / "store")
    runner = Runner(store, lambda _: DaskExecutor("tcp://127.0.0.1:9", connect_s=1), attaches=True)
    try:
        task = make_task("s", "x = 1", "x")
        tasks = tasks_of(replace(task, closure=replace(task.closure, tops=("pandas",))))
        [planned] = plan_steps(tasks, store, environments=runner.environments).values()
        assert planned.decision == "undecided"
        assert "No Dask scheduler answers at 'tcp://127.0.0.1:9'" in str(planned.reasons)
        run = runner.start(tasks, pipeline="p").wait(60)
        with pytest.raises(ClusterError, match="Check the address"):
            run["x"]
    finally:
        runner.close()


def test_a_cluster_within_the_notebooks_own_process_is_used_too(attach):
    with distributed.Client(
        processes=False, n_workers=1, dashboard_address="127.0.0.1:0", set_as_default=False
    ) as client:
        runner = attach(client)
        assert runner.start(tasks_of(make_task("s", "x = 1", "x")), pipeline="p").wait(60)["x"] == 1
        runner.close()


def test_a_worker_that_joins_as_the_notebook_attaches_is_seen():
    with distributed.LocalCluster(n_workers=0, processes=False, dashboard_address="127.0.0.1:0") as cluster:
        scheduler = cluster.scheduler
        for n in range(25):
            executor = DaskExecutor(scheduler.address)
            # Attaching takes some milliseconds: here it comes before, after, and in the middle.
            joining = threading.Timer(n * 0.0005, cluster.scale, (1,))
            joining.start()
            executor.start()
            wait_for(lambda executor=executor: executor.workers, f"attempt {n}: no worker is seen")
            executor.close()
            cluster.scale(0)
            wait_for(lambda: not scheduler.workers, "the worker has not left")


def test_a_scheduler_keeps_little_of_what_has_ended(attach):
    delay = {"distributed.scheduler.events-cleanup-delay": "50ms"}
    with (
        dask.config.set(delay),
        distributed.Client(
            processes=False, n_workers=1, dashboard_address="127.0.0.1:0", set_as_default=False
        ) as client,
    ):
        scheduler = client.cluster.scheduler
        topics = scheduler._broker._topics
        runner = attach(client)
        for n in range(3):
            assert runner.start(tasks_of(make_task("s", "x = 1", "x")), force=["s"], pipeline="p").wait(60)
            wait_for(lambda: not scheduler.tasks, f"burst {n} has not ended")
        assert [span.name for span in scheduler.extensions["spans"].spans.values()] == [("mlpipe",)]
        (told,) = (t for t in topics.values() if any("token" in content for _, content in t.events))
        runner.close()
        wait_for(lambda: not told.events)


def test_a_scheduler_that_dies_fails_the_run_and_the_next_one_goes_on(cluster, attach, folder):
    cluster.worker("w", "--nthreads", "1")
    port = int(cluster.address.rpartition(":")[2])
    runner = attach(cluster.address)
    tasks = tasks_of(
        make_task("first", "first = 1", "first"),
        task_in(folder, "second", "y = first\n" + meets(folder, "second"), "second", reads=["first.first"]),
    )
    run = runner.start(tasks, pipeline="p")
    wait_for(lambda: times_ran(folder, "second"))
    end(cluster.scheduler)
    assert run.wait(60).status == "failed"
    assert statuses(run) == {"first": "succeeded", "second": "failed"}
    with pytest.raises(ClusterError, match=r"scheduler at 'tcp://.*' is gone.*start the cluster"):
        run["second"]
    (folder / "second.go").touch()
    cluster.start_scheduler(port)
    cluster.worker("v", "--nthreads", "1")
    again = runner.start(tasks, pipeline="p").wait(60)
    # Its first try may have come to its end: that is not lost either.
    assert again.status == "succeeded", again.steps["second"].error
    assert again.steps["first"].status == "reused"
    assert again["second"] == 1


def test_a_worker_killed_in_the_middle_has_its_step_run_elsewhere(cluster, attach, folder):
    workers = {name: cluster.worker(name, "--nthreads", "1", "--no-nanny") for name in ("v", "w")}
    runner = attach(cluster.address)
    runner.attach()
    wait_for(lambda: len(offers(runner)) == 2)
    tasks = tasks_of(*(task_in(folder, n, meets(folder, n), n) for n in ("a", "b")))
    run = runner.start(tasks, pipeline="p")
    wait_for(lambda: times_ran(folder, "a") and times_ran(folder, "b"))
    lost = run.steps["a"].worker
    end(workers[lost])
    wait_for(lambda: run.steps["a"].worker != lost or run.steps["a"].status == "queued")
    for name in ("a", "b"):
        (folder / f"{name}.go").touch()
    assert run.wait(60).status == "succeeded"
    assert run.steps["a"].worker == run.steps["b"].worker != lost
    assert (times_ran(folder, "a"), times_ran(folder, "b")) == (2, 1)


@pytest.fixture
def hosts():
    """Two network namespaces as hosts beside this one: what runs something there, and what cuts one off."""
    tag = uuid.uuid4().hex[:6]
    bridge, names = f"mlb{tag}", [f"ml{tag}{i}" for i in (1, 2)]

    def ip(*words):
        return subprocess.run(["ip", *words], capture_output=True, text=True, check=False)

    made = [ip("link", "add", bridge, "type", "bridge")]
    net = f"10.{int(tag[:2], 16)}.{int(tag[2:4], 16)}"
    made.append(ip("addr", "add", f"{net}.254/24", "dev", bridge))
    made.append(ip("link", "set", bridge, "up"))
    for i, name in enumerate(names, 1):
        made += [
            ip("netns", "add", name),
            ip("link", "add", f"{name}o", "type", "veth", "peer", "name", f"{name}i"),
            ip("link", "set", f"{name}i", "netns", name),
            ip("link", "set", f"{name}o", "master", bridge, "up"),
            ip("-n", name, "addr", "add", f"{net}.{i}/24", "dev", f"{name}i"),
            ip("-n", name, "link", "set", f"{name}i", "up"),
            ip("-n", name, "link", "set", "lo", "up"),
        ]
    try:
        if refused := [done.stderr for done in made if done.returncode]:
            pytest.skip(f"needs network namespaces: {refused[0].strip()}")
        inside = [("ip", "netns", "exec", name) for name in names]
        yield f"{net}.254", inside, lambda i: ip("link", "set", f"{names[i]}o", "down")
    finally:
        for name in names:
            ip("netns", "del", name)
        ip("link", "del", bridge)


def test_a_host_cut_off_in_the_middle_has_its_step_run_elsewhere(hosts, folder, attach):
    address, inside, cut = hosts
    cluster = DaskCluster(folder, host=address)
    try:
        for i in (0, 1):
            cluster.worker(f"w{i}", "--nthreads", "1", inside=inside[i])
        runner = attach(cluster.address)
        runner.attach()
        wait_for(lambda: len(offers(runner)) == 2)
        done = make_task("done", "done = 1", "done")
        assert runner.start(tasks_of(done), pipeline="p").wait(60).status == "succeeded"
        tasks = tasks_of(done, *(task_in(folder, n, meets(folder, n), n) for n in ("a", "b")))
        run = runner.start(tasks, pipeline="p")
        wait_for(lambda: times_ran(folder, "a") and times_ran(folder, "b"))
        lost, kept = run.steps["a"].worker, run.steps["b"].worker
        assert {lost, kept} == {"w0", "w1"}
        cut(int(lost[1]))
        wait_for(lambda: lost not in offers(runner))
        for name in ("a", "b"):
            (folder / f"{name}.go").touch()
        assert run.wait(60).status == "succeeded"
        assert (run.steps["a"].worker, run.steps["b"].worker) == (kept, kept)
        assert [times_ran(folder, name) for name in ("a", "b")] == [2, 1]
        assert run.steps["done"].status == "reused"
        assert run["a"] == run["b"] == 1
    finally:
        cluster.close()


def test_a_cluster_that_adapts_from_nothing_gets_workers_for_what_waits(attach, tmp_path):
    with distributed.LocalCluster(
        n_workers=0, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
    ) as cluster:
        cluster.adapt(minimum=0, maximum=2, interval="50ms")
        runner = attach(cluster)
        runner.attach()
        # Both must run at once: Dask itself would see at most the one that has been given to it.
        tasks = tasks_of(*meeting(tmp_path))
        run = runner.start(tasks, pipeline="p")
        assert run.wait(60).status == "succeeded", statuses(run)
        assert run.steps["left"].worker != run.steps["right"].worker
        # What has been said for them is taken back.
        wait_for(lambda: not cluster.workers)
        assert not [key for key in cluster.scheduler.tasks if "mlpipe-waiting" in str(key)]
        runner.close()


def test_a_step_waits_for_a_worker_that_comes_late(cluster, attach):
    cluster.worker("w", "--nthreads", "1")
    runner = attach(str(cluster.file))
    runner.attach()
    wait_for(lambda: offers(runner))
    run = runner.start(
        tasks_of(make_task("s", "x = 1", "x", pool="big"), make_task("t", "y = 1", "y")), pipeline="p"
    )
    wait_for(lambda: run.steps["t"].status == "succeeded")
    wait_for(lambda: run.steps["s"].why)
    assert "waits for one to join" in run.steps["s"].why
    assert "waits for one to join" in runner.account().waiting[0].why
    cluster.worker("late", "--nthreads", "1", "--resources", "pool.big=1")
    assert run.wait(60).status == "succeeded"
    assert run.steps["s"].worker == "late"


def test_a_step_that_no_worker_can_serve_fails_when_no_more_are_expected(cluster, attach):
    cluster.worker("w", "--nthreads", "1")
    runner = attach(str(cluster.file), settles_s=1.0)
    run = runner.start(tasks_of(make_task("s", "x = 1", "x", pool="big")), pipeline="p").wait(60)
    assert run.status == "failed"
    with pytest.raises(ResourceError, match="asks for pool 'big', and there is no such pool"):
        run["x"]


# It leaves the pipes of its jobs to the collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_cluster_of_dask_jobqueue_is_used_as_it_is(folder, attach):
    local = pytest.importorskip("dask_jobqueue.local")
    options = {
        "cores": 1,
        "processes": 1,
        "memory": "1GB",
        "interface": "lo",
        "local_directory": str(folder),
        "log_directory": str(folder),
    }
    with local.LocalCluster(
        **options,
        worker_extra_args=["--resources", "licence=2"],
        scheduler_options={"dashboard_address": "127.0.0.1:0"},
    ) as cluster:
        cluster.scale(jobs=1)
        runner = attach(cluster)
        runner.attach()
        [offer] = wait_for(lambda: list(offers(runner).values()))
        assert (offer.amounts["CPU"], offer.amounts["licence"]) == (1, 2)
        run = runner.start(tasks_of(make_task("s", "x = 1", "x")), pipeline="p").wait(60)
        assert run.status == "succeeded", run.steps["s"].error
        runner.close()


@pytest.mark.parametrize(
    ("differs", "words"),
    [
        ({"python": (3, 9)}, f"runs Python {sys.version_info[0]}.{sys.version_info[1]}, the notebook 3.9"),
        ({"version": "0.0.1"}, f"has jupyter-mlpipe {__version__}, the notebook 0.0.1"),
    ],
)
def test_a_worker_of_another_python_or_version_says_so_before_a_step_is_lost(differs, words):
    asked = {"python": sys.version_info[:2], "version": __version__, "store": "", "probe": "", "reply": ""}
    worker = None  # nothing of it is touched
    assert words in asyncio.run(join(worker, {**asked, "tops": [], **differs}, 0))["why"]
