"""A cluster that is there: how it is found, its workers asked, and steps run on them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any

import dask
import distributed
from distributed.system import MEMORY_LIMIT

from jupyter_mlpipe.errors import ClusterError
from jupyter_mlpipe.execution.cluster import dask_worker
from jupyter_mlpipe.execution.cluster.dask.client import Client
from jupyter_mlpipe.execution.cluster.dask_settings import SHORT_LOGS
from jupyter_mlpipe.execution.cluster.dask_worker import join

ANSWER_S = 20
"""How long to wait for a worker's answer."""


def find_scheduler(target: Any) -> tuple[str, dict[str, Any]]:
    """Return what a scheduler is called, and what a client finds it by.

    Parameters
    ----------
    target
        As for `DaskExecutor`.

    Raises
    ------
    ClusterError
        A scheduler file is not there.
    """
    if isinstance(target, distributed.Client):
        # A client has one handler a topic: ours must not take the place of the user's.
        place = target.scheduler.address
    elif (place := getattr(target, "scheduler_address", None)) is None:
        place = str(target)
        if place.endswith(".json") or os.path.exists(place):
            if not os.path.isfile(place):
                raise ClusterError(
                    f"There is no scheduler file '{place}'. Start a cluster that writes it: "
                    f"dask scheduler --scheduler-file {place}"
                )
            return place, {"scheduler_file": place}
        return place, {"address": place}
    return place, {"address": place, "security": getattr(target, "security", None)}


def connect(place: str, where: Mapping[str, Any], connect_s: float, on_lost: Callable[[str], None]) -> Client:
    """Return a client of a scheduler that was found.

    Parameters
    ----------
    on_lost
        Called with the reason when the scheduler is gone.

    Raises
    ------
    ClusterError
        It does not answer in time.
    """
    try:
        with dask.config.set(SHORT_LOGS):
            return Client(on_lost, **where, timeout=connect_s)
    except Exception as error:
        hint = " Certificates are those of a Client, or of distributed.comm.tls in Dask's configuration."
        raise ClusterError(
            f"No Dask scheduler answers at '{place}' ({type(error).__name__}: {error}). "
            f"Check the address, or start a cluster there.{hint if 'tls' in place else ''}"
        ) from error


class Workers:
    """Reaches the workers through a client, in its loop."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def names(self) -> dict[str, str]:
        found = await self._client.scheduler.identity(n_workers=-1)
        return {address: str(described["name"]) for address, described in found["workers"].items()}

    async def join(self, address: str, asked: dask_worker.Asked) -> dask_worker.Answer | Exception:
        answer: dask_worker.Answer | Exception = await self.call(address, _join_worker, asked)
        return answer

    async def call(self, address: str, function: Callable[..., Any], *args: object) -> Any:
        try:
            asking = self._client._run(function, *args, workers=[address], on_error="return")
            return (await asyncio.wait_for(asking, ANSWER_S))[address]
        except Exception as error:  # of any kind: it says why the worker is of no use
            return error


async def _join_worker(asked: dask_worker.Asked, dask_worker: Any) -> dask_worker.Answer:
    return await join(dask_worker, asked, MEMORY_LIMIT)


def run_step(topic: str, token: str, spec: bytes, n_gpus: int | None, marks: frozenset[str]) -> None:
    """Run a step on the worker where this is called, as a task; see `dask_worker.run_step`."""
    worker = distributed.get_worker()
    # Its process is another: the worker's thread only relays, and how many may run the amounts say.
    distributed.secede()
    dask_worker.run_step(worker.log_event, topic, token, spec, n_gpus, marks)
