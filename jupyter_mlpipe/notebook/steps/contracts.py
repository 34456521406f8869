"""What is refused when a component is registered or a plan is made: reads and writes that do not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from jupyter_mlpipe.cells.compile import check_changes, first_line
from jupyter_mlpipe.errors import ContractError, UnknownNameError, close_matches
from jupyter_mlpipe.keys.closure import Closure
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.pipeline import FromNotebook, Step


def check_contract(step: Step) -> None:
    """Refuse code that does not keep to the signature which its header declares.

    Raises
    ------
    ContractError
        It reads a value, or changes one in place, that the signature does not name.
    """
    component = step.component
    check_changes(component, step.bindings)
    if not component.inputs_declared:
        return
    declared = [i.name for i in component.inputs]
    for name in component.reads:
        if name in declared or name not in step.bindings:
            continue
        # A function may read constants of its module or notebook, as any function does.
        if not (component.function and isinstance(step.bindings[name], FromNotebook)):
            signature = ", ".join([*declared, name])
            raise ContractError(
                f"Component '{component.name}' reads '{name}'{_at_line(component, name)}, which its "
                f"signature does not name. Add it: {component.name}({signature}).",
                word=name,
                line=first_line(component, name) or 0,
            )


def check_resolved(
    component: Component, unresolved: Iterable[str], known: Callable[[], Iterable[str]]
) -> None:
    """Refuse a component that reads a name which nothing provides.

    Parameters
    ----------
    unresolved
        Such names, as far as they are known.

    Raises
    ------
    UnknownNameError
        Names the first such name and close matches among `known()`.
    """
    if component.star_imports:
        return
    for name in unresolved:
        if name in component.may_read:
            continue
        remedy = "Run the cell that makes it first, or put %%component on it."
        if component.function and name in [i.name for i in component.inputs]:
            remedy += (
                f" A cell with one function and nothing else is a step that calls it: where '"
                f"{component.function}' is a helper of other cells, leave this one without %%component."
            )
        raise UnknownNameError(
            f"Component '{component.name}' reads '{name}'{_at_line(component, name)}, but no component, "
            f"parameter or notebook value of that name is known.{close_matches(name, {*known()} - {name})} "
            f"{remedy}",
            word=name,
            line=first_line(component, name) or 0,
        )


def check_sendable(component: Component, closure: Closure) -> None:
    """Refuse a component that reads a value which cannot be sent to another process.

    Raises
    ------
    ContractError
        Names the value, its type and what to do.
    """
    for reason in closure.unshippable:
        raise ContractError(
            f"Component '{component.name}' reads '{reason.name}'{_at_line(component, reason.name)}, which "
            f"cannot be sent to the step's process: {reason.detail}. Make it inside the cell, "
            "or put --here behind the component's name to run it in the kernel itself."
        )


def _at_line(component: Component, name: str) -> str:
    line = first_line(component, name)
    return f" (line {line} of its cell)" if line else ""
