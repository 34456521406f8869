"""Which components a notebook has: made of cells, put in place of earlier ones, gone with their cells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from jupyter_mlpipe.cells.parameters import parse_parameters
from jupyter_mlpipe.errors import PlaceError
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.futures import futures_of
from jupyter_mlpipe.model.parsed import parse
from jupyter_mlpipe.notebook.steps.names import PARAMETERS
from jupyter_mlpipe.notebook.steps.parameters import convert, declare

if TYPE_CHECKING:
    from jupyter_mlpipe.notebook.session import Session


class Components:
    """The components of a notebook, each known by its name and by the cell that it was last run as."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._cells: dict[str, str] = {}  # cell id -> component

    def register(self, component: Component) -> StepTask:
        """Register a component in place of an earlier one of its name, or of its cell."""
        session = self._session
        session.backend.open()
        if "__future__" in component.code:
            session.shell.compile.flags |= futures_of(parse(component.code))
        # Words in texts, too: a library may look them up (``dmatrix("log(x)")``).
        session.definitions.note_text(component.code)
        session.definitions.bring({*component.reads, *session.definitions.names_in(component.code)})
        session.results.load_read(component.reads)
        before = self._cells.get(component.cell_id or "")
        around = session.settings.unsettled, session.settings.set_by(component.name)
        is_to_run = component.options.run and session.cell_runs.mode_of(component) != "register"
        with session.bindings.giving_way(component):
            try:
                task = session.registry.add(component, *around, is_to_run=is_to_run)
            except PlaceError:
                if not session.runs.live:
                    raise
                # A step that still runs may be making it.
                session.wait()
                task = session.registry.add(component, *around)
        if before and before != component.name and before in session.registry:
            self.remove(before)
            task = session.registry.task(component.name)
        if component.cell_id:
            # A cell that is split or copied leaves its step to the one that runs it next.
            owners = {cell: owner for cell, owner in self._cells.items() if owner != component.name}
            self._cells = {**owners, component.cell_id: component.name}
        session.definitions.add(component)
        session.settings.expect(component.name, session.registry.placed[component.name].place)
        session.states.register(task)
        return task

    def remove(self, name: str) -> None:
        """Forget a component; its results stay in the store."""
        session = self._session
        session.registry.remove(name)
        session.settings.forget(name)
        session.states.forget(name)
        session.cell_runs.forget(name)
        self._cells = {cell: owner for cell, owner in self._cells.items() if owner != name}

    def of_cell(self, cell_id: str | None) -> str | None:
        """Return the component that a cell is, as it was last run."""
        return self._cells.get(cell_id or "")

    def forget_cells(self, deleted: Iterable[str]) -> None:
        """Drop the components of cells that the front end says are gone."""
        for cell_id in deleted:
            name = self._cells.get(cell_id)
            if name is not None and name in self._session.registry:
                self.remove(name)

    def declare_parameters(self, body: str) -> dict[str, Any]:
        """Declare the names of a parameters cell and bind them; returns their values."""
        session = self._session
        declared = {i.name: declare(i, session.shell.user_ns) for i in parse_parameters(body)}
        for name, parameter in declared.items():
            value = parameter.value
            if name in session.registry.overrides:
                value = convert(parameter, session.registry.overrides[name])
            session.registry.parameters[name] = parameter
            session.names.bind(name, value, PARAMETERS)
        session.bindings.note_declared(declared)
        return {name: session.shell.user_ns[name] for name in declared}
