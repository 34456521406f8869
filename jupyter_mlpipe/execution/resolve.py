"""Placing a component: where each name that it reads comes from.

A free name is the output of another component, else a parameter, else something of the namespace:
helpers and modules are captured with the code, any other value by content. Who knows the order in
which cells ran (the notebook) gives the choice among components; this file does the rest.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from jupyter_mlpipe.errors import ContractError, UnknownNameError, close_matches
from jupyter_mlpipe.keys.closure import Closure, take_closure
from jupyter_mlpipe.keys.modules import LocalModules
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.pipeline import Binding, FromNotebook, FromParameter, FromStep, Step

Choose = Callable[[str], FromStep | FromParameter | None]


class _Provided:
    """The names that steps and parameters provide, as a container for the closure walk."""

    def __init__(self, choose: Choose) -> None:
        self._choose = choose

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._choose(name) is not None


def place(
    component: Component, namespace: Mapping[str, object], choose: Choose, *, modules: LocalModules
) -> tuple[Step, Closure]:
    """Resolve every name that a component and its helpers read.

    Parameters
    ----------
    choose
        Says which step or parameter provides a name; None leaves it to the namespace.

    Raises
    ------
    ContractError
        The signature is declared, and the code reads a value that it does not name.
    """
    # In function form the arguments are no free names of the code.
    required = tuple(i.name for i in component.inputs if i.name not in component.reads)
    reader = replace(component, reads=(*component.reads, *required)) if required else component
    closure = take_closure(reader, namespace, _Provided(choose), modules=modules)
    captured = {i.name for i in closure.ingredients if i.kind == "value"}
    bindings: dict[str, Binding] = {}
    for name in (*reader.reads, *closure.provided_reads):
        found = choose(name) if name in closure.provided_reads else None
        if found is not None:
            bindings[name] = found
        elif name in captured:
            bindings[name] = FromNotebook(name)
    if component.inputs_declared:
        _check_contract(component, bindings)
    return Step(component, bindings), closure


def check_resolved(component: Component, closure: Closure, known: Iterable[str]) -> None:
    """Refuse a component that reads a name which nothing provides.

    Raises
    ------
    UnknownNameError
        Names the first such name and close matches among `known`.
    """
    if not closure.unresolved or component.star_imports:
        return
    name = closure.unresolved[0]
    matches = close_matches(name, known)
    raise UnknownNameError(
        f"Component '{component.name}' reads '{name}'{_at_line(component, name)}, but no component, "
        f"parameter or notebook value of that name is known.{matches} "
        "Run the cell that makes it first, or put %%component on it."
    )


def _check_contract(component: Component, bindings: Mapping[str, Binding]) -> None:
    declared = {i.name for i in component.inputs}
    for name in component.reads:
        if name in bindings and name not in declared:
            raise ContractError(
                f"Component '{component.name}' reads '{name}'{_at_line(component, name)}, "
                f"which its signature does not name. Add it: {component.name}("
                + ", ".join([*(i.name for i in component.inputs), name])
                + ")."
            )


def _at_line(component: Component, name: str) -> str:
    line = first_line(component, name)
    return f" (line {line} of its cell)" if line else ""


def first_line(component: Component, name: str) -> int | None:
    """Return the line of the cell on which a name first stands."""
    lines = [
        node.lineno
        for node in ast.walk(ast.parse(component.code, mode="exec"))
        if isinstance(node, ast.Name) and node.id == name
    ]
    return min(lines, default=None)
