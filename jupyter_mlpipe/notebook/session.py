"""The session: one per kernel. It owns what turns a notebook into a pipeline, and lets it act together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from jupyter_mlpipe.cells.names import analyse
from jupyter_mlpipe.errors import (
    MLPipeError,
    UnknownNameError,
    UsageError,
    close_matches,
)
from jupyter_mlpipe.execution.runs.file_words import may_read, may_write
from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.keys.collector import paused_collector
from jupyter_mlpipe.keys.given import Effects
from jupyter_mlpipe.keys.helpers import read_ahead
from jupyter_mlpipe.model.pipeline import FromStep, Step
from jupyter_mlpipe.model.status import ENDED
from jupyter_mlpipe.notebook.adopt import CellsRun
from jupyter_mlpipe.notebook.cellruns import CellRuns
from jupyter_mlpipe.notebook.components import Components
from jupyter_mlpipe.notebook.following.auto import Auto
from jupyter_mlpipe.notebook.following.binding import Bindings
from jupyter_mlpipe.notebook.following.marks import Marks
from jupyter_mlpipe.notebook.page.asks import Asks
from jupyter_mlpipe.notebook.page.cellsasks import CellsAsks
from jupyter_mlpipe.notebook.page.cellsview import CellsView
from jupyter_mlpipe.notebook.running.backend import Backend
from jupyter_mlpipe.notebook.running.background import Background
from jupyter_mlpipe.notebook.running.config import MLPipe, known_mode, notebook_name
from jupyter_mlpipe.notebook.running.headless import Headless
from jupyter_mlpipe.notebook.running.here import StepsHere
from jupyter_mlpipe.notebook.running.moving import Moving
from jupyter_mlpipe.notebook.running.runs import Runs
from jupyter_mlpipe.notebook.running.standing import Standing
from jupyter_mlpipe.notebook.show.cellscomm import CellsComm
from jupyter_mlpipe.notebook.show.frontend import Way
from jupyter_mlpipe.notebook.show.link import Link
from jupyter_mlpipe.notebook.show.live import LiveGraph
from jupyter_mlpipe.notebook.show.notebooks import Notebooks
from jupyter_mlpipe.notebook.show.output import Decoy
from jupyter_mlpipe.notebook.steps.names import Names, lists_names
from jupyter_mlpipe.notebook.steps.parameters import check_known
from jupyter_mlpipe.notebook.steps.registry import Registry
from jupyter_mlpipe.notebook.steps.results import Results
from jupyter_mlpipe.notebook.steps.states import MADE, States
from jupyter_mlpipe.notebook.values.definitions import Definitions
from jupyter_mlpipe.notebook.values.herenames import HereNames
from jupyter_mlpipe.notebook.values.loading import Loaded, Loading
from jupyter_mlpipe.notebook.values.logged import deliver
from jupyter_mlpipe.notebook.values.offers import Offers
from jupyter_mlpipe.notebook.values.settings import SettingsOfSteps
from jupyter_mlpipe.notebook.values.undefined import word_on_unkept
from jupyter_mlpipe.store.cache import Cache


class Session:
    """What the magics and the Python API act on.

    Parameters
    ----------
    shell
        The IPython shell whose namespace holds the notebook's names.
    """

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.config = MLPipe(parent=shell)
        self.backend = Backend(self.config, lambda job: self.here.run(job))
        self.headless = Headless.from_environment()
        self.mode: str = self.headless.mode or self.config.mode
        self.name = notebook_name()
        self.notebooks = Notebooks()
        self.cell_id: str | None = None
        self.way: Way = "page"
        self.decoy: Decoy | None = None
        self.cells_run = CellsRun(shell)

        loaded = Loaded(lambda: self.backend.store, shell.user_ns)
        self.names = Names(shell.user_ns, loaded.is_unchanged, loaded.version)
        self.states = States()
        self.definitions = Definitions(shell, self.names, self.states.needed_as, self._await_step)
        self.registry = Registry(self.names, self._title_of)
        self.registry.overrides.update(self.headless.parameters)
        self.registry.bring = self.definitions.bring
        self.registry.needs_of = self._needs_of
        self.settings = SettingsOfSteps(lambda: self.backend.store, shell.user_ns, self._define)

        self.runs = Runs(self.backend, self.headless, self.name, lambda: str(shell.InteractiveTB.mode))
        self.standing = Standing(self.backend, self.registry, self.states, self.runs, self.name, self.collect)
        self.marks = Marks(self)
        self.runs.on_take_up = self.marks.follow
        self.auto = Auto(self)
        self.runs.on_launch = self.auto.note_launch
        self.bindings = Bindings(self)
        self.components = Components(self)
        self.cell_runs = CellRuns(self)
        self.link: Link[LiveGraph] = Link(shell, Asks(self).answer, CellsAsks(self).answer)
        self.check_line: Callable[[str], None] = lambda line: None  # of %pipeline, whose commands stand above
        self.cells_comm = CellsComm(shell)
        self.cells = CellsView(self.marks, self.runs, self.notebooks, self.cells_comm.send)
        self.background = Background(self.registry, partial(self.cell_runs.begin, claim=False))
        self.here = StepsHere(
            shell,
            HereNames(self.names, self.registry, self.definitions, loaded),
            lambda: self.backend.store,
            collect=self.collect,
            prepare=lambda code, is_own: self.before_cell(code, code, may_wait=is_own),
            note_plain_cell=self.note_plain_cell,
            is_kept=self.runs.follows,
        )
        self.moving = Moving(shell, self.registry, self.states, self.here, run_again=self._run_again_here)
        loading = self.loading = Loading(
            self.names,
            loaded,
            self.definitions,
            newest=self.runs.newest,
            before=self._await_earlier,
            collect=self.collect,
            bring_live=self.moving.bring,
        )
        self.results = Results(shell, loading.load_result)
        self.offers = Offers(
            self.names,
            self.registry,
            self.definitions,
            loading,
            run_on_read=self._run_on_read,
            run_again=self.background.run_again,
        )
        # A terminal has no time between its cells: what the configuration says is for kernels.
        self.auto.use(self.config.auto if hasattr(shell, "kernel") else "mark", self.config.auto_budget)
        self.config.observe(lambda change: self.auto.use(level=change["new"]), "auto")
        self.config.observe(lambda change: self.auto.use(budget=change["new"]), "auto_budget")

    # -- running -----------------------------------------------------------------------------

    def start(
        self,
        targets: Iterable[str] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        force: Collection[str] = (),
        listener: Callable[..., None] | None = None,
        restore: bool = True,
        begin: Callable[[Run], None] | None = None,
        detach: bool = False,
        as_made: bool = False,
    ) -> Run:
        """Start a run and return it at once; outputs become the notebook's variables as they are read.

        Where steps run in the kernel itself, it returns when these have ended.

        Parameters
        ----------
        restore
            Whether the files that reused steps wrote are made again.
        begin
            Called with the run when it has been started.
        detach
            Whether a process of its own carries it on, which outlives this kernel.
        as_made
            Whether what is above the targets counts as its cells left it, as where a cell is run.
        """
        if not self.registry.placed:
            raise UsageError("There is nothing to run: put %%component NAME on top of a cell and run it.")
        targets = list(self.registry.placed) if targets is None else list(targets)
        tasks = self.standing.as_made(targets) if as_made else self.registry.tasks(targets, params)
        self.registry.check(*force)
        check_known(params or {}, self.registry.parameter_names())
        if not detach:
            self.check_thread(tasks)
        run = self.runs.launch(tasks, targets, force, listener, restore=restore, detach=detach)
        if not params:
            # Results for other parameters belong to their run, not to the notebook's variables.
            self.runs.take_up(run)
            self.collect()
            self.show_in_graphs(run)
        if begin is not None:
            begin(run)
        try:
            run.wait_for_local()
        finally:
            self.collect()
        return run

    def launch_by_itself(self, steps: Sequence[str]) -> Run:
        """Start a run that nobody asked for: the notebook's names do not follow it before it has ended."""
        return self.runs.launch(self.standing.as_made(steps), steps, (), None, restore=False, by_itself=True)

    def bind_by_itself(self, run: Run) -> None:
        """Let the notebook's names, and what its cells show, follow such a run."""
        there = [n for step in run.targets for n in self.names.owned_by(step) if self.names.is_loaded(n)]
        self.runs.take_up(run)
        self.collect()
        # What was there is there: code that runs between cells (of a widget) may read it.
        for name in there:
            if name in self.names.pending:
                with suppress(MLPipeError):
                    self.names.load([name])
        self.cell_runs.show_again(run)

    def collect(self) -> None:
        """Take over what runs have made: on the main thread, between cells."""
        if not self.here.is_running:
            for run in self.runs.live:
                run.serve()
        if self.runs.live:
            self._take_over()

    @paused_collector()
    def _take_over(self) -> None:
        for run in self.runs.live:
            # Before its steps: one that ends in between is looked at once more.
            has_ended = run.status != "running"
            for name, step in run.steps.items():
                newest = self.runs.newest(name, run)
                # An earlier run may end later. Only what it makes of the same code is still wanted.
                if name in self.registry and (run is newest or step.key == newest.steps[name].key):
                    self.states.note(run, step)
                    self.offers.offer(run, name, claim=False)
            self.settings.take(run, [name for name in run.steps if self.runs.newest(name, run) is run])
            if has_ended:
                self.runs.note_end(run)

    def check_thread(self, tasks: Mapping[str, StepTask]) -> None:
        """Refuse steps with ``--here`` where nobody could run them."""
        here = [name for name, task in tasks.items() if task.options.here]
        if not here:
            return
        if threading.current_thread() is not threading.main_thread():
            raise UsageError(
                f"Step '{here[0]}' runs in the kernel's main thread (--here): start its run there."
            )
        if self.here.is_running:
            raise UsageError(
                f"Step '{here[0]}' runs in the kernel (--here), and so does the one that starts it. "
                "Start it from a cell of its own."
            )

    def show_in_graphs(self, run: Run) -> None:
        """Let graphs of the pipeline that are live show a run as well."""
        for shown in self.link.graphs:
            if shown.follows_all:
                self.background.add(shown.follow(run))

    def _run_again_here(self, name: str) -> MLPipeError | None:
        """Run a step that moves into the kernel; return its error, after which all is as before."""
        before = self.runs.newest(name, None)
        run = self.runs.launch(self.standing.as_made([name]), [name], (name,), None)
        self.runs.take_up(run)
        try:
            run.wait_for_local()
            error = None if run.steps[name].status in MADE else run.failure(name)
        except BaseException:
            self.runs.go_back(name, before)
            raise
        if error is not None:
            self.runs.go_back(name, before)
        self.collect()
        return error

    def wait(self) -> None:
        """Wait until nothing runs any more and all is shown; an interrupt cancels what runs."""
        for run in self.runs.live:
            run.wait()
        self.background.join()
        self.collect()

    def settle(self) -> None:
        """Wait for what runs where no user looks on: a notebook on the command line.

        There the cells run in the background, but were written for a notebook in which they block.
        """
        if self.headless.active:
            self.wait()

    def _run_on_read(self, name: str) -> Run | None:
        """Start a step whose output is read, where it can be reused, or the command line asks for that."""
        if self.headless.runs_on_read or self.standing.plan([name])[name].decision == "reuse":
            # To read a value is not to run the cell.
            return self.start([name], restore=self.headless.runs_on_read)
        return None

    def await_files(self, code: str) -> None:
        """Wait for steps that may write what a cell reads, where nobody looks on: see `settle`."""
        if not self.headless.active or not may_read(code):
            return
        for run in self.runs.live:
            if any(
                n in self.registry and may_write(self.registry.placed[n].component.code) for n in run.steps
            ):
                run.wait()
        self.collect()

    def _await_earlier(self, step: str) -> None:
        """Wait for steps that may yet turn out to have changed what a later one read."""
        if self.headless.active and step in self.registry:
            for run in self.runs.sharing_inputs(step, self.registry):
                run.wait()
            self.collect()

    def _await_step(self, step: str) -> None:
        """Wait for a step that runs in the background: only then it can be said what it made."""
        runs = [run for run in self.runs.live if step in run.steps and run.steps[step].status not in ENDED]
        if not runs or self.here.is_running or threading.current_thread() is not threading.main_thread():
            return
        for run in runs:
            run.wait()
        self.collect()

    # -- names -----------------------------------------------------------------------------------

    def load(self, names: Sequence[str]) -> None:
        """Bind outputs of steps at once, rather than when they are first read."""
        self.check_outputs(*names)
        self.names.load(names)

    def check_outputs(self, *names: str) -> None:
        """Refuse names that no component makes."""
        known = {out for placed in self.registry.placed.values() for out in placed.writes}
        for name in names:
            if name not in known:
                raise UnknownNameError(
                    f"No component makes '{name}'.{close_matches(name, known)} "
                    f"Outputs: {', '.join(sorted(known)) or 'none'}."
                )

    def before_cell(self, text: str, code: str, *, may_wait: bool = True) -> None:
        """Make what a plain cell is about to read ready: files, definitions, then outputs of steps.

        Parameters
        ----------
        may_wait
            As in `Names.prepare`.
        """
        self.collect()
        self.await_files(code)
        self.definitions.note_text(code)
        if lists_names(text):
            self.definitions.bring(self.definitions.names_in(text, listed=True))
        self.definitions.bring_read(text)
        with suppress(SyntaxError):
            names = analyse(code)
            self.definitions.keep_earlier((*names.binds, *names.deletes), self.cell_id)
        self.names.prepare(text, code, may_wait=may_wait)
        self.results.prepare(text, code)

    def note_plain_cell(self, code: str) -> None:
        """Note what a cell that ran in the kernel bound or changed."""
        bound: tuple[str, ...] = ()
        changed: tuple[str, ...] = ()
        try:
            names = analyse(code)
        except SyntaxError:
            pass  # the cell did not run either
        else:
            bound, changed = tuple(names.binds), (*names.changes, *names.may_change)
            self.cells_run.note_unstorable(bound, self.shell.user_ns)
            self.definitions.note_changed(changed, self.cell_id)
            self.definitions.observe([*bound, *names.deletes, *(d.name for d in names.definitions)])
            for definition in names.definitions:
                if definition.kind != "import":
                    read_ahead(self.shell.user_ns.get(definition.name))
        self.names.observe(bound, changed, self.cell_id)

    def _needs_of(self, step: Step) -> tuple[str, ...]:
        """Return what goes along with a step's inputs: changed definitions, and what their functions read."""
        needs: dict[str, None] = {}
        for binding in step.bindings.values():
            made = self.states.made(binding.step) if isinstance(binding, FromStep) else None
            if made is not None and isinstance(binding, FromStep):
                artifact = made[1].outputs.get(binding.output)
                needs.update(dict.fromkeys(artifact.needs if artifact is not None else ()))
        return (*self.definitions.changed_among(needs), *self.definitions.values_behind(needs))

    def _define(self, step: str, effects: Effects, is_of_cell: bool) -> None:
        self.registry.note_set(step)
        self.definitions.take(self.registry.placed[step].component, effects, is_of_cell=is_of_cell)
        if effects.logged:
            try:
                deliver(effects.logged, lambda names: self.names.prepare(names, ""))
            finally:
                self.names.observe()  # their code is the notebook's own

    def is_known(self, name: str) -> bool:
        """Tell whether a name is there once a cell reads it, though it may not be bound yet."""
        return name in self.names.pending or name in self.definitions

    def word_on_unkept(self, name: str) -> str:
        """Say which component bound a name without keeping it, or failed to; nothing where none did."""
        return word_on_unkept(name, self.registry, self.states)

    def _title_of(self, file_name: str) -> str:
        if not hasattr(self.shell.compile, "format_code_name"):
            return file_name  # older IPythons call a cell so
        found = self.shell.compile.format_code_name(file_name)
        return " ".join(found) if found else file_name

    @property
    def cache(self) -> Cache:
        """The store to look after; a step's name means what it gave in this notebook."""

        def made(step: str) -> str | None:
            found = self.states.made(step)
            return found[1].key if found is not None else None

        return Cache(self.backend.store, made)

    def set_mode(self, mode: str) -> None:
        """Choose what running a component's cell does."""
        self.mode = known_mode(mode)
