"""`Run`: what a user holds of a run, from its start on and after its end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from jupyter_mlpipe.errors import (
    ArtifactCorruptError,
    ArtifactMissingError,
    MLPipeError,
    UnknownNameError,
    UnknownStepError,
    close_matches,
    describe_error,
)
from jupyter_mlpipe.execution.process.rescued import Rescued
from jupyter_mlpipe.execution.runs.logs import save, text_of, whole_log, with_heads
from jupyter_mlpipe.execution.runs.state import Listener, RunState, StepState
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.model.metrics import describe_progress, numbers_to_json
from jupyter_mlpipe.model.pipeline import Binding, FromParameter, FromStep
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.model.status import ENDED, Reason, RunSnapshot, RunStatus, StepSnapshot, StepStatus
from jupyter_mlpipe.store.records import Artifact, Record
from jupyter_mlpipe.store.store import Store

_Read = TypeVar("_Read")
_SLICE_S = 0.2
_CANCEL_S = 10.0


class RunStep:
    """One step of a run, as far as it has come; reading it never waits."""

    def __init__(self, state: StepState, store: Store) -> None:
        self._state = state
        self._store = store

    @property
    def name(self) -> str:
        return self._state.task.name

    @property
    def task(self) -> StepTask:
        """What was to be run: a snapshot. Of a run found again, without code and values."""
        return self._state.task

    @property
    def declares_outputs(self) -> bool:
        """Whether its header says what it makes, rather than its code."""
        return self._state.task.step.component.outputs_declared

    @property
    def is_local(self) -> bool:
        """Whether it runs in the notebook's own process."""
        return self._state.task.options.here

    @property
    def rescued(self) -> Rescued:
        """What the code of a failed step had done before the error."""
        return self._state.rescued

    @property
    def status(self) -> StepStatus:
        return self._state.status

    @property
    def why(self) -> str:
        """Why it has this status, for people: what it waits for, or which step made it be skipped."""
        return self._state.why

    @property
    def error(self) -> MLPipeError | None:
        """A `StepError` where its code failed; another error where it could not be run."""
        return self._state.error

    @property
    def key(self) -> str | None:
        return self._state.key

    @property
    def work(self) -> str:
        """The key of the work; the same as `key` where what it gives may be reused."""
        return self._state.work

    @property
    def reasons(self) -> tuple[Reason, ...]:
        return self._state.reasons

    @property
    def record(self) -> Record | None:
        return self._state.record

    @property
    def worker(self) -> str | None:
        return self._state.worker

    @property
    def shown(self) -> list[dict[str, Any]]:
        """What it has shown so far, or showed when it ran: nbformat-like outputs."""
        state = self._state
        is_made = state.status in ("reused", "succeeded")
        if is_made and state.record is not None and not (state.outputs and state.outputs.is_short):
            # The record has more than what was shown as it came.
            return self._store.get_shown(state.record)
        return state.outputs.to_list() if state.outputs is not None else []

    @property
    def progress(self) -> tuple[float | None, str] | None:
        """How far it says it has come, from 0 to 1, and in words; None where it says nothing."""
        return self._state.progress if self._state.status == "running" else None

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric that it logged, or had logged when it made what is reused."""
        return self._state.all_metrics()

    @property
    def curves(self) -> dict[str, list[tuple[int, float]]]:
        """Points (step, value) of the metrics that it logged with a step, once it has ended."""
        record = self._state.record
        found = record.curves if record is not None and self._state.status in ("succeeded", "reused") else {}
        return {name: [(int(x), float(y)) for x, y in curve] for name, curve in found.items()}

    @property
    def used(self) -> dict[str, float]:
        """What making its result used, by what it is: ``peak_memory_bytes``, and see `Record.used`."""
        record = self._state.record
        return {} if record is None else {"peak_memory_bytes": record.peak_memory_bytes, **record.used}

    @property
    def log(self) -> str:
        """The text that it has printed so far."""
        return text_of(self.shown)

    def save_log(self, path: str | os.PathLike[str]) -> Path:
        """Write all that it has printed to a file, every line: of very much, `log` has only the ends.

        Raises
        ------
        UsageError
            The file cannot be written.
        """
        return save(self.log_pieces(), path)

    def log_pieces(self) -> Iterator[bytes]:
        """Give all that it has printed, in pieces, as UTF-8."""
        state = self._state
        record = state.record if state.status in ("reused", "succeeded") else None
        # Without it nothing else is looked for: it is all in its outputs.
        key = None if state.outputs is None or state.outputs.is_short else state.key
        return whole_log(self._store, record, key, self.log)

    @property
    def seconds(self) -> float | None:
        """How long its process has run, or ran; 0 where it is reused, None where it has not started."""
        state = self._state
        if state.status == "reused":
            return 0.0
        if state.seconds is None and state.started is not None:
            return time.perf_counter() - state.started
        return state.seconds

    @property
    def reached(self) -> dict[str, float]:
        """When it last came to each status that it has had, in seconds since 1970."""
        return dict(self._state.reached)

    @property
    def saved_seconds(self) -> float | None:
        """What reuse saved: the time that its record took."""
        state = self._state
        return state.record.seconds if state.status == "reused" and state.record is not None else None

    def snapshot(self) -> StepSnapshot:
        """Return its state as plain values."""
        state = self._state
        component = state.task.step.component
        made = state.record.outputs if state.record is not None else {}
        return StepSnapshot(
            name=self.name,
            status=state.status,
            reads={name: _source(binding) for name, binding in state.task.step.bindings.items()},
            outputs=tuple(made) or component.outputs,
            seconds=self.seconds,
            saved_seconds=self.saved_seconds,
            reasons=state.reasons,
            worker=state.worker,
            progress=self.progress,
            metrics=numbers_to_json(self.metrics),
            cell_id=component.cell_id,
            error=describe_error(state.error) if state.error is not None else None,
            previews={name: artifact.preview for name, artifact in made.items()},
            sizes={name: artifact.size for name, artifact in made.items()},
            reached=self.reached,
            group=component.options.group,
            by_itself=state.by_itself and state.status in ("running", "succeeded", "failed"),
            why=state.why if state.status == "queued" else "",
        )

    def __repr__(self) -> str:
        return f"<RunStep '{self.name}' {self.status}>"


class RunSteps(Mapping[str, RunStep]):
    """The steps of a run by name, in topological order."""

    def __init__(self, steps: dict[str, RunStep]) -> None:
        self._steps = steps

    def __getitem__(self, name: str) -> RunStep:
        try:
            return self._steps[name]
        except KeyError:
            raise UnknownStepError(
                f"This run has no step '{name}'.{close_matches(name, self._steps)} "
                f"It has {', '.join(self._steps) or 'none'}."
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._steps

    def __iter__(self) -> Iterator[str]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)


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
            self._wait_until(lambda: self.status != "running", timeout)
        except KeyboardInterrupt:
            if self.is_detached:
                raise
            self.cancel()
            self._wait_until(lambda: self.status != "running", _CANCEL_S)
            raise
        return self

    def wait_for_local(self) -> None:
        """Wait until the steps with ``--here`` have ended, which run in the thread that waits: the main one.

        An interrupt from the keyboard cancels the run.
        """
        steps = [state for state in self._state.steps.values() if state.task.options.here]
        self._wait_until(lambda: all(state.status in ENDED for state in steps))

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
            made = _outputs(self._state.steps[self.steps[step_name].name])
            if output not in made and not self._may_yet_make(step_name, output):
                raise UnknownNameError(
                    f"Step '{step_name}' has no output '{output}'.{close_matches(output, made)} "
                    f"It makes {', '.join(made) or 'none'}."
                )
            return step_name, output
        makers = [step for step, state in self._state.steps.items() if name in _outputs(state)]
        if not makers:
            everything = [out for state in self._state.steps.values() for out in _outputs(state)]
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
        self._wait_until(lambda: state.status in ENDED)
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

    def _wait_until(self, done: Callable[[], bool], timeout: float | None = None) -> None:
        # In slices, so that an interrupt is seen soon on every platform.
        deadline = None if timeout is None else time.monotonic() + timeout
        condition = self._state.condition
        while not done():
            self.serve()
            left = _SLICE_S if deadline is None else min(_SLICE_S, deadline - time.monotonic())
            if left <= 0:
                return
            with condition:
                if not done() and not self._has_job():
                    condition.wait(left)


def _outputs(state: StepState) -> tuple[str, ...]:
    declared = state.task.step.component.outputs
    if state.record is None:
        return tuple(dict.fromkeys((*declared, *state.rescued.outputs)))
    return tuple(dict.fromkeys((*declared, *state.record.outputs, *state.record.left_out)))


def _source(binding: Binding) -> str:
    if isinstance(binding, FromStep):
        return binding.step
    return "parameter" if isinstance(binding, FromParameter) else "notebook"
