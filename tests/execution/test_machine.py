import pytest

from jupyter_mlpipe.execution.runs.events import (
    AddRun,
    Ask,
    CancelRun,
    Changed,
    ClusterFailed,
    DeriveKey,
    EndRun,
    InputDamaged,
    KeyBusy,
    KeyFailed,
    KeyFree,
    KeyKnown,
    Kill,
    Node,
    RetryDue,
    SetRetryTimer,
    SetTimer,
    StartCluster,
    StepFailed,
    StepLost,
    StepStarted,
    StepSucceeded,
    Submit,
    TimeUp,
    WorkersKnown,
)
from jupyter_mlpipe.execution.runs.machine import MAX_BACKOFF_S, RunMachine
from jupyter_mlpipe.execution.runs.offers import Account, Waiting, WorkerUse
from jupyter_mlpipe.execution.runs.placing import PATIENCE
from jupyter_mlpipe.model.resources import Offer

CPU = {"CPU": 1.0}
ONE = {"w": Offer({"CPU": 1.0})}


def node(step, run="r"):
    return Node(run, step)


def chain(*names, run="r", **asked):
    """An `AddRun` of steps that each read from the one before."""
    asked = {"amounts": CPU, **asked}
    pairs = zip(names, (None, *names), strict=False)
    return AddRun(run, {name: Ask(upstream=(above,) if above else (), **asked) for name, above in pairs})


def independent(run="r", **steps):
    return AddRun(run, {name: Ask(amounts=amounts) for name, amounts in steps.items()})


def machine_with(workers, *events):
    """A machine that knows its workers and has been told `events`."""
    machine = RunMachine()
    machine.handle(WorkersKnown(workers))
    for event in events:
        machine.handle(event)
    return machine


def submitted(instructions):
    return [(said.node.step, said.worker) for said in instructions if isinstance(said, Submit)]


def test_step_goes_from_key_to_cluster_to_worker_to_end():
    # a
    machine = RunMachine()
    a = node("a")
    assert machine.handle(chain("a", timeout_s=9.0)) == [DeriveKey(a)]
    assert machine.handle(KeyKnown(a, "k", found=False)) == [Changed(a, "queued"), StartCluster()]
    assert machine.handle(WorkersKnown(ONE)) == [Submit(a, 1, "w", CPU)]
    assert machine.handle(StepStarted(a, 1)) == [Changed(a, "running"), SetTimer(a, 1, 9.0)]
    assert machine.handle(StepSucceeded(a, 1)) == [Changed(a, "succeeded"), EndRun("r", "succeeded")]


def test_step_of_the_notebooks_own_process_asks_for_no_worker_and_no_failed_cluster_ends_it():
    # a, b -> c
    asks = {"a": Ask(amounts=CPU), "b": Ask(here=True), "c": Ask(("b",), amounts=CPU)}
    machine = RunMachine()
    machine.handle(AddRun("r", asks))
    b = node("b")
    assert machine.handle(KeyKnown(b, "kb", found=False)) == [Changed(b, "queued"), Submit(b, 1, "", {})]
    assert machine.handle(KeyKnown(node("a"), "ka", found=False)) == [
        Changed(node("a"), "queued"),
        StartCluster(),
    ]
    assert machine.handle(ClusterFailed("no route")) == [Changed(node("a"), "failed", "no route", "cluster")]
    assert machine.handle(StepStarted(b, 1)) == [Changed(b, "running")]
    assert machine.handle(StepSucceeded(b, 1)) == [Changed(b, "succeeded"), DeriveKey(node("c"))]


def test_wholly_reused_run_starts_no_cluster():
    # a -> b
    machine = RunMachine()
    assert machine.handle(chain("a", "b")) == [DeriveKey(node("a"))]
    assert machine.handle(KeyKnown(node("a"), "ka", found=True)) == [
        Changed(node("a"), "reused"),
        DeriveKey(node("b")),
    ]
    assert machine.handle(KeyKnown(node("b"), "kb", found=True)) == [
        Changed(node("b"), "reused"),
        EndRun("r", "succeeded"),
    ]


def test_empty_run_ends_at_once():
    assert RunMachine().handle(AddRun("r", {})) == [EndRun("r", "succeeded")]


def test_siblings_of_failed_step_go_on_and_those_below_are_skipped_with_the_cause():
    # a -> b -> c,  d
    run = AddRun("r", {"a": Ask(), "b": Ask(("a",)), "c": Ask(("b",)), "d": Ask()})
    machine = machine_with(
        ONE, run, KeyKnown(node("a"), "ka", found=False), KeyKnown(node("d"), "kd", found=False)
    )
    assert machine.handle(StepFailed(node("a"), 1, "error", "boom")) == [
        Changed(node("a"), "failed", "boom", "error"),
        Changed(node("b"), "skipped", "'a' failed"),
        Changed(node("c"), "skipped", "'a' failed"),
    ]
    assert machine.handle(StepSucceeded(node("d"), 1)) == [
        Changed(node("d"), "succeeded"),
        EndRun("r", "failed"),
    ]


def test_key_that_cannot_be_derived_fails_the_step():
    machine = machine_with(ONE, chain("a"))
    assert machine.handle(KeyFailed(node("a"), "why")) == [
        Changed(node("a"), "failed", "why", "key"),
        EndRun("r", "failed"),
    ]


def test_failures_are_retried_with_growing_pauses():
    a = node("a")
    machine = machine_with(ONE, chain("a", retries=2), KeyKnown(a, "k", found=False))
    assert machine.handle(StepFailed(a, 1, "error")) == [
        Changed(a, "queued", "retry 1 of 2 in 0.5 s"),
        SetRetryTimer(a, 0.5),
    ]
    assert machine.handle(RetryDue(a)) == [Changed(a, "queued"), Submit(a, 2, "w", CPU)]
    assert machine.handle(StepFailed(a, 2, "died")) == [
        Changed(a, "queued", "retry 2 of 2 in 1 s"),
        SetRetryTimer(a, 1.0),
    ]
    machine.handle(RetryDue(a))
    assert machine.handle(StepFailed(a, 3, "error", "boom")) == [
        Changed(a, "failed", "boom", "error"),
        EndRun("r", "failed"),
    ]


@pytest.mark.parametrize("kind", ["output", "memory"])
def test_what_another_attempt_cannot_mend_is_not_retried(kind):
    a = node("a")
    machine = machine_with(ONE, chain("a", retries=2), KeyKnown(a, "k", found=False))
    assert machine.handle(StepFailed(a, 1, kind, "no model")) == [
        Changed(a, "failed", "no model", kind),
        EndRun("r", "failed"),
    ]


@pytest.mark.parametrize("kind", ["exited", "crashed", "signal"])
def test_pauses_between_retries_do_not_grow_for_ever(kind):
    a = node("a")
    machine = machine_with(ONE, chain("a", retries=12), KeyKnown(a, "k", found=False))
    pauses = []
    for attempt in range(1, 13):
        pauses.append(machine.handle(StepFailed(a, attempt, kind))[-1].seconds)
        machine.handle(RetryDue(a))
    assert pauses[:3] == [0.5, 1.0, 2.0]
    assert pauses[-1] == pauses[-2] == MAX_BACKOFF_S


def test_time_up_kills_and_counts_as_a_timeout_whatever_the_process_says():
    a = node("a")
    machine = machine_with(ONE, chain("a", timeout_s=1.0), KeyKnown(a, "k", found=False), StepStarted(a, 1))
    assert machine.handle(TimeUp(a, 1)) == [Kill(a, 1)]
    assert machine.handle(TimeUp(a, 1)) == []
    assert machine.handle(StepFailed(a, 1, "died", "killed")) == [
        Changed(a, "failed", "killed", "timeout"),
        EndRun("r", "failed"),
    ]


def test_step_that_ends_while_its_time_is_up_has_succeeded():
    a = node("a")
    machine = machine_with(
        ONE, chain("a", timeout_s=1.0), KeyKnown(a, "k", found=False), StepStarted(a, 1), TimeUp(a, 1)
    )
    assert machine.handle(StepSucceeded(a, 1)) == [Changed(a, "succeeded"), EndRun("r", "succeeded")]


def test_lost_worker_does_not_use_up_retries_and_has_its_own_limit():
    a = node("a")
    machine = machine_with(ONE, chain("a"), KeyKnown(a, "k", found=False))
    for attempt in (1, 2, 3):
        assert machine.handle(StepLost(a, attempt)) == [Submit(a, attempt + 1, "w", CPU)]
    assert machine.handle(StepLost(a, 4)) == [
        Changed(a, "failed", "its worker was lost 4 times", "lost"),
        EndRun("r", "failed"),
    ]


def test_lost_worker_takes_no_more_steps_until_it_is_back():
    a = node("a")
    machine = machine_with(ONE, chain("a"), KeyKnown(a, "k", found=False), StepStarted(a, 1))
    assert machine.handle(WorkersKnown({})) == []
    assert machine.handle(StepLost(a, 1)) == [Changed(a, "queued")]
    assert machine.handle(WorkersKnown(ONE)) == [Submit(a, 2, "w", CPU)]


def test_cancel_kills_what_runs_and_ends_what_waits():
    # a -> b,  c
    run = AddRun("r", {"a": Ask((), CPU), "b": Ask(("a",), CPU), "c": Ask((), CPU)})
    machine = machine_with(
        ONE, run, KeyKnown(node("a"), "ka", found=False), KeyKnown(node("c"), "kc", found=False)
    )
    assert machine.handle(CancelRun("r")) == [
        Kill(node("a"), 1),
        Changed(node("b"), "cancelled"),
        Changed(node("c"), "cancelled"),
    ]
    assert machine.handle(CancelRun("r")) == []
    assert machine.handle(StepFailed(node("a"), 1, "died")) == [
        Changed(node("a"), "cancelled"),
        EndRun("r", "cancelled"),
    ]


def test_late_success_after_cancel_is_dropped():
    a = node("a")
    machine = machine_with(ONE, chain("a"), KeyKnown(a, "k", found=False), CancelRun("r"))
    assert machine.handle(StepSucceeded(a, 1)) == [Changed(a, "cancelled"), EndRun("r", "cancelled")]
    assert machine.handle(StepSucceeded(a, 1)) == []


def test_cancelled_step_gives_its_room_back():
    a, b = node("a", "r"), node("b", "s")
    machine = machine_with(
        ONE,
        chain("a", run="r"),
        chain("b", run="s"),
        KeyKnown(a, "ka", found=False),
        KeyKnown(b, "kb", found=False),
        CancelRun("r"),
    )
    assert machine.handle(StepLost(a, 1)) == [
        Changed(a, "cancelled"),
        EndRun("r", "cancelled"),
        Submit(b, 1, "w", CPU),
    ]


def test_request_that_no_worker_can_serve_fails_the_run_before_anything_starts():
    # a,  b (GPU) -> c
    run = AddRun("r", {"a": Ask((), CPU), "b": Ask((), {"GPU": 2.0}), "c": Ask(("b",), CPU)})
    machine = RunMachine()
    machine.handle(run)
    machine.handle(KeyKnown(node("a"), "ka", found=False))
    machine.handle(KeyKnown(node("b"), "kb", found=False))
    text = (
        "Step 'b' asks for GPU=2, which no worker can ever serve: v offers CPU=4, GPU=1; w offers CPU=1. "
        "Ask for less in its header, or add a worker."
    )
    assert machine.handle(WorkersKnown({"w": Offer({"CPU": 1.0}), "v": Offer({"CPU": 4.0, "GPU": 1.0})})) == [
        Changed(node("b"), "failed", text, "resource"),
        Changed(node("c"), "skipped", "'b' failed"),
        Changed(node("a"), "skipped", "no worker can serve 'b'"),
        EndRun("r", "failed"),
    ]


def test_all_steps_that_no_worker_can_serve_are_told_together():
    # a (2 GPUs),  b (pool gpus),  c (like a),  d
    asks = {
        "a": Ask((), {"GPU": 2.0}),
        "b": Ask((), CPU, pool="gpus"),
        "c": Ask((), {"GPU": 2.0}),
        "d": Ask((), CPU),
    }
    machine = machine_with(
        {
            "c-0": Offer({"CPU": 1.0}, frozenset({"cpu"})),
            "c-1": Offer({"CPU": 1.0}, frozenset({"cpu"})),
            "g-0": Offer({"GPU": 1.0}, frozenset({"gpu"})),
        },
        AddRun("r", asks),
        *(KeyKnown(node(name), f"k{name}", found=False) for name in "abd"),
    )
    there = "c-0 and c-1 (pool cpu) offer CPU=1; g-0 (pool gpu) offers GPU=1."
    advice = "Ask for less in its header, or add a worker."
    together = (
        " In all, 3 steps cannot be served: 'a' and 'c' ask for GPU=2; 'b' asks for CPU=1 in pool 'gpus'."
    )
    said = machine.handle(KeyKnown(node("c"), "kc", found=False))
    assert [(change.node.step, change.why) for change in said if isinstance(change, Changed)] == [
        ("c", ""),
        ("a", f"Step 'a' asks for GPU=2, which no worker can ever serve: {there} {advice}{together}"),
        (
            "b",
            "Step 'b' asks for pool 'gpus', and there is no such pool. Did you mean 'gpu'? "
            f"{there}{together}",
        ),
        ("c", f"Step 'c' asks for GPU=2, which no worker can ever serve: {there} {advice}{together}"),
        ("d", "no worker can serve 'a', 'b' and 'c'"),
    ]


def test_pool_where_no_worker_is_of_any_says_how_to_get_one():
    machine = machine_with(ONE, chain("a", pool="gpu"))
    said = machine.handle(KeyKnown(node("a"), "k", found=False))
    [failed] = [change for change in said if isinstance(change, Changed) and change.status == "failed"]
    assert "%pipeline cluster local --pool gpu:workers=1" in failed.why
    assert '--resources "pool.gpu=1"' in failed.why


def test_request_that_a_reused_step_makes_is_not_looked_at():
    machine = machine_with(ONE, independent(a={"GPU": 1.0}, b=CPU), KeyKnown(node("a"), "ka", found=True))
    assert machine.handle(KeyKnown(node("b"), "kb", found=False)) == [
        Changed(node("b"), "queued"),
        Submit(node("b"), 1, "w", CPU),
    ]


def test_nothing_starts_while_a_step_that_no_worker_can_serve_may_turn_out_to_be_reused():
    a, b = node("a"), node("b")
    machine = machine_with(ONE, independent(a=CPU, b={"GPU": 1.0}))
    assert machine.handle(KeyKnown(a, "ka", found=False)) == [Changed(a, "queued")]
    assert machine.handle(KeyKnown(b, "kb", found=True)) == [Changed(b, "reused"), Submit(a, 1, "w", CPU)]


def test_keys_of_longer_paths_are_derived_first():
    # a,  b -> c
    run = AddRun("r", {"a": Ask((), CPU), "b": Ask((), CPU), "c": Ask(("b",), CPU)})
    assert RunMachine().handle(run) == [DeriveKey(node("b")), DeriveKey(node("a"))]


def test_a_key_is_wanted_until_its_step_has_ended():
    a, b = node("a"), node("b")
    machine = machine_with(ONE, chain("a", "b"))
    assert [machine.wants_key(step) for step in (a, b, node("a", "another run"))] == [True, False, False]
    machine.handle(CancelRun("r"))
    assert not machine.wants_key(a)


def test_no_workers_at_the_moment_means_waiting():
    a = node("a")
    machine = machine_with({}, chain("a"))
    why = "the cluster has no worker yet that can serve it: waits for one to join"
    assert machine.handle(KeyKnown(a, "k", found=False)) == [Changed(a, "queued", why)]
    assert machine.handle(WorkersKnown(ONE)) == [Changed(a, "queued"), Submit(a, 1, "w", CPU)]


def test_request_that_no_worker_can_serve_waits_while_the_cluster_grows():
    a, b = node("a"), node("b")
    gpu = {**ONE, "v": Offer({"CPU": 1.0, "GPU": 1.0})}
    machine = RunMachine()
    machine.handle(independent(a={"GPU": 1.0}, b=CPU))
    machine.handle(KeyKnown(a, "ka", found=False))
    why = "the cluster has no worker yet that can serve it: waits for one to join"
    assert machine.handle(WorkersKnown(ONE, growing=True)) == [Changed(a, "queued", why)]
    assert machine.account().waiting[0].why == why
    # What can run runs; nothing is said twice.
    assert submitted(machine.handle(KeyKnown(b, "kb", found=False))) == [("b", "w")]
    assert machine.handle(WorkersKnown(ONE, growing=True)) == []
    assert machine.handle(WorkersKnown(gpu, growing=True)) == [
        Changed(a, "queued"),
        Submit(a, 1, "v", {"GPU": 1.0}),
    ]


def test_request_that_no_worker_can_serve_fails_once_no_more_are_expected():
    machine = RunMachine()
    machine.handle(independent(a={"GPU": 1.0}, b=CPU))
    for name in ("a", "b"):
        machine.handle(KeyKnown(node(name), f"k{name}", found=False))
    assert submitted(machine.handle(WorkersKnown(ONE, growing=True))) == [("b", "w")]
    [failed] = machine.handle(WorkersKnown(ONE))
    assert (failed.node, failed.status, failed.failure) == (node("a"), "failed", "resource")
    assert "which no worker can ever serve: w offers CPU=1" in failed.why
    assert machine.handle(StepSucceeded(node("b"), 1)) == [
        Changed(node("b"), "succeeded"),
        EndRun("r", "failed"),
    ]


def test_workers_with_the_same_gpus_are_one_account():
    # Two on one host that each see both of its GPUs.
    both = Offer({"CPU": 4.0, "GPU": 2.0}, devices=frozenset({"host/0", "host/1"}))
    machine = machine_with(
        {"v": both, "w": both}, independent(a={"GPU": 1.0}, b={"GPU": 1.0}, c={"GPU": 1.0})
    )
    started = [submitted(machine.handle(KeyKnown(node(name), name, found=False))) for name in "abc"]
    assert [len(each) for each in started] == [1, 1, 0]
    assert machine.account().waiting[0].why.startswith("waits for 1 GPU: in use by ")
    machine.handle(StepStarted(node("b"), 1))
    assert [name for name, _ in submitted(machine.handle(StepSucceeded(node("b"), 1)))] == ["c"]


def test_longest_path_goes_first():
    # a,  b -> c
    run = AddRun("r", {"a": Ask((), CPU), "b": Ask((), CPU), "c": Ask(("b",), CPU)})
    machine = RunMachine()
    for event in (run, KeyKnown(node("a"), "ka", found=False), KeyKnown(node("b"), "kb", found=False)):
        machine.handle(event)
    assert submitted(machine.handle(WorkersKnown(ONE))) == [("b", "w")]
    assert submitted(machine.handle(StepSucceeded(node("b"), 1))) == [("a", "w")]


def test_step_without_gpu_leaves_the_gpu_worker_free():
    machine = machine_with(
        {"gpu": Offer({"CPU": 4.0, "GPU": 1.0}), "plain": Offer({"CPU": 8.0})}, independent(a=CPU)
    )
    assert submitted(machine.handle(KeyKnown(node("a"), "k", found=False))) == [("a", "plain")]


def test_step_goes_to_its_pool_and_waits_there_while_others_are_free():
    two = {"a-0": Offer({"CPU": 1.0}, frozenset("a")), "b-0": Offer({"CPU": 1.0}, frozenset("ab"))}
    machine = machine_with(
        two, chain("x", run="r", pool="b"), chain("y", run="s", pool="b"), chain("z", run="t", pool="a")
    )
    assert submitted(machine.handle(KeyKnown(node("x", "r"), "kx", found=False))) == [("x", "b-0")]
    assert submitted(machine.handle(KeyKnown(node("y", "s"), "ky", found=False))) == []
    assert submitted(machine.handle(KeyKnown(node("z", "t"), "kz", found=False))) == [("z", "a-0")]
    assert submitted(machine.handle(StepSucceeded(node("x", "r"), 1))) == [("y", "b-0")]


def test_step_without_much_memory_leaves_big_memory_free():
    machine = machine_with(
        {"big": Offer({"CPU": 1.0, "MEMORY": 64e9}), "small": Offer({"CPU": 4.0, "MEMORY": 2e9})},
        independent(a=CPU, b={"CPU": 1.0, "MEMORY": 16e9}),
    )
    assert submitted(machine.handle(KeyKnown(node("a"), "ka", found=False))) == [("a", "small")]
    assert submitted(machine.handle(KeyKnown(node("b"), "kb", found=False))) == [("b", "big")]


def test_step_goes_where_its_inputs_are_where_the_choice_is_free():
    three = {name: Offer({"CPU": 1.0}) for name in "uvw"}
    machine = machine_with(three, independent(a=CPU, b=CPU))
    near = {"w": 5_000_000, "v": 2_000_000, "gone": 9_000_000}
    assert submitted(machine.handle(KeyKnown(node("a"), "ka", found=False, near=near))) == [("a", "w")]
    assert submitted(machine.handle(KeyKnown(node("b"), "kb", found=False, near=near))) == [("b", "v")]


def test_expected_seconds_weigh_more_than_the_number_of_steps():
    # a -> b -> c,  d (long),  e (nobody knows)
    asks = {
        "a": Ask((), CPU, seconds=1.0),
        "b": Ask(("a",), CPU, seconds=1.0),
        "c": Ask(("b",), CPU, seconds=1.0),
        "d": Ask((), CPU, seconds=60.0),
        "e": Ask((), CPU),
    }
    machine = RunMachine()
    machine.handle(AddRun("r", asks))
    for name in "aed":
        machine.handle(KeyKnown(node(name), f"k{name}", found=False))
    assert submitted(machine.handle(WorkersKnown(ONE))) == [("d", "w")]
    assert submitted(machine.handle(StepSucceeded(node("d"), 1))) == [("a", "w")]
    assert submitted(machine.handle(StepSucceeded(node("a"), 1))) == [("e", "w")]


def test_worker_that_joins_gets_what_waits_at_once():
    machine = machine_with(ONE, independent(a=CPU, b=CPU))
    assert submitted(machine.handle(KeyKnown(node("a"), "ka", found=False))) == [("a", "w")]
    assert submitted(machine.handle(KeyKnown(node("b"), "kb", found=False))) == []
    assert submitted(machine.handle(WorkersKnown({**ONE, "v": Offer({"CPU": 1.0})}))) == [("b", "v")]


def test_account_says_what_is_in_use_and_what_each_step_waits_for():
    gpu = Offer({"CPU": 4.0, "GPU": 1.0}, frozenset({"gpu"}))
    machine = RunMachine()
    machine.handle(independent(fit={"GPU": 1.0, "CPU": 1.0}, tune={"GPU": 1.0}, test={"GPU": 1.0}))
    for name in ("fit", "tune", "test"):
        machine.handle(KeyKnown(node(name), f"k{name}", found=False))
    assert {waiting.why for waiting in machine.account().waiting} == {
        "waits for the cluster, which is starting"
    }
    machine.handle(WorkersKnown({}))
    assert machine.account().waiting[0].why == "waits for a worker: the cluster has none yet"
    machine.handle(WorkersKnown({"gpu-0": gpu}))
    waits = "waits for 1 GPU: in use by fit on gpu-0"
    assert machine.account() == Account(
        (WorkerUse("gpu-0", gpu, {node("fit"): {"GPU": 1.0, "CPU": 1.0}}),),
        (Waiting((node("tune"), node("test")), {"GPU": 1.0}, None, waits),),
    )
    machine.handle(WorkersKnown({}))
    assert machine.account().waiting[0].why == "waits for gpu-0 to come back"


def test_account_says_that_a_worker_is_kept_free_for_another_step():
    machine = machine_with({"w": Offer({"CPU": 2.0})})
    names = [f"s{index}" for index in range(PATIENCE + 2)]
    machine.handle(independent(big={"CPU": 2.0}, **dict.fromkeys(names, CPU)))
    machine.handle(KeyKnown(node("s0"), "k0", found=False))
    machine.handle(KeyKnown(node("big"), "kb", found=False))
    for index, name in enumerate(names[1:], 1):
        machine.handle(KeyKnown(node(name), f"k{index}", found=False))
        if index <= PATIENCE:
            machine.handle(StepSucceeded(node(names[index - 1]), 1))
    assert [(each.steps[0].step, each.why) for each in machine.account().waiting] == [
        ("big", "waits for 2 CPUs: in use by s8 on w"),
        ("s9", "waits for its turn: w is kept free for a step that needs more of it"),
    ]


def test_small_steps_pass_a_large_one_but_not_for_ever():
    two = {"w": Offer({"CPU": 2.0})}
    small = {f"s{index}": CPU for index in range(PATIENCE + 4)}
    machine = machine_with(two, independent(**small), independent("big", big={"CPU": 2.0}))
    machine.handle(KeyKnown(node("s0"), "k0", found=False))
    machine.handle(KeyKnown(node("big", "big"), "kb", found=False))
    passed = []
    for index in range(1, PATIENCE + 4):
        passed += submitted(machine.handle(KeyKnown(node(f"s{index}"), f"k{index}", found=False)))
    order = []
    running = ["s0", *(name for name, _ in passed)]
    while running:
        name = running.pop(0)
        where = node(name, "big" if name == "big" else "r")
        started = [step for step, _ in submitted(machine.handle(StepSucceeded(where, 1)))]
        order += started
        running += started
    names = ["s0", *(name for name, _ in passed), *order]
    assert names.index("big") == PATIENCE + 1
    assert sorted(names) == sorted([*small, "big"])


def test_same_key_in_two_runs_is_computed_once():
    a, b = node("a", "r"), node("a", "s")
    machine = machine_with(
        {"w": Offer({"CPU": 4.0})}, chain("a", run="r"), chain("a", run="s"), KeyKnown(a, "k", found=False)
    )
    assert machine.handle(KeyKnown(b, "k", found=False)) == [
        Changed(b, "queued", "an earlier run of it is on its way")
    ]
    assert machine.handle(StepSucceeded(a, 1)) == [
        Changed(a, "succeeded"),
        DeriveKey(b),
        EndRun("r", "succeeded"),
    ]
    assert machine.handle(KeyKnown(b, "k", found=True)) == [Changed(b, "reused"), EndRun("s", "succeeded")]


@pytest.mark.parametrize("cancelled", [False, True])
def test_step_that_waited_for_a_failed_or_cancelled_one_runs_itself(cancelled):
    a, b = node("a", "r"), node("b", "s")
    machine = machine_with(
        ONE,
        chain("a", run="r"),
        chain("b", run="s"),
        KeyKnown(a, "k", found=False),
        KeyKnown(b, "k", found=False),
    )
    if cancelled:
        assert machine.handle(CancelRun("r")) == [Kill(a, 1)]
    assert DeriveKey(b) in machine.handle(StepFailed(a, 1, "died"))
    assert machine.handle(KeyKnown(b, "k", found=False)) == [Changed(b, "queued"), Submit(b, 1, "w", CPU)]


def test_forced_step_runs_beside_one_with_the_same_key_and_others_wait_for_it():
    a, b, c = node("a", "r"), node("b", "s"), node("c", "t")
    machine = machine_with(
        {"w": Offer({"CPU": 4.0})},
        chain("a", run="r", reuse=False),
        chain("b", run="s", reuse=False),
        chain("c", run="t"),
        KeyKnown(a, "k", found=False),
    )
    assert submitted(machine.handle(KeyKnown(b, "k", found=False))) == [("b", "w")]
    assert machine.handle(KeyKnown(c, "k", found=False)) == [Changed(c, "queued", "'a' does the same")]


def test_step_that_another_process_computes_waits_without_a_worker_and_looks_again():
    busy = KeyBusy(node("a"), "computed by another process (pid 7 on h)")
    machine = machine_with(ONE, chain("a", "b"))
    assert machine.handle(busy) == [Changed(node("a"), "queued", "computed by another process (pid 7 on h)")]
    assert machine.handle(KeyFree(node("a"))) == [DeriveKey(node("a"))]
    assert machine.handle(KeyFree(node("a"))) == []
    assert machine.handle(KeyKnown(node("a"), "k", found=True)) == [
        Changed(node("a"), "reused"),
        DeriveKey(node("b")),
    ]
    # Nobody has made it: the step runs.
    machine = machine_with(ONE, chain("a"), busy, KeyFree(node("a")))
    assert submitted(machine.handle(KeyKnown(node("a"), "k", found=False))) == [("a", "w")]


def test_step_that_another_process_computes_is_cancelled_at_once():
    machine = machine_with(ONE, chain("a"), KeyBusy(node("a"), "computed elsewhere"))
    assert machine.handle(CancelRun("r")) == [Changed(node("a"), "cancelled"), EndRun("r", "cancelled")]
    assert machine.handle(KeyFree(node("a"))) == []


def test_damaged_input_makes_its_producer_run_again_in_the_same_run():
    # a -> b
    a, b = node("a"), node("b")
    machine = machine_with(
        ONE,
        chain("a", "b"),
        KeyKnown(a, "ka", found=True),
        KeyKnown(b, "kb", found=False),
        StepStarted(b, 1),
    )
    assert machine.handle(InputDamaged(b, 1, ("a",))) == [
        Changed(b, "waiting"),
        Changed(a, "waiting", "what it made is damaged: 'b' could not read it"),
        DeriveKey(a),
    ]
    assert machine.handle(KeyKnown(a, "ka", found=False)) == [Changed(a, "queued"), Submit(a, 1, "w", CPU)]
    assert machine.handle(StepSucceeded(a, 1)) == [Changed(a, "succeeded"), DeriveKey(b)]
    assert submitted(machine.handle(KeyKnown(b, "kb", found=False))) == [("b", "w")]


def test_steps_that_have_not_started_wait_for_a_producer_that_runs_again():
    # a -> b,  a -> c
    run = AddRun("r", {"a": Ask((), CPU), "b": Ask(("a",), CPU), "c": Ask(("a",), CPU)})
    a, b, c = node("a"), node("b"), node("c")
    machine = machine_with(
        ONE,
        run,
        KeyKnown(a, "ka", found=True),
        KeyKnown(b, "kb", found=False),
        KeyKnown(c, "kc", found=False),
    )
    assert machine.handle(InputDamaged(b, 1, ("a",))) == [
        Changed(b, "waiting"),
        Changed(a, "waiting", "what it made is damaged: 'b' could not read it"),
        Changed(c, "waiting"),
        DeriveKey(a),
    ]
    assert machine.handle(KeyFailed(a, "why"))[-3:] == [
        Changed(b, "skipped", "'a' failed"),
        Changed(c, "skipped", "'a' failed"),
        EndRun("r", "failed"),
    ]


def test_step_that_waits_for_one_that_does_the_same_waits_for_a_producer_that_runs_again():
    # a -> b,  a -> c,  a -> d (as c)
    run = AddRun("r", {"a": Ask((), CPU), **{name: Ask(("a",), CPU) for name in "bcd"}})
    a, b, c, d = map(node, "abcd")
    machine = machine_with(
        ONE,
        run,
        KeyKnown(a, "ka", found=True),
        KeyKnown(b, "kb", found=False),
        KeyKnown(c, "kc", found=False),
        KeyKnown(d, "kc", found=False),
    )
    assert machine.handle(InputDamaged(b, 1, ("a",))) == [
        Changed(b, "waiting"),
        Changed(a, "waiting", "what it made is damaged: 'b' could not read it"),
        Changed(c, "waiting"),
        Changed(d, "waiting"),
        DeriveKey(a),
    ]


def test_damage_that_is_mended_already_makes_the_step_run_again():
    # a -> b,  a -> c
    run = AddRun("r", {"a": Ask((), CPU), "b": Ask(("a",), CPU), "c": Ask(("a",), CPU)})
    a, b, c = node("a"), node("b"), node("c")
    machine = machine_with(
        {"w": Offer({"CPU": 2.0})},
        run,
        KeyKnown(a, "ka", found=True),
        KeyKnown(b, "kb", found=False),
        KeyKnown(c, "kc", found=False),
        InputDamaged(b, 1, ("a",)),
    )
    assert machine.handle(InputDamaged(c, 1, ("a",))) == [Changed(c, "waiting")]
    machine.handle(KeyKnown(a, "ka", found=False))
    assert machine.handle(StepSucceeded(a, 1)) == [Changed(a, "succeeded"), DeriveKey(b), DeriveKey(c)]
    machine.handle(KeyKnown(b, "kb", found=False))
    assert machine.handle(InputDamaged(b, 2, ())) == [Changed(b, "waiting"), DeriveKey(b)]


def test_lost_step_waits_for_a_producer_that_runs_again_meanwhile():
    # a -> b,  a -> c
    run = AddRun("r", {"a": Ask((), CPU), "b": Ask(("a",), CPU), "c": Ask(("a",), CPU)})
    machine = machine_with(
        {"w": Offer({"CPU": 2.0})},
        run,
        KeyKnown(node("a"), "ka", found=True),
        KeyKnown(node("b"), "kb", found=False),
        KeyKnown(node("c"), "kc", found=False),
        InputDamaged(node("b"), 1, ("a",)),
    )
    assert machine.handle(StepLost(node("c"), 1)) == [Changed(node("c"), "waiting")]


def test_input_that_is_damaged_again_and_again_fails_the_step():
    # a -> b
    a, b = node("a"), node("b")
    machine = machine_with(ONE, chain("a", "b"), KeyKnown(a, "ka", found=True))
    for attempt in (1, 2):
        machine.handle(KeyKnown(b, "kb", found=False))
        machine.handle(InputDamaged(b, attempt, ("a",)))
        machine.handle(KeyKnown(a, "ka", found=True))
    machine.handle(KeyKnown(b, "kb", found=False))
    assert machine.handle(InputDamaged(b, 3, ("a",))) == [
        Changed(b, "failed", "what 'a' made was damaged 3 times", "missing"),
        EndRun("r", "failed"),
    ]


def test_cluster_that_fails_fails_what_needs_it_and_the_next_run_asks_again():
    a, b, again = node("a"), node("b", "s"), node("a", "t")
    machine = RunMachine()
    for event in (
        chain("a"),
        chain("b", run="s"),
        KeyKnown(a, "k", found=False),
        KeyKnown(b, "k", found=False),
    ):
        machine.handle(event)
    assert machine.handle(ClusterFailed("no route")) == [
        Changed(b, "failed", "no route", "cluster"),
        EndRun("s", "failed"),
        Changed(a, "failed", "no route", "cluster"),
        EndRun("r", "failed"),
    ]
    machine.handle(chain("a", run="t"))
    assert machine.handle(KeyKnown(again, "k", found=False)) == [Changed(again, "queued"), StartCluster()]


def test_long_chain_below_a_failure_is_skipped_without_recursion():
    names = [f"s{index}" for index in range(5000)]
    machine = machine_with(ONE, chain(*names))
    said = machine.handle(KeyFailed(node("s0"), "why"))
    assert said[-1] == EndRun("r", "failed")
    assert len(said) == 5001


def test_steps_keep_to_workers_with_the_packages_of_their_key():
    machine = RunMachine()
    two = {name: Offer({"CPU": 1.0}) for name in ("v", "w")}
    machine.handle(WorkersKnown(two, {"v": frozenset({"old"}), "w": frozenset({"new"})}))
    a, b = Node("r", "a"), Node("r", "b")
    machine.handle(AddRun("r", {"a": Ask(amounts=CPU), "b": Ask(amounts=CPU)}))
    assert submitted(machine.handle(KeyKnown(a, "ka", False, marks=frozenset({"new"})))) == [("a", "w")]
    # The other worker has room, and other packages.
    assert submitted(machine.handle(KeyKnown(b, "kb", False, marks=frozenset({"new"})))) == []
    assert submitted(machine.handle(StepSucceeded(a, 1))) == [("b", "w")]


def test_a_step_whose_packages_no_worker_has_gets_another_key():
    machine = RunMachine()
    machine.handle(WorkersKnown(ONE, {"w": frozenset({"old"})}))
    a = Node("r", "a")
    machine.handle(AddRun("r", {"a": Ask(amounts=CPU)}))
    machine.handle(KeyKnown(a, "ka", False, marks=frozenset({"old"})))
    # Meanwhile its packages were replaced.
    renewed = machine.handle(WorkersKnown(ONE, {"w": frozenset({"new"})}))
    assert DeriveKey(a) not in renewed
    assert DeriveKey(a) in machine.handle(StepLost(a, 1))
    assert submitted(machine.handle(KeyKnown(a, "kb", False, marks=frozenset({"new"})))) == [("a", "w")]


def test_a_step_waits_for_workers_to_know_their_packages():
    machine = RunMachine()
    a = Node("r", "a")
    machine.handle(AddRun("r", {"a": Ask(amounts=CPU)}))
    assert StartCluster() in machine.handle(KeyKnown(a, "unknown", False, marks=frozenset({""})))
    assert submitted(machine.handle(WorkersKnown({}))) == []
    assert DeriveKey(a) in machine.handle(WorkersKnown(ONE, {"w": frozenset({"new"})}))
    assert submitted(machine.handle(KeyKnown(a, "ka", False, marks=frozenset({"new"})))) == [("a", "w")]
