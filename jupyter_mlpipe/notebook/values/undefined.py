"""What is said about a name that is not defined: who made it without keeping it, or what may be meant."""

from __future__ import annotations

from jupyter_mlpipe.cells.names import analyse
from jupyter_mlpipe.errors import close_matches, describe_error
from jupyter_mlpipe.execution.process.spec import NOT_BOUND
from jupyter_mlpipe.notebook.steps.registry import Registry
from jupyter_mlpipe.notebook.steps.states import States


def word_on_name(name: str, registry: Registry, states: States) -> str:
    """Say who made a name without keeping it, or what could be meant."""
    if unkept := word_on_unkept(name, registry, states):
        return unkept
    hint = close_matches(name, registry.known_names() - {name}).strip()
    return f"{hint} Run the cell that makes '{name}' first, if there is one.".strip()


def word_on_unkept(name: str, registry: Registry, states: States) -> str:
    """Say which component bound a name without keeping it, or failed to; nothing where none did."""
    if (failed := registry.names.missed_by(name)) is not None:
        unkept = (s.rescued.left_out[name] for s in states.latest_steps() if name in s.rescued.left_out)
        if (why := next(unkept, "").rstrip(".")) != "":
            return f"Component '{failed}' bound '{name}' before it failed, and it is not kept: {why}."
        error = states.errors().get(failed)
        why = f": {describe_error(error)}" if error is not None else ""
        return (
            f"Component '{failed}' makes '{name}', and failed before it did{why}. Run its cell again first."
        )
    for step in states.latest_steps():
        if step.record is not None and name in step.record.left_out:
            why = step.record.left_out[name].rstrip(".")
            if why == NOT_BOUND:
                return f"Component '{step.name}' makes '{name}' on some paths only, not on this one."
            return f"Component '{step.name}' bound '{name}', which is not kept: {why}. Make it in this cell."
    for component, placed in registry.placed.items():
        if name.startswith("_") and name in analyse(placed.component.code).binds:
            return (
                f"Component '{component}' bound '{name}', and names that begin with '_' are not kept. "
                f"Call it otherwise, or write '-> {name}' in the component's header."
            )
    return ""
