"""Which executor the notebook's steps run on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jupyter_mlpipe.execution.executor import Executor
from jupyter_mlpipe.execution.pools import Pool, Share, describe_excess, share_out


def make_executor(target: Any, store: str, pools: Sequence[Pool] = ()) -> Executor:
    """Return an executor on `target`: an address, a scheduler file, a Client, or "" for this machine.

    Nothing is started before the executor's `start`.

    Parameters
    ----------
    store
        Its address: workers that cannot reach it are left out.
    pools
        The workers that are started on this machine; by default one that offers all of it.
    """
    # Only a notebook in which a step has to run pays for importing Dask.
    from jupyter_mlpipe.execution.dask import DaskExecutor

    return DaskExecutor(target or None, store=store, pools=pools)


def check_pools(pools: Sequence[Pool]) -> tuple[dict[str, Share], str]:
    """Return the workers that pools make of this machine, and a word on what these share.

    Raises
    ------
    UsageError
        The machine does not have the GPUs.
    """
    from jupyter_mlpipe.execution.dask import this_machine

    machine = this_machine()
    shares = share_out(pools, machine)
    return shares, describe_excess(shares, machine)
