"""``%%component NAME --here``: the cell runs in the kernel's own process, as it would without our line.

For what cannot live in a process of its own: widgets, connections, a debugger. What it reads, binds and
shows is kept all the same, and what can be had again without running it is reused.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from jupyter_mlpipe.cells.names import parse_cell
from jupyter_mlpipe.errors import MLPipeError, StepOutputError, UsageError
from jupyter_mlpipe.execution.process.body import Body, ReturnedWrongly, call_function, unpack_result
from jupyter_mlpipe.execution.process.declared import Declared
from jupyter_mlpipe.execution.process.messages import StepFailure
from jupyter_mlpipe.execution.process.outcome import GivenValues
from jupyter_mlpipe.execution.process.outputs import result_output
from jupyter_mlpipe.execution.process.own_state import OwnStates
from jupyter_mlpipe.execution.process.recording import find_mentions, make_record
from jupyter_mlpipe.execution.process.scene import Scene
from jupyter_mlpipe.execution.process.spec import NOT_BOUND, StepSpec
from jupyter_mlpipe.execution.process.telling import Told
from jupyter_mlpipe.execution.process.unseen import names_bound_unseen, settle_classes
from jupyter_mlpipe.execution.process.watch import FileWatch
from jupyter_mlpipe.execution.runs.local import LocalFailure, LocalJob
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.model.futures import POSTPONED
from jupyter_mlpipe.notebook.running.capturing import LiveCapture
from jupyter_mlpipe.notebook.running.libraries import kept_here
from jupyter_mlpipe.notebook.running.living import asking, looks_beyond, unlike_key, what_lives
from jupyter_mlpipe.notebook.show.tracebacks import cut_own_frames
from jupyter_mlpipe.notebook.steps.imported import Imported
from jupyter_mlpipe.notebook.values.herenames import HereNames
from jupyter_mlpipe.store.files import FileKeeper
from jupyter_mlpipe.store.records import Artifact, Record
from jupyter_mlpipe.store.store import Store


@dataclass(frozen=True, slots=True)
class HereCell:
    """A cell as the kernel runs it.

    Parameters
    ----------
    body
        Of the cell as typed: magics are calls, as in a plain cell.
    code
        Its text as Python.
    title
        The file name that its tracebacks carry.
    text
        As it was typed.
    looks_around
        Magics that show what the kernel has.
    """

    body: Body
    code: str
    title: str
    text: str = ""
    looks_around: tuple[str, ...] = ()


def read_here(shell: Any, cell: str) -> HereCell:
    """Return a cell's body, ready to run in the kernel.

    Raises
    ------
    SyntaxError, UsageError
        It is no Python, or awaits at its top level.
    """
    n_blank = len(cell) - len(cell.lstrip("\n"))
    code = "\n" * (1 + n_blank) + str(shell.transform_cell(cell))
    number = shell.displayhook.prompt_count
    parse_cell(code, filename=f"Cell In[{number}]")
    title = shell.compile.cache(code, number, raw_code=code)
    body = Body(code, title, postponed=bool(shell.compile.flags & POSTPONED))
    if body.awaits:
        raise UsageError(
            "--here cannot run a cell that awaits at its top level, for the kernel's loop runs already. "
            "Leave out --here, or %%component."
        )
    return HereCell(body, code, title, cell)


class StepsHere:
    """Runs the steps of this kernel that ask for it.

    Parameters
    ----------
    store
        Gives the store of the moment.
    collect
        Brings what the steps above have made and set to the notebook.
    prepare
        Brings what code may look at to the notebook; may it wait for steps that have not ended?
    note_plain_cell
        Notes what code did that ran without being recorded.
    is_kept
        Tells whether the names of a step follow a run, given by its id.
    """

    def __init__(
        self,
        shell: Any,
        names: HereNames,
        store: Callable[[], Store],
        *,
        collect: Callable[[], None],
        prepare: Callable[[str, bool], None],
        note_plain_cell: Callable[[str], None],
        is_kept: Callable[[str, str], bool],
    ) -> None:
        self._shell = shell
        self._names = names
        self._store = store
        self._collect = collect
        self._prepare = prepare
        self._note_plain_cell = note_plain_cell
        self._is_kept = is_kept
        self._cells: dict[str, HereCell] = {}
        self._imported = Imported()
        self._own = ""
        self._aside = False
        self._is_running = False
        self._raised: dict[str, BaseException] = {}
        self._stored: Mapping[str, Artifact] = {}
        self.stayed: tuple[str, ...] = ()

    @property
    def is_running(self) -> bool:
        """Whether a step's code runs here right now."""
        return self._is_running

    def place(self, name: str, cell: HereCell) -> None:
        """Take the cell of a component that is registered."""
        self._cells[name] = cell

    def has_left(self, name: str, out: str) -> bool:
        """Tell whether a name stands for what a step that ran here has made, and could not store."""
        return self._names.has_left(name, out)

    def note_cell(self) -> None:
        """Note that a cell has ended."""
        self._imported.note()

    @contextlib.contextmanager
    def keeping(self, stored: Mapping[str, Artifact]) -> Iterator[None]:
        """Let what a step has stored stay as it is when it runs once more, whatever it gives then.

        `stayed` has the names of what it gave otherwise.
        """
        self._stored, self.stayed = stored, ()
        try:
            yield
        finally:
            self._stored = {}

    @contextlib.contextmanager
    def below(self, name: str) -> Iterator[None]:
        """Show what this step shows below the running cell, which is its own."""
        before, self._own = self._own, name
        try:
            yield
        finally:
            self._own = before

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Show what steps show below the running cell, which started them."""
        before, self._aside = self._aside, True
        try:
            yield
        finally:
            self._aside = before

    def take_error(self, name: str) -> BaseException | None:
        """Return what the code of a step raised in its own cell, once."""
        return self._raised.pop(name, None)

    def run(self, job: LocalJob) -> Record:
        """Run a step; its record is in the store when this returns.

        Raises
        ------
        LocalFailure
            Its code failed. Names that it had bound stay, as after a plain cell.
        """
        name = job.task.name
        self._raised.pop(name, None)
        self._is_running = True
        try:
            self._collect()
            return self._run(job)
        except LocalFailure as failed:
            if self._is_kept(name, job.run):
                self._note_plain_cell(self._cells[name].code)
            if name == self._own and failed.__cause__ is not None:
                self._raised[name] = failed.__cause__
            raise
        except MLPipeError as error:
            if self._is_kept(name, job.run):
                self._note_plain_cell(self._cells[name].code)
            # Of ours: a declared output that is not there, or an input that cannot be read.
            described: StepFailure = {
                "kind": "output" if isinstance(error, StepOutputError) else "error",
                "ename": type(error).__name__,
                "evalue": str(error),
                "traceback": [],
            }
            raise LocalFailure(described) from None
        finally:
            self._is_running = False

    def _run(self, job: LocalJob) -> Record:
        task, spec, store = job.task, job.spec, self._store()
        cell, namespace = self._cells[task.name], self._shell.user_ns
        if cell.looks_around:
            # A step that runs for a cell below must not wait for what that cell is to make.
            self._prepare(cell.code, task.name == self._own)
        started, cpu = time.perf_counter(), time.process_time()
        unlike = unlike_key(task, namespace)
        kept = kept_here(cell.code, task.closure, self._shell)
        is_kept = self._is_kept(task.name, job.run)
        with self._names.standing(task, spec, store, is_kept=is_kept) as standing:
            known = frozenset(namespace)
            given = GivenValues(spec, store, standing.values, standing.companions)
            definitions = OwnStates(spec.code, namespace)
            watch = FileWatch(spec.folder or os.getcwd(), [str(store.root)], Declared(spec.places))
            scene = Scene({}, spec.states, spec.modules)
            scene.keep()
            capture = LiveCapture(self._shell, shows=self._aside or task.name == self._own)
            told = Told(job.tell)
            shown = _LastExpression(self._shell, capture, is_own=task.name == self._own)
            try:
                scene.begin()
                with capture, asking(self._shell) as asked:
                    watch.start()
                    watch.look_around()
                    with told.listening():
                        results = self._run_body(spec, cell, shown, standing.values)
                    effects, states = scene.end(namespace)
                    watch.stop()
                    outputs = capture.finish()
            finally:
                told.stop()
                watch.stop()
                scene.leave()
            bound = {n: namespace[n] for n in results if n not in known}
            mentions = find_mentions(spec, standing.values, {**standing.values, **bound})
            watch.mention(mentions)
            written = watch.written(mentions, FileKeeper(store.objects, spec.file_limits))
            settle_classes({n: namespace[n] for n in namespace.keys() - known})
            unseen: list[str] = []
            if not spec.outputs_declared:
                unseen = names_bound_unseen(spec.code, known, standing.values, spec.outputs, namespace)
            outcome = given.store_outcome(results, namespace, unseen)
            own_state = definitions.end(namespace, outcome.outputs)
            outcome.left_out.update(dict.fromkeys(own_state.missed, NOT_BOUND))
            live = what_lives(task, outcome, own_state, namespace)
            live |= watch.lost()
            live |= looks_beyond(cell.looks_around, [cell.text, *spec.sources.values()])
            if kept:
                live[""] = kept[0]
            elif capture.has_widget:
                live[""] = "it shows a widget, which lives in the kernel that made it"
            elif asked:
                live[""] = "it asks for input"
            elif standing.is_unlike and not task.problems:
                live[""] = "it ran where what it reads was not as when its cell was run"
            elif unlike:
                live[""] = f"it ran where {unlike} not as when its cell was run"
            elif outdated := self._imported.outdated(spec.modules, _tops(task)):
                live[", ".join(outdated)] = "changed on disk after the kernel loaded it: restart the kernel"
            stay = _otherwise(self._stored, outcome.outputs)
            self.stayed = tuple(sorted(stay))
            record = make_record(
                spec,
                store,
                outcome,
                told,
                results=results,
                last=shown.value,
                shown=outputs,
                effects=effects,
                states={**states, **watch.states(spec.environment)},
                files=watch.files(),
                written=written,
                started=started,
            )
            used = {"cpu_seconds": round(time.process_time() - cpu, 6)}
            record = structs.replace(record, outputs={**outcome.outputs, **stay}, live=live, used=used)
            store.put_record(record)
            standing.take(record, claim=task.name == self._own, stay=stay)
        return record

    def _run_body(
        self,
        spec: StepSpec,
        cell: HereCell,
        shown: _LastExpression,
        values: Mapping[str, object],
    ) -> Mapping[str, object]:
        namespace = self._shell.user_ns
        try:
            cell.body.run(namespace, shown, interactivity=self._shell.ast_node_interactivity)
            if spec.function is None:
                return dict(namespace)
            result = call_function(namespace[spec.function], values)
        except BaseException as error:
            raise LocalFailure(_failure(error, cell.title, self._shell)) from error
        try:
            results = unpack_result(result, spec.outputs)
        except ReturnedWrongly as error:
            raise StepOutputError(f"Function '{spec.function}' {error}.") from None
        namespace.update(results)
        return results


def _otherwise(stored: Mapping[str, Artifact], made: Mapping[str, Artifact]) -> dict[str, Artifact]:
    """Return what was stored and is made otherwise, with what is stored together with that."""
    changed = {n for n, a in stored.items() if n in made and made[n].digest != a.digest}
    together = {stored[n].blob.object for n in changed if stored[n].part}
    return {n: a for n, a in stored.items() if n in changed or (a.part and a.blob.object in together)}


class _LastExpression:
    """Shows the value of a last expression, and keeps it."""

    def __init__(self, shell: Any, capture: LiveCapture, *, is_own: bool) -> None:
        self._shell = shell
        self._capture = capture
        self._is_own = is_own
        self.value: object = None

    def __call__(self, value: object) -> None:
        self.value = value
        if value is None:
            return
        if self._is_own:
            self._shell.displayhook(value)
            return
        # The cell that runs is another one: its result is not this.
        data, metadata = self._shell.display_formatter.format(value)
        if data:
            self._capture.show_result(result_output(data, metadata))


def _tops(task: StepTask) -> set[str]:
    modules = (*task.closure.preload, *(module for module, _ in task.closure.imports.values()))
    return {module.partition(".")[0] for module in modules} - task.closure.modules.keys()


def _failure(error: BaseException, title: str, shell: Any) -> StepFailure:
    """Return an error as a step's process reports it; from here on it shows itself from the cell's line."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != title:
        trace = trace.tb_next
    if trace is None:
        trace = error.__traceback__
    shown = getattr(error, "_render_traceback_", None)
    lines: list[str]
    if shown is not None:
        lines = shown()
    else:
        lines = shell.InteractiveTB.structured_traceback(type(error), error, trace, tb_offset=0)

        def show() -> list[str]:
            cut_own_frames(error.__traceback__, trace)
            return lines

        error._render_traceback_ = show  # type: ignore[attr-defined]
    return {
        "kind": "error",
        "ename": type(error).__name__,
        "evalue": str(error),
        "traceback": [str(line) for line in lines],
    }
