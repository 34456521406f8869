"""The runner on a real cluster, with real step processes."""

import os
import time

import dask
import pytest

from jupyter_mlpipe.errors import ClusterError, ResourceError, StepDiedError, StepError, StepTimeoutError
from jupyter_mlpipe.execution.cluster.dask import DaskExecutor
from jupyter_mlpipe.execution.runs.runner import Runner
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.closure import Closure
from jupyter_mlpipe.model.component import Component, Definition, Options
from jupyter_mlpipe.model.pipeline import FromStep, Step
from jupyter_mlpipe.model.resources import Resources
from jupyter_mlpipe.model.status import Ingredient, Reason
from jupyter_mlpipe.store.store import open_store


def make_task(name, code, *outputs, reads=(), parameters=None, definitions=(), **options):
    component = Component(
        name, code, code, outputs=outputs, definitions=definitions, options=Options(**options)
    )
    bindings = {source.split(".")[1]: FromStep(*source.split(".")) for source in reads}
    closure = Closure(ingredients=(Ingredient("code", "", digest("test", code)),))
    return StepTask(Step(component, bindings), closure, parameters or {})


def tasks_of(*tasks):
    return {task.name: task for task in tasks}


def statuses(run):
    return {name: step.status for name, step in run.steps.items()}


@pytest.fixture(scope="module")
def executors():
    """One cluster for all tests here: starting it is what takes the time."""
    executor = DaskExecutor()

    class Shared:
        """Lets each runner close its executor without closing the cluster."""

        def __init__(self, ahead):
            pass

        def __getattr__(self, name):
            return getattr(executor, name)

        def close(self):
            pass

    yield Shared
    executor.close()


@pytest.fixture
def runner(tmp_path, executors):
    runner = Runner(open_store(tmp_path / "store"), executors)
    yield runner
    runner.close()


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


LOAD = make_task("load", "print('loading')\nnumbers = list(range(n))", "numbers", parameters={"n": 5000})
TOTAL = make_task("total", "total = sum(numbers)\ntotal", "total", reads=["load.numbers"])


def test_chain_runs_and_is_reused(runner):
    run = runner.start(tasks_of(LOAD, TOTAL), pipeline="p").wait()
    assert statuses(run) == {"load": "succeeded", "total": "succeeded"}, run
    assert run["total"] == sum(range(5000))
    assert run.steps["load"].log == "loading\n"
    assert run.steps["total"].worker in [use.name for use in runner.account().workers]
    again = runner.start(tasks_of(LOAD, TOTAL), pipeline="p")
    assert statuses(again) == {"load": "reused", "total": "reused"}
    assert again.steps["total"].shown == run.steps["total"].shown


def test_error_of_the_code_carries_its_traceback(runner):
    run = runner.start(tasks_of(make_task("bad", "x = 1\n1 / 0")), pipeline="p").wait()
    error = run.steps["bad"].error
    assert isinstance(error, StepError)
    assert (error.ename, error.message) == ("ZeroDivisionError", "division by zero")
    assert error.traceback


def test_time_limit_cancel_and_death_end_the_process(runner):
    slow = make_task("slow", "import time; time.sleep(60)", timeout_s=0.3)
    dies = make_task("dies", "import os; os.kill(os.getpid(), 9)")
    run = runner.start(tasks_of(slow, dies), pipeline="p").wait()
    assert isinstance(run.steps["slow"].error, StepTimeoutError)
    assert isinstance(run.steps["dies"].error, StepDiedError)
    waits = make_task("waits", "import time; time.sleep(60)")
    run = runner.start(tasks_of(waits), pipeline="p")
    wait_for(lambda: run.steps["waits"].status == "running")
    run.cancel()
    assert run.wait(20).status == "cancelled"


@pytest.mark.parametrize(
    "code",
    [
        "import ctypes; ctypes.PyDLL(None).sleep(1000)",  # holds the interpreter's lock
        "import re; re.match('(a+)+$', 'a' * 60 + 'b')",
        "import signal\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\nwhile True: pass",
    ],
)
def test_cancel_ends_code_that_listens_to_nobody(runner, code):
    run = runner.start(tasks_of(make_task("deaf", f"print('begun')\n{code}")), pipeline="p")
    wait_for(lambda: "begun" in run.steps["deaf"].log)
    run.cancel()
    assert run.wait(20).status == "cancelled"


def test_damaged_input_is_made_again_in_the_same_run(runner):
    first = runner.start(tasks_of(LOAD), pipeline="p").wait()
    path = runner.store.objects.path(first.artifact("numbers").blob.object)
    os.chmod(path, 0o600)
    with open(path, "r+b") as stored:
        stored.seek(100)
        stored.write(b"\0\1\2")
    run = runner.start(tasks_of(LOAD, TOTAL), pipeline="p").wait()
    assert statuses(run) == {"load": "succeeded", "total": "succeeded"}, run
    assert run.why("load") == (Reason("corrupt", "numbers", "its bytes are not those that were written"),)


def test_value_of_a_class_that_a_cell_above_defines_reaches_the_step(runner):
    source = "class Point:\n    def __init__(self, x):\n        self.x = x"
    make = make_task(
        "make", f"{source}\np = Point(3)", "p", definitions=(Definition("Point", "class", source, 1),)
    )
    use = make_task("use", "x = p.x", "x", reads=["make.p"])
    run = runner.start(tasks_of(make, use), pipeline="p").wait()
    assert statuses(run) == {"make": "succeeded", "use": "succeeded"}, run
    assert run["x"] == 3


def test_scheduler_of_our_own_that_dies_fails_the_run_and_the_next_one_starts_another(tmp_path):
    made = []

    def make(ahead):
        made.append(DaskExecutor())
        return made[-1]

    folder = str(tmp_path)
    waits = """
import pathlib, time
(pathlib.Path(folder) / "begun").touch()
while not (pathlib.Path(folder) / "go").exists():
    time.sleep(0.01)
second = first + 1
"""
    tasks = tasks_of(
        make_task("first", "import uuid\nfirst = uuid.uuid4().int", "first"),
        make_task("second", waits, "second", reads=["first.first"], parameters={"folder": folder}),
        make_task("third", "third = second + 1", "third", reads=["second.second"]),
    )
    runner = Runner(open_store(tmp_path / "store"), make)
    try:
        run = runner.start(tasks, pipeline="p")
        wait_for((tmp_path / "begun").exists)
        # It lives in this process: this is what is left of it when it ends for whatever reason.
        cluster = made[0]._client.cluster
        cluster.sync(cluster.scheduler.close)
        assert run.wait(30).status == "failed"
        assert statuses(run) == {"first": "succeeded", "second": "failed", "third": "skipped"}
        with pytest.raises(ClusterError, match=r"scheduler at 'this machine' is gone .*run again"):
            run["second"]
        (tmp_path / "go").touch()
        again = runner.start(tasks, pipeline="p").wait(30)
        assert again.steps["first"].status == "reused"
        assert (again.status, again["third"]) == ("succeeded", run["first"] + 2)
    finally:
        runner.close()


def test_cluster_of_our_own_never_ends_for_being_idle():
    # As where the site's or the user's configuration of Dask says that clusters do.
    with dask.config.set({"distributed.scheduler.idle-timeout": "1s"}):
        executor = DaskExecutor()
        try:
            executor.start()
            assert executor._client.cluster.scheduler.idle_timeout is None
        finally:
            executor.close()


def test_request_that_no_worker_can_serve_fails_before_anything_runs(runner):
    big = make_task("big", "x = 1", "x", resources=Resources(gpus=64))
    run = runner.start(tasks_of(LOAD, big), pipeline="p").wait()
    assert statuses(run) == {"load": "skipped", "big": "failed"}
    assert isinstance(run.steps["big"].error, ResourceError)
