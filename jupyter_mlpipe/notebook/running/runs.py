"""The runs of a notebook: which have not ended, and which one's results the notebook's names follow."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.execution.process.spec import USUAL_MODE
from jupyter_mlpipe.execution.runs.detached import RunFolder, find_run, runs_of
from jupyter_mlpipe.execution.runs.following import attach as attach_run
from jupyter_mlpipe.execution.runs.handover import detach as start_detached
from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.execution.runs.runstep import RunStep
from jupyter_mlpipe.execution.runs.state import Listener
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.model import graph
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.notebook.running.backend import Backend
from jupyter_mlpipe.notebook.running.headless import Headless
from jupyter_mlpipe.notebook.steps.registry import Registry

_Default = TypeVar("_Default", Run, None)


class Runs:
    """Starts them, and knows them by step.

    Parameters
    ----------
    pipeline
        What the history calls the notebook.
    traceback_mode
        Returns how much tracebacks show, in the words of ``%xmode``.

    Attributes
    ----------
    last
        The one that was started last.
    on_launch
        Called with each run that somebody has started.
    on_take_up
        Called with each run that the notebook's names follow from then on.
    """

    def __init__(
        self, backend: Backend, headless: Headless, pipeline: str, traceback_mode: Callable[[], str]
    ) -> None:
        self._backend = backend
        self._headless = headless
        self._pipeline = pipeline
        self._traceback_mode = traceback_mode
        self.last: Run | None = None
        self.on_launch: Callable[[Run], None] = lambda run: None
        self.on_take_up: Callable[[Run], None] = lambda run: None
        self._live: list[Run] = []
        self._by_itself: Run | None = None
        self._attached: list[Run] = []  # found again
        self._newest: dict[str, Run] = {}  # by step, of those whose results are the notebook's
        self._forced: dict[str, Run] = {}  # step -> the run that the command line forced it in

    def launch(
        self,
        tasks: Mapping[str, StepTask],
        targets: Iterable[str],
        force: Collection[str],
        listener: Listener | None,
        *,
        restore: bool = True,
        detach: bool = False,
        by_itself: bool = False,
    ) -> Run:
        """Start a run, in a process of its own where it is to be detached."""
        asked = self._headless.force & tasks.keys()
        self._headless.force -= asked  # what the command line forces runs once, not at every cell below it
        for name in self._forced.keys() & tasks.keys():
            # Its earlier record would be found at once, though what runs may replace it.
            self._forced[name].wait()
        if (mode := self._traceback_mode()) != USUAL_MODE:
            tasks = {name: replace(task, traceback_mode=mode) for name, task in tasks.items()}
        runner = self._backend.runner
        start = partial(start_detached, runner) if detach else partial(runner.start, by_itself=by_itself)
        run = start(
            tasks,
            targets=targets,
            force={*force, *asked},
            pipeline=self._pipeline,
            listener=listener,
            restore=restore,
        )
        self._forced.update(dict.fromkeys(asked, run))
        if by_itself:
            self._by_itself = run
        else:
            self.last = run
            self.on_launch(run)
        self._headless.watch(run)
        return run

    def take_up(self, run: Run) -> None:
        """Let the notebook's names follow a run, rather than earlier ones of the same steps."""
        if run.by_itself:
            self.last = run
        self._live.append(run)
        self._newest.update(dict.fromkeys(run.steps, run))
        self.on_take_up(run)

    def go_back(self, step: str, run: Run | None) -> None:
        """Let the names of a step follow the run that they followed before; None where that was none."""
        if run is None:
            self._newest.pop(step, None)
        else:
            self._newest[step] = run

    def newest(self, step: str, default: _Default) -> Run | _Default:
        """Return the run that the names of a step follow; `default` where there was none."""
        return self._newest.get(step, default)

    def by_itself(self, step: str) -> RunStep | None:
        """Return a step of the run that goes on by itself, which names do not follow yet; else None."""
        run = self._by_itself
        goes_on = run is not None and run.status == "running" and step in run.targets
        return run.steps[step] if run is not None and goes_on else None

    def follows(self, step: str, run_id: str) -> bool:
        """Tell whether the names of a step follow a run."""
        run = self._newest.get(step)
        return run is not None and run.id == run_id

    @property
    def live(self) -> list[Run]:
        """Those that have not ended, as far as is known, in the order in which they were started."""
        return list(self._live)

    def note_end(self, run: Run) -> None:
        """Note that a run has ended, and that all it made has been taken over."""
        self._live.remove(run)

    def attach(self, given: str = "", listener: Listener | None = None) -> Run:
        """Return a detached run by the beginning of its id; the latest one of this notebook by default.

        The notebook's names do not follow it: who wants what it makes runs the cells, which wait for it.

        Raises
        ------
        UsageError
            There is none.
        """
        run = attach_run(self._found(given), self._backend.store, listener)
        self.last = run
        self._attached.append(run)
        return run

    def cancel_detached(self, given: str) -> None:
        """Cancel a detached run by the beginning of its id, whoever started it."""
        folder = find_run(self._backend.root, given)
        if not folder.is_live():
            raise UsageError(f"Run {folder.id[:8]} has ended.")
        folder.cancel()

    def detached(self) -> list[RunFolder]:
        """Return the detached runs that go on and that an earlier kernel of this notebook started."""
        own = {run.id for run in self._live}
        found = runs_of(self._backend.root, self._pipeline)
        return [folder for folder in found if folder.id not in own and folder.is_live()]

    def words_on_detached(self) -> list[tuple[RunFolder, str]]:
        """Return those of `detached`, with what to say of each."""
        return [
            (
                folder,
                f"Run {folder.id[:8]} of this notebook, which began "
                f"{describe_seconds(time.time() - folder.begin()['at'])} ago, is still going on: "
                f"%pipeline attach {folder.id[:8]} shows it, %pipeline cancel {folder.id[:8]} ends it.",
            )
            for folder in self.detached()
        ]

    def _found(self, given: str) -> RunFolder:
        if given:
            return find_run(self._backend.root, given)
        found = runs_of(self._backend.root, self._pipeline)
        if not found:
            raise UsageError("This notebook has no detached run: %pipeline run --detach starts one.")
        return next((folder for folder in found if folder.is_live()), found[0])

    def cancel(self, step: str | None = None) -> bool:
        """Cancel what runs, or only the runs that have a step; tells whether anything did."""
        own = [self._by_itself] if self._by_itself is not None else []
        running = [run for run in (*self._live, *own, *self._attached) if run.status == "running"]
        running = [run for run in running if step is None or step in run.steps]
        for run in running:
            run.cancel()
        return bool(running)

    def sharing_inputs(self, step: str, registry: Registry) -> list[Run]:
        """Return runs of earlier steps that may yet turn out to have changed what `step` reads.

        They read something that it reads as well, or that a step above it does.
        """
        order = list(registry.placed)
        above = {step, *graph.ancestors(registry.upstream(), [step])}
        sources = {source for name in above for source in registry.sources(name)}
        earlier = [name for name in order[: order.index(step)] if name not in above]
        return [
            run
            for run in self._live
            if any(name in run.steps and sources & registry.sources(name) for name in earlier)
        ]
