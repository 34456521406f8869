"""``%pipeline debug STEP``: a step's code in the kernel, on what the step saw, with the names kept apart.

The code runs in a module of its own, whose names are shown as one object: nothing of the notebook is
replaced, and nothing is recorded. What it raises has its real frames, for ``%debug`` and for ``%pdb``.
"""

from __future__ import annotations

import builtins
import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from types import ModuleType, TracebackType
from typing import Any

from IPython.display import display

from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.execution.process.body import Body, call_function
from jupyter_mlpipe.execution.process.filling import fill
from jupyter_mlpipe.execution.process.scene import Scene
from jupyter_mlpipe.execution.process.spec import StepSpec
from jupyter_mlpipe.execution.runs.inputs import find_companions, take_inputs
from jupyter_mlpipe.execution.runs.settings import definitions_of, with_settings
from jupyter_mlpipe.execution.runs.task import StepTask, make_spec
from jupyter_mlpipe.keys.held import alter
from jupyter_mlpipe.keys.payload import load_closure
from jupyter_mlpipe.notebook.session import Session
from jupyter_mlpipe.notebook.show.output import CellOutput
from jupyter_mlpipe.notebook.show.views import said_bundle
from jupyter_mlpipe.notebook.values.settings import put_back
from jupyter_mlpipe.store.records import Record

NAME = "debugged"
_NUMBER = re.compile(r"Cell In\[(\d+)\]")


class Debugged:
    """The names of a step as its code left them: ``debugged.train`` or ``debugged["train"]``."""

    def __init__(self, step: str, namespace: dict[str, Any]) -> None:
        self.__step = step
        self.__namespace = namespace

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__namespace[name]
        except KeyError:
            raise AttributeError(f"Step '{self.__step}' has no name '{name}'.") from None

    def __getitem__(self, name: str) -> Any:
        return self.__namespace[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.__namespace if not name.startswith("__"))

    def __dir__(self) -> list[str]:
        return list(self)

    def __repr__(self) -> str:
        return f"<what step '{self.__step}' has: {', '.join(self) or 'no names'}>"


def debug_step(session: Session, name: str, *, run: bool = True, into: str = NAME) -> Debugged:
    """Bring what a step read into the kernel, and run its code there.

    Parameters
    ----------
    run
        Whether its code is run, or only what it reads is brought.
    into
        The name that stands for it in the notebook.

    Raises
    ------
    UsageError
        `into` stands for something else, or the step cannot run here.
    MLPipeError
        A step above it failed, so that it has nothing to read.
    """
    session.registry.check(name)
    _check_name(session, into)
    task, tasks, records = _as_run(session, name)
    store = session.backend.store
    inputs = take_inputs(task, records)
    task = with_settings(task, records, inputs, store)
    companions = find_companions(task, records)
    spec = make_spec(
        task,
        "",
        (),
        inputs,
        companions=companions,
        above=tasks,
        defined=lambda above: definitions_of(records.get(above), store),
        store=store.address,
    )
    title = _title(session.shell, spec)
    body = Body(spec.code, title, postponed=spec.postponed)
    if run and body.awaits:
        raise UsageError(
            f"Step '{name}' awaits at its top level, which cannot be run beside the kernel's own loop. "
            f"Bring what it reads alone, and await in a cell: %pipeline debug {name} --no-run"
        )
    module = ModuleType("__main__")
    namespace = vars(module)
    namespace["__builtins__"] = builtins
    debugged = Debugged(name, namespace)
    with _as_given(spec, namespace):
        values, _ = fill(namespace, spec, store)
        for altered in spec.altered:
            alter(altered, namespace)
        session.shell.user_ns[into] = debugged
        text = _words(session, spec, task, into, run=run)
        CellOutput(session.shell).display(said_bundle(text, {"kind": "debug", "step": name, "name": into}))
        if run:
            _run(session.shell, spec, body, title, namespace, values)
    return debugged


def _as_run(session: Session, name: str) -> tuple[StepTask, Mapping[str, StepTask], dict[str, Record | None]]:
    """Return a step as it was run last, or as it would be now, with what the steps above it gave."""
    run = session.states.run_of(name)
    store = session.backend.store
    if run is not None:
        task = run.steps[name].task
        records = {above: run.steps[above].record for above in task.step.upstream}
        made = [(records[source.step], source.output) for source in task.inputs.values()]
        if all(r is not None and o in r.outputs and store.has(r.outputs[o]) for r, o in made):
            return task, {n: step.task for n, step in run.steps.items()}, records
    tasks = session.registry.tasks([name])
    task = tasks[name]
    records = {}
    if task.step.upstream:
        if session.here.is_running or threading.current_thread() is not threading.main_thread():
            raise UsageError("%pipeline debug goes in a cell of its own.")
        above_run = session.start(list(task.step.upstream)).wait()
        session.collect()
        for above in task.step.upstream:
            records[above] = above_run.steps[above].record
            if records[above] is None:
                raise above_run.failure(above)
    return task, tasks, records


def _check_name(session: Session, into: str) -> None:
    if not into.isidentifier():
        raise UsageError(f"--as takes a name, but found '{into}'.")
    taken = session.shell.user_ns.get(into)
    if into in session.shell.user_ns and not isinstance(taken, Debugged):
        raise UsageError(
            f"'{into}' is a name of the notebook already, a {type(taken).__name__}. Choose another: --as NAME"
        )


def _title(shell: Any, spec: StepSpec) -> str:
    """Return the file name for its code, by which tracebacks and debuggers find the lines of the cell."""
    number = _NUMBER.search(spec.title)
    cell = spec.cell or spec.code
    return str(shell.compile.cache(cell, int(number[1]) if number else 0, raw_code=cell))


@contextlib.contextmanager
def _as_given(spec: StepSpec, namespace: dict[str, Any]) -> Iterator[None]:
    """Let settings, random states, folder and import path be as the step has them; put back after it."""
    changes = load_closure(spec.options, namespace) if spec.options else {}
    scene = Scene(changes, spec.states, spec.modules)
    path = list(sys.path)
    with put_back():
        try:
            for name, value in spec.environment.items():
                if value is not None:
                    os.environ[name] = value
                else:
                    os.environ.pop(name, None)
            sys.path[:] = [*spec.sys_path, *(entry for entry in path if entry not in spec.sys_path)]
            with contextlib.suppress(OSError):
                os.chdir(spec.folder or os.getcwd())
            scene.set()
            yield
        finally:
            scene.leave()
            sys.path[:] = path


def _words(session: Session, spec: StepSpec, task: StepTask, into: str, *, run: bool) -> str:
    read = [f"{name} of '{source.step}'" for name, source in task.inputs.items()]
    read += [f"{name} = {short}" for name, value in spec.parameters.items() if len(short := repr(value)) < 60]
    read += [f"{name}" for name in task.closure.names]
    lines = [f"{spec.step} reads {', '.join(read) or 'nothing'}: as the step saw it, it is in {into}."]
    if run:
        lines.append(
            f"Its code runs here, with the step's settings and random states. Its names stay in {into}, "
            "those of the notebook as they are, and nothing is recorded. After an error: %debug"
        )
    now = session.registry.placed[spec.step].component
    if now.code != spec.code:
        lines.append("This is the code that was run; the cell has been edited since.")
    if spec.modules:
        loaded = [name for name in spec.modules if name in sys.modules]
        if loaded:
            lines.append(f"Local modules are those that the kernel has loaded: {', '.join(loaded)}.")
    return "\n".join(lines)


def _run(
    shell: Any,
    spec: StepSpec,
    body: Body,
    title: str,
    namespace: dict[str, Any],
    values: Mapping[str, object],
) -> None:
    def show(value: object) -> None:
        if value is not None:
            display(value)  # type: ignore[no-untyped-call]

    try:
        body.run(namespace, show, interactivity=shell.ast_node_interactivity)
        if spec.function is not None:
            show(call_function(namespace[spec.function], values))
    except BaseException as error:
        trace = _from_cell(error.__traceback__, title)
        if not hasattr(error, "_render_traceback_"):
            lines = shell.InteractiveTB.structured_traceback(type(error), error, trace, tb_offset=0)
            with contextlib.suppress(AttributeError):  # of a class with slots
                error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
        error.__traceback__ = trace
        raise


def _from_cell(trace: TracebackType | None, title: str) -> TracebackType | None:
    """Return a traceback from the cell's first line on."""
    part = trace
    while part is not None and part.tb_frame.f_code.co_filename != title:
        part = part.tb_next
    return part or trace
