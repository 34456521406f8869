"""What a step is made of by itself: its code, what that reaches, its parameters, not what steps above give.

It changes where the user has changed something, and with nothing that runs do.
"""

from __future__ import annotations

from collections.abc import Mapping

from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.derive import derive_key
from jupyter_mlpipe.keys.values import Undigestable
from jupyter_mlpipe.model import graph


def wish_of(task: StepTask) -> str:
    """Return a digest of what a step is made of by itself."""
    component = task.step.component
    parts = (*task.closure.ingredients, *task.given.ingredients)
    try:
        key = derive_key(parts, task.parameters, {}, component.outputs_of_key, task.options.salt)[0]
    except Undigestable:
        key = derive_key(parts, {}, {}, component.outputs_of_key, task.options.salt)[0]
    sources = sorted([read, source.step, source.output] for read, source in task.inputs.items())
    return digest("wish", key, sources)


def is_as_it_ran(step: str, now: Mapping[str, StepTask], then: Mapping[str, StepTask]) -> bool:
    """Tell whether a step and all above it are made of what they were made of in a run."""
    above = graph.ancestors({name: task.step.upstream for name, task in now.items()}, [step])
    return all(name in then and wish_of(now[name]) == wish_of(then[name]) for name in above)
