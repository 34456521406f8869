"""Running the cell of a component: a run of its step, after which names are as its code leaves them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING

from jupyter_mlpipe.errors import MLPipeError, StepTimeoutError
from jupyter_mlpipe.execution.process.common import in_common
from jupyter_mlpipe.execution.process.indexes import shared_indexes
from jupyter_mlpipe.execution.process.spec import NOT_BOUND
from jupyter_mlpipe.execution.runs.ahead import QUIET, may_set_variables
from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.execution.runs.runstep import RunStep
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.notebook.running.here import HereCell
from jupyter_mlpipe.notebook.show.cellview import (
    CellView,
    detached_outputs,
    warnings_in,
    word_on_bars,
    word_on_detached,
    word_on_open_figures,
    word_on_undeclared,
    words_on,
    words_on_private,
)
from jupyter_mlpipe.notebook.show.common import words_in_common
from jupyter_mlpipe.notebook.show.indexes import words_on_indexes
from jupyter_mlpipe.notebook.show.notebooks import split_cell
from jupyter_mlpipe.notebook.show.output import CellOutput
from jupyter_mlpipe.notebook.show.receipt import Receipt, describe_interface
from jupyter_mlpipe.notebook.show.tracebacks import as_raised, with_hint
from jupyter_mlpipe.notebook.steps.caches import words_on_caches
from jupyter_mlpipe.notebook.steps.states import MADE
from jupyter_mlpipe.notebook.values.ahead import import_ahead
from jupyter_mlpipe.notebook.values.undefined import word_on_name

if TYPE_CHECKING:
    from jupyter_mlpipe.notebook.session import Session

_DECLARE = "how files are declared"
_WARNED_AGAIN = (
    "warns as an earlier cell did: Python shows a warning once for each process, and each step has its own"
)


class _Before:
    """The names that a cell may bind, and what they stood for."""

    def __init__(self, session: Session, component: Component) -> None:
        self._session = session
        self.component = component.name
        self.bindable = (*component.outputs, *(definition.name for definition in component.definitions))
        self._names = session.names.remember(self.bindable)
        self._definitions = session.definitions.remember(self.bindable)

    def unbound(self) -> list[str]:
        """Return those that the kernel does not have."""
        return [name for name in self.bindable if name not in self._session.shell.user_ns]

    def give_back(self, missed: list[str]) -> None:
        """Let names stand for what they stood for."""
        self._session.names.give_back(missed, self._names, self.component)
        self._session.definitions.restore({name: self._definitions[name] for name in missed})


class CellRuns:
    """Runs the cells of components, and knows what each shows."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._views: dict[str, CellView] = {}  # what the cell of each component shows
        self._said: set[str] = set()  # what is worth saying once
        self._said_detached: set[str] = set()
        self._warned: dict[str, str] = {}  # warning -> the first component that showed it

    def forget(self, name: str) -> None:
        """Forget what the cell of a component shows."""
        self._views.pop(name, None)

    def show_again(self, run: Run) -> None:
        """Have cells show what a run has made that nobody asked for."""
        for name in run.targets:
            if name in self._views and run.steps[name].status != "skipped":
                self._views[name] = self._views[name].show_again(self._receipt(run.steps[name].task), run)

    def run(self, component: Component, output: CellOutput, here: HereCell | None = None) -> bool:
        """Register a cell's component and do what the mode says.

        Parameters
        ----------
        here
            What the kernel runs where it runs the step itself.

        Returns
        -------
        bool
            Whether the kernel itself has run the cell.
        """
        session = self._session
        before, is_alone = _Before(session, component), not session.runs.live
        if here is not None:
            session.here.place(component.name, here)
        task = session.components.register(component)
        mode = self.mode_of(component)
        moved: list[str] = []
        may_move = mode == "run" and component.options.run and not component.options.here
        if may_move and (found := session.moving.move(task)) is not None:
            component, here, moved = found
            session.here.place(component.name, here)
            task = session.components.register(component)
        name, options = component.name, component.options
        receipt = self._receipt(task)
        notes = [*moved, *self._notes_on(component)]
        facts = {"cell_id": split_cell(component.cell_id)[0] if component.cell_id else None}
        session.background.forget(name)
        if not options.run or mode == "register":
            output.display(receipt.bundle("registered", notes=notes, facts=facts))
            session.offers.claim_unmade(task)
            return False
        view = self._views[name] = CellView(receipt, output, notes, facts, self._remark)
        taken = task if is_alone and self._is_as_registered(task) else None
        run = self.begin(view, name, claim=True, taken=taken)
        if (options.background or mode == "background") and not options.here:
            self._delete(component.deletes)
            view.show_receipt()
            run.wait_for_local()
            session.background.follow(name, view)
            # Not before: what ran above may have changed what it reads, and it is run again then.
            session.collect()
            return False
        self._wait(view, run, before)
        step = run.steps[name]
        if run.status == "cancelled" or step.status == "cancelled":
            raise KeyboardInterrupt
        if step.status not in MADE:
            self._leave_failed(step, run, before)
            hint = partial(word_on_name, registry=session.registry, states=session.states)
            error = with_hint(run.failure(name), hint)
            raise as_raised(error, session.loading.load_error(run, name))
        left_out = step.record.left_out if step.record is not None else {}
        undeleted = step.record.undeleted if step.record is not None else ()
        self._delete(deleted for deleted in component.deletes if deleted not in undeleted)
        # With what only running it showed that it binds.
        session.offers.offer(run, name, claim=True)
        # On the path that the code took: these names stand for what they stood for.
        before.give_back([n for n in before.bindable if left_out.get(n) == NOT_BOUND])
        has_run_here = options.here and step.status == "succeeded"
        if not has_run_here:
            session.results.take(output.shown, run, name)
        return has_run_here

    def _delete(self, names: Iterable[str]) -> None:
        """Take names away; an object that its class has do something at its end does so here."""
        session, namespace = self._session, self._session.shell.user_ns
        for name in names:
            pending = session.names.pending.get(name)
            made = session.states.made(pending.component) if pending is not None else None
            artifact = made[1].outputs.get(name) if made is not None else None
            if artifact is not None and artifact.needs:
                session.definitions.bring(artifact.needs)
                if any(hasattr(namespace.get(need), "__del__") for need in artifact.needs):
                    with suppress(MLPipeError):
                        session.names.load([name])
            session.names.drop(name)

    def _wait(self, view: CellView, run: Run, before: _Before) -> None:
        """Wait until the step has ended; raise what its code raised in the kernel itself."""
        here, step = self._session.here, run.steps[before.component]
        try:
            with here.below(step.name) if step.task.options.here else nullcontext():
                view.wait(self._meanwhile(step))
        finally:
            self._session.collect()
            raised = here.take_error(step.name)
            if raised is not None:
                before.give_back(before.unbound())
        if raised is not None and step.status == "failed" and not isinstance(step.error, StepTimeoutError):
            raise raised

    def _meanwhile(self, step: RunStep) -> Callable[[], None] | None:
        """Return what to do while the step runs: import what its cell imports."""
        definitions = step.task.step.component.definitions
        if step.task.options.here or not any(definition.kind == "import" for definition in definitions):
            return None
        if may_set_variables(step.task):
            return None
        return partial(import_ahead, definitions, QUIET)

    def _leave_failed(self, step: RunStep, run: Run, before: _Before) -> None:
        """Leave names as Python would where the code has failed: what it had bound is there."""
        session, rescued = self._session, step.rescued
        if step.task.options.here:
            before.give_back(before.unbound())
        else:
            done = {*rescued.outputs, *(before.bindable if rescued.bound is None else rescued.bound)}
            unmade = {*step.task.step.component.outputs} - rescued.outputs.keys()
            before.give_back([n for n in before.bindable if n in unmade or n not in done])
            session.definitions.take_back(rescued.bound or ())
            self._delete(n for n in step.task.step.component.deletes if n in rescued.deleted)
            session.offers.offer_rescued(run, step.name)
        session.names.hold(rescued.outputs)

    def begin(self, view: CellView, name: str, *, claim: bool, taken: StepTask | None = None) -> Run:
        """Start a run of a cell's component and show it; what is above it has been run by its own cells.

        Parameters
        ----------
        taken
            The step as the notebook stands, where somebody has just looked.
        """
        session = self._session
        session.await_files(session.registry.placed[name].component.code)
        tasks = session.standing.as_made([name], taken={name: taken} if taken is not None else {})
        session.check_thread(tasks)
        run = session.runs.launch(tasks, [name], (), view.listen)
        session.runs.take_up(run)
        view.begin(run)
        session.show_in_graphs(run)
        session.offers.offer(run, name, claim=claim)
        return run

    def _is_as_registered(self, task: StepTask) -> bool:
        """Tell whether nothing that its step reaches has changed since a cell was registered, but by runs.

        Its own definitions have taken their names since; steps may have run again in the kernel to bring what
        could not be stored.
        """
        component, moving = task.step.component, self._session.moving
        reads_left_out = any(moving.is_unstored(i.step, i.output) for i in task.inputs.values())
        return not (component.definitions or component.star_imports or reads_left_out)

    def mode_of(self, component: Component) -> str:
        """Return what running the cell does, in the words of ``%pipeline mode``."""
        return "background" if component.name in self._session.headless.targets else self._session.mode

    def _receipt(self, task: StepTask) -> Receipt:
        step = task.step
        interface = describe_interface(step, task.parameters, self._session.registry.is_shared)
        return Receipt(step.name, interface)

    def _notes_on(self, component: Component) -> list[str]:
        namespace = self._session.shell.user_ns
        notes = words_on(component, namespace)
        once = [word_on_bars(component, namespace), word_on_open_figures(component, namespace)]
        private = words_on_private(component, namespace)
        for word in (*once, *private, *words_on_caches(component, namespace)):
            if word and word not in self._said:
                self._said.add(word)
                notes.append(word)
        changed = (*component.changes, *component.may_change)
        if not changed and ".name" not in component.code:
            return notes
        values = {n: value for n, value in namespace.items() if not n.startswith("_")}
        made = map(self._session.states.made, self._session.registry.placed)
        sharing = [entry for found in made if found is not None for entry in found[1].altered]
        for word in words_in_common(changed, [*in_common(values), *sharing]):
            if word not in self._said:
                self._said.add(word)
                notes.append(word)
        return [*notes, *words_on_indexes(component.code, [*shared_indexes(values), *sharing])]

    def _remark(self, made: RunStep, stderr: str) -> list[str]:
        """Say what is to be known of the store and of warnings, and once how files are declared."""
        notes = self._session.backend.store.take_notes()
        if any(self._warned.setdefault(found, made.name) != made.name for found in warnings_in(stderr)):
            notes.append(_WARNED_AGAIN)
        if detached := detached_outputs(made) - self._said_detached:
            self._said_detached |= detached
            notes.append(word_on_detached(detached))
        if _DECLARE not in self._said and (word := word_on_undeclared(made)):
            self._said.add(_DECLARE)
            notes.append(word)
        return notes
