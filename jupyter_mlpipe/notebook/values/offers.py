"""What steps make, offered as names of the notebook: which names these are, and what stands behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from jupyter_mlpipe.errors import StepError
from jupyter_mlpipe.execution.process.spec import CLOSED_FILE, NOT_BOUND
from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.execution.runs.runstep import RunStep
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.model.headless import NOT_RUN
from jupyter_mlpipe.model.pipeline import FromStep
from jupyter_mlpipe.notebook.steps.names import Names, Pending
from jupyter_mlpipe.notebook.steps.registry import Registry
from jupyter_mlpipe.notebook.steps.states import MADE
from jupyter_mlpipe.notebook.values.definitions import Definitions
from jupyter_mlpipe.notebook.values.loading import Loading
from jupyter_mlpipe.store.records import Record


class Offers:
    """Offers them, by what is known of each step at the moment.

    Parameters
    ----------
    run_on_read
        Starts a step because an output of it is read; None where it would have to run, and nobody asked
        for that.
    run_again
        Called with components whose inputs turned out to be others than those with which they ran.
    """

    def __init__(
        self,
        names: Names,
        registry: Registry,
        definitions: Definitions,
        loading: Loading,
        *,
        run_on_read: Callable[[str], Run | None],
        run_again: Callable[[Iterable[str]], None],
    ) -> None:
        self._names = names
        self._registry = registry
        self._definitions = definitions
        self._loading = loading
        self._run_on_read = run_on_read
        self._run_again = run_again

    def offer(self, run: Run, name: str, *, claim: bool) -> None:
        """Let the outputs of a step be read from a run; for `claim`, see `Names.offer`."""
        step = run.steps[name]
        if step.is_local and step.status not in MADE:
            return  # its names stand for what they stood for until its code binds them, in the kernel
        made = step.record.outputs if step.record is not None else {}
        writes = self._registry.placed[name].writes
        left_out = _left_out(step.record, writes) if step.record is not None else {}
        fresh = self._learn(step) if step.status in MADE else ()
        live = step.record.live if step.record is not None else {}
        has_run_here = step.is_local and step.status == "succeeded"
        for out in dict.fromkeys((*writes, *made, *left_out)):
            if out not in made and (out in live or (has_run_here and left_out.get(out) == CLOSED_FILE)):
                continue  # it is in the kernel, and nowhere else
            artifact = made.get(out)
            version = artifact.digest if artifact is not None else None
            load = partial(self._loading.load, run, name, out)
            pending = Pending(name, version, load, partial(_is_there, step, out))
            if claim or out in fresh:
                self._definitions.observe([out])
            self._names.offer(out, pending, claim=claim or out in fresh)

    def offer_rescued(self, run: Run, name: str) -> None:
        """Let what a step had changed in place before it failed be read, where its code does not show it."""
        outputs = run.steps[name].rescued.outputs
        found = [out for out in outputs if out not in self._registry.placed[name].writes]
        claimed, readers = self._registry.learn(name, found)
        for out in claimed:
            load = partial(self._loading.load, run, name, out)
            self._names.offer(out, Pending(name, outputs[out].digest, load, lambda: True), claim=True)
        self._run_again(readers)

    def claim_unmade(self, task: StepTask) -> None:
        """Let the outputs of a component that was only registered come from the store, when read."""
        for out in task.step.component.outputs:
            pending = self._pending_unmade(task.name, out)
            self._definitions.observe([out])
            self._names.offer(out, pending, claim=True)

    def _learn(self, step: RunStep) -> tuple[str, ...]:
        """Take note of what a step changed without its code showing it; returns what is new of that."""
        record, placed = step.record, self._registry.placed[step.name]
        assert record is not None
        made = (*record.outputs, *_left_out(record, placed.writes))
        if not placed.found and len(made) == len(placed.component.outputs):
            return ()
        gone = [n for n in placed.found if n not in made]
        if gone:
            self._registry.unlearn(step.name, gone)
            for n in gone:
                self._restore(step.name, n)
        claimed, readers = self._registry.learn(step.name, made)
        self._run_again(readers)
        return claimed

    def _restore(self, step: str, name: str) -> None:
        """Let a name that a step changes no longer stand for what the step itself read."""
        choice = self._registry.placed[step].choices.get(name)
        if self._names.owner(name) != step:
            return
        if choice is not None and isinstance(choice.binding, FromStep):
            source = choice.binding
            pending = self._pending_unmade(source.step, source.output)
            self._names.offer(name, pending, claim=True)
        elif choice is not None and choice.binding is None:
            self._names.release(name)
            self._names.namespace[name] = choice.value

    def _pending_unmade(self, step: str, out: str) -> Pending:
        return Pending(step, None, partial(self._load_unmade, step, out), lambda: False)

    def _load_unmade(self, step: str, out: str) -> Any:
        run = self._run_on_read(step)
        if run is not None:
            return self._loading.load(run, step, out)
        raise StepError(
            f"'{out}' is made by step '{step}', which has not run. "
            f"Run it with %pipeline run {step}, or run its cell after %pipeline mode run.",
            step=step,
            ename=NOT_RUN,
        )


def _left_out(record: Record, writes: Iterable[str]) -> dict[str, str]:
    """Return what a step bound or is known to bind, and did not keep; not what it might have defined."""
    return {out: why for out, why in record.left_out.items() if why != NOT_BOUND or out in writes}


def _is_there(step: RunStep, out: str) -> bool:
    return step.status in MADE or out in step.rescued.outputs
