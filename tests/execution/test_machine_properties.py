"""Whatever the graphs, workers and the order of events: no worker is overloaded, and every run ends."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_mlpipe.execution.events import (
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
from jupyter_mlpipe.execution.machine import RunMachine
from jupyter_mlpipe.model.resources import fits
from jupyter_mlpipe.model.status import ENDED

AMOUNTS = st.fixed_dictionaries(
    {"CPU": st.sampled_from([0.1, 0.5, 1.0, 2.0, 4.0])}, optional={"GPU": st.sampled_from([1.0, 2.0])}
)
WORKERS = st.dictionaries(st.sampled_from("uvw"), AMOUNTS, min_size=1)


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
        self.workers = workers
        self.machine = RunMachine()
        self.asks = {}
        self.status = {}
        self.ended = {}
        self.records = set()
        self.pending = []
        self.running = {}
        self.keys = {}

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
                    assert any(
                        not any(fits(ask.amounts, offer) for offer in self.workers.values())
                        for other, ask in self.asks.items()
                        if other.run == node.run
                    )
                self.status[node] = status
            case EndRun(run, status):
                assert run not in self.ended
                assert not any(node.run == run for node in self.running)
                self.ended[run] = status

    def above_ended_well(self, node):
        above = (self.status[Node(node.run, name)] for name in self.asks[node].upstream)
        return all(status in ("succeeded", "reused") for status in above)

    def check_accounts(self):
        used = defaultdict(lambda: defaultdict(float))
        for _, worker, amounts in self.running.values():
            for name, amount in amounts.items():
                used[worker][name] += amount
        for worker, amounts in used.items():
            assert fits(amounts, self.workers[worker])

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
            self.tell(WorkersKnown(self.workers))
        elif what == "timer":
            self.tell(TimeUp(*subject))
        elif what == "retry":
            self.tell(RetryDue(subject))
        else:
            self.advance_step(subject)

    def advance_step(self, node):
        attempt = self.running[node][0]
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


@settings(max_examples=300, deadline=None)
@given(data=st.data(), runs=runs(), workers=WORKERS)
def test_no_worker_is_overloaded_and_every_run_ends(data, runs, workers):
    world = World(data.draw, workers)
    for run in runs:
        world.tell(run)
    cancelled = False
    while world.pending:
        if not cancelled and data.draw(st.integers(0, 30)) == 0:
            cancelled = True
            world.tell(CancelRun("r0"))
        else:
            world.advance()
    assert set(world.ended) == {run.run for run in runs}
    assert set(world.status.values()) <= ENDED
    for run, status in world.ended.items():
        found = {state for node, state in world.status.items() if node.run == run}
        expected = "failed" if "failed" in found else "cancelled" if "cancelled" in found else "succeeded"
        assert status == expected
