"""Runners of several processes that want one key: one computes it, the others wait and reuse it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from jupyter_mlpipe.execution.runs.runner import Runner
from jupyter_mlpipe.model.resources import Offer
from jupyter_mlpipe.model.status import Reason
from jupyter_mlpipe.store.store import open_store
from tests.execution.test_runner import ForkExecutor, make_task, statuses, tasks_of, wait_for

HOLD = """
import sys
from jupyter_mlpipe.store.store import open_store
store = open_store(sys.argv[1])
store.leases.take()
print("ready" if store.claims.claim(sys.argv[2]) else "refused", flush=True)
sys.stdin.read()
"""


class Place:
    """A runner with a worker of its own, as another kernel on the same store has."""

    def __init__(self, store):
        self.executor = ForkExecutor({"w": Offer({"CPU": 1.0})})
        self.runner = Runner(open_store(store), self.executor)

    def start(self, *tasks, **asked):
        return self.runner.start(tasks_of(*tasks), pipeline="p", **asked)

    @property
    def ran(self):
        return self.executor.submitted


@pytest.fixture
def places(tmp_path):
    found = [Place(tmp_path / "store") for _ in range(2)]
    yield found
    for place in found:
        place.runner.close()
        place.executor.close()


@pytest.fixture
def gated(tmp_path):
    """A step that begins, and ends when its gate is opened; and the opening."""

    def make(name, end=""):
        code = f"import os, time\nwhile not os.path.exists(gate): time.sleep(0.005)\n{end}\n{name} = 1"
        return make_task(name, code, name, parameters={"gate": str(tmp_path / name)})

    return make, lambda name: (tmp_path / name).touch()


def is_waiting(run, step):
    return run.steps[step].why.startswith("computed by another process")


def test_one_computes_and_the_other_waits_and_reuses(places, gated):
    make, open_gate = gated
    first = places[0].start(make("a"))
    wait_for(lambda: first.steps["a"].status == "running")
    second = places[1].start(make("a"), make_task("b", "b = a + 1", "b", reads=["a.a"]))
    wait_for(lambda: is_waiting(second, "a"))
    who = f"computed by another process (pid {os.getpid()} on {os.uname().nodename})"
    assert (second.steps["a"].status, second.steps["a"].why) == ("queued", who)
    assert second.steps["a"].snapshot().why == who
    assert second.why("a") == (Reason("reuse", "", who),)
    open_gate("a")
    assert second.wait(20).status == first.wait(20).status == "succeeded"
    assert statuses(second) == {"a": "reused", "b": "succeeded"}
    assert places[1].ran == ["b"]
    assert second["b"] == 2


def test_no_claim_stays(places, tmp_path):
    places[0].start(make_task("a", "a = 1", "a"), make_task("bad", "1 / 0")).wait()
    assert list((tmp_path / "store" / "claims").iterdir()) == []
    assert list((tmp_path / "store" / "live").iterdir()) == []


def test_the_wait_ends_when_the_other_fails(places, gated):
    make, open_gate = gated
    task = make("a", end="raise ValueError('no')")
    first = places[0].start(task)
    wait_for(lambda: first.steps["a"].status == "running")
    second = places[1].start(task)
    wait_for(lambda: is_waiting(second, "a"))
    open_gate("a")
    assert second.wait(20).status == first.wait(20).status == "failed"
    assert places[1].ran == ["a"]


def test_the_wait_ends_when_the_other_process_is_killed(places, tmp_path):
    task = make_task("a", "a = 1", "a")
    key = places[0].start(task).wait().steps["a"].key
    places[0].runner.store.remove_record(key)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "store"), key],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "ready\n"
        run = places[1].start(task)
        wait_for(lambda: is_waiting(run, "a"))
        assert f"pid {other.pid} " in run.steps["a"].why
        other.send_signal(signal.SIGKILL)
    assert run.wait(20).status == "succeeded"
    assert statuses(run) == {"a": "succeeded"}


def test_who_waits_can_be_cancelled_and_who_computes_goes_on(places, gated):
    make, open_gate = gated
    first = places[0].start(make("a"))
    wait_for(lambda: first.steps["a"].status == "running")
    second = places[1].start(make("a"))
    wait_for(lambda: is_waiting(second, "a"))
    second.cancel()
    assert second.wait(20).status == "cancelled"
    open_gate("a")
    assert first.wait(20).status == "succeeded"


def test_a_forced_step_waits_for_nobody(places, gated):
    make, open_gate = gated
    runs = [place.start(make("a"), force=["a"]) for place in places]
    wait_for(lambda: all(run.steps["a"].status == "running" for run in runs))
    open_gate("a")
    assert [run.wait(20).status for run in runs] == ["succeeded", "succeeded"]


def test_two_that_hold_what_the_other_wants_both_come_to_an_end(places, gated):
    make, open_gate = gated
    a, b = make("a"), make("b")
    runs = [places[0].start(a), places[1].start(b)]
    wait_for(lambda: runs[0].steps["a"].status == runs[1].steps["b"].status == "running")
    crossed = [places[0].start(b), places[1].start(a)]
    wait_for(lambda: is_waiting(crossed[0], "b") and is_waiting(crossed[1], "a"))
    # Each has one worker, which is taken.
    open_gate("a")
    open_gate("b")
    assert [run.wait(20).status for run in (*runs, *crossed)] == ["succeeded"] * 4
    assert [place.ran for place in places] == [["a"], ["b"]]


def test_one_key_in_two_runs_of_one_kernel_and_in_another_is_computed_once(places, gated):
    make, open_gate = gated
    runs = [places[0].start(make("a"))]
    wait_for(lambda: runs[0].steps["a"].status == "running")
    runs += [places[0].start(make("a")), places[1].start(make("a"))]
    wait_for(lambda: is_waiting(runs[2], "a") and runs[1].steps["a"].why)
    open_gate("a")
    assert [run.wait(20).steps["a"].status for run in runs] == ["succeeded", "reused", "reused"]


def test_where_nothing_can_be_claimed_both_compute(places, gated, tmp_path):
    (tmp_path / "store" / "claims").write_text("a file where a folder is needed")
    make, open_gate = gated
    runs = [place.start(make("a")) for place in places]
    wait_for(lambda: all(run.steps["a"].status == "running" for run in runs))
    open_gate("a")
    assert [run.wait(20).status for run in runs] == ["succeeded", "succeeded"]
