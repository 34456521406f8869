"""The run machine: events in, instructions out. No I/O, no clock, no threads.

One machine serves all runs of a notebook, so that steps of several runs share one account of the
workers, and a step that two runs want is computed once.

The phases that a step goes through are in `tracked.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Literal, assert_never

from jupyter_mlpipe.execution.runs.events import (
    AddRun,
    Amounts,
    Ask,
    CancelRun,
    Changed,
    ClusterFailed,
    DeriveKey,
    EndRun,
    Event,
    FailureKind,
    InputDamaged,
    Instruction,
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
from jupyter_mlpipe.execution.runs.offers import (
    NO_WORKER_YET,
    Account,
    describe_unserved,
    join_names,
    take_account,
)
from jupyter_mlpipe.execution.runs.placing import Placing
from jupyter_mlpipe.execution.runs.tracked import Phase, TrackedRun, TrackedStep
from jupyter_mlpipe.model.graph import longest_paths
from jupyter_mlpipe.model.resources import Offer
from jupyter_mlpipe.model.status import StepStatus

MAX_LOSSES = 3
MAX_RETURNS = 2
BACKOFF_S, MAX_BACKOFF_S = 0.5, 60.0
RETRIED: frozenset[FailureKind] = frozenset({"error", "timeout", "exited", "crashed", "signal", "died"})
"""What a further attempt may mend. Neither a declared output that is not made nor too little memory is."""


class RunMachine:
    """Turns events into instructions; see the module's docstring."""

    def __init__(self) -> None:
        self._runs: dict[str, TrackedRun] = {}
        self._n_runs = 0
        self._cluster: Literal["off", "starting", "on"] = "off"
        self._is_growing = False
        self._placing: Placing[Node] = Placing()
        self._owners: dict[str, TrackedStep] = {}
        self._held: dict[str, list[TrackedStep]] = {}
        self._unchecked: dict[str, None] = {}
        self._said: list[Instruction] = []

    @property
    def workers(self) -> Mapping[str, Offer]:
        """What each worker offers, of those that there are."""
        return self._placing.workers

    def account(self) -> Account:
        """Return what is in use on each worker, and what waits for one."""
        return take_account(self._placing, is_starting=self._cluster == "starting")

    def waiting_cpus(self) -> float:
        """Return for how many CPUs steps wait, of the first few."""
        return self._placing.waiting_cpus()

    def wants_key(self, node: Node) -> bool:
        """Tell whether a key that is to be derived is still of use."""
        return self._step(node, "deriving") is not None

    def handle(self, event: Event) -> list[Instruction]:
        """Take note of one event; return what is to be done, in order.

        Events of attempts that are over are accepted and dropped: a worker may well finish a step
        after it was cancelled.
        """
        match event:
            case AddRun():
                self._add_run(event)
            case KeyKnown():
                self._on_key(event)
            case KeyBusy():
                if (step := self._step(event.node, "deriving")) is not None:
                    step.phase = "held"
                    self._change(step, "queued", event.why)
            case KeyFree():
                if (step := self._step(event.node, "held")) is not None:
                    self._derive(step)
            case KeyFailed():
                if (step := self._step(event.node, "deriving")) is not None:
                    self._fail(step, "key", event.error)
            case WorkersKnown():
                self._cluster = "on"
                self._is_growing = event.growing
                self._placing.set_workers(event.workers, event.marks)
                self._look_at_packages()
                # Each run that has asked for a worker: what a worker offers may have changed.
                self._unchecked.update((id_, None) for id_, run in self._runs.items() if run.asked)
            case StepStarted():
                if (step := self._attempt(event.node, event.attempt)) is not None and not step.killed:
                    self._change(step, "running")
                    if step.ask.timeout_s is not None:
                        self._said.append(SetTimer(step.node, step.attempt, step.ask.timeout_s))
            case StepSucceeded():
                if (step := self._attempt(event.node, event.attempt)) is not None:
                    self._leave_worker(step)
                    self._end(step, "cancelled" if self._is_cancelled(step) else "succeeded")
            case StepFailed():
                if (step := self._attempt(event.node, event.attempt)) is not None:
                    self._leave_worker(step)
                    self._on_failure(step, "timeout" if step.timed_out else event.kind, event.error)
            case InputDamaged():
                if (step := self._attempt(event.node, event.attempt)) is not None:
                    self._leave_worker(step)
                    self._on_damage(step, event.producers)
            case StepLost():
                if (step := self._attempt(event.node, event.attempt)) is not None:
                    self._leave_worker(step)
                    self._on_loss(step)
            case TimeUp():
                step = self._attempt(event.node, event.attempt)
                if step is not None and not step.killed:
                    step.timed_out = step.killed = True
                    self._said.append(Kill(step.node, step.attempt))
            case RetryDue():
                if (step := self._step(event.node, "backoff")) is not None:
                    self._try_again(step)
            case CancelRun():
                self._cancel(event.run)
            case ClusterFailed():
                self._on_cluster_failure(event.error)
            case _:
                assert_never(event)
        self._dispatch()
        said, self._said = self._said, []
        return said

    # Runs

    def _add_run(self, event: AddRun) -> None:
        upstream = {name: ask.upstream for name, ask in event.steps.items()}
        length = longest_paths(upstream, _expected_seconds(event.steps))
        steps = {
            name: TrackedStep(
                Node(event.run, name), ask, (-event.priority, -length[name], self._n_runs, index)
            )
            for index, (name, ask) in enumerate(event.steps.items())
        }
        for name, step in steps.items():
            for above in step.ask.upstream:
                steps[above].below.append(steps[name])
        self._n_runs += 1
        self._runs[event.run] = TrackedRun(steps)
        # What goes first is known first.
        for step in sorted(steps.values(), key=lambda step: step.rank):
            self._derive_if_ready(step)
        self._end_run_if_done(event.run)

    def _cancel(self, run_id: str) -> None:
        run = self._runs.get(run_id)
        if run is None or run.cancelled:
            return
        run.cancelled = True
        for step in list(run.steps.values()):
            if step.phase == "submitted":
                if not step.killed:
                    step.killed = True
                    self._said.append(Kill(step.node, step.attempt))
            elif step.phase != "ended":
                self._end(step, "cancelled")

    def _end_run_if_done(self, run_id: str) -> None:
        run = self._runs[run_id]
        if run.open:
            return
        del self._runs[run_id]
        statuses = {step.status for step in run.steps.values()}
        if "failed" in statuses:
            self._said.append(EndRun(run_id, "failed"))
        elif "cancelled" in statuses:
            self._said.append(EndRun(run_id, "cancelled"))
        else:
            self._said.append(EndRun(run_id, "succeeded"))

    # Keys

    def _is_ready(self, step: TrackedStep) -> bool:
        steps = self._runs[step.node.run].steps
        return all(steps[above].ended_well for above in step.ask.upstream)

    def _derive_if_ready(self, step: TrackedStep) -> None:
        if step.phase == "waiting" and self._is_ready(step):
            self._derive(step)

    def _derive(self, step: TrackedStep) -> None:
        step.phase = "deriving"
        self._said.append(DeriveKey(step.node))

    def _on_key(self, event: KeyKnown) -> None:
        step = self._step(event.node, "deriving")
        if step is None:
            return
        step.key, step.marks, step.near = event.key, event.marks, event.near
        owner = self._owners.get(event.key)
        if event.found:
            self._end(step, "reused")
        elif owner is None:
            self._owners[event.key] = step
            self._enqueue(step)
        elif step.ask.reuse:
            step.phase = "held"
            self._held.setdefault(event.key, []).append(step)
            same = owner.node.step
            why = (
                "an earlier run of it is on its way" if same == step.node.step else f"'{same}' does the same"
            )
            self._change(step, "queued", why)
        else:
            self._enqueue(step)

    def _release_key(self, step: TrackedStep) -> None:
        """Let those who waited for what `step` gives look again."""
        if step.key is None or self._owners.get(step.key) is not step:
            return
        del self._owners[step.key]
        for other in self._held.pop(step.key, []):
            if other.phase == "held":
                if self._is_ready(other):
                    self._derive(other)
                else:
                    # What both read from runs again.
                    self._send_back(other)

    def _derive_again(self, step: TrackedStep) -> None:
        """Have the key of a step derived for the workers that there are: none of them has its packages."""
        self._send_back(step)
        self._skip_or_derive(step)

    def _look_at_packages(self) -> None:
        for run in list(self._runs.values()):
            for step in list(run.steps.values()):
                if step.phase == "queued" and self._placing.is_stranded(
                    step.ask.amounts, step.ask.pool, step.marks
                ):
                    self._derive_again(step)

    # The queue

    def _enqueue(self, step: TrackedStep) -> None:
        step.phase = "queued"
        self._change(step, "queued", NO_WORKER_YET if self._waits_for_growth(step) else "")
        if step.ask.here:
            self._submit(step, "", {})
            return
        self._placing.add(step.node, step.rank, step.ask.amounts, step.ask.pool, step.near, step.marks)
        run = self._runs[step.node.run]
        if not run.asked:
            run.asked = True
            self._unchecked[step.node.run] = None
        if self._cluster == "off":
            self._cluster = "starting"
            self._said.append(StartCluster())

    def _dispatch(self) -> None:
        if self._cluster == "on":
            unchecked, self._unchecked = self._unchecked, {}
            undecided = [id_ for id_ in unchecked if id_ in self._runs and not self._judge(self._runs[id_])]
            if undecided:
                # Nothing of a run starts that may yet fail for what no worker can serve.
                self._unchecked.update(dict.fromkeys(undecided))
                return
        for node, worker, amounts in self._placing.place():
            self._submit(self._runs[node.run].steps[node.step], worker, amounts)

    def _submit(self, step: TrackedStep, worker: str, amounts: Amounts) -> None:
        step.phase = "submitted"
        step.worker = worker
        step.attempt += 1
        step.timed_out = step.killed = False
        self._said.append(Submit(step.node, step.attempt, worker, amounts))

    def _judge(self, run: TrackedRun) -> bool:
        """Have steps that no worker can serve wait or fail, by whether others may come.

        False where one of them may turn out to be reused, which its key will tell.
        """
        unserved = [
            step
            for step in run.steps.values()
            if step.phase not in ("submitted", "ended")
            and not step.ask.here
            and not self._placing.can_ever_serve(step.ask.amounts, step.ask.pool)
        ]
        if unserved and self._placing.offers and not self._is_growing:
            if any(step.phase == "deriving" for step in unserved):
                return False
            self._refuse(run, unserved)
            return True
        for step in run.steps.values():
            if step.phase == "queued":
                self._change(step, "queued", NO_WORKER_YET if self._waits_for_growth(step) else "")
        return True

    def _waits_for_growth(self, step: TrackedStep) -> bool:
        may_grow = self._is_growing or not self._placing.offers
        is_up = self._cluster == "on" and not step.ask.here
        return is_up and may_grow and not self._placing.can_ever_serve(step.ask.amounts, step.ask.pool)

    def _refuse(self, run: TrackedRun, unserved: list[TrackedStep]) -> None:
        asked = [(step.node.step, step.ask.amounts, step.ask.pool) for step in unserved]
        for step, message in zip(unserved, describe_unserved(asked, self._placing.offers), strict=True):
            if step.phase != "ended":
                self._fail(step, "resource", message)
        names = join_names(f"'{step.node.step}'" for step in unserved)
        for step in list(run.steps.values()):
            if step.phase not in ("submitted", "ended"):
                self._end(step, "skipped", f"no worker can serve {names}")

    def _on_cluster_failure(self, error: str) -> None:
        self._cluster = "off"
        self._is_growing = False
        self._placing.forget_workers()
        steps = [step for run in self._runs.values() for step in run.steps.values()]
        # Those held first: what they wait for fails too, and they would ask for the cluster again.
        for phase in ("held", "queued", "backoff", "submitted"):
            for step in steps:
                if step.phase == phase and not step.ask.here:
                    if self._is_cancelled(step):
                        self._end(step, "cancelled")
                    else:
                        self._fail(step, "cluster", error)

    # How an attempt ends

    def _leave_worker(self, step: TrackedStep) -> None:
        self._placing.release(step.worker, step.node)

    def _on_failure(self, step: TrackedStep, kind: FailureKind, error: str) -> None:
        if self._is_cancelled(step):
            self._end(step, "cancelled")
        elif kind in RETRIED and step.failures < step.ask.retries:
            seconds = min(BACKOFF_S * 2**step.failures, MAX_BACKOFF_S)
            step.failures += 1
            step.phase = "backoff"
            self._change(step, "queued", f"retry {step.failures} of {step.ask.retries} in {seconds:g} s")
            self._said.append(SetRetryTimer(step.node, seconds))
        else:
            self._fail(step, kind, error)

    def _on_loss(self, step: TrackedStep) -> None:
        step.losses += 1
        if self._is_cancelled(step):
            self._end(step, "cancelled")
        elif step.timed_out:
            self._on_failure(step, "timeout", "")
        elif step.losses > MAX_LOSSES:
            self._fail(step, "lost", f"its worker was lost {step.losses} times")
        else:
            self._try_again(step)

    def _try_again(self, step: TrackedStep) -> None:
        if self._placing.is_stranded(step.ask.amounts, step.ask.pool, step.marks):
            self._derive_again(step)
        elif self._is_ready(step):
            self._enqueue(step)
        else:
            # While it ran, another step found that what it reads from is damaged.
            self._send_back(step)
            self._skip_or_derive(step)

    def _on_damage(self, step: TrackedStep, producers: Iterable[str]) -> None:
        """Have the producers look for their records again, which are gone, and so run."""
        step.returns += 1
        if self._is_cancelled(step):
            self._end(step, "cancelled")
            return
        if step.returns > MAX_RETURNS:
            names = ", ".join(f"'{name}'" for name in producers) or "a step above"
            self._fail(step, "missing", f"what {names} made was damaged {step.returns} times")
            return
        run = self._runs[step.node.run]
        self._send_back(step)
        for name in producers:
            producer = run.steps[name]
            if producer.ended_well:
                run.open += 1
                producer.phase = "waiting"
                self._change(
                    producer, "waiting", f"what it made is damaged: '{step.node.step}' could not read it"
                )
                for below in producer.below:
                    if below.phase in ("deriving", "held", "queued", "backoff"):
                        self._send_back(below)
                self._derive_if_ready(producer)
        self._skip_or_derive(step)

    def _send_back(self, step: TrackedStep) -> None:
        """Have a step wait again for what is above it."""
        self._placing.drop(step.node)
        step.phase = "waiting"
        self._change(step, "waiting")
        self._release_key(step)

    def _skip_or_derive(self, step: TrackedStep) -> None:
        steps = self._runs[step.node.run].steps
        for above in step.ask.upstream:
            if steps[above].phase == "ended" and not steps[above].ended_well:
                self._end(step, "skipped", f"'{above}' {steps[above].status}")
                return
        self._derive_if_ready(step)

    # Ends

    def _fail(self, step: TrackedStep, kind: FailureKind, error: str) -> None:
        self._end(step, "failed", error, kind)

    def _end(
        self, step: TrackedStep, status: StepStatus, why: str = "", kind: FailureKind | None = None
    ) -> None:
        run_id = step.node.run
        self._placing.drop(step.node)
        step.phase = "ended"
        self._change(step, status, why, kind)
        self._runs[run_id].open -= 1
        self._release_key(step)
        if step.ended_well:
            for below in step.below:
                self._derive_if_ready(below)
        elif status != "cancelled":
            self._skip_below(step, f"'{step.node.step}' failed" if status == "failed" else why)
        if run_id in self._runs:
            self._end_run_if_done(run_id)

    def _skip_below(self, step: TrackedStep, cause: str) -> None:
        # A list, not recursion: chains may be longer than the stack is deep.
        pending = list(step.below)
        while pending:
            below = pending.pop(0)
            if below.phase == "waiting":
                below.phase = "ended"
                self._change(below, "skipped", cause)
                self._runs[below.node.run].open -= 1
                pending.extend(below.below)

    def _change(
        self, step: TrackedStep, status: StepStatus, why: str = "", kind: FailureKind | None = None
    ) -> None:
        if (status, why) != (step.status, step.why):
            self._said.append(Changed(step.node, status, why, kind))
        step.status, step.why = status, why

    # Look-ups

    def _step(self, node: Node, phase: Phase) -> TrackedStep | None:
        run = self._runs.get(node.run)
        step = run.steps.get(node.step) if run is not None else None
        return step if step is not None and step.phase == phase else None

    def _attempt(self, node: Node, attempt: int) -> TrackedStep | None:
        step = self._step(node, "submitted")
        return step if step is not None and step.attempt == attempt else None

    def _is_cancelled(self, step: TrackedStep) -> bool:
        return self._runs[step.node.run].cancelled


def _expected_seconds(asks: Mapping[str, Ask]) -> dict[str, float]:
    """Return what each step is expected to take: where nobody knows, what the others take, or one."""
    known = [ask.seconds for ask in asks.values() if ask.seconds is not None]
    middle = median(known) if known else 1.0
    return {name: middle if ask.seconds is None else ask.seconds for name, ask in asks.items()}
