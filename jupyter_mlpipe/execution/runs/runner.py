"""The runner: performs what the run machine says, in a thread of its own."""

from __future__ import annotations

import contextlib
import functools
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from jupyter_mlpipe.errors import (
    ArtifactCorruptError,
    ArtifactMissingError,
    MLPipeError,
    RestoreError,
    StepError,
    StoreError,
)
from jupyter_mlpipe.execution.cluster import executor as executors
from jupyter_mlpipe.execution.cluster.environments import Environments
from jupyter_mlpipe.execution.runs.active import ActiveRun, Decisions, note_decided
from jupyter_mlpipe.execution.runs.ahead import modules_ahead
from jupyter_mlpipe.execution.runs.attempts import Attempts
from jupyter_mlpipe.execution.runs.chronicle import Chronicle
from jupyter_mlpipe.execution.runs.claiming import ClaimedKeys
from jupyter_mlpipe.execution.runs.decide import Decided, must_run
from jupyter_mlpipe.execution.runs.events import (
    AddRun,
    Ask,
    CancelRun,
    Changed,
    DeriveKey,
    EndRun,
    Event,
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
    Submit,
    TimeUp,
    WorkersKnown,
)
from jupyter_mlpipe.execution.runs.failures import decided_error, unshippable_error
from jupyter_mlpipe.execution.runs.fleet import Fleet, MakeExecutor
from jupyter_mlpipe.execution.runs.inbox import Inbox
from jupyter_mlpipe.execution.runs.local import Work
from jupyter_mlpipe.execution.runs.machine import RunMachine
from jupyter_mlpipe.execution.runs.offers import Account, WorkerUse
from jupyter_mlpipe.execution.runs.plan import Plan, check_steps, last_record, plan_steps
from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.execution.runs.state import Listener, RunState
from jupyter_mlpipe.execution.runs.task import StepTask, check_places
from jupyter_mlpipe.execution.runs.written import file_order
from jupyter_mlpipe.execution.runs.written import restore as restore_files
from jupyter_mlpipe.keys.collector import paused_collector
from jupyter_mlpipe.model.graph import ancestors
from jupyter_mlpipe.model.status import ENDED, Reason, RunStatus
from jupyter_mlpipe.store.accepted import remove_accepted
from jupyter_mlpipe.store.history import History
from jupyter_mlpipe.store.store import Store

_CLOSE_S = 10.0
_LOOK_FIRST_S, _LOOK_LAST_S = 0.02, 0.25
_log = logging.getLogger(__name__)


class _Close:
    """The last thing to come."""


@dataclass(frozen=True, slots=True)
class _LookAgain:
    """Time to see whether another process still computes a key; `claimant` did the last time."""

    node: Node
    key: str
    claimant: str
    seconds: float


class Runner:
    """Runs pipelines; one for a notebook or a command.

    Its thread starts with the first run that it is needed for, and the executor with the first step
    that has to run.

    Parameters
    ----------
    make_executor
        Called when the first step has to run, never before, with modules worth importing ahead of it.
    in_process
        Runs a step with ``--here`` in this process, on the main thread. Without it such a step gets a
        process of its own, as any other.
    attaches
        The executor's workers are not of this process: what they have of packages counts.
    """

    def __init__(
        self,
        store: Store,
        make_executor: MakeExecutor,
        history: History | None = None,
        in_process: Work | None = None,
        *,
        attaches: bool = False,
    ) -> None:
        self.store = store
        self.make_executor = make_executor
        self.history = history
        self._machine = RunMachine()
        # The machine is the runner's thread's; others look at it between two events.
        self._looking = threading.Lock()
        self._inbox: Inbox[Event | executors.Told | _LookAgain | _Close] = Inbox()
        self._to_derive: deque[Node] = deque()
        self._runs: dict[str, ActiveRun] = {}
        self._fleet = Fleet(make_executor, self._inbox.put)
        self.environments = Environments(self._fleet.ask) if attaches else None
        self._decisions = Decisions(store, history, self.environments)
        self._attempts = Attempts(
            self._fleet, self._decisions, attaches=attaches, in_process=in_process, tell=self._inbox.put
        )
        self._claimed = ClaimedKeys(store.claims)
        self._chronicle = Chronicle(history)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    @paused_collector()
    def start(
        self,
        tasks: Mapping[str, StepTask],
        *,
        targets: Iterable[str] | None = None,
        force: Collection[str] = frozenset(),
        pipeline: str,
        listener: Listener | None = None,
        restore: bool = True,
        run_id: str = "",
        by_itself: bool = False,
    ) -> Run:
        """Start a run of `targets` (all by default) and of what is stale above them; returns at once.

        Where every step can be reused, the run has ended when this returns: no thread, no cluster.

        Parameters
        ----------
        tasks
            With all that is above each of them, in any order.
        force
            Steps that run whatever records there are.
        listener
            Told of each change, in the runner's thread or, for what is reused at once, in this one.
        restore
            Whether the files that reused steps wrote are made again; values alone need none. Those of steps
            whose cells were run before are as the notebook has them.
        run_id
            What the run is called; chosen at random by default.
        by_itself
            Whether nobody asked for it: what other runs want goes first.

        Raises
        ------
        UnknownStepError
            A name in `targets` or `force` is not a step.
        PlaceError
            A declared file is not there, or cannot be read.
        """
        wanted = tuple(targets) if targets is not None else tuple(tasks)
        check_steps(wanted, tasks)
        check_steps(force, tasks)
        order = ancestors({name: task.step.upstream for name, task in tasks.items()}, wanted)
        chosen = {name: tasks[name] for name in order}
        forced = frozenset(force) & chosen.keys()
        with contextlib.ExitStack() as lease:
            # Nothing that the run finds in the store is pruned until it has ended.
            lease.enter_context(self.store.in_use())
            plan = plan_steps(
                chosen,
                self.store,
                self.history,
                pipeline=pipeline,
                force=forced,
                stop_at_first_run=True,
                environments=self.environments,
            )
            is_done = plan.wholly_reused and self._restore_all(plan, restore=restore)
            ordered = dict(plan.tasks)
            if not is_done:
                check_places(*ordered.values())
                last = functools.partial(last_record, self.store, self.history, pipeline)
                behind = file_order(ordered, last)
                ordered |= {
                    n: replace(ordered[n], behind=tuple(above)) for n, above in behind.items() if above
                }
            state = RunState(
                run_id or secrets.token_hex(8), pipeline, ordered, wanted, listener, by_itself=by_itself
            )
            if is_done:
                for name, decided in plan.decided.items():
                    note_decided(state, name, decided)
                    state.set_status(name, "reused")
                self._chronicle.note_steps(state, state.steps)
                self._end(state, "succeeded")
            else:
                reused = {name: step for name, step in plan.decided.items() if step.plan.decision == "reuse"}
                self._start_in_thread(ActiveRun(state, forced, reused, restores=restore), lease)

        def redo(step: str) -> Run:
            return self.start(tasks, targets=[step], pipeline=pipeline, restore=False)

        return Run(state, self.store, cancel=lambda: self._inbox.put(CancelRun(state.id)), redo=redo)

    def close(self) -> None:
        """Cancel what runs, wait until it is gone, close the executor. May be called twice."""
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is None:
            return
        for run_id in list(self._runs):
            self._inbox.put(CancelRun(run_id))
        deadline = time.monotonic() + _CLOSE_S
        for active in list(self._runs.values()):
            active.state.wait_until_ended(deadline)
        self._inbox.put(_Close())
        thread.join(_CLOSE_S)
        self._claimed.release_all()
        self._fleet.close()

    def account(self) -> Account:
        """What each worker offers, what is in use and what waits; nothing before a step has had to run."""
        with self._looking:
            account = self._machine.account()
        # A cluster that was there is known before a step has to run.
        attached = tuple(WorkerUse(name, offer, {}) for name, offer in self._fleet.workers.items())
        return replace(account, workers=account.workers or attached, left_out=self._fleet.left_out)

    def attach(self) -> None:
        """Connect to a cluster that was there; raises ClusterError where that cannot be."""
        self._fleet.ask(frozenset())

    def _restore_all(self, plan: Plan, *, restore: bool) -> bool:
        """Make the files of a wholly reused run; False where one of its steps has to say why that fails."""
        if restore:
            found = ((plan.tasks[name], decided) for name, decided in plan.decided.items())
            steps = [(d.record, d.folder) for task, d in found if d.record is not None and task.made is None]
            try:
                restore_files(steps, self.store)
            except (RestoreError, ArtifactMissingError, ArtifactCorruptError):
                return False
        return True

    # The thread

    def _start_in_thread(self, active: ActiveRun, lease: contextlib.ExitStack) -> None:
        with self._lock:
            if self._closed:
                raise MLPipeError("This runner is closed. Load the extension again to get another one.")
            active.lease = lease.pop_all()
            self._runs[active.state.id] = active
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="mlpipe-runner", daemon=True)
                self._thread.start()
            # Within the lock: whoever closes the runner cancels what has come by then.
            priority = -1 if active.state.by_itself else 0
            self._inbox.put(AddRun(active.state.id, self._asks(active, active.tasks), priority))

    def _asks(self, active: ActiveRun, names: Iterable[str]) -> dict[str, Ask]:
        names = tuple(names)
        # What is above a cell that is run mostly has been found: nobody asks how long that took.
        open_ = [name for name in names if name not in active.found]
        expected = self.history.expected_seconds(active.state.pipeline, open_) if self.history else {}
        return {name: self._ask(active, name, expected.get(name)) for name in names}

    def _ask(self, active: ActiveRun, name: str, seconds: float | None) -> Ask:
        task = active.tasks[name]
        here = self._attempts.is_local(task)
        return Ask(
            upstream=task.above,
            amounts={} if here else task.options.resources.amounts(),
            pool=task.options.pool,
            seconds=seconds,
            retries=task.options.retries,
            timeout_s=task.options.timeout_s,
            reuse=not must_run(task, forced=name in active.force),
            here=here,
        )

    def _loop(self) -> None:
        while True:
            # Keys when there is nothing else to do: of a thousand steps the first ones run meanwhile.
            item = self._inbox.take() if not (self._to_derive and self._inbox.is_empty()) else None
            if isinstance(item, _Close):
                return
            try:
                event = self._translate(item) if item is not None else self._derive_next()
                if event is not None:
                    self._handle(event)
            except Exception as error:
                # Whoever waits for a run must not wait for ever because of a fault of ours.
                _log.exception("The runner failed on %r", item)
                self._give_up(error)

    def _handle(self, event: Event) -> None:
        pending: list[Event] = [event]
        while pending:
            with self._looking:
                instructions = self._machine.handle(pending.pop(0))
            for instruction in instructions:
                answer = self._perform(instruction)
                if answer is not None:
                    pending.append(answer)
        if self.environments is not None:
            self._fleet.want(self._machine.waiting_cpus())

    def _perform(self, instruction: Instruction) -> Event | None:
        match instruction:
            case DeriveKey(node):
                self._to_derive.append(node)
            case StartCluster():
                runs = list(self._runs.values())
                modules = (m for run in runs for task in run.tasks.values() for m in task.preload)
                self._fleet.start(modules, modules_ahead(task for run in runs for task in run.first()))
            case Submit(node, attempt, worker, amounts):
                return self._attempts.submit(self._runs[node.run], node, attempt, worker, amounts)
            case Kill(node, attempt):
                self._attempts.kill(node, attempt)
            case SetTimer(node, attempt, seconds):
                self._inbox.put_after(seconds, TimeUp(node, attempt))
            case SetRetryTimer(node, seconds):
                self._inbox.put_after(seconds, RetryDue(node))
            case Changed():
                self._change(instruction)
            case EndRun(run_id, status):
                active = self._runs.pop(run_id)
                if status == "succeeded" and (again := self._in_order(active)):
                    self._runs[run_id] = active
                    return AddRun(run_id, again)
                self._fleet.forget_run(run_id)
                active.lease.close()
                self._end(active.state, status)
            case _:
                assert_never(instruction)
        return None

    def _in_order(self, active: ActiveRun) -> dict[str, Ask]:
        """Have the steps that came too early wait once more; return what the machine is told of them."""
        again = self._decisions.out_of_order(active)
        for name in again:
            active.state.set_status(name, "waiting")
        return {
            name: replace(ask, upstream=tuple(above for above in ask.upstream if above in again))
            for name, ask in self._asks(active, again).items()
        }

    def _end(self, state: RunState, status: RunStatus) -> None:
        self._chronicle.note_end(state, status)
        state.end(status)

    def _give_up(self, error: Exception) -> None:
        reason = MLPipeError(f"The runner failed: {type(error).__name__}: {error}. Please report this.")
        for active in list(self._runs.values()):
            for name, step in active.state.steps.items():
                if step.status not in ENDED:
                    step.error = reason
                    active.state.set_status(name, "failed", str(reason))
            active.lease.close()
            active.state.end("failed")
        self._claimed.release_all()
        self._attempts.kill_all()
        self._runs.clear()
        self._to_derive.clear()
        # The next run starts from nothing but what workers there are.
        workers = self._machine.workers
        self._machine = RunMachine()
        if workers:
            self._machine.handle(WorkersKnown(workers, self._fleet.marks, self._fleet.growing))

    # Instructions

    def _derive_next(self) -> Event | None:
        """Derive the next key; None where nobody wants it any more."""
        node = self._to_derive.popleft()
        return self._derive(node) if self._machine.wants_key(node) else None

    def _derive(self, node: Node) -> Event:
        active = self._runs[node.run]
        state, task = active.state, active.tasks[node.step]
        try:
            decided = self._decisions.first(active, task)
            key = ""
            while decided.record is None and self._may_wait(active, task) and key != decided.plan.key:
                # Who waits for one key holds no other: two that do would wait for each other.
                self._claimed.release(node)
                key = decided.plan.key or ""
                if not self._claimed.take(node, key):
                    return self._wait_for_another(active, node, key, decided)
                if self.store.get_record(key) is not None:
                    # Whoever had claimed it may have come to the end just before.
                    decided = self._decisions.with_files(active, task, self._decisions.anew(active, task))
            if decided.plan.decision == "run" and task.unshippable and not self._attempts.is_local(task):
                raise unshippable_error(task)
            near = {} if decided.record else self._attempts.near(active.inputs(task).values())
        except Exception as error:
            if not isinstance(error, MLPipeError):
                _log.exception("The key of step %r could not be derived", node.step)
            wrapped = error if isinstance(error, MLPipeError) else StepError(str(error), step=node.step)
            state.steps[node.step].error = wrapped
            return KeyFailed(node, str(wrapped))
        active.decided[node.step] = decided
        note_decided(state, node.step, decided)
        return KeyKnown(node, decided.plan.key or "", decided.record is not None, near, decided.marks)

    def _may_wait(self, active: ActiveRun, task: StepTask) -> bool:
        """Tell whether the record that another process makes will do. The main thread waits for nobody."""
        return not self._attempts.is_local(task) and not must_run(task, forced=task.name in active.force)

    def _wait_for_another(self, active: ActiveRun, node: Node, key: str, decided: Decided) -> KeyBusy:
        claimant = self._claimed.claimant(key) or ""
        why = f"computed by another process ({claimant or 'which has just ended'})"
        waiting = replace(decided.plan, reasons=(Reason("reuse", "", why),))
        note_decided(active.state, node.step, replace(decided, plan=waiting))
        self._inbox.put_after(_LOOK_FIRST_S, _LookAgain(node, key, claimant, _LOOK_FIRST_S))
        return KeyBusy(node, why)

    def _change(self, changed: Changed) -> None:
        active = self._runs[changed.node.run]
        step = active.state.steps[changed.node.step]
        if changed.status == "failed" and changed.failure is not None:
            step.task = active.tasks[step.task.name]  # with what it was given, to be debugged
            step.error = decided_error(step.task, changed.failure, changed.why, step.error)
        elif changed.status in ("succeeded", "reused"):
            step.error = None
            if changed.status == "succeeded" and step.record is not None:
                # What it gave stands in place of what somebody accepted for it.
                with contextlib.suppress(StoreError):
                    remove_accepted(self.store, step.record.key)
            self._chronicle.note_steps(active.state, [changed.node.step])
        else:
            # Also of a step that succeeded too late, after the run was cancelled.
            step.record = None
        if changed.status in ENDED or changed.status == "waiting":
            self._claimed.release(changed.node)
        active.state.set_status(changed.node.step, changed.status, changed.why)

    # What the executor tells

    def _translate(self, item: Event | executors.Told | _LookAgain) -> Event | None:
        """Turn what an executor tells into an event of the machine; None where there is nothing to decide."""
        match item:
            case _LookAgain(node, key, claimant, seconds):
                if node.run not in self._runs:
                    return None
                if self._claimed.claimant(key) != claimant:
                    return KeyFree(node)
                longer = min(2 * seconds, _LOOK_LAST_S)
                self._inbox.put_after(longer, replace(item, seconds=longer))
                return None
            case executors.WorkersChanged(workers, marks):
                return WorkersKnown(workers, marks, self._fleet.growing)
            case WorkersKnown():
                return replace(item, growing=self._fleet.growing)
            case executors.StepLost(token, why):
                return self._attempts.lost(token, why)
            case executors.StepMessage(token, message):
                return self._attempts.hear(token, message, self._runs)
        return item
