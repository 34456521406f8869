"""Placing a component: where each name that it reads comes from.

A free name is the output of another component, else a parameter, else something of the namespace:
helpers and modules are captured with the code, any other value by content. Who knows the order in
which cells ran (the notebook) gives the choice among components; this file does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from jupyter_mlpipe.keys.closure import Closure, Closures
from jupyter_mlpipe.keys.collector import paused_collector
from jupyter_mlpipe.keys.modules import Modules
from jupyter_mlpipe.keys.witness import Scope
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.pipeline import Binding, FromNotebook, FromParameter, FromStep, Step

Choose = Callable[[str], FromStep | FromParameter | None]


class _Provided:
    """The names that steps and parameters provide, as a container for the closure walk."""

    def __init__(self, choose: Choose) -> None:
        self._choose = choose

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._choose(name) is not None


@paused_collector()
def place(
    component: Component,
    namespace: Mapping[str, object],
    choose: Choose,
    *,
    modules: Modules,
    closures: Closures,
    kept: Mapping[str, object] | None = None,
    aliases: Iterable[str] = (),
) -> tuple[Step, Closure]:
    """Resolve every name that a component and its helpers read.

    Parameters
    ----------
    choose
        Says which step or parameter provides a name; None leaves it to the namespace.
    closures
        Keeps what was taken, for the next time that nothing has changed.
    kept
        Values that stand for those of the namespace.
    aliases
        Names of the namespace that go with the captured values, since they share objects with them.
    """
    # In function form the arguments are no free names of the code.
    required = tuple(i.name for i in component.inputs if i.name not in component.reads)
    required += tuple(name for name in aliases if name not in component.reads)
    reader = replace(component, reads=(*component.reads, *required)) if required else component
    closure = closures.take(reader, Scope(namespace, _Provided(choose), kept or {}), modules)
    captured = {i.name for i in closure.ingredients if i.kind == "value"}
    bindings: dict[str, Binding] = {}
    for name in (*reader.reads, *closure.provided_reads):
        found = choose(name) if name in closure.provided_reads else None
        if found is not None:
            bindings[name] = found
        elif name in captured:
            bindings[name] = FromNotebook(name)
    return Step(_without_modules(component, bindings, closure), bindings), closure


def _without_modules(component: Component, bindings: Mapping[str, Binding], closure: Closure) -> Component:
    """Drop the outputs that are no data: ``plt.plot(...)`` changes `plt`, which is a module."""
    if component.outputs_declared:
        return component
    changed = {*component.changes, *component.may_change} - bindings.keys()
    # What it may have bound itself is its own, but for what is known to be a module.
    changed -= {*component.may_read, *closure.unresolved} - closure.imports.keys()
    bound = tuple(name for name in component.outputs if name not in changed)
    return replace(component, outputs=bound) if bound != component.outputs else component
