"""Whatever the graphs, workers and the order of events: no worker is overloaded, and every run ends.

Workers join and leave, steps fail, are lost and are cancelled, and what they made is damaged.
"""

import itertools
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_mlpipe.execution.runs.events import (
    AddRun,
    Ask,
    CancelRun,
    Changed,
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
from jupyter_mlpipe.execution.runs.machine import RunMachine
from jupyter_mlpipe.execution.runs.placing import PATIENCE, Placing
from jupyter_mlpipe.model.resources import Offer, fits
from jupyter_mlpipe.model.status import ENDED

AMOUNTS = st.fixed_dictionaries(
    {"CPU": st.sampled_from([0.1, 0.5, 1.0, 2.0, 4.0])}, optional={"GPU": st.sampled_from([1.0, 2.0])}
)
POOLS = "pq"
DEVICES = ["d0", "d1", "d2"]


@st.composite
def offers(draw):
    """With GPUs that other workers may have too, or that nobody names."""
    amounts = draw(AMOUNTS)
    n_gpus = int(amounts.get("GPU", 0))
    devices = draw(st.just(()) | st.sets(st.sampled_from(DEVICES), min_size=n_gpus)) if n_gpus else ()
    return Offer(amounts, draw(st.frozensets(st.sampled_from(POOLS))), frozenset(devices))


OFFERS = offers()
WORKERS = st.dictionaries(st.sampled_from("uvwx"), OFFERS, min_size=1)


@st.composite
def runs(draw):
    found = []
    for index in range(draw(st.integers(1, 3))):
        steps = {}
        for number in range(draw(st.integers(1, 6))):
            above = draw(st.lists(st.sampled_from(sorted(steps)), unique=True)) if steps else []
            steps[f"s{number}"] = Ask(
                upstream=tuple(above),
                amounts=draw(AMOUNTS),
                pool=draw(st.sampled_from([None, None, *POOLS])),
                seconds=draw(st.sampled_from([None, 0.5, 90.0])),
                retries=draw(st.integers(0, 2)),
                timeout_s=draw(st.sampled_from([None, 1.0])),
                reuse=draw(st.booleans()),
            )
        found.append(AddRun(f"r{index}", steps))
    return found


class World:
    """Answers a machine as an executor and a store would, in an order that is drawn."""

    def __init__(self, draw, workers):
        self.draw = draw
        self.offers = workers
        # Those that are there; those of which the machine has last been told, and has ever been.
        self.workers = set(draw(st.sets(st.sampled_from(sorted(workers)))))
        self.told, self.seen = set(), set()
        self.machine = RunMachine()
        self.asks = {}
        self.status = {}
        self.ended = {}
        self.records = set()
        self.pending = []
        self.running = {}
        self.keys = {}
        self.is_up = self.is_growing = False

    def tell(self, event):
        if isinstance(event, AddRun):
            for name, ask in event.steps.items():
                self.asks[Node(event.run, name)] = ask
                self.status[Node(event.run, name)] = "waiting"
        for said in self.machine.handle(event):
            self.perform(said)

    def perform(self, said):
        match said:
            case DeriveKey(node):
                assert self.above_ended_well(node)
                self.pending.append(("key", node))
            case StartCluster():
                self.pending.append(("cluster", None))
            case Submit(node, attempt, worker, amounts):
                assert self.above_ended_well(node)
                assert node not in self.running
                assert worker in self.told
                assert self.offers[worker].serves(self.asks[node].amounts, self.asks[node].pool)
                assert amounts == self.asks[node].amounts
                self.running[node] = (attempt, worker, amounts)
                self.check_accounts()
                self.pending.append(("step", node))
            case Kill(node, attempt):
                assert self.running[node][0] == attempt
            case SetTimer(node, attempt, _):
                self.pending.append(("timer", (node, attempt)))
            case SetRetryTimer(node, _):
                self.pending.append(("retry", node))
            case Changed(node, status, _, failure):
                assert self.status[node] not in ENDED or status == "waiting"
                if failure == "resource":
                    assert not self.is_growing
                    assert not self.was_satisfiable(node)
                self.status[node] = status
            case EndRun(run, status):
                assert run not in self.ended
                assert not any(node.run == run for node in self.running)
                self.ended[run] = status

    def above_ended_well(self, node):
        above = (self.status[Node(node.run, name)] for name in self.asks[node].upstream)
        return all(status in ("succeeded", "reused") for status in above)

    def was_satisfiable(self, node):
        ask = self.asks[node]
        return any(self.offers[worker].serves(ask.amounts, ask.pool) for worker in self.seen)

    def check_accounts(self):
        used = defaultdict(lambda: defaultdict(float))
        for _, worker, amounts in self.running.values():
            for name, amount in amounts.items():
                used[worker][name] += amount
        for worker, amounts in used.items():
            assert fits(amounts, self.offers[worker].amounts)
        # Hall's condition: each can be given devices that nobody else has.
        having = [worker for worker in used if self.offers[worker].devices]
        for size in range(1, len(having) + 1):
            for some in itertools.combinations(having, size):
                there = frozenset().union(*(self.offers[worker].devices for worker in some))
                assert sum(used[worker]["GPU"] for worker in some) <= len(there)

    def check_what_is_shown(self):
        account = self.machine.account()
        shown = {(node, use.name) for use in account.workers for node in use.in_use}
        running = {(node, worker) for node, (_, worker, _) in self.running.items() if worker in self.told}
        assert shown == running
        for waiting in account.waiting:
            assert waiting.why
            assert all(self.status[node] == "queued" for node in waiting.steps)

    def advance(self):
        what, subject = self.pending.pop(self.draw(st.integers(0, len(self.pending) - 1)))
        if what == "key":
            key = self.keys.setdefault(subject, self.draw(st.sampled_from("abcdefgh")))
            what_happens = self.draw(st.integers(0, 19))
            if what_happens == 0:
                self.tell(KeyFailed(subject, "no key"))
            elif what_happens == 1:
                self.pending.append(("free", subject))
                self.tell(KeyBusy(subject, "computed elsewhere"))
            else:
                self.tell(KeyKnown(subject, key, self.asks[subject].reuse and key in self.records))
        elif what == "free":
            self.tell(KeyFree(subject))
        elif what == "cluster":
            self.is_up = True
            self.tell_workers()
        elif what == "timer":
            self.tell(TimeUp(*subject))
        elif what == "retry":
            self.tell(RetryDue(subject))
        else:
            self.advance_step(subject)

    def tell_workers(self, *, may_grow=True):
        if self.is_up:
            self.is_growing = may_grow and self.draw(st.booleans())
            self.told = set(self.workers)
            self.seen |= self.told
            offers = {name: self.offers[name] for name in self.workers}
            self.tell(WorkersKnown(offers, growing=self.is_growing))

    def join_or_leave(self):
        """A worker comes, or goes with what runs there; the machine hears of both in either order."""
        worker = self.draw(st.sampled_from(sorted(self.offers)))
        if worker not in self.workers:
            self.workers.add(worker)
            self.tell_workers()
            return
        self.workers.remove(worker)
        lost = [(node, run[0]) for node, run in self.running.items() if run[1] == worker]
        is_told_first = self.draw(st.booleans())
        if is_told_first:
            self.tell_workers()
        for node, attempt in lost:
            self.pending.remove(("step", node))
            del self.running[node]
            self.tell(StepLost(node, attempt))
        if not is_told_first:
            self.tell_workers()

    def advance_step(self, node):
        attempt = self.running[node][0]
        if self.running[node][1] not in self.workers:
            del self.running[node]
            self.tell(StepLost(node, attempt))
            return
        happens = self.draw(st.sampled_from(["start", "succeed", "succeed", "fail", "lose", "damage"]))
        if happens == "start":
            self.pending.append(("step", node))
            self.tell(StepStarted(node, attempt))
            return
        del self.running[node]
        if happens == "succeed":
            self.records.add(self.keys[node])
            self.tell(StepSucceeded(node, attempt))
        elif happens == "fail":
            self.tell(StepFailed(node, attempt, self.draw(st.sampled_from(["error", "died", "output"]))))
        elif happens == "damage" and self.asks[node].upstream:
            producer = self.draw(st.sampled_from(self.asks[node].upstream))
            self.records.discard(self.keys.get(Node(node.run, producer)))
            self.tell(InputDamaged(node, attempt, (producer,)))
        else:
            self.tell(StepLost(node, attempt))


@settings(max_examples=300)
@given(data=st.data(), runs=runs(), workers=WORKERS)
def test_no_worker_is_overloaded_and_every_run_ends(data, runs, workers):
    world = World(data.draw, workers)
    for run in runs:
        world.tell(run)
    cancelled, n_changes = False, 0
    while world.pending or world.workers != set(workers) or world.is_growing:
        happens = data.draw(st.integers(0, 30))
        if happens == 0 and not cancelled:
            cancelled = True
            world.tell(CancelRun("r0"))
        elif happens in (1, 2) and n_changes < 8:
            n_changes += 1
            world.join_or_leave()
        elif world.pending:
            world.advance()
        else:
            # Whoever waits for a worker that is away waits no longer than that.
            world.workers = set(workers)
            world.tell_workers(may_grow=False)
        world.check_what_is_shown()
    assert set(world.ended) == {run.run for run in runs}
    assert set(world.status.values()) <= ENDED
    for run, status in world.ended.items():
        found = {state for node, state in world.status.items() if node.run == run}
        expected = "failed" if "failed" in found else "cancelled" if "cancelled" in found else "succeeded"
        assert status == expected


@settings(max_examples=200)
@given(
    workers=WORKERS,
    large=AMOUNTS,
    pool=st.sampled_from([None, *POOLS]),
    small=st.lists(AMOUNTS, min_size=1, max_size=5),
    ranks=st.lists(st.integers(0, 1), min_size=1, max_size=5),
)
def test_small_steps_that_keep_coming_do_not_starve_a_large_one(workers, large, pool, small, ranks):
    placing = Placing()
    placing.set_workers(workers)
    is_satisfiable = placing.can_ever_serve(large, pool)
    running, started = [], set()

    def place():
        for item, worker, _ in placing.place():
            running.append((worker, item))
            started.add(item)

    def add(number):
        placing.add(number, (ranks[number % len(ranks)],), small[number % len(small)])

    for number in range(20):
        add(number)
    place()
    placing.add("large", (0,), large, pool)
    for number in range(20, 20 + 20 * PATIENCE):
        add(number)
        place()
        # The oldest ends: each step takes as long as the others.
        if running:
            placing.release(*running.pop(0))
    assert ("large" in started) == is_satisfiable
