"""A cluster of our own: scheduler, workers and client in this process, which nobody else can reach."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

import dask
import distributed
import distributed.comm.inproc
from dask.system import CPU_COUNT
from distributed.system import MEMORY_LIMIT

from jupyter_mlpipe.execution.cluster.dask.client import CLOSE_S, Client
from jupyter_mlpipe.execution.cluster.dask_settings import OF_OURS
from jupyter_mlpipe.execution.cluster.devices import find_devices
from jupyter_mlpipe.execution.cluster.pools import Machine, Share
from jupyter_mlpipe.execution.process.unlogged import own_threads

# Each thread only relays a step, and amounts limit how many there are: so many where all ask for little.
# Not more, since Dask starts a thread for each step up to this number, and idle ones wake up every second.
_THREADS_PER_CPU, _MIN_THREADS = 8, 16


def this_machine() -> Machine:
    """Return what this machine has, as far as this process may use it."""
    return Machine(CPU_COUNT, int(MEMORY_LIMIT), find_devices())


def start(
    shares: Mapping[str, Share], on_lost: Callable[[str], None], closing: contextlib.ExitStack
) -> tuple[Client, dict[str, str]]:
    """Start a worker for each share; return a client, and the workers' addresses by name.

    Parameters
    ----------
    on_lost
        Called with the reason when the scheduler is gone.
    closing
        Takes what ends all of it, also where the start fails.
    """
    _name_this_process()
    # Without a filter for warnings, which would be that of the notebook's cells, too.
    with dask.config.set(OF_OURS), own_threads():
        cluster = _make_cluster(shares)
        closing.callback(_close, cluster)
        _leave_import_path(cluster)
        cluster.sync(_close_pages, cluster)
        client = Client(on_lost, address=cluster)
        closing.callback(client.close, timeout=CLOSE_S)
        _send_at_once(client, cluster)
    return client, {name: cluster.workers[name].address for name in shares}


def _make_cluster(shares: Mapping[str, Share]) -> Any:
    served = {
        "protocol": "inproc://",
        "dashboard_address": "127.0.0.1:0",  # or it warns where 8787 is taken
        "dashboard": False,
        # Nothing here needs them; spans are kept for ever, one for each burst of work.
        "extensions": {},
    }
    working = {**served, "memory_limit": 0}
    return distributed.SpecCluster(
        scheduler={"cls": distributed.Scheduler, "options": {**served, "port": 0}},
        workers={
            name: {
                "cls": distributed.Worker,
                "options": {
                    **working,
                    "nthreads": max(_MIN_THREADS, int(_THREADS_PER_CPU * share.cpus)),
                    "resources": share.offer.resources(),
                },
            }
            for name, share in shares.items()
        },
        # That would silence the clusters of the user's, too.
        silence_logs=False,
    )


def _name_this_process() -> None:
    """Have addresses within this process without a network: Dask warns where it finds none."""
    names = distributed.comm.inproc.global_manager
    names._ip = names._ip or "127.0.0.1"


def _send_at_once(client: Any, cluster: Any) -> None:
    """Have messages leave as they come: Dask holds them back, up to 10 ms each, to send several at once."""
    scheduler = cluster.scheduler
    senders = [client.scheduler_comm, *scheduler.client_comms.values(), *scheduler.stream_comms.values()]
    for sender in (*senders, *(worker.batched_stream for worker in cluster.workers.values())):
        sender.interval = 0.0


def _leave_import_path(cluster: Any) -> None:
    """Have modules looked for as without a cluster: Dask puts its folders first, for files sent to it."""
    for server in (cluster.scheduler, *cluster.workers.values()):
        if server.local_directory in sys.path:
            sys.path.remove(server.local_directory)


def _close(cluster: Any) -> None:
    # One that has ended by itself does not answer, and Dask would ask it for half a minute.
    cluster.shutdown_scheduler = cluster.scheduler.status == distributed.Status.running
    cluster.close(timeout=CLOSE_S)


async def _close_pages(cluster: Any) -> None:
    for server in (cluster.scheduler, *cluster.workers.values()):
        server.http_server.stop()
