"""The runner: performs what the run machine says, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from jupyter_mlpipe.execution.executor import Executor, ExecutorEvent
from jupyter_mlpipe.execution.run import Run
from jupyter_mlpipe.execution.state import Listener
from jupyter_mlpipe.execution.task import StepTask
from jupyter_mlpipe.store.history import History
from jupyter_mlpipe.store.store import Store

MakeExecutor = Callable[[Callable[[ExecutorEvent], None]], Executor]


class Runner:
    """Runs pipelines; one for a notebook or a command.

    Parameters
    ----------
    make_executor
        Called with the callback for its events when the first step has to run, never before.
    """

    def __init__(self, store: Store, make_executor: MakeExecutor, history: History | None = None) -> None:
        raise NotImplementedError

    def start(
        self,
        tasks: Mapping[str, StepTask],
        *,
        targets: Iterable[str] | None = None,
        force: Collection[str] = frozenset(),
        pipeline: str,
        listener: Listener | None = None,
    ) -> Run:
        """Start a run of `targets` (all by default) and of what is stale above them; returns at once."""
        raise NotImplementedError

    def close(self) -> None:
        """Cancel what runs, wait for it, close the executor."""
        raise NotImplementedError
