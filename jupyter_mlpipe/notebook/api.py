"""The Python API: what the magics do, by call."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from jupyter_mlpipe.cells.decorator import component_of
from jupyter_mlpipe.errors import PipelineError, UsageError
from jupyter_mlpipe.execution.runs.past import StepDiff, diff_runs, find_entry, list_runs
from jupyter_mlpipe.execution.runs.pipeline import Pipeline as PlannedPipeline
from jupyter_mlpipe.execution.runs.plan import Plan
from jupyter_mlpipe.execution.runs.resolve import place
from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.execution.runs.runner import Runner
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.execution.runs.why import Why
from jupyter_mlpipe.keys.closure import Closures
from jupyter_mlpipe.keys.given import Snapshot, give
from jupyter_mlpipe.keys.modules import LocalModules
from jupyter_mlpipe.model import graph
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.pipeline import FromParameter, FromStep
from jupyter_mlpipe.notebook.accepting import accept_step, accepted_of, revoke_step, why
from jupyter_mlpipe.notebook.debugging import Debugged, debug_step
from jupyter_mlpipe.notebook.following.binding import Binding
from jupyter_mlpipe.notebook.running.cluster import MakeExecutor
from jupyter_mlpipe.notebook.running.config import MLPipe
from jupyter_mlpipe.notebook.steps.contracts import check_contract, check_resolved, check_sendable
from jupyter_mlpipe.notebook.steps.parameters import Declared, check_known, convert, declare
from jupyter_mlpipe.store.accepted import Accepted
from jupyter_mlpipe.store.cache import Cache
from jupyter_mlpipe.store.history import History, RunEntry
from jupyter_mlpipe.store.store import open_store

if TYPE_CHECKING:
    from jupyter_mlpipe.notebook.session import Session


class NotebookPipeline:
    """The notebook's pipeline: its components as they are registered, later ones too."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def steps(self) -> tuple[str, ...]:
        """Names of the steps, in the order in which they were first registered."""
        return tuple(self._session.registry.placed)

    def plan(
        self,
        *,
        targets: Iterable[str] | None = None,
        params: Mapping[str, Any] | None = None,
        force: Collection[str] = (),
    ) -> Plan:
        """Say for each step, before anything runs, whether it will be reused, and why not."""
        return self._session.standing.plan(targets, params=params, force=force)

    def run(
        self,
        *,
        targets: Iterable[str] | None = None,
        params: Mapping[str, Any] | None = None,
        force: Collection[str] = (),
        detach: bool = False,
    ) -> Run:
        """Start a run of `targets` (all by default) and of what is stale above them; returns at once.

        Parameters
        ----------
        detach
            Whether a process of its own carries it on, which outlives this kernel.
        """
        return self._session.start(targets, params=params, force=force, detach=detach)

    def why(self, step: str) -> Why:
        """Say why a step ran the last time, and what a plan says of it now."""
        return why(self._session, step)

    def runs(self, limit: int = 20) -> list[RunEntry]:
        """Return the latest runs of this notebook, newest first."""
        return list_runs(self._session.backend.store, self._session.name, limit)

    def diff(self, before: str, now: str) -> dict[str, StepDiff]:
        """Compare two runs, given by how their ids begin, step by step."""
        store = self._session.backend.store
        return diff_runs(find_entry(store, before), find_entry(store, now), store)

    def attach(self, run: str = "") -> Run:
        """Find a detached run again by how its id begins; the latest one of this notebook by default."""
        return self._session.runs.attach(run)

    def debug(self, step: str, *, run: bool = True) -> Debugged:
        """Bring what a step read into the kernel, and run its code there; nothing is recorded.

        Returns
        -------
        Debugged
            Its names, which are in the notebook as ``debugged`` too; the notebook's own stay as they are.
        """
        return debug_step(self._session, step, run=run)

    def accept(self, step: str, *, revoke: bool = False) -> list[Accepted]:
        """Let the kept result of a step count for its code as it stands: the edit changes nothing.

        Parameters
        ----------
        revoke
            Take back what was accepted for the step instead.

        Returns
        -------
        list of Accepted
            What was recorded, or taken back.

        Raises
        ------
        UsageError
            There is nothing to accept or to take back, or what changed is not for a person to judge.
        """
        return revoke_step(self._session, step) if revoke else [accept_step(self._session, step)]

    def accepted(self) -> list[Accepted]:
        """Return the edits of this notebook's steps that are accepted, the latest first."""
        return accepted_of(self._session)

    @property
    def cache(self) -> Cache:
        """The store, to look after it: `Cache.ls`, `verify`, `prune`, `pin`, `unpin`."""
        return self._session.cache

    def __repr__(self) -> str:
        return f"<NotebookPipeline: {', '.join(self.steps) or 'no steps'}>"


def current() -> NotebookPipeline:
    """Return the pipeline of this notebook.

    Raises
    ------
    MLPipeError
        The extension is not loaded.
    """
    from jupyter_mlpipe.notebook.extension import current_session

    return NotebookPipeline(current_session())


def bind(parameter: str = "", widget: Any = None, /, **widgets: Any) -> Binding:
    """Let a parameter follow a widget: ``bind("rate", slider)``, or ``bind(rate=slider, n=box)``.

    The widget shows the parameter's value at once. As it moves, the parameter gets its value, checked and
    converted by its annotation as after ``-p``; the plan and the marks of stale cells follow, and steps run
    by themselves as ``%pipeline auto`` says. Running the ``%%parameters`` cell sets the parameter and moves
    the widget.

    Parameters
    ----------
    parameter
        Of a ``%%parameters`` cell, or with a default in a header; ``step.name`` means that of one step.
    widget
        Of ipywidgets, or anything with a ``value`` and ``observe(handler, "value")``.

    Returns
    -------
    Binding
        Its ``unbind()`` lets the widget go; ``errors`` says which values do not fit. Another widget for the
        same parameter takes the place of the first.

    Raises
    ------
    ParameterError
        There is no such parameter, or the widget cannot show its value.
    UsageError
        It is no widget, or a closed one.
    """
    from jupyter_mlpipe.notebook.extension import current_session

    if parameter:
        widgets = {parameter: widget, **widgets}
    if not widgets:
        raise UsageError(
            'mlpipe.bind takes a parameter and a widget: bind("rate", slider), bind(rate=slider).'
        )
    return current_session().bindings.bind(widgets)


class Pipeline(PlannedPipeline):
    """A pipeline built by hand from components: decorated functions, in any order.

    Names are wired as in a notebook, but without its order: where two components write a name
    that somebody reads, the reader must say which is meant (``df=load.df``).

    Raises
    ------
    PipelineError, CycleError, UnknownNameError
        They do not fit together.
    """

    def __init__(
        self, components: Iterable[Callable[..., Any] | Component], *, name: str = "pipeline"
    ) -> None:
        self._placements: dict[str, tuple[Component, Mapping[str, Any]]] = {}
        for given in components:
            component = component_of(given)
            if component.name in self._placements:
                raise PipelineError(f"Two components are named '{component.name}'. Rename one.")
            self._placements[component.name] = (component, getattr(given, "__globals__", {}))
        self._modules = LocalModules()
        self._closures = Closures()
        super().__init__(name, self._tasks, _shared_runner())
        self._tasks({})

    def _tasks(self, params: Mapping[str, object]) -> dict[str, StepTask]:
        declared = {
            name: {
                i.name: declare(i, namespace)
                for i in component.inputs
                if i.default is not None and not self._producer_of(i.producer)
            }
            for name, (component, namespace) in self._placements.items()
        }
        known = {n for own in declared.values() for n in own}
        known |= {f"{step}.{n}" for step, own in declared.items() for n in own}
        check_known(params, known)
        tasks = {name: self._task(name, declared[name], params) for name in self._placements}
        graph.topological_order({name: task.step.upstream for name, task in tasks.items()})
        return tasks

    def _task(self, name: str, declared: Mapping[str, Declared], params: Mapping[str, object]) -> StepTask:
        component, namespace = self._placements[name]
        explicit = {i.name: i.producer for i in component.inputs if self._producer_of(i.producer)}

        def choose(read: str) -> FromStep | FromParameter | None:
            if read in declared:
                return FromParameter(read)
            producer = explicit.get(read)
            if producer is not None:
                return FromStep(*producer)
            makers = [n for n, (c, _) in self._placements.items() if read in c.outputs and n != name]
            if len(makers) > 1:
                listed = " and ".join(f"'{maker}'" for maker in makers)
                raise PipelineError(
                    f"'{name}' reads '{read}', which {listed} write. "
                    f"Say which is meant: {name}({read}={makers[0]}.{read})."
                )
            return FromStep(makers[0], read) if makers else None

        step, closure = place(component, namespace, choose, modules=self._modules, closures=self._closures)
        outputs = {out for c, _ in self._placements.values() for out in c.outputs}
        check_contract(step)
        check_resolved(component, closure.unresolved, lambda: {*outputs, *namespace})
        check_sendable(component, closure)
        values = {
            n: convert(d, params.get(f"{name}.{n}", params[n]))
            if n in params or f"{name}.{n}" in params
            else d.value
            for n, d in declared.items()
        }
        snapshot = Snapshot()
        return StepTask(
            step=step,
            closure=closure,
            parameters=values,
            title=component.title,
            folder=snapshot.folder,
            sys_path=tuple(sys.path),
            given=give(snapshot, closure.affected, namespace),
            snapshot=snapshot,
        )

    def _producer_of(self, producer: tuple[str, str] | None) -> bool:
        return producer is not None and producer[0] in self._placements


_runner: Runner | None = None


def _shared_runner() -> Runner:
    """Return the notebook's runner, or in a plain script one of its own."""
    global _runner
    from jupyter_mlpipe.notebook.extension import loaded_session

    session = loaded_session()
    if session is not None:
        return session.backend.runner
    if _runner is None:
        config = MLPipe()
        store = open_store(config.store_address())
        made = MakeExecutor(config.cluster, store.address, config.local_pools, config.settles_s())
        history = History(store.root / "history.db")
        _runner = Runner(store, made, history, attaches=bool(config.cluster))
    return _runner
