"""The inferred signature of a component, written into its header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mlpipe.cells.editing import Edit, lock_signature
from jupyter_mlpipe.cells.located import locate
from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.execution.process.spec import NOT_BOUND
from jupyter_mlpipe.model.component import Input
from jupyter_mlpipe.model.pipeline import FromStep
from jupyter_mlpipe.notebook.making import is_registered
from jupyter_mlpipe.notebook.page.reading import read_cell

if TYPE_CHECKING:
    from jupyter_mlpipe.notebook.session import Session


def lock(session: Session, cell: str, cell_id: str | None) -> Edit:
    """Write the signature that is inferred of a component into its header.

    Raises
    ------
    UsageError
        There is nothing to write, or it cannot be said yet.
    HeaderError, ContractError
        As in `read_cell`.
    """
    located = locate(cell)
    if located is None or located.kind != "component":
        raise UsageError("This cell has no %%component line.")
    try:
        reading = read_cell(session, located, cell_id)
    except SyntaxError as problem:
        raise UsageError(f"The cell is no Python yet: {problem.msg} (line {problem.lineno}).") from None
    component = reading.component
    if component.function is not None:
        raise UsageError(f"Component '{component.name}' is a function: its signature is its own.")
    if reading.unknown and not component.inputs_declared:
        raise UsageError(
            f"Component '{component.name}' reads '{reading.unknown[0]}', which nothing provides yet: "
            "run the cells above first, then its signature can be written."
        )
    inputs = [
        Input(name, default=_default(session, name, source))
        for name, source in reading.bindings.items()
        if name in component.reads
    ]
    made = session.states.made(component.name) if is_registered(session, cell, cell_id) else None
    outputs, note = list(reading.writes), ""
    if made is not None and not component.outputs_declared:
        record = made[1]
        outputs = [name for name in reading.writes if name in record.outputs]
        left_out = {name: why for name, why in record.left_out.items() if name in reading.writes}
        note = " ".join(_word_on(name, why) for name, why in left_out.items())
    edit = lock_signature(cell, located, reading.header, inputs, outputs)
    return Edit(edit.start, edit.end, edit.text, note=note)


def _default(session: Session, name: str, source: object) -> str | None:
    """Return ``load.df`` where several components write a name: the choice is part of the signature."""
    if isinstance(source, FromStep) and (source.output != name or session.registry.is_shared(name)):
        return f"{source.step}.{source.output}"
    return None


def _word_on(name: str, why: str) -> str:
    if why == NOT_BOUND:
        return f"'{name}' is not in it: the cell binds it on some paths only."
    return f"'{name}' is not in it, as it is not kept: {why.rstrip('.')}."
