"""Attempts of steps: each is sent to where it runs, heard from there, and ended where that is asked.

That is a process on a worker or, with ``--here``, the main thread of this one. When and where one runs the
machine decides; here it is done, and what comes of it turned into events.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from jupyter_mlpipe.errors import MLPipeError
from jupyter_mlpipe.execution.cluster import executor as executors
from jupyter_mlpipe.execution.cluster.holders import Holders
from jupyter_mlpipe.execution.process.messages import Message
from jupyter_mlpipe.execution.process.rescued import Rescued
from jupyter_mlpipe.execution.process.spec import StepSpec
from jupyter_mlpipe.execution.runs.active import ActiveRun, Decisions
from jupyter_mlpipe.execution.runs.events import (
    CancelRun,
    Event,
    InputDamaged,
    Node,
    StepFailed,
    StepLost,
    StepStarted,
    StepSucceeded,
)
from jupyter_mlpipe.execution.runs.failures import reported_error
from jupyter_mlpipe.execution.runs.fleet import Fleet
from jupyter_mlpipe.execution.runs.local import LocalJob, Work
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.keys.environment import folders_of_user
from jupyter_mlpipe.model.metrics import numbers_from_json
from jupyter_mlpipe.store.records import Artifact, Record

_DAMAGED = frozenset({"ArtifactMissingError", "ArtifactCorruptError"})
_log = logging.getLogger(__name__)


class Attempts:
    """What runs of the steps of a runner, whose thread alone calls this.

    Parameters
    ----------
    attaches
        The workers are not of this process.
    in_process
        Runs a step with ``--here`` in this process; without it such a step gets a process of its own.
    tell
        Takes, from any thread, what an attempt in this process tells, and that its run is to be cancelled.
    """

    def __init__(
        self,
        fleet: Fleet,
        decisions: Decisions,
        *,
        attaches: bool,
        in_process: Work | None,
        tell: Callable[[executors.StepMessage | CancelRun], None],
    ) -> None:
        self._fleet = fleet
        self._decisions = decisions
        self._attaches = attaches
        self._in_process = in_process
        self._tell = tell
        self._local: dict[tuple[Node, int], LocalJob] = {}
        self._holders = Holders()

    def is_local(self, task: StepTask) -> bool:
        """Tell whether a step runs in this process."""
        return task.options.here and self._in_process is not None

    def near(self, artifacts: Iterable[Artifact]) -> dict[str, int]:
        """Return by worker how many bytes of these it has at hand."""
        return self._holders.near(artifacts)

    def submit(
        self, active: ActiveRun, node: Node, attempt: int, worker: str, amounts: Mapping[str, float]
    ) -> Event | None:
        """Send an attempt to its worker, or leave it to the main thread; return what came in the way."""
        task, decided = active.tasks[node.step], active.decided[node.step]
        step = active.state.steps[node.step]
        if self._attaches and not self.is_local(task):
            # The worker's own packages, not those that lie where the notebook has its.
            task = replace(task, sys_path=folders_of_user(task.sys_path))
        try:
            spec = self._decisions.spec(active, task)
            encoded = spec.to_bytes() if not self.is_local(task) else b""
        except Exception as error:
            if not isinstance(error, MLPipeError):
                _log.exception("What step %r is to be sent could not be made", node.step)
            why = str(error) or type(error).__name__
            step.error = MLPipeError(f"Step '{node.step}' cannot be sent to a worker: {why}")
            return StepFailed(node, attempt, "key", str(step.error))
        if self.is_local(task):
            self._hand_over(active, node, attempt, spec)
            return None
        step.worker = worker
        # It reads them before it runs its code, and verifies them then.
        self._holders.note(worker, active.inputs(task).values())
        if not self._fleet.submit(node, attempt, worker, encoded, amounts, task.preload, decided.marks):
            return StepLost(node, attempt)
        active.state.tell("sent", node.step, None)
        return None

    def _hand_over(self, active: ActiveRun, node: Node, attempt: int, spec: StepSpec) -> None:
        """Leave a step to the main thread."""
        assert self._in_process is not None
        token = self._fleet.note(node, attempt)

        def tell(message: Message) -> None:
            self._tell(executors.StepMessage(token, message))

        job = self._local[node, attempt] = LocalJob(
            node.run,
            active.tasks[node.step],
            spec,
            work=self._in_process,
            tell=tell,
            cancel=lambda: self._tell(CancelRun(node.run)),
        )
        active.state.add_job(node.step, job)

    def lost(self, token: str, why: str) -> Event | None:
        """Take note that the worker of an attempt is gone; None where the attempt has ended."""
        found = self._fleet.attempt(token)
        self._fleet.forget(token)
        if found is None:
            return None
        _log.info("Step %r lost its worker: %s", found[0].step, why)
        return StepLost(*found)

    def hear(self, token: str, message: Message, runs: Mapping[str, ActiveRun]) -> Event | None:
        """Take what an attempt tells; None where the machine has nothing to decide."""
        if (found := self._fleet.attempt(token)) is None:
            return None
        node, attempt = found
        active = runs[node.run]
        step = active.state.steps[node.step]
        if message["type"] == "started":
            return StepStarted(node, attempt)
        if message["type"] == "output":
            active.state.add_output(node.step, message["output"])
            return None
        if message["type"] == "progress":
            active.state.set_progress(node.step, message["fraction"], message["text"])
            return None
        if message["type"] == "metrics":
            step.metrics.update(numbers_from_json(message["values"]))
            return None
        self._fleet.forget(token)
        self._local.pop((node, attempt), None)
        step.seconds = message["seconds"]
        if message["status"] == "succeeded":
            step.record = Record.from_json(message["record"])
            if step.worker:
                self._holders.note(step.worker, step.record.outputs.values())
            return StepSucceeded(node, attempt)
        failure = message["error"]
        if failure["ename"] in _DAMAGED:
            producers = self._decisions.producers_of_missing(active, node.step)
            if failure["ename"] == "ArtifactCorruptError":
                active.corrupt.update(producers)
            return InputDamaged(node, attempt, producers)
        step.error = reported_error(step.task, failure)
        if "rescued" in message:
            step.rescued = Rescued.from_json(message["rescued"])
        return StepFailed(node, attempt, failure["kind"], failure["evalue"])

    def kill(self, node: Node, attempt: int) -> None:
        """Have an attempt ended; its last message still comes."""
        if (job := self._local.get((node, attempt))) is not None:
            job.kill()
        else:
            self._fleet.kill(node, attempt)

    def kill_all(self) -> None:
        """Have all attempts ended, and forget them."""
        for job in list(self._local.values()):
            job.kill()
        self._local.clear()
        self._fleet.kill_all()
