"""Cells that move into the kernel: what they make, or read, cannot leave the process that made it.

A generator, an open file or a connection cannot be stored. Where a cell reads one, the component that
made it is run once more, in the kernel, without showing anything; a component that reads it runs there, too.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from jupyter_mlpipe.cells.deeds import changed_through, makes_widgets, starts_tasks
from jupyter_mlpipe.cells.magics import acts_in_kernel
from jupyter_mlpipe.errors import MLPipeError, UnknownNameError, describe_error
from jupyter_mlpipe.execution.process.spec import NOT_BOUND
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.notebook.running.here import HereCell, StepsHere, read_here
from jupyter_mlpipe.notebook.running.libraries import folder_magics, kept_here
from jupyter_mlpipe.notebook.running.living import LAST_ERROR
from jupyter_mlpipe.notebook.steps.registry import Registry
from jupyter_mlpipe.notebook.steps.states import States
from jupyter_mlpipe.notebook.values.settings import put_back, set_states
from jupyter_mlpipe.store.records import Record

_LONGEST_S = 60.0
"""What took longer is not run a second time without being asked for."""

_MAGIC = re.compile(r"^\s*%(\w+)", re.MULTILINE)


class Moving:
    """Moves them.

    Parameters
    ----------
    run_again
        Runs a step as it is placed now, with the names of the notebook following it where it succeeds;
        returns its error where it fails.
    """

    def __init__(
        self,
        shell: Any,
        registry: Registry,
        states: States,
        here: StepsHere,
        *,
        run_again: Callable[[str], MLPipeError | None],
    ) -> None:
        self._shell = shell
        self._registry = registry
        self._states = states
        self._here = here
        self._run_again = run_again

    def move(self, task: StepTask) -> tuple[Component, HereCell, list[str]] | None:
        """Return a component as it runs in the kernel, and what to say; None where it needs no moving.

        What it reads is in the kernel then.

        Raises
        ------
        UnknownNameError
            What it reads could not be made there.
        """
        component = task.step.component
        magics = _MAGIC.findall(component.cell.partition("\n")[2])
        # Magics that set up the kernel have been run there; those for folders may have stayed in the code.
        stayed = folder_magics(component.code)
        have_run = any(acts_in_kernel(name) and name not in stayed for name in magics)
        if have_run or not _may_move(component) or not self._can_run_here():
            return None
        made = changed_through(component.code).items()
        notes = [f"it changes something through {name}, {what}, and keeps that open" for name, what in made]
        if _makes_widgets(task):
            notes.append("it makes widgets, which live where they are made")
        if re.search(LAST_ERROR, component.code):
            notes.append("it looks at the last error of the kernel")
        if starts_tasks(component.code):
            notes.append("it starts tasks, which go on in the kernel's loop")
        notes += kept_here(component.code, task.closure, self._shell)
        others: list[str] = []
        reads = [f"{reason.name}, {reason.detail}" for reason in task.unshippable]
        for read, source in task.inputs.items():
            why = self._why_unstored(source.step, source.output)
            if not why:
                continue
            if not self.bring(source.step, source.output):
                return None
            reads.append(f"{read} of {source.step}, {why}")
            others += [f"{source.step} was run again there; {n} stays as it was" for n in self._here.stayed]
        # Without the remedy: this is one.
        notes += [f"it reads {what.partition('. ')[0].rstrip('.')}" for what in reads]
        if not notes:
            return None
        try:
            cell = self._read(component)
        except MLPipeError:
            return None
        moved = replace(component, options=replace(component.options, here=True))
        return moved, cell, [*(f"runs in the kernel itself: {note}" for note in notes), *others]

    def bring(self, step: str, name: str) -> bool:
        """Have a value that could not be stored in the kernel; tells whether it is there.

        Raises
        ------
        UnknownNameError
            The step that makes it failed in the kernel, or took so long that it is not run twice.
        """
        self._here.stayed = ()
        if self._here.has_left(step, name):
            return True
        placed, record = self._registry.placed.get(step), self._record(step)
        why = self._why_unstored(step, name)
        if not why or placed is None or not self._can_run_here() or not _may_move(placed.component):
            return False
        assert record is not None
        if record.seconds > _LONGEST_S:
            raise _refusal(
                step, name, why, f"took {describe_seconds(record.seconds)}, too long to do it again"
            )
        before = placed.component
        self._here.place(step, self._read(before))
        placed.component = replace(before, options=replace(before.options, here=True))
        is_done = False
        try:
            with self._as_then(self._registry.task(step)), self._here.keeping(record.outputs):
                error = self._run_again(step)
            is_done = error is None
        finally:
            if not is_done:
                placed.component = before
        if error is not None:
            raise _refusal(
                step, name, why, f"failed when it was run again, in the kernel: {describe_error(error)}"
            )
        return self._here.has_left(step, name)

    def is_unstored(self, step: str, name: str) -> bool:
        """Tell whether a step has bound a value that is not in the store."""
        return bool(self._why_unstored(step, name))

    def _record(self, step: str) -> Record | None:
        made = self._states.made(step)
        return made[1] if made is not None else None

    def _why_unstored(self, step: str, name: str) -> str:
        """Return why a step's value is not in the store, though the step has bound it."""
        record = self._record(step)
        if record is None or name in record.outputs:
            return ""
        why = record.left_out.get(name, "")
        return "" if why == NOT_BOUND else why.rstrip(".")

    def _can_run_here(self) -> bool:
        return threading.current_thread() is threading.main_thread() and not self._here.is_running

    def _read(self, component: Component) -> HereCell:
        return read_here(self._shell, component.cell.partition("\n")[2])

    @contextlib.contextmanager
    def _as_then(self, task: StepTask) -> Iterator[None]:
        """Let random states and the folder be as when a step's cell was run.

        What it sets has been set before, and may have been changed since: this stays as it is.
        """
        with put_back():
            set_states(task.given.states)
            with contextlib.suppress(OSError):
                os.chdir(task.folder or os.getcwd())
            yield


def _refusal(step: str, name: str, why: str, trouble: str) -> UnknownNameError:
    return UnknownNameError(
        f"'{name}' of step '{step}' could not be stored ({why.partition('. ')[0]}), and '{step}' {trouble}. "
        f"Put --here behind the name of '{step}', which runs it in the kernel from the start, "
        f"or make '{name}' where it is used."
    )


def _makes_widgets(task: StepTask) -> bool:
    """Tell whether a step makes widgets, itself or by what it reaches in the user's modules."""
    closure, code = task.closure, task.step.component.code
    if closure.modules and "ipywidgets" in closure.preload and "(" in code:
        return True
    return makes_widgets(code, {name: module for name, (module, _) in closure.imports.items()})


def _may_move(component: Component) -> bool:
    """Tell whether a component asks for nothing that the kernel cannot give."""
    options = component.options
    return not (options.background or options.resources.gpus or options.pool or options.timeout_s)
