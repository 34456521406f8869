"""What a step reads from others, given their records: artifacts, and what is stored together with them."""

from __future__ import annotations

from collections.abc import Mapping

from jupyter_mlpipe.errors import UnknownNameError
from jupyter_mlpipe.execution.process.spec import CLOSED_FILE, NOT_BOUND
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.store.records import Artifact, Record

Companions = Mapping[str, tuple[str, ...]]


def take_inputs(task: StepTask, records: Mapping[str, Record | None]) -> dict[str, Artifact]:
    """Return the artifact of each name that the step reads from others, given their records.

    Where both run in the notebook's own process, what cannot be stored is handed on there: it has none.
    Nor has what the code of that step did not bind, this time: Python says so where it is used.

    Raises
    ------
    UnknownNameError
        One is not there: it could not be stored, or was not bound though the header asks for it.
    """
    inputs: dict[str, Artifact] = {}
    for name, source in task.inputs.items():
        record = records.get(source.step)
        found = record.outputs.get(source.output) if record is not None else None
        if found is None:
            if is_unbound(task, name, records):
                continue
            left_out = record.left_out.get(source.output) if record is not None else None
            if (
                task.options.here
                and record is not None
                and (source.output in record.live or left_out == CLOSED_FILE)
            ):
                continue
            why = "that step did not make it"
            if left_out:
                why = f"it could not be stored: {left_out.rstrip('.')}"
            raise UnknownNameError(
                f"Step '{task.name}' reads '{source.output}' of step '{source.step}', but {why}. "
                f"Make '{source.output}' in '{task.name}' itself, or have '{source.step}' make something "
                "that can be stored."
            )
        inputs[name] = found
    return inputs | _needed_beside(task, inputs, records)


def is_unbound(task: StepTask, read: str, records: Mapping[str, Record | None]) -> bool:
    """Tell whether a step reads what the code of another one has not bound, on the path that it took."""
    component, source = task.step.component, task.inputs[read]
    record = records.get(source.step)
    if record is None or component.inputs_declared or component.function is not None:
        return False
    return record.left_out.get(source.output) == NOT_BOUND


def _needed_beside(
    task: StepTask, inputs: Mapping[str, Artifact], records: Mapping[str, Record | None]
) -> dict[str, Artifact]:
    """Return the outputs of the same steps that functions inside the inputs read when they are called.

    Where these stand for something else meanwhile, whoever placed the step has bound them to that.
    """
    found: dict[str, Artifact] = {}
    known = {*inputs, *task.closure.names, *task.parameters}
    stack = [(source.step, inputs[name]) for name, source in task.inputs.items() if name in inputs]
    while stack:
        step, artifact = stack.pop()
        record = records.get(step)
        for name in artifact.needs if record is not None else ():
            if name not in known and (beside := record.outputs.get(name)) is not None:  # type: ignore[union-attr]
                known.add(name)
                found[name] = beside
                stack.append((step, beside))
    return found


def find_companions(task: StepTask, records: Mapping[str, Record | None]) -> dict[str, tuple[str, ...]]:
    """Return, by object of the store, the names that are stored there together with an input.

    Only those that are read from nowhere else, and that still stand for what that step made. None for a
    step that has a contract: what it may change is said there.
    """
    if task.step.component.has_contract:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for source in task.inputs.values():
        record = records.get(source.step)
        artifact = record.outputs.get(source.output) if record is not None else None
        if record is None or artifact is None or not artifact.part:
            continue
        siblings = task.siblings.get(source.step, frozenset())
        found[artifact.blob.object] = tuple(
            name
            for name, other in record.outputs.items()
            if other.blob.object == artifact.blob.object and name in siblings and name not in task.inputs
        )
    return found


def input_digests(task: StepTask, inputs: Mapping[str, Artifact]) -> dict[str, str]:
    """Return what of each input is part of the key.

    Of a value that is stored together with others, those count as well where the step reads several
    of them, or changes it: then it matters what they share.
    """
    component = task.step.component
    changed = {*component.changes, *component.may_change}
    together = [artifact.blob.object for artifact in inputs.values() if artifact.part]
    return {
        read: artifact.joint_digest
        if artifact.part and (read in changed or together.count(artifact.blob.object) > 1)
        else artifact.digest
        for read, artifact in inputs.items()
    }
