"""The runner with a real store and real processes; Dask has its own tests."""

import contextlib
import io
import multiprocessing
import os
import signal
import threading
import time
from types import MappingProxyType

import pytest

from jupyter_mlpipe.errors import (
    ClusterError,
    ResourceError,
    StepDiedError,
    StepError,
    StepTimeoutError,
    UnknownNameError,
    UnknownStepError,
)
from jupyter_mlpipe.execution.cluster.executor import StepLost, StepMessage
from jupyter_mlpipe.execution.process.spec import StepSpec
from jupyter_mlpipe.execution.runs.accept import accept, is_accepted
from jupyter_mlpipe.execution.runs.offers import Account
from jupyter_mlpipe.execution.runs.plan import plan_steps
from jupyter_mlpipe.execution.runs.runner import Runner
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.execution.runs.why import last_run
from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.closure import Closure
from jupyter_mlpipe.model.component import Component, Options
from jupyter_mlpipe.model.pipeline import FromStep, Step
from jupyter_mlpipe.model.resources import Offer, Resources
from jupyter_mlpipe.model.status import Ingredient, Reason
from jupyter_mlpipe.store.accepted import all_accepted
from jupyter_mlpipe.store.history import History
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.store import open_store

FORK = multiprocessing.get_context("fork")


def make_task(name, code, *outputs, parameters=None, closure=None, **options):
    """A step from its code; what it reads from others is written ``step.output`` in `reads`."""
    reads = options.pop("reads", ())
    bindings = {source.split(".")[1]: FromStep(*source.split(".")) for source in reads}
    component = Component(name, code, code, outputs=outputs, options=Options(**options))
    ingredients = (Ingredient("code", "", digest("test", code)),)
    closure = closure or Closure(ingredients=ingredients)
    return StepTask(Step(component, bindings), closure, parameters or {})


def tasks_of(*tasks):
    return {task.name: task for task in tasks}


def run_spec(encoded, pipe):
    """What the step process does, as far as these tests need it."""
    spec = StepSpec.from_bytes(encoded)
    store = open_store(spec.store)
    pipe.send({"type": "started", "pid": os.getpid(), "worker": "w"})
    try:
        namespace = {name: store.get_value(artifact) for name, artifact in spec.inputs.items()}
        namespace.update(spec.parameters)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(spec.code, namespace)
        shown = []
        if printed.getvalue():
            shown = [{"output_type": "stream", "name": "stdout", "text": printed.getvalue()}]
            pipe.send({"type": "output", "output": shown[0]})
        outputs = {name: store.put_value(namespace[name]) for name in spec.outputs}
        record = Record(
            spec.key,
            outputs,
            ingredients=spec.ingredients,
            shown=store.put_shown(shown),
            seconds=0.25,
            why=spec.why,
            created_at=time.time(),
        )
        store.put_record(record)
        ended = {"type": "ended", "status": "succeeded", "record": record.to_json(), "seconds": 0.25}
    except Exception as error:
        failure = {"kind": "error", "ename": type(error).__name__, "evalue": str(error), "traceback": ["tb"]}
        ended = {"type": "ended", "status": "failed", "error": failure, "seconds": 0.1}
    pipe.send(ended)


class ForkExecutor:
    """Runs each step in a forked process."""

    def __init__(self, workers):
        self.workers = workers
        self.started = 0
        self.submitted = []
        self._listeners = []
        self._processes = {}
        self._threads = []

    marks = left_out = MappingProxyType({})
    growing = False

    def __call__(self, ahead):
        return self

    def listen(self, on_event):
        self._listeners.append(on_event)
        return lambda: self._listeners.remove(on_event)

    def start(self, ahead=()):
        self.started += 1
        return self.workers

    def preload(self, modules):
        pass

    def submit(self, token, worker, spec, amounts, marks=frozenset()):
        self.submitted.append(token.split("/")[1])
        ours, theirs = FORK.Pipe()
        process = FORK.Process(target=run_spec, args=(spec, theirs))
        # Before it starts: what it does first may be what a test waits for.
        self._processes[token] = process
        process.start()
        theirs.close()
        thread = threading.Thread(target=self._follow, args=(token, process, ours))
        thread.start()
        self._threads.append(thread)

    def kill(self, token):
        self._processes[token].kill()

    def lose(self, step):
        # The process may have begun before we have taken note of it.
        wait_for(lambda: any(f"/{step}/" in token for token in self._processes))
        token = next(token for token in self._processes if f"/{step}/" in token)
        self._tell(StepLost(token, "the worker left"))
        wait_for(lambda: self._processes[token].pid is not None)
        self._processes[token].kill()

    def close(self):
        for process in self._processes.values():
            process.kill()
        for thread in self._threads:
            thread.join()

    def _follow(self, token, process, pipe):
        ended = False
        if not pipe.poll(20):
            # A fork of a process with threads may find a lock taken for ever.
            process.kill()
            process.join()
            self._tell(StepLost(token, "it never began"))
            return
        with contextlib.suppress(EOFError):
            while True:
                message = pipe.recv()
                ended = ended or message["type"] == "ended"
                self._tell(StepMessage(token, message))
        process.join()
        pipe.close()
        if not ended:
            text = signal.Signals(-process.exitcode).name
            failure = {"kind": "signal", "ename": "StepDiedError", "evalue": text, "traceback": []}
            self._tell(
                StepMessage(token, {"type": "ended", "status": "failed", "error": failure, "seconds": 0.1})
            )

    def _tell(self, event):
        for listener in self._listeners:
            listener(event)


@pytest.fixture
def executor():
    return ForkExecutor({"w": Offer({"CPU": 2.0})})


@pytest.fixture
def runner(tmp_path, executor):
    store = open_store(tmp_path / "store")
    history = History(tmp_path / "store" / "history.db")
    runner = Runner(store, executor, history)
    yield runner
    runner.close()
    history.close()


LOAD = make_task("load", "numbers = list(range(n))\nprint('loaded', n)", "numbers", parameters={"n": 4})
TOTAL = make_task("total", "total = sum(numbers)", "total", reads=["load.numbers"])
SIGN = make_task("sign", "positive = total > 0", "positive", reads=["total.total"])


def with_parameters(task, **parameters):
    return StepTask(task.step, task.closure, parameters)


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def statuses(run):
    return {name: step.status for name, step in run.steps.items()}


def test_steps_run_and_their_values_are_read_from_the_run(runner):
    run = runner.start(tasks_of(SIGN, TOTAL, LOAD), pipeline="p").wait()
    assert run.status == "succeeded"
    assert statuses(run) == {"load": "succeeded", "total": "succeeded", "sign": "succeeded"}
    assert run["total"] == 6
    assert run["load.numbers"] == [0, 1, 2, 3]
    assert run.steps["load"].log == "loaded 4\n"
    assert run.why("load") == (Reason("new", "", "never ran"),)


def test_second_run_is_reused_at_once_without_a_cluster_or_a_thread(runner, executor, tmp_path):
    tasks = tasks_of(LOAD, TOTAL, SIGN)
    runner.start(tasks, pipeline="p").wait()
    again = Runner(open_store(tmp_path / "store"), executor)
    heard = []
    run = again.start(tasks, pipeline="p", listener=lambda *notice: heard.append(notice))
    assert run.status == "succeeded"
    assert set(statuses(run).values()) == {"reused"}
    assert executor.started == 1
    assert heard == [
        ("status", "load", "reused"),
        ("status", "total", "reused"),
        ("status", "sign", "reused"),
        ("end", "", "succeeded"),
    ]
    assert run.steps["load"].log == "loaded 4\n"
    assert run["positive"] is True
    assert run.steps["sign"].saved_seconds == 0.25
    assert again.account() == Account()


def test_same_bytes_upstream_leave_what_is_below_reused(runner, executor):
    runner.start(tasks_of(LOAD, TOTAL, SIGN), pipeline="p").wait()
    executor.submitted.clear()
    other = with_parameters(LOAD, n=-1)
    run = runner.start(tasks_of(other, TOTAL, SIGN), pipeline="p").wait()
    assert statuses(run) == {"load": "succeeded", "total": "succeeded", "sign": "succeeded"}
    run = runner.start(tasks_of(with_parameters(LOAD, n=0), TOTAL, SIGN), pipeline="p").wait()
    assert statuses(run) == {"load": "succeeded", "total": "reused", "sign": "reused"}
    assert [reason.kind for reason in run.why("load")] == ["parameter"]


def test_input_reason_names_the_step_that_ran(runner):
    runner.start(tasks_of(LOAD, TOTAL), pipeline="p").wait()
    run = runner.start(tasks_of(with_parameters(LOAD, n=5), TOTAL), pipeline="p").wait()
    assert run.why("total") == (Reason("input", "numbers", "'load' ran: parameter n 4 -> 5"),)


def test_input_reason_names_the_step_that_ran_in_a_run_of_its_own(runner):
    runner.start(tasks_of(LOAD, TOTAL), pipeline="p").wait()
    five = with_parameters(LOAD, n=5)
    runner.start(tasks_of(five), pipeline="p").wait()
    run = runner.start(tasks_of(five, TOTAL), pipeline="p").wait()
    assert run.why("total") == (Reason("input", "numbers", "'load' ran: parameter n 4 -> 5"),)
    # What was made before is no news, but it is not what was read last.
    edited = make_task("total", "total = sum(numbers) + 1", "total", reads=["load.numbers"])
    run = runner.start(tasks_of(LOAD, edited), pipeline="p").wait()
    assert run.why("total") == (
        Reason("code", "", "changed"),
        Reason("input", "numbers", "'load' gave another one"),
    )


def test_only_targets_and_what_is_above_them_run(runner, executor):
    run = runner.start(tasks_of(LOAD, TOTAL, SIGN), targets=["total"], pipeline="p").wait()
    assert list(run.steps) == ["load", "total"]
    with pytest.raises(UnknownNameError, match="No step of this run makes 'positive'"):
        run["positive"]


def test_forced_step_runs_though_it_is_known(runner, executor):
    runner.start(tasks_of(LOAD, TOTAL), pipeline="p").wait()
    run = runner.start(tasks_of(LOAD, TOTAL), pipeline="p", force={"load"}).wait()
    assert statuses(run) == {"load": "succeeded", "total": "reused"}
    assert run.why("load") == (Reason("forced"),)


def test_unknown_names_are_refused_with_close_matches(runner):
    with pytest.raises(UnknownStepError, match="Did you mean 'total'"):
        runner.start(tasks_of(LOAD, TOTAL), targets=["totl"], pipeline="p")
    with pytest.raises(UnknownStepError, match="Did you mean 'load'"):
        runner.start(tasks_of(LOAD, TOTAL), force={"laod"}, pipeline="p")
    run = runner.start(tasks_of(LOAD, TOTAL), pipeline="p").wait()
    with pytest.raises(UnknownNameError, match="Did you mean 'total'"):
        run["totla"]
    with pytest.raises(UnknownStepError, match="Did you mean 'load'"):
        run.steps["laod"]


def test_failed_step_raises_its_error_where_it_or_what_is_below_is_read(runner):
    bad = make_task("load", "raise ValueError('no disk')", "numbers")
    run = runner.start(tasks_of(bad, TOTAL), pipeline="p").wait()
    assert run.status == "failed"
    assert statuses(run) == {"load": "failed", "total": "skipped"}
    with pytest.raises(StepError, match="no disk") as caught:
        run["total"]
    assert (caught.value.step, caught.value.ename, caught.value.traceback) == ("load", "ValueError", ("tb",))
    assert run.steps["total"].why == "'load' failed"
    assert "no disk" in repr(run)


def test_failure_is_retried(runner, tmp_path):
    code = (
        "import os\nif not os.path.exists(mark):\n    open(mark, 'w').close(); raise OSError('flaky')\nx = 1"
    )
    task = make_task("flaky", code, "x", parameters={"mark": str(tmp_path / "mark")}, retries=1)
    run = runner.start(tasks_of(task), pipeline="p").wait()
    assert run.status == "succeeded"
    assert run.steps["flaky"].error is None


def test_time_limit_ends_the_step(runner):
    task = make_task("slow", "import time; time.sleep(60)", timeout_s=0.2)
    run = runner.start(tasks_of(task), pipeline="p").wait()
    assert isinstance(run.steps["slow"].error, StepTimeoutError)
    assert "--timeout of 0.2 s" in str(run.steps["slow"].error)


def test_process_that_dies_is_named_as_such(runner):
    task = make_task("dies", "import os; os.kill(os.getpid(), 9)")
    run = runner.start(tasks_of(task), pipeline="p").wait()
    assert isinstance(run.steps["dies"].error, StepDiedError)


def test_cancel_ends_what_runs(runner):
    slow = make_task("slow", "import time; time.sleep(60)\nnumbers = []", "numbers")
    after = make_task("after", "x = numbers", "x", reads=["slow.numbers"])
    run = runner.start(tasks_of(slow, after), pipeline="p")
    wait_for(lambda: run.steps["slow"].status == "running")
    run.cancel()
    assert run.wait(20).status == "cancelled"
    assert statuses(run) == {"slow": "cancelled", "after": "cancelled"}


def test_interrupt_while_waiting_cancels_the_run(runner):
    # A shell that starts the tests in the background has it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run = runner.start(tasks_of(make_task("slow", "import time; time.sleep(60)")), pipeline="p")
    wait_for(lambda: run.steps["slow"].status == "running")
    timer = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run.wait()
    timer.join()
    assert run.status == "cancelled"


def test_wait_with_a_limit_returns_the_run_as_it_is(runner):
    run = runner.start(tasks_of(make_task("slow", "import time; time.sleep(60)")), pipeline="p")
    assert run.wait(0.01).status == "running"


def test_lost_step_runs_again(runner, executor, tmp_path):
    code = "import os, time\nif not os.path.exists(mark):\n    open(mark, 'w').close(); time.sleep(60)\nx = 1"
    task = make_task("stays", code, "x", parameters={"mark": str(tmp_path / "mark")})
    run = runner.start(tasks_of(task), pipeline="p")
    wait_for((tmp_path / "mark").exists)
    executor.lose("stays")
    assert run.wait().status == "succeeded"
    assert executor.submitted == ["stays", "stays"]


def test_request_that_no_worker_can_serve_fails_before_anything_runs(runner, executor):
    big = make_task("big", "x = 1", "x", resources=Resources(gpus=2))
    run = runner.start(tasks_of(LOAD, big), pipeline="p").wait()
    assert statuses(run) == {"load": "skipped", "big": "failed"}
    assert executor.submitted == []
    with pytest.raises(ResourceError, match=r"'big' asks for CPU=1, GPU=2.*w offers CPU=2"):
        run["x"]


def test_cluster_that_does_not_start_fails_the_run(tmp_path):
    class Broken(ForkExecutor):
        def start(self, ahead=()):
            raise ClusterError("nobody answers at tcp://x")

    runner = Runner(open_store(tmp_path), Broken({}))
    run = runner.start(tasks_of(LOAD, TOTAL), pipeline="p").wait()
    assert statuses(run) == {"load": "failed", "total": "skipped"}
    with pytest.raises(ClusterError, match="nobody answers"):
        run["total"]
    runner.close()


def big_list_task(**more):
    return make_task("load", "numbers = list(range(5000))\nextra = 1", "numbers", **more)


def damage(runner, run, name):
    path = runner.store.objects.path(run.artifact(name).blob.object)
    with open(path, "r+b") as stored:
        stored.seek(100)
        stored.write(b"\0\1\2")


def test_damaged_input_is_made_again_in_the_same_run(runner, executor):
    load = big_list_task()
    first = runner.start(tasks_of(load), pipeline="p").wait()
    damage(runner, first, "numbers")
    run = runner.start(tasks_of(load, TOTAL), pipeline="p").wait()
    assert statuses(run) == {"load": "succeeded", "total": "succeeded"}
    assert run.why("load") == (Reason("corrupt", "numbers", "its bytes are not those that were written"),)
    assert executor.submitted == ["load", "total", "load", "total"]
    assert run["total"] == sum(range(5000))


def test_artifact_that_is_gone_makes_its_step_run(runner, executor):
    load = big_list_task()
    first = runner.start(tasks_of(load), pipeline="p").wait()
    os.unlink(runner.store.objects.path(first.artifact("numbers").blob.object))
    run = runner.start(tasks_of(load), pipeline="p").wait()
    assert run.why("load") == (Reason("missing", "numbers", "no longer in the store"),)
    assert statuses(run) == {"load": "succeeded"}


def test_value_that_is_damaged_when_it_is_loaded_is_made_again(runner, executor):
    load = big_list_task()
    run = runner.start(tasks_of(load), pipeline="p").wait()
    damage(runner, run, "numbers")
    assert run["numbers"] == list(range(5000))
    assert executor.submitted == ["load", "load"]


def test_reading_an_output_waits_for_its_step_only(runner):
    slow = make_task("slow", "import time; time.sleep(60)")
    run = runner.start(tasks_of(LOAD, slow), pipeline="p")
    assert run["numbers"] == [0, 1, 2, 3]
    assert run.status == "running"


def test_two_runs_of_the_same_step_compute_it_once(runner, executor):
    slow = make_task("slow", "import time; time.sleep(0.3); x = 1", "x")
    first = runner.start(tasks_of(slow), pipeline="p")
    second = runner.start(tasks_of(slow), pipeline="p")
    assert statuses(first.wait()) == {"slow": "succeeded"}
    assert statuses(second.wait()) == {"slow": "reused"}
    assert executor.submitted == ["slow"]


def test_first_steps_are_sent_while_keys_of_others_are_still_to_come(runner):
    runner.start(tasks_of(LOAD), pipeline="p").wait()  # the workers are known
    heard = []
    tasks = tasks_of(*(make_task(f"s{i}", f"x = {i}", "x") for i in range(20)))
    run = runner.start(tasks, pipeline="p", listener=lambda *notice: heard.append(notice)).wait()
    assert set(statuses(run).values()) == {"succeeded"}
    assert heard.index(("sent", "s0", None)) < heard.index(("status", "s1", "queued"))


def test_values_that_cannot_be_sent_fail_the_step_with_the_reason(runner):
    closure = Closure(
        ingredients=(Ingredient("code", "", digest("test", "x")),),
        unshippable=(Reason("value", "lock", "a lock cannot be pickled"),),
    )
    run = runner.start(tasks_of(make_task("a", "x = lock", "x", closure=closure)), pipeline="p").wait()
    with pytest.raises(StepError, match=r"'lock' \(a lock cannot be pickled\)"):
        run["x"]


def test_listener_that_fails_does_not_stop_the_run(runner, caplog):
    def listener(kind, step, payload):
        raise RuntimeError("a broken view")

    run = runner.start(tasks_of(LOAD), pipeline="p", listener=listener).wait()
    assert run.status == "succeeded"
    assert "a broken view" in caplog.text


def test_listener_hears_outputs_and_the_end(runner):
    heard = []
    run = runner.start(tasks_of(LOAD), pipeline="p", listener=lambda *notice: heard.append(notice)).wait()
    wait_for(lambda: heard[-1] == ("end", "", "succeeded"))
    assert heard == [
        ("status", "load", "queued"),
        ("sent", "load", None),
        ("status", "load", "running"),
        ("output", "load", {"output_type": "stream", "name": "stdout", "text": "loaded 4\n"}),
        ("status", "load", "succeeded"),
        ("end", "", "succeeded"),
    ]
    run.subscribe(lambda *notice: heard.append(notice))
    assert heard[-2:] == [("end", "", "succeeded")] * 2


def test_snapshot_is_plain_json(runner):
    snapshot = runner.start(tasks_of(LOAD, TOTAL), pipeline="p").wait().snapshot().to_json()
    total = snapshot["steps"]["total"]
    assert (snapshot["status"], total["status"], total["reads"]) == (
        "succeeded",
        "succeeded",
        {"numbers": "load"},
    )
    assert (total["outputs"], total["seconds"]) == (["total"], 0.25)


def test_history_keeps_the_run(runner):
    run = runner.start(tasks_of(LOAD, TOTAL), pipeline="p").wait()
    (entry,) = runner.history.runs()
    assert (entry.id, entry.pipeline, entry.status) == (run.id, "p", "succeeded")
    assert entry.details["parameters"] == {"n": 4}


def test_history_keeps_why_a_step_ran_through_later_reuse(runner):
    runner.start(tasks_of(LOAD, TOTAL), pipeline="p").wait()
    edited = tasks_of(with_parameters(LOAD, n=5), TOTAL)
    for _ in range(2):
        run = runner.start(edited, pipeline="p").wait()
    assert statuses(run) == {"load": "reused", "total": "reused"}
    why = last_run("load", run, runner.history, "p")
    assert (why.status, [reason["text"] for reason in why.reasons]) == ("succeeded", ["parameter n 4 -> 5"])
    assert last_run("load", None, runner.history, "another") is None
    assert last_run("never", None, runner.history, "p") is None


def test_a_forced_run_replaces_what_was_kept(runner, executor):
    first = runner.start(tasks_of(LOAD, TOTAL), pipeline="p").wait().steps["load"].record
    run = runner.start(tasks_of(LOAD, TOTAL), force=["load"], pipeline="p").wait()
    assert statuses(run) == {"load": "succeeded", "total": "reused"}
    assert [str(reason) for reason in run.why("load")] == ["forced"]
    again = runner.start(tasks_of(LOAD), pipeline="p").steps["load"]
    assert (again.status, again.record.key) == ("reused", first.key)
    assert again.record.created_at > first.created_at


def test_a_forced_run_takes_the_place_of_an_accepted_edit(runner):
    runner.start(tasks_of(LOAD), pipeline="p").wait()
    edited = tasks_of(make_task("load", LOAD.step.component.code + "\n", "numbers", parameters={"n": 4}))

    def plan():
        return plan_steps(edited, runner.store, runner.history, pipeline="p")

    accept("load", plan, runner.store, runner.history, pipeline="p", user="ada")
    run = runner.start(edited, pipeline="p")
    assert (run.status, is_accepted(run.why("load"))) == ("succeeded", True)
    runner.start(edited, force=["load"], pipeline="p").wait()
    assert all_accepted(runner.store) == []
    found = plan()["load"]
    assert (found.decision, is_accepted(found.reasons)) == ("reuse", False)


def test_close_cancels_what_runs(tmp_path, executor):
    runner = Runner(open_store(tmp_path), executor)
    run = runner.start(tasks_of(make_task("slow", "import time; time.sleep(60)")), pipeline="p")
    wait_for(lambda: run.steps["slow"].status == "running")
    runner.close()
    runner.close()
    assert run.status == "cancelled"


def test_close_leaves_no_cluster_behind_that_was_still_starting(tmp_path):
    class Slow(ForkExecutor):
        closed = False
        may_start = threading.Event()
        asked = threading.Event()

        def start(self, ahead=()):
            self.asked.set()
            self.may_start.wait(20)
            return super().start()

        def close(self):
            self.closed = True
            super().close()

    executor = Slow({"w": Offer({"CPU": 1.0})})
    runner = Runner(open_store(tmp_path), executor)
    run = runner.start(tasks_of(LOAD), pipeline="p")
    assert executor.asked.wait(20)
    threading.Timer(0.05, executor.may_start.set).start()
    runner.close()
    assert executor.closed
    assert run.status == "cancelled"


def test_step_goes_to_the_worker_that_has_its_inputs_also_in_a_later_run(tmp_path):
    executor = ForkExecutor(
        {"u": Offer({"CPU": 1.0}, frozenset("p")), "v": Offer({"CPU": 1.0}, frozenset("q"))}
    )
    runner = Runner(open_store(tmp_path), executor)
    try:
        made = make_task("make", "big = bytes(2_000_000)", "big", pool="q")
        reads = make_task("read", "size = len(big)", "size", reads=["make.big"])
        other = make_task("other", "size = len(big) + 1", "size", reads=["make.big"])
        run = runner.start(tasks_of(made, reads), pipeline="p").wait()
        assert {name: step.worker for name, step in run.steps.items()} == {"make": "v", "read": "v"}
        run = runner.start(tasks_of(made, other), pipeline="p").wait()
        assert statuses(run) == {"make": "reused", "other": "succeeded"}
        assert run.steps["other"].worker == "v"
    finally:
        runner.close()


def test_steps_that_took_longer_go_first(tmp_path):
    history = History(tmp_path / "history.db")
    names = ("quick", "slow", "middle")
    for name, seconds in zip(names, (0.1, 60.0, 5.0), strict=True):
        history.remember("p", name, "earlier", "succeeded", seconds)
    executor = ForkExecutor({"w": Offer({"CPU": 1.0})})
    runner = Runner(open_store(tmp_path / "store"), executor, history)
    try:
        run = runner.start(tasks_of(*(make_task(name, f"{name} = 1") for name in names)), pipeline="p").wait()
        assert run.status == "succeeded"
        assert executor.submitted == ["slow", "middle", "quick"]
    finally:
        runner.close()
        history.close()
