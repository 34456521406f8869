"""Which executor the notebook's steps run on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.execution.cluster.executor import Executor
from jupyter_mlpipe.execution.cluster.growth import SETTLES_S
from jupyter_mlpipe.execution.cluster.pools import Pool, Share, describe_excess, share_out
from jupyter_mlpipe.execution.process.client import StepServer


def check_pools(pools: Sequence[Pool]) -> tuple[dict[str, Share], str]:
    """Return the workers that pools make of this machine, and a word on what these share.

    Raises
    ------
    UsageError
        The machine does not have the GPUs.
    """
    from jupyter_mlpipe.execution.cluster.dask import this_machine

    machine = this_machine()
    shares = share_out(pools, machine)
    return shares, describe_excess(shares, machine)


@dataclass(frozen=True, slots=True)
class MakeExecutor:
    """Makes an executor; the process of a detached run can be sent it.

    A Client goes as the address of its scheduler; of a cluster that ends with this process it cannot.

    Parameters
    ----------
    target
        An address, a scheduler file, a Client, a Dask cluster, or "" for this machine.
    store
        Its address: workers that cannot reach it are left out.
    pools
        Gives the workers that are started on this machine; where none, one that offers all of it.
    settles_s
        How long after the last worker has come others may still join a cluster that was there.
    """

    target: Any
    store: str
    pools: Callable[[], Sequence[Pool]] = tuple
    settles_s: float = SETTLES_S

    def __call__(self, ahead: Sequence[str]) -> Executor:
        """Return an executor, whose start is due at once: of this machine, its step server starts here."""
        server = None if self.target else StepServer()
        try:
            if server is not None:
                # Importing Dask takes as long.
                server.ensure(ahead)
            # Only a notebook in which a step has to run pays for it.
            from jupyter_mlpipe.execution.cluster.dask import DaskExecutor

            return DaskExecutor(
                self.target or None,
                store=self.store,
                pools=self.pools(),
                settles_s=self.settles_s,
                server=server,
            )
        except BaseException:
            if server is not None:
                server.close()
            raise

    def __reduce__(self) -> tuple[Any, ...]:
        if getattr(self.target, "scheduler", None) is None:
            return _with_pools, (self.target, self.store, tuple(self.pools()), self.settles_s)
        if getattr(self.target, "cluster", None) is not None:
            raise UsageError(
                "The cluster belongs to this kernel and ends with it, so that a detached run cannot use it. "
                "Choose one that stays, or let the run start its own: %pipeline cluster local."
            )
        return _reach, (self.target.scheduler.address, self.target.security, self.store, self.settles_s)


def _with_pools(target: Any, store: str, pools: tuple[Pool, ...], settles_s: float) -> MakeExecutor:
    return MakeExecutor(target, store, lambda: pools, settles_s)


def _reach(address: str, security: Any, store: str, settles_s: float) -> MakeExecutor:
    from jupyter_mlpipe.execution.cluster.dask import reach

    return MakeExecutor(reach(address, security), store, settles_s=settles_s)
