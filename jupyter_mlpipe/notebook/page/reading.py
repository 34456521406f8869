"""A cell's text as the notebook would understand it, were it run.

Nothing is registered or run: all of this may be called in any thread, while a cell runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING

from IPython.core.inputtransformer2 import TransformerManager

from jupyter_mlpipe.cells.compile import compile_cell
from jupyter_mlpipe.cells.header import Header, parse_header
from jupyter_mlpipe.cells.located import Located, locate
from jupyter_mlpipe.cells.magics import expand_magics
from jupyter_mlpipe.cells.names import BUILTINS
from jupyter_mlpipe.errors import MLPipeError
from jupyter_mlpipe.keys.homes import find_home
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.pipeline import Binding, FromNotebook, FromParameter, FromStep
from jupyter_mlpipe.notebook.steps.names import PARAMETERS
from jupyter_mlpipe.notebook.steps.placed import Placed

if TYPE_CHECKING:
    from jupyter_mlpipe.notebook.session import Session

_HELPERS = (ModuleType, FunctionType, BuiltinFunctionType, type)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a cell would be as a component.

    Parameters
    ----------
    bindings
        The data that it reads, and where from, as it is or would be chosen.
    unknown
        Names that it reads and that nothing provides yet.
    writes
        What it makes or changes.
    """

    header: Header
    component: Component
    bindings: dict[str, Binding]
    unknown: tuple[str, ...]
    writes: tuple[str, ...]


def read_cell(session: Session, located: Located, cell_id: str | None) -> Reading:
    """Read a component's cell.

    Raises
    ------
    HeaderError, ContractError
        Its header cannot be understood, or its declared signature and its code disagree.
    SyntaxError
        It is no Python.
    """
    header = parse_header(located.header)
    component = read_component(located, header, cell_id)
    registry = session.registry
    before = session.components.of_cell(cell_id) or ""
    placed = registry.placed.get(header.name) or registry.placed.get(before)
    own = {header.name, placed.component.name if placed is not None else header.name}
    bindings: dict[str, Binding] = {}
    unknown = []
    for name in dict.fromkeys((*(i.name for i in component.inputs), *component.reads)):
        found = _binding(session, component, placed, own, name)
        if found is not None:
            bindings[name] = found
        elif not _is_known(session, component, name):
            unknown.append(name)
    writes = component.outputs
    if not component.outputs_declared:
        # A call on a module may look as if it changed a value: ``plt.plot(...)``.
        changed = {*component.changes, *component.may_change} - bindings.keys() - {*unknown}
        writes = tuple(name for name in component.outputs if name not in changed)
        if placed is not None:
            writes = (*writes, *(name for name in placed.found if name not in writes))
    return Reading(header, component, bindings, tuple(unknown), writes)


def read_component(located: Located, header: Header, cell_id: str | None = None) -> Component:
    """Return the component that a cell's text is by itself; see `compile_cell` for its errors."""
    # Of its own: a transformer of the user may do more than to turn text into text.
    to_python = TransformerManager().transform_cell  # type: ignore[no-untyped-call]
    component = compile_cell(
        f"%%component {located.header}\n{located.body}",
        header=header,
        body=expand_magics(located.body, to_python).code,
        header_lines=located.header_lines,
        cell_id=cell_id,
    )
    # That it reads the shell is IPython's doing.
    reads = tuple(name for name in component.reads if name != "get_ipython")
    return replace(component, reads=reads)


def names_of(cell: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what the body of a component's cell reads and binds, whatever its header says."""
    located = locate(cell)
    if located is None:
        return (), ()
    try:
        component = read_component(located, Header("cell"))
    except (MLPipeError, SyntaxError):
        return (), ()
    return component.reads, component.outputs


def _binding(
    session: Session, component: Component, placed: Placed | None, own: set[str], name: str
) -> Binding | None:
    """Return where a read comes from: as chosen at registration, else as it would be chosen."""
    registry = session.registry
    for declared in component.inputs:
        if declared.name == name and declared.default is not None:
            producer = declared.producer
            if producer is not None and producer[0] in registry:
                return FromStep(*producer)
            return FromParameter(name)
    if placed is not None and (choice := placed.choices.get(name)) is not None:
        if choice.binding is not None or not _is_helper(choice.value):
            return choice.binding or FromNotebook(name)
        return None
    owner = registry.names.owner(name)
    if owner == PARAMETERS:
        return FromParameter(name)
    if owner is not None and owner in registry and owner not in own:
        return FromStep(owner, name)
    namespace = registry.names.namespace
    if name in namespace and name not in session.definitions and not _is_helper(namespace[name]):
        return FromNotebook(name)
    writers = [n for n, other in list(registry.placed.items()) if name in other.writes and n not in own]
    return FromStep(writers[-1], name) if writers and name not in namespace else None


def _is_helper(value: object) -> bool:
    """Tell whether a value is captured as code: a module, a function, a class, a thing of a library."""
    return isinstance(value, _HELPERS) or (callable(value) and find_home(value) is not None)


def _is_known(session: Session, component: Component, name: str) -> bool:
    return (
        name in session.registry.names.namespace
        or name in session.definitions
        or name in BUILTINS
        or name in component.may_read
        or bool(component.star_imports)
    )
