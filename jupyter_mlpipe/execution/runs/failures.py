"""Errors of steps, as the notebook raises them."""

from __future__ import annotations

from jupyter_mlpipe.errors import (
    ClusterError,
    MLPipeError,
    ResourceError,
    StepDiedError,
    StepError,
    StepMemoryError,
    StepOutputError,
    StepTimeoutError,
)
from jupyter_mlpipe.execution.process.messages import ErrorKind, StepFailure
from jupyter_mlpipe.execution.runs.events import FailureKind
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.model.resources import describe_seconds

_CLASSES: dict[ErrorKind, type[StepError]] = {
    "error": StepError,
    "output": StepOutputError,
    "exited": StepDiedError,
    "crashed": StepDiedError,
    "signal": StepDiedError,
    "memory": StepMemoryError,
    "killed": StepDiedError,
    "died": StepDiedError,
}


def reported_error(task: StepTask, failure: StepFailure) -> StepError:
    """Return the error that a step's process reported."""
    return _CLASSES.get(failure["kind"], StepError)(
        failure["evalue"],
        step=task.name,
        cell_id=task.step.component.cell_id,
        ename=failure["ename"],
        traceback=tuple(failure["traceback"]),
    )


def decided_error(task: StepTask, kind: FailureKind, why: str, reported: MLPipeError | None) -> MLPipeError:
    """Return the error of a step that the machine gave up."""
    cell_id = task.step.component.cell_id
    match kind:
        case "timeout":
            limit = task.options.timeout_s
            given = f" of {describe_seconds(limit)}" if limit is not None else ""
            message = (
                f"Step '{task.name}' was ended: it ran longer than its --timeout{given}. "
                "Give it more time in its header, or less to do."
            )
            return StepTimeoutError(message, step=task.name, cell_id=cell_id)
        case "resource":
            return ResourceError(why)
        case "cluster":
            return ClusterError(why)
        case "lost":
            message = (
                f"Step '{task.name}' was given up: {why}. It may take more memory than the workers have."
            )
            return StepDiedError(message, step=task.name, cell_id=cell_id)
        case "missing":
            message = (
                f"Step '{task.name}' could not read its inputs: {why}. "
                "What the store holds comes back with other bytes than were written: look at its disk."
            )
            return StepError(message, step=task.name, cell_id=cell_id, ename="ArtifactCorruptError")
        case _:
            return reported or StepError(why, step=task.name, cell_id=cell_id)


def unshippable_error(task: StepTask) -> StepError:
    """Return the error of a step whose values cannot be sent to its process."""
    values = "; ".join(f"'{reason.name}' ({reason.detail})" for reason in task.unshippable)
    return StepError(
        f"Step '{task.name}' cannot get a process of its own, for it uses {values}. "
        "Make it inside the cell, or run the step in the notebook's process with --here.",
        step=task.name,
        cell_id=task.step.component.cell_id,
    )
