"""`Pipeline`: plan and run by call, for whoever can say what its steps are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial

from jupyter_mlpipe.execution.runs.accept import accept
from jupyter_mlpipe.execution.runs.accept import revoke as take_back
from jupyter_mlpipe.execution.runs.detached import find_run
from jupyter_mlpipe.execution.runs.following import attach
from jupyter_mlpipe.execution.runs.handover import detach as start_detached
from jupyter_mlpipe.execution.runs.past import list_runs
from jupyter_mlpipe.execution.runs.plan import Plan, check_steps, plan_steps
from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.execution.runs.runner import Runner
from jupyter_mlpipe.execution.runs.state import Listener
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.model.graph import ancestors
from jupyter_mlpipe.store.accepted import Accepted
from jupyter_mlpipe.store.history import RunEntry
from jupyter_mlpipe.store.users import user_name

Resolve = Callable[[Mapping[str, object]], Mapping[str, StepTask]]


class Pipeline:
    """Steps that belong together.

    Parameters
    ----------
    resolve
        Called with the parameters given, for each plan and run: a snapshot of the steps as they are
        at that moment. Raises `ParameterError` for a parameter that it does not know.
    """

    def __init__(self, name: str, resolve: Resolve, runner: Runner) -> None:
        self.name = name
        self._resolve = resolve
        self._runner = runner

    @property
    def steps(self) -> tuple[str, ...]:
        """The names of its steps, as they are now."""
        return tuple(self._resolve({}))

    def plan(
        self,
        *,
        targets: Iterable[str] | None = None,
        params: Mapping[str, object] | None = None,
        force: Collection[str] = frozenset(),
    ) -> Plan:
        """Say for each step, before anything runs, whether it will be reused, and why not.

        Raises
        ------
        UnknownStepError
            A name in `targets` or `force` is not a step.
        """
        tasks = self._resolve(dict(params or {}))
        wanted = tuple(targets) if targets is not None else tuple(tasks)
        check_steps(wanted, tasks)
        check_steps(force, tasks)
        order = ancestors({name: task.step.upstream for name, task in tasks.items()}, wanted)
        return plan_steps(
            {name: tasks[name] for name in order},
            self._runner.store,
            self._runner.history,
            pipeline=self.name,
            force=frozenset(force) & set(order),
            environments=self._runner.environments,
        )

    def run(
        self,
        *,
        targets: Iterable[str] | None = None,
        params: Mapping[str, object] | None = None,
        force: Collection[str] = frozenset(),
        listener: Listener | None = None,
        detach: bool = False,
    ) -> Run:
        """Start a run of `targets` (all by default) and of what is stale above them; returns at once.

        Parameters
        ----------
        detach
            Whether a process of its own carries it on, which outlives this one.

        Raises
        ------
        UnknownStepError
            A name in `targets` or `force` is not a step.
        """
        start = partial(start_detached, self._runner) if detach else self._runner.start
        return start(
            self._resolve(dict(params or {})),
            targets=targets,
            force=force,
            pipeline=self.name,
            listener=listener,
        )

    def runs(self, limit: int = 20) -> list[RunEntry]:
        """Return its latest runs, newest first."""
        return list_runs(self._runner.store, self.name, limit)

    def attach(self, run: str) -> Run:
        """Find a detached run again by how its id begins, also one that has ended."""
        store = self._runner.store
        return attach(find_run(store.root, run), store)

    def accept(self, step: str, *, revoke: bool = False) -> list[Accepted]:
        """Let the kept result of a step count for its code as it stands, or take that back.

        Returns
        -------
        list of Accepted
            What was recorded, or taken back.

        Raises
        ------
        UsageError
            There is nothing to accept or to take back, or what changed is not for a person to judge.
        """
        check_steps([step], self.steps)
        store, history = self._runner.store, self._runner.history
        if revoke:
            return take_back(step, self.plan(targets=[step])[step].key, store, pipeline=self.name)

        def plan() -> Plan:
            return self.plan(targets=[step])

        return [accept(step, plan, store, history, pipeline=self.name, user=user_name())]

    def __repr__(self) -> str:
        return f"<Pipeline '{self.name}': {', '.join(self.steps) or 'no steps'}>"
