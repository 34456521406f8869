"""`Run`: what a user holds of a run, from its start on and after its end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from jupyter_mlpipe.errors import (
    ArtifactCorruptError,
    ArtifactMissingError,
    MLPipeError,
    UnknownNameError,
    close_matches,
    describe_error,
)
from jupyter_mlpipe.execution.process.rescued import raised_again
from jupyter_mlpipe.execution.runs.logs import save, with_heads
from jupyter_mlpipe.execution.runs.runstep import RunStep, RunSteps
from jupyter_mlpipe.execution.runs.state import Listener, RunState
from jupyter_mlpipe.model.metrics import describe_progress
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.model.status import ENDED, Reason, RunSnapshot, RunStatus
from jupyter_mlpipe.store.records import Artifact
from jupyter_mlpipe.store.store import Store

_Read = TypeVar("_Read")
_SLICE_S = 0.2
_CANCEL_S = 10.0


class Run:
    """A run of a pipeline, or of a part of it. Made by `Runner.start`.

    Parameters
    ----------
    cancel
        Asks the runner to cancel this run; returns at once.
    redo
        Starts a run of one step, for an artifact that turns out damaged when it is loaded.
    is_detached
        Whether a process of its own carries it on, which neither this one's end nor an interrupt ends.
    """

    def __init__(
        self,
        state: RunState,
        store: Store,
        *,
        cancel: Callable[[], None],
        redo: Callable[[str], Run],
        is_detached: bool = False,
    ) -> None:
        self._state = state
        self._store = store
        self._cancel = cancel
        self._redo = redo
        self.is_detached = is_detached
        self.steps = RunSteps({name: RunStep(step, store) for name, step in state.steps.items()})

    @property
    def id(self) -> str:
        return self._state.id

    @property
    def pipeline(self) -> str:
        return self._state.pipeline

    @property
    def by_itself(self) -> bool:
        """Whether nobody asked for it: the notebook keeps itself up to date (``%pipeline auto on``)."""
        return self._state.by_itself

    @property
    def targets(self) -> tuple[str, ...]:
        return self._state.targets

    def is_target(self, step: str) -> bool:
        """Tell whether the run was started for a step, rather than for one below it."""
        return step in self._state.asked

    @property
    def status(self) -> RunStatus:
        return self._state.status

    @property
    def seconds(self) -> float:
        """How long the run has taken so far, or took."""
        ended = self._state.seconds
        return ended if ended is not None else time.perf_counter() - self._state.started

    def wait(self, timeout: float | None = None) -> Run:
        """Wait until the run has ended, or until `timeout` seconds are over; look at `status` then.

        An interrupt from the keyboard cancels the run, waits until its steps are gone, and goes on. Of a
        detached run it ends the waiting only.
        """
        try:
            self._wait_until_ended(timeout)
        except KeyboardInterrupt:
            if self.is_detached:
                raise
            self.cancel()
            self._wait_until_ended(_CANCEL_S)
            raise
        return self

    def wait_for_local(self) -> None:
        """Wait until the steps with ``--here`` have ended, which run in the thread that waits: the main one.

        An interrupt from the keyboard cancels the run.
        """
        steps = [state for state in self._state.steps.values() if state.task.options.here]
        self._wait_until(lambda: all(state.status in ENDED for state in steps), self._state.condition)

    def serve(self) -> None:
        """Run the steps that wait for the main thread, where this is that one."""
        while self._has_job():
            self._state.jobs.popleft().perform()

    def _has_job(self) -> bool:
        return bool(self._state.jobs) and threading.current_thread() is threading.main_thread()

    def save_log(self, path: str | os.PathLike[str]) -> Path:
        """Write all that its steps have printed to a file, every line, one step after the other.

        Raises
        ------
        UsageError
            The file cannot be written.
        """
        return save(with_heads((name, step.log_pieces()) for name, step in self.steps.items()), path)

    def cancel(self) -> None:
        """End the steps that run and start no more; returns at once."""
        if self._state.status == "running":
            self._cancel()

    def why(self, step: str) -> tuple[Reason, ...]:
        """Return why the step ran or was reused."""
        return self.steps[step].reasons

    def failure(self, step: str) -> MLPipeError:
        """Return the error of a step that gave nothing: its own, or that of the step above which failed."""
        state = self._state.steps[self.steps[step].name]
        if state.error is not None:
            return state.error
        pending, seen = list(state.task.above), set[str]()
        while pending:
            above = pending.pop()
            if above in self._state.steps and above not in seen:
                seen.add(above)
                found = self._state.steps[above].error
                if found is not None:
                    return found
                pending.extend(self._state.steps[above].task.above)
        return MLPipeError(f"Step '{step}' gave nothing: it was {state.status}. Run it again.")

    def artifact(self, name: str) -> Artifact:
        """Return the artifact of an output, given as ``auc`` or ``evaluate.auc``.

        Waits for the step that makes it. Where several make it, the last one counts.

        Raises
        ------
        StepError
            That step failed.
        UnknownNameError
            No step of this run makes it, or it could not be stored.
        """
        return self._artifact(*self._producer(name))

    def __getitem__(self, name: str) -> Any:
        """Return the value of an output: a private copy; see `artifact`."""
        return self._read(name, self._store.get_value)

    def load_together(self, name: str) -> dict[str, Any]:
        """Return the value of an output and of those that share objects with it, by name."""
        output = self._producer(name)[1]

        def read(artifact: Artifact) -> dict[str, Any]:
            if artifact.part:
                return self._store.get_all(artifact)
            return {output: self._store.get_value(artifact)}

        return self._read(name, read)

    def _read(self, name: str, read: Callable[[Artifact], _Read]) -> _Read:
        step, output = self._producer(name)
        artifact = self._artifact(step, output)
        try:
            return read(artifact)
        except (ArtifactMissingError, ArtifactCorruptError):
            # What does not match counts as missing, and its producer runs again.
            self._store.quarantine(artifact)
            return read(self._redo(step).wait()._artifact(step, output))

    def result(self, step: str) -> Any:
        """Return the value of the last expression of a step that was made: a private copy."""
        record = self.steps[step].record
        assert record is not None
        assert record.result is not None
        try:
            return self._store.get_value(record.result)
        except (ArtifactMissingError, ArtifactCorruptError):
            self._store.quarantine(record.result)
            again = self._redo(step).wait().steps[step].record
            if again is None or again.result is None:
                raise self.failure(step) from None
            return self._store.get_value(again.result)

    def raised(self, step: str) -> Exception | None:
        """Return the error that a step's code raised: a private copy; None where it could not be kept."""
        artifact = self.steps[step].rescued.error
        if artifact is None:
            return None
        try:
            return raised_again(self._store.get_value(artifact))
        except Exception:  # its class may be made otherwise than it is called
            return None

    def snapshot(self) -> RunSnapshot:
        """Return the state of the run as plain values, which views draw."""
        return RunSnapshot(
            steps=tuple(step.snapshot() for step in self.steps.values()),
            status=self.status,
            seconds=self.seconds,
        )

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` on each change, from the runner's thread; see `Listener`."""
        self._state.subscribe(listener)

    def summary(self) -> str:
        """Return a table of the steps as text."""
        lines = []
        width = max((len(name) for name in self.steps), default=0)
        for step in self.steps.values():
            took = describe_seconds(step.seconds) if step.seconds else ""
            if step.progress is not None:
                took = f"{took} {describe_progress(*step.progress)}"
            if step.saved_seconds:
                took = f"saved {describe_seconds(step.saved_seconds)}"
            note = describe_error(step.error) if step.error is not None else step.why
            lines.append(f"{step.name:<{width}}  {step.status:<9}  {took:<12}  {note}".rstrip())
        return "\n".join(lines)

    def __repr__(self) -> str:
        counts: dict[str, int] = {}
        for step in self.steps.values():
            counts[step.status] = counts.get(step.status, 0) + 1
        parts = ", ".join(f"{count} {status}" for status, count in counts.items()) or "no steps"
        head = f"Run of '{self.pipeline}': {self.status}, {parts}, {describe_seconds(self.seconds)}"
        if self.is_detached:
            head = f"Detached run {self.id[:8]} of{head.removeprefix('Run of')}"
            if self.status == "running":
                head += f"\n%pipeline attach {self.id[:8]} finds it again, "
                head += f"%pipeline cancel {self.id[:8]} ends it"
        return f"{head}\n{self.summary()}" if self.steps else head

    def _producer(self, name: str) -> tuple[str, str]:
        """Return step and output for a name; the latest of those that make it, targets before others."""
        step_name, dot, output = name.partition(".")
        if dot:
            made = self._state.steps[self.steps[step_name].name].names_made()
            if output not in made and not self._may_yet_make(step_name, output):
                raise UnknownNameError(
                    f"Step '{step_name}' has no output '{output}'.{close_matches(output, made)} "
                    f"It makes {', '.join(made) or 'none'}."
                )
            return step_name, output
        makers = [step for step, state in self._state.steps.items() if name in state.names_made()]
        if not makers:
            everything = [out for state in self._state.steps.values() for out in state.names_made()]
            raise UnknownNameError(
                f"No step of this run makes '{name}'.{close_matches(name, everything)} "
                f"Outputs: {', '.join(dict.fromkeys(everything)) or 'none'}."
            )
        asked = [step for step in makers if self.is_target(step)]
        return (asked or makers)[-1], name

    def _may_yet_make(self, step: str, output: str) -> bool:
        # What a call changes in place is known only when the step has ended.
        state = self._state.steps[step]
        return state.status not in ENDED and output in state.task.step.component.may_change

    def _artifact(self, step: str, output: str) -> Artifact:
        state = self._state.steps[step]
        # An interrupt ends the reading only: what somebody started elsewhere goes on.
        self._wait_until(lambda: state.status in ENDED, self._state.condition)
        record = state.record
        if state.status == "failed" and output in state.rescued.outputs:
            return state.rescued.outputs[output]
        if record is None or state.status not in ("succeeded", "reused"):
            raise self.failure(step)
        if output in record.outputs:
            return record.outputs[output]
        if output in record.left_out:
            raise UnknownNameError(
                f"Output '{output}' of step '{step}' is not kept: {record.left_out[output].rstrip('.')}."
            )
        raise UnknownNameError(
            f"Step '{step}' did not bind '{output}'.{close_matches(output, record.outputs)} "
            f"It made {', '.join(record.outputs) or 'nothing'}."
        )

    def _wait_until_ended(self, timeout: float | None) -> None:
        self._wait_until(lambda: self.status != "running", self._state.ending, timeout)

    def _wait_until(
        self, done: Callable[[], bool], condition: threading.Condition, timeout: float | None = None
    ) -> None:
        # In slices, so that an interrupt is seen soon on every platform.
        deadline = None if timeout is None else time.monotonic() + timeout
        while not done():
            self.serve()
            left = _SLICE_S if deadline is None else min(_SLICE_S, deadline - time.monotonic())
            if left <= 0:
                return
            with condition:
                if not done() and not self._has_job():
                    condition.wait(left)
