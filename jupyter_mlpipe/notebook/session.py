"""The session: one per kernel. It owns the registry, the store, the runner and what names stand for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jupyter_mlpipe.cells.compile import compile_cell
from jupyter_mlpipe.cells.header import Header
from jupyter_mlpipe.cells.names import analyse
from jupyter_mlpipe.cells.parameters import parse_parameters
from jupyter_mlpipe.errors import (
    MLPipeError,
    StepError,
    UnknownNameError,
    UsageError,
    close_matches,
    describe_error,
)
from jupyter_mlpipe.execution.executor import Workers
from jupyter_mlpipe.execution.plan import Plan, plan_steps
from jupyter_mlpipe.execution.run import Run, RunStep
from jupyter_mlpipe.execution.runner import Runner
from jupyter_mlpipe.execution.spec import NOT_BOUND
from jupyter_mlpipe.execution.task import StepTask
from jupyter_mlpipe.model import graph
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.headless import NOT_RUN
from jupyter_mlpipe.model.pipeline import FromStep
from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot
from jupyter_mlpipe.notebook.adopt import CellsRun
from jupyter_mlpipe.notebook.cellview import CellView, words_on
from jupyter_mlpipe.notebook.cluster import make_executor
from jupyter_mlpipe.notebook.config import MODES, MLPipe, notebook_name
from jupyter_mlpipe.notebook.definitions import Definitions
from jupyter_mlpipe.notebook.headless import Headless
from jupyter_mlpipe.notebook.names import PARAMETERS, Names, Pending, lists_names
from jupyter_mlpipe.notebook.output import CellOutput
from jupyter_mlpipe.notebook.parameters import check_known, convert, declare
from jupyter_mlpipe.notebook.receipt import Receipt, describe_interface
from jupyter_mlpipe.notebook.registry import Registry
from jupyter_mlpipe.notebook.results import Results
from jupyter_mlpipe.notebook.settings import SettingsOfSteps
from jupyter_mlpipe.notebook.tracebacks import with_hint
from jupyter_mlpipe.store.comparing import holds
from jupyter_mlpipe.store.history import History
from jupyter_mlpipe.store.records import Artifact, Record
from jupyter_mlpipe.store.store import Store, open_store

_MADE = frozenset({"succeeded", "reused"})


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
        self.config.observe(lambda change: self._reopen(), "store")
        self.names = Names(shell.user_ns, self._is_as_loaded, self._loaded_version)
        self._loaded: dict[str, Artifact] = {}
        self.registry = Registry(self.names, self._title_of)
        self.headless = Headless.from_environment()
        self.registry.overrides.update(self.headless.parameters)
        self.mode: str = self.headless.mode or self.config.mode
        self.cluster: str = self.config.cluster
        self.name = notebook_name()
        self.states: dict[str, StepSnapshot] = {}
        self.last_run: Run | None = None
        self._keys: dict[str, str | None] = {}
        self._made: dict[str, tuple[str, Record]] = {}  # by step: the key of its work, and what it gave
        self._last_runs: dict[str, Run] = {}
        self.cell_id: str | None = None
        self._cells: dict[str, str] = {}  # cell id -> component
        self.cells_run = CellsRun(shell)
        self.definitions = Definitions(shell, self.names)
        self.registry.bring = self.definitions.bring
        self.results = Results(shell, self._result_of)
        self.settings = SettingsOfSteps(lambda: self.store, shell.user_ns)
        self._live: list[Run] = []
        self._forced: dict[str, Run] = {}  # step -> the run that the command line forced it in
        self._newest: dict[str, Run] = {}  # by step, of those whose results are the notebook's
        # Of cells that returned before their step had ended: what to show, and where.
        self._followed: dict[str, tuple[Receipt, CellOutput, list[str], Mapping[str, Any]]] = {}
        self.followers: list[threading.Thread] = []  # they show what background runs do
        self._store: Store | None = None
        self._runner: Runner | None = None

    # -- parts that are made when first needed ---------------------------------------------------

    @property
    def store(self) -> Store:
        """The store; opened when first needed."""
        if self._store is None:
            self._store = open_store(self.config.store_path())
        return self._store

    @property
    def runner(self) -> Runner:
        """The runner; its cluster starts when the first step has to run."""
        if self._runner is None:
            self._runner = Runner(
                self.store,
                lambda: make_executor(self.cluster),
                History(self.config.store_path() / "history.db"),
            )
        return self._runner

    def use_cluster(self, target: Any) -> None:
        """Run the steps to come on another cluster: an address, a scheduler file, a Client, or "local"."""
        self.close()
        self.cluster = "" if target == "local" else target

    def close(self) -> None:
        """Cancel what runs and close the cluster; what is done is in the store."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    def _reopen(self) -> None:
        """Go on with another store: what runs is cancelled, what is in the old one stays there."""
        self.close()
        self._store = None

    # -- registering -----------------------------------------------------------------------------

    def component(
        self, header: Header, cell: str, body: str, *, cell_id: str | None, title: str
    ) -> Component:
        """Make a component of a cell's text; see `compile_cell` for its errors."""
        return compile_cell(cell, header=header, body=body, cell_id=cell_id, title=title)

    def register(self, component: Component) -> StepTask:
        """Register a component in place of an earlier one of its name, or of its cell."""
        # Words in texts, too: a library may look them up (``dmatrix("log(x)")``).
        self.definitions.bring({*component.reads, *self.definitions.names_in(component.code)})
        self.results.load_read(component.reads)
        before = self._cells.get(component.cell_id or "")
        around = self.settings.unsettled, self.settings.set_by(component.name)
        task = self.registry.add(component, *around)
        if before and before != component.name and before in self.registry:
            self.remove(before)
        if component.cell_id:
            self._cells[component.cell_id] = component.name
        self.definitions.add(component)
        self.settings.expect(component.name)
        self.states[component.name] = self._registered_state(task)
        return task

    def remove(self, name: str) -> None:
        """Forget a component; its results stay in the store."""
        self.registry.remove(name)
        self.settings.forget(name)
        self.states.pop(name, None)
        self._cells = {cell: owner for cell, owner in self._cells.items() if owner != name}

    def forget_cells(self, deleted: Iterable[str]) -> None:
        """Drop the components of cells that the front end says are gone."""
        for cell_id in deleted:
            name = self._cells.get(cell_id)
            if name is not None and name in self.registry:
                self.remove(name)

    def declare_parameters(self, body: str) -> dict[str, Any]:
        """Declare the names of a parameters cell and bind them; returns their values."""
        declared = {i.name: declare(i, self.shell.user_ns) for i in parse_parameters(body)}
        for name, parameter in declared.items():
            value = parameter.value
            if name in self.registry.overrides:
                value = convert(parameter, self.registry.overrides[name])
            self.registry.parameters[name] = parameter
            self.names.bind(name, value, PARAMETERS)
        return {name: self.shell.user_ns[name] for name in declared}

    # -- planning and running --------------------------------------------------------------------

    def plan(
        self,
        targets: Iterable[str] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        force: Collection[str] = (),
    ) -> Plan:
        """Say for each step whether it would be reused or run, and why; runs nothing."""
        tasks = self.registry.tasks(targets, params)
        self.registry.check(*force)
        return plan_steps(
            tasks,
            self.store,
            self.runner.history,
            now=time.time(),
            pipeline=self.name,
            force=frozenset(force),
        )

    def start(
        self,
        targets: Iterable[str] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        force: Collection[str] = (),
        listener: Callable[..., None] | None = None,
    ) -> Run:
        """Start a run and return it at once; outputs become the notebook's variables as they are read."""
        if not self.registry.placed:
            raise UsageError("There is nothing to run: put %%component NAME on top of a cell and run it.")
        targets = list(self.registry.placed) if targets is None else list(targets)
        tasks = self.registry.tasks(targets, params)
        self.registry.check(*force)
        check_known(params or {}, self.registry.parameter_names())
        run = self._launch(tasks, targets, force, listener)
        if not params:
            # Results for other parameters belong to their run, not to the notebook's variables.
            self._take_up(run)
            self.collect()
        return run

    def _launch(
        self,
        tasks: Mapping[str, StepTask],
        targets: Iterable[str],
        force: Collection[str],
        listener: Callable[..., None] | None,
    ) -> Run:
        asked = self.headless.force & tasks.keys()
        self.headless.force -= asked  # what the command line forces runs once, not at every cell below it
        for name in self._forced.keys() & tasks.keys():
            # Its earlier record would be found at once, though what runs may replace it.
            self._forced[name].wait()
        run = self.runner.start(
            tasks, targets=targets, force={*force, *asked}, pipeline=self.name, listener=listener
        )
        self._forced.update(dict.fromkeys(asked, run))
        self.last_run = run
        self.headless.watch(run)
        return run

    def _take_up(self, run: Run) -> None:
        """Let the notebook's names follow a run, rather than earlier ones of the same steps."""
        self._live.append(run)
        self._newest.update(dict.fromkeys(run.steps, run))

    def collect(self) -> None:
        """Take over what runs have made: on the main thread, between cells."""
        for run in list(self._live):
            for name, step in run.steps.items():
                newest = self._newest[name]
                # An earlier run may end later. Only what it makes of the same code is still wanted.
                if name in self.registry and (run is newest or step.key == newest.steps[name].key):
                    self._note_state(run, step)
                    self._offer(run, name, claim=False)
            self.settings.take(run, [name for name in run.steps if self._newest[name] is run])
            if run.status != "running":
                self._live.remove(run)

    def run_cell(self, component: Component, output: CellOutput) -> None:
        """Register a cell's component and do what the mode says."""
        bindable = (*component.outputs, *(definition.name for definition in component.definitions))
        before, known = self.names.remember(bindable), self.definitions.remember(bindable)
        task = self.register(component)
        options = component.options
        receipt = Receipt(
            component.name, describe_interface(task.step, task.parameters, self.registry.shared_names())
        )
        notes = words_on(component, self.shell.user_ns)
        facts = {"cell_id": component.cell_id}
        self._followed.pop(component.name, None)
        mode = "background" if component.name in self.headless.targets else self.mode
        if not options.run or mode == "register":
            output.display(receipt.bundle("registered", notes=notes, facts=facts))
            self._claim_unmade(task)
            return
        # A name that nothing provides is told when its line is reached, as Python does.
        tasks = self._tasks_of_cell(component.name)
        view = CellView(receipt, output, notes, facts)
        run = self._launch(tasks, [component.name], (), view.listen)
        self._take_up(run)
        view.begin(run)
        self._offer(run, component.name, claim=True)
        for name in component.deletes:
            self.names.drop(name)
        if options.background or mode == "background":
            self._followed[component.name] = (receipt, output, notes, facts)
            self.followers.append(view.follow())
            return
        try:
            view.wait()
        finally:
            self.collect()
        step = run.steps[component.name]
        if run.status == "cancelled" or step.status == "cancelled":
            raise KeyboardInterrupt
        if step.status not in ("succeeded", "reused"):
            done = {*step.rescued, *(bindable if step.bound is None else step.bound)}
            unmade = {*task.step.component.outputs} - step.rescued.keys()
            missed = [n for n in bindable if n in unmade or n not in done]
            self.names.give_back(missed, before, component.name)
            self.names.hold(step.rescued)
            self.definitions.restore({n: known[n] for n in missed})
            raise with_hint(run.failure(component.name), self._word_on_name)
        left_out = step.record.left_out if step.record is not None else {}
        # With what only running it showed that it binds.
        self._offer(run, component.name, claim=True)
        # On the path that the code took: these names stand for what they stood for.
        unbound = [n for n in bindable if left_out.get(n) == NOT_BOUND]
        self.names.restore({n: before[n] for n in unbound if n in before})
        self.definitions.restore({n: known[n] for n in unbound})
        self.results.take(output.shown, run, component.name)

    def _tasks_of_cell(self, name: str) -> dict[str, StepTask]:
        """Return the tasks for running a cell: what is above it has been run by its own cells."""
        tasks = self.registry.tasks([name], strict=False)
        return {
            other: task if other == name else replace(task, made=self._made.get(other))
            for other, task in tasks.items()
        }

    def wait(self) -> None:
        """Wait until nothing runs any more and all is shown; an interrupt cancels what runs."""
        for run in list(self._live):
            run.wait()
        for follower in self.followers:
            follower.join()
        self.followers.clear()
        self.collect()

    def settle(self) -> None:
        """Wait for what runs where no user looks on: a notebook on the command line.

        There the cells run in the background, but were written for a notebook in which they block.
        """
        if self.headless.active:
            self.wait()

    @property
    def live(self) -> list[Run]:
        """The runs that have not ended, in the order in which they were started."""
        return list(self._live)

    def cancel(self) -> bool:
        """Cancel what runs; tells whether anything did."""
        running = [run for run in self._live if run.status == "running"]
        for run in running:
            run.cancel()
        return bool(running)

    def last_run_of(self, name: str) -> Run | None:
        """Return the latest run that had this step."""
        return self._last_runs.get(name)

    def errors(self) -> dict[str, MLPipeError]:
        """Return the errors of the steps that failed when they were last run."""
        found = {name: run.steps[name].error for name, run in self._last_runs.items()}
        return {name: error for name, error in found.items() if error is not None}

    def workers(self) -> Workers:
        """Return what each worker offers; nothing before the cluster has started."""
        return self.runner.workers if self._runner is not None else {}

    # -- names -----------------------------------------------------------------------------------

    def load(self, names: Sequence[str]) -> None:
        """Bind outputs of steps at once, rather than when they are first read."""
        known = {out for placed in self.registry.placed.values() for out in placed.writes}
        for name in names:
            if name not in known:
                raise UnknownNameError(
                    f"No component makes '{name}'.{close_matches(name, known)} "
                    f"Outputs: {', '.join(sorted(known)) or 'none'}."
                )
        self.names.load(names)

    def before_cell(self, text: str, code: str) -> None:
        """Make what a plain cell is about to read ready: definitions, then outputs of steps."""
        self.collect()
        if lists_names(text):
            self.definitions.bring(self.definitions.names_in(text, listed=True))
        self.definitions.bring_read(text)
        self.names.prepare(text, code)
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
            self.definitions.observe([*bound, *names.deletes, *(d.name for d in names.definitions)])
        self.names.observe(bound, changed, self.cell_id)

    def _offer(self, run: Run, name: str, *, claim: bool) -> None:
        """Let the outputs of a step be read from a run."""
        step = run.steps[name]
        made = step.record.outputs if step.record is not None else {}
        left_out = step.record.left_out if step.record is not None else {}
        fresh = self._learn(step) if step.status in _MADE else ()
        for out in dict.fromkeys((*self.registry.placed[name].writes, *made, *left_out)):
            artifact = made.get(out)
            version = artifact.digest if artifact is not None else None
            pending = Pending(name, version, self._loader(run, name, out), lambda: step.status in _MADE)
            if claim or out in fresh:
                self.definitions.observe([out])
            self.names.offer(out, pending, claim=claim or out in fresh)

    def _learn(self, step: RunStep) -> tuple[str, ...]:
        """Take note of what a step changed without its code showing it; returns what is new of that."""
        record, placed = step.record, self.registry.placed[step.name]
        assert record is not None
        made = (*record.outputs, *record.left_out)
        if not placed.found and len(made) == len(placed.component.outputs):
            return ()
        gone = [n for n in placed.found if n not in made]
        if gone:
            self.registry.unlearn(step.name, gone)
            for n in gone:
                self._restore(step.name, n)
        claimed, readers = self.registry.learn(step.name, made)
        self._run_again(readers)
        return claimed

    def _restore(self, step: str, name: str) -> None:
        """Let a name that a step changes no longer stand for what the step itself read."""
        choice = self.registry.placed[step].choices.get(name)
        if self.names.owner(name) != step:
            return
        if choice is not None and isinstance(choice.binding, FromStep):
            source = choice.binding
            restore = self._restorer(source.step, source.output)
            self.names.offer(name, Pending(source.step, None, restore, lambda: False), claim=True)
        elif choice is not None and choice.binding is None:
            self.names.release(name)
            self.shell.user_ns[name] = choice.value

    def _run_again(self, readers: Iterable[str]) -> None:
        """Run steps in the background anew whose inputs turned out to have been changed before they ran."""
        begun = [name for name in readers if name in self._followed]
        if not begun:
            return
        for name in graph.topological_order(self.registry.upstream()):
            if name in self._followed and {name, *self.registry.placed[name].upstream} & set(begun):
                begun.append(name)
                receipt, output, notes, facts = self._followed[name]
                output.clear(wait=False)
                self._run_in_background(CellView(receipt, output, notes, facts), name)

    def _run_in_background(self, view: CellView, name: str) -> None:
        run = self._launch(self._tasks_of_cell(name), [name], (), view.listen)
        self._take_up(run)
        view.begin(run)
        self._offer(run, name, claim=False)
        self.followers.append(view.follow())

    def _await_earlier(self, step: str) -> None:
        """Wait for steps that may yet turn out to have changed what a later one read."""
        order = list(self.registry.placed)
        if not self.headless.active or step not in order:
            return
        above = {step, *graph.ancestors(self.registry.upstream(), [step])}
        sources = {source for name in above for source in self.registry.sources(name)}
        earlier = order[: order.index(step)]
        for run in list(self._live):
            for name in run.steps:
                if name in earlier and name not in above and sources & self.registry.sources(name):
                    run.wait()
                    break
        self.collect()

    def _loader(self, first: Run, step: str, out: str) -> Callable[[], Any]:
        def load() -> Any:
            self._await_earlier(step)
            run = self._newest.get(step, first)
            latest = run.steps[step]
            if latest.status == "failed" and out not in latest.rescued:
                run = first  # what a cell that failed was to bind stands for what it stood for before
            name = f"{step}.{out}"
            # What a class of a component's cell made needs the class, though the reader may not name it.
            artifact = self._loaded[out] = run.artifact(name)
            self.definitions.bring(artifact.needs)
            if not artifact.part:
                return run[name]
            values = run.load_together(name)
            for other, value in values.items():
                pending = self.names.pending.get(other)
                if other != out and pending is not None and pending.component == step:
                    found = run.artifact(f"{step}.{other}")
                    if found.blob == artifact.blob:
                        self._loaded[other] = found
                        self.names.put(other, value)
            return values[out]

        return load

    def _result_of(self, run: Run, step: str) -> Any:
        record = run.steps[step].record
        assert record is not None
        assert record.result is not None
        for out, artifact in record.outputs.items():
            # `df` at the end of a cell is the very object that the name stands for.
            if artifact.digest == record.result.digest and self.names.owner(out) == step:
                self.names.load([out])
                if self.names.is_version(out, artifact.digest):
                    return self.names.namespace[out]
        self.definitions.bring(record.result.needs)
        return run.result(step)

    def _loaded_version(self, name: str) -> str | None:
        artifact = self._loaded.get(name)
        return artifact.digest if artifact is not None else None

    def _is_as_loaded(self, name: str, value: Any) -> bool:
        artifact = self._loaded.get(name)
        return artifact is None or holds(self.store, artifact, value, self.shell.user_ns)

    def _claim_unmade(self, task: StepTask) -> None:
        """Let the outputs of a component that was only registered come from the store, when read."""
        for out in task.step.component.outputs:
            pending = Pending(task.name, None, self._restorer(task.name, out), lambda: False)
            self.definitions.observe([out])
            self.names.offer(out, pending, claim=True)

    def _restorer(self, name: str, out: str) -> Callable[[], Any]:
        def restore() -> Any:
            if self.headless.runs_on_read or self.plan([name])[name].decision == "reuse":
                return self._loader(self.start([name]), name, out)()
            raise StepError(
                f"'{out}' is made by step '{name}', which has not run. "
                f"Run it with %pipeline run {name}, or run its cell after %pipeline mode run.",
                step=name,
                ename=NOT_RUN,
            )

        return restore

    def _word_on_name(self, name: str) -> str:
        """Say about a name that is not defined what could be meant, or who made it without keeping it."""
        if unkept := self.word_on_unkept(name):
            return unkept
        hint = close_matches(name, self.registry.known_names() - {name}).strip()
        return f"{hint} Run the cell that makes '{name}' first, if there is one.".strip()

    def word_on_unkept(self, name: str) -> str:
        """Say which component bound a name without keeping it, or failed to; nothing where none did."""
        if (failed := self.names.missed_by(name)) is not None:
            error = self.errors().get(failed)
            why = f": {describe_error(error)}" if error is not None else ""
            return (
                f"Component '{failed}' makes '{name}', and failed before it did{why}. "
                "Run its cell again first."
            )
        for run in reversed(self._last_runs.values()):
            for step in run.steps.values():
                if step.record is not None and name in step.record.left_out:
                    why = step.record.left_out[name].rstrip(".")
                    return (
                        f"Component '{step.name}' bound '{name}', which is not kept: {why}. "
                        "Make it in this cell."
                    )
        for component, placed in self.registry.placed.items():
            if name.startswith("_") and name in analyse(placed.component.code).binds:
                return (
                    f"Component '{component}' bound '{name}', and names that begin with '_' are not kept. "
                    f"Call it otherwise, or write '-> {name}' in the component's header."
                )
        return ""

    def _title_of(self, file_name: str) -> str:
        found = self.shell.compile.format_code_name(file_name)
        return " ".join(found) if found else file_name

    def _note_state(self, run: Run, step: RunStep) -> None:
        if step.status in _MADE and step.record is not None:
            self._made[step.name] = (step.work, step.record)
        before = self.states.get(step.name)
        made_here = (
            before is not None and before.status == "succeeded" and self._keys.get(step.name) == step.key
        )
        if not (step.status == "reused" and made_here):
            # A step that ran in this session stays "succeeded" when a later cell reuses it.
            self.states[step.name] = step.snapshot()
            self._keys[step.name] = step.key
            self._last_runs[step.name] = run

    def _registered_state(self, task: StepTask) -> StepSnapshot:
        component = task.step.component
        return StepSnapshot(name=component.name, outputs=component.outputs, cell_id=component.cell_id)

    def snapshot(self, *, plan: bool = True) -> RunSnapshot:
        """Return the pipeline as people see it: the last state of each step, or what the plan says."""
        self.collect()
        tasks = self.registry.tasks()
        plans = self.plan() if plan else {}
        steps = []
        for name, task in tasks.items():
            state = self.states.get(name) or self._registered_state(task)
            reads = {}
            for read, binding in task.step.bindings.items():
                source = getattr(binding, "step", None)
                reads[read] = source or type(binding).__name__.removeprefix("From").lower()
            decision = plans[name].decision if name in plans else None
            steps.append(replace(state, reads=reads, plan=decision))
        run = self.last_run
        return RunSnapshot(tuple(steps), run.status if run else None, run.seconds if run else None)

    def set_mode(self, mode: str) -> None:
        """Choose what running a component's cell does."""
        if mode not in MODES:
            raise UsageError(f"%pipeline mode takes one of {', '.join(MODES)}, but found '{mode}'.")
        self.mode = mode
