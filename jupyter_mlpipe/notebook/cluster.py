"""Which executor the notebook's steps run on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.execution.executor import Executor


def make_executor(target: Any) -> Executor:
    """Return an executor on `target`: an address, a scheduler file, a Client, or "" for this machine.

    Nothing is started before the executor's `start`.
    """
    # Only a notebook in which a step has to run pays for importing Dask.
    from jupyter_mlpipe.execution.dask import DaskExecutor

    return DaskExecutor(target or None)


@dataclass(frozen=True, slots=True)
class MakeExecutor:
    """`make_executor` for one target, which the process of a detached run can be sent.

    A Client goes as the address of its scheduler; of a cluster that ends with this process it cannot.
    """

    target: Any

    def __call__(self) -> Executor:
        """Return an executor."""
        return make_executor(self.target)

    def __reduce__(self) -> tuple[Any, ...]:
        if getattr(self.target, "scheduler", None) is None:
            return MakeExecutor, (self.target,)
        if getattr(self.target, "cluster", None) is not None:
            raise UsageError(
                "The cluster belongs to this kernel and ends with it, so that a detached run cannot use it. "
                "Choose one that stays, or let the run start its own: %pipeline cluster local."
            )
        return _reach, (self.target.scheduler.address, self.target.security)


def _reach(address: str, security: Any) -> MakeExecutor:
    from jupyter_mlpipe.execution.dask import reach

    return MakeExecutor(reach(address, security))
