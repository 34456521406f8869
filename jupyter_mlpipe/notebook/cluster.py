"""Which executor the notebook's steps run on."""

from __future__ import annotations

from typing import Any

from jupyter_mlpipe.execution.executor import Executor


def make_executor(target: Any, store: str) -> Executor:
    """Return an executor on `target`: an address, a scheduler file, a Client, or "" for this machine.

    Nothing is started before the executor's `start`.

    Parameters
    ----------
    store
        Its address: workers that cannot reach it are left out.
    """
    # Only a notebook in which a step has to run pays for importing Dask.
    from jupyter_mlpipe.execution.dask import DaskExecutor

    return DaskExecutor(target or None, store=store)
