"""`RunStep`: one step of a run, as users and views see it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jupyter_mlpipe.errors import (
    MLPipeError,
    UnknownStepError,
    close_matches,
    describe_error,
)
from jupyter_mlpipe.execution.process.rescued import Rescued
from jupyter_mlpipe.execution.runs.logs import save, text_of, whole_log
from jupyter_mlpipe.execution.runs.state import StepState
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.model.metrics import numbers_to_json
from jupyter_mlpipe.model.pipeline import Binding, FromParameter, FromStep
from jupyter_mlpipe.model.status import Reason, StepSnapshot, StepStatus
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.store import Store


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


def _source(binding: Binding) -> str:
    if isinstance(binding, FromStep):
        return binding.step
    return "parameter" if isinstance(binding, FromParameter) else "notebook"
