"""The executor on Dask: a cluster of our own, or one that is there. Only this file imports distributed.

Dask places nothing here: the run machine says which worker runs what. Futures are used only to
notice that a worker or the cluster is gone.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dask
import distributed
import distributed.comm.inproc
from dask.system import CPU_COUNT
from distributed.system import MEMORY_LIMIT
from distributed.utils import silence_logging_cmgr

from jupyter_mlpipe.errors import ClusterError, MLPipeError
from jupyter_mlpipe.execution.cluster import dask_worker
from jupyter_mlpipe.execution.cluster.attached import AttachedWorkers, Present
from jupyter_mlpipe.execution.cluster.dask_random import leave_random_numbers_alone
from jupyter_mlpipe.execution.cluster.dask_settings import OF_OURS, SHORT_LOGS
from jupyter_mlpipe.execution.cluster.dask_worker import join
from jupyter_mlpipe.execution.cluster.devices import Devices, find_devices
from jupyter_mlpipe.execution.cluster.environments import Reported
from jupyter_mlpipe.execution.cluster.executor import (
    Amounts,
    ClusterLost,
    Event,
    StepLost,
    StepMessage,
    Workers,
    WorkersChanged,
)
from jupyter_mlpipe.execution.cluster.growth import SETTLES_S, Growth, Wanted
from jupyter_mlpipe.execution.cluster.pools import Machine, Pool, share_out
from jupyter_mlpipe.execution.cluster.topics import Topics
from jupyter_mlpipe.execution.cluster.underway import Underway
from jupyter_mlpipe.execution.process.client import StepServer
from jupyter_mlpipe.execution.process.messages import Message
from jupyter_mlpipe.execution.process.unlogged import own_threads

_log = logging.getLogger(__name__)
# Each thread only relays a step, and amounts limit how many there are: so many where all ask for little.
# Not more, since Dask starts a thread for each step up to this number, and idle ones wake up every second.
_THREADS_PER_CPU, _MIN_THREADS = 8, 16
_CLOSE_S = 10
_ANSWER_S = 20
_SCATTER_BYTES = 1_000_000
_SPAN = "mlpipe"

leave_random_numbers_alone()


class DaskExecutor:
    """Runs steps on the workers of a Dask cluster.

    Parameters
    ----------
    target
        None for a cluster of our own in this process; else a scheduler's address, the path of a
        scheduler file, a `distributed.Client`, or one of Dask's clusters. These are not closed by us.
    pools
        The workers of our own cluster; by default one that offers all of this machine.
    connect_s
        How long to wait for a scheduler to answer.
    store
        Address of the store: workers of a cluster that was there must reach it.
    settles_s
        How long after the last worker has come others may still join a cluster that was there.
    server
        Serves the steps of our own cluster, and may have started already; closed with this.
    """

    def __init__(
        self,
        target: Any = None,
        *,
        pools: Sequence[Pool] = (),
        connect_s: float = 10.0,
        store: str = "",
        settles_s: float = SETTLES_S,
        server: StepServer | None = None,
    ) -> None:
        self._target = target
        self._place = "this machine"
        self._store = store
        self._attached: AttachedWorkers | None = None
        cluster = target if hasattr(target, "plan") else getattr(target, "cluster", None)
        self._growth = Growth(cluster, settles_s) if target is not None else None
        self._wanted = Wanted()
        self._pools = tuple(pools)
        self._connect_s = connect_s
        self._name = f"mlpipe-{uuid.uuid4().hex}"
        self._pid = os.getpid()
        # Held while the cluster is started or let go: never taken by the client's event loop.
        self._starting = threading.Lock()
        self._listeners: list[Callable[[Event], None]] = []
        self._client: Any = None
        self._server = server or StepServer()
        self._local: dask_worker.LocalWorkers | None = None
        self._stack = contextlib.ExitStack()
        self._underway = Underway()

    def listen(self, on_event: Callable[[Event], None]) -> Callable[[], None]:
        """Call `on_event` with each event, from any thread; returns what ends it."""
        self._listeners.append(on_event)

        def stop() -> None:
            with contextlib.suppress(ValueError):
                self._listeners.remove(on_event)

        return stop

    def start(self, ahead: Sequence[str] = ()) -> Workers:
        """Start or attach, once; return what each worker offers."""
        with self._starting:
            if self._underway.closed:
                raise ClusterError("This executor is closed. Make another one.")
            if self._client is None:
                atexit.register(self.close)
                try:
                    if self._target is None:
                        self._start_local(ahead)
                    else:
                        self._attach(ahead)
                except BaseException:
                    self._release()
                    self._underway.change(Present())
                    raise
            return self.workers

    def _start_local(self, ahead: Sequence[str]) -> None:
        machine = this_machine()
        shares = share_out(self._pools, machine)
        hides = bool(machine.devices)
        lenders = {name: Devices(share.devices, hides=hides) for name, share in shares.items()}
        self._local = dask_worker.LocalWorkers(self._on_message, lenders, self._server)
        dask_worker.local_workers[self._name] = self._local
        self._server.ensure(ahead)
        _name_this_process()
        try:
            # Without a filter for warnings, which would be that of the notebook's cells, too.
            with dask.config.set(OF_OURS), own_threads():
                served = {
                    "protocol": "inproc://",
                    "dashboard_address": "127.0.0.1:0",  # or it warns where 8787 is taken
                    "dashboard": False,
                    # Nothing here needs them; spans are kept for ever, one for each burst of work.
                    "extensions": {},
                }
                ours = {**served, "memory_limit": 0}
                cluster = distributed.SpecCluster(
                    scheduler={"cls": distributed.Scheduler, "options": {**served, "port": 0}},
                    workers={
                        name: {
                            "cls": distributed.Worker,
                            "options": {
                                **ours,
                                "nthreads": max(_MIN_THREADS, int(_THREADS_PER_CPU * share.cpus)),
                                "resources": share.offer.resources(),
                            },
                        }
                        for name, share in shares.items()
                    },
                    # That would silence the clusters of the user's, too.
                    silence_logs=False,
                )
                self._stack.callback(_close, cluster)
                cluster.sync(_close_pages, cluster)
                # Never the default client: what users do with Dask themselves stays theirs.
                self._client = _Client(self._lose_cluster, address=cluster, set_as_default=False)
                self._stack.callback(self._client.close, timeout=_CLOSE_S)
                _send_at_once(self._client, cluster)
        except Exception as error:
            raise ClusterError(f"A Dask cluster cannot be started on this machine: {error}") from error
        self._underway.change(
            Present(
                {name: share.offer for name, share in shares.items()},
                {name: cluster.workers[name].address for name in shares},
            )
        )

    def _attach(self, ahead: Sequence[str]) -> None:
        self._stack.enter_context(silence_logging_cmgr(level=logging.CRITICAL))
        self._place, where = _find_scheduler(self._target)
        try:
            with dask.config.set(SHORT_LOGS):
                self._client = _Client(
                    self._lose_cluster, **where, timeout=self._connect_s, set_as_default=False
                )
        except Exception as error:
            hint = " Certificates are those of a Client, or of distributed.comm.tls in Dask's configuration."
            raise ClusterError(
                f"No Dask scheduler answers at '{self._place}' ({type(error).__name__}: {error}). "
                f"Check the address, or start a cluster there.{hint if 'tls' in self._place else ''}"
            ) from error
        self._stack.callback(self._client.close, timeout=_CLOSE_S)
        self._attached = AttachedWorkers(_Workers(self._client), self._store, self._take_workers)
        topics = Topics(self._client, self._attached, self._on_message, self._lose_cluster)
        self._stack.callback(topics.unsubscribe)
        topics.subscribe()
        self._wait_for(topics.be_heard)
        self._wait_for(self._attached.look)
        self._attached.check(self._place)
        self.preload(ahead)

    @property
    def workers(self) -> Workers:
        """What each worker offers."""
        return dict(self._underway.present.offers)

    @property
    def growing(self) -> bool:
        """Whether more workers may come."""
        return self._growth is not None and self._growth.seconds_left() > 0

    def want(self, n_cpus: float) -> None:
        """Say for how many CPUs steps wait."""
        client = self._client
        if self._attached is not None and client is not None and not self._underway.closed:
            # Suppressed: the scheduler is gone, which is told elsewhere.
            with contextlib.suppress(Exception), self._span():
                self._wanted.ask(client, n_cpus)

    @property
    def left_out(self) -> dict[str, str]:
        """Why workers of an attached cluster are given no step, by name."""
        return self._attached.left_out if self._attached is not None else {}

    @property
    def marks(self) -> Mapping[str, frozenset[str]]:
        """What each worker of an attached cluster has of the packages that were asked for."""
        return self._underway.present.marks

    def look_up(self, tops: frozenset[str]) -> dict[str, Reported]:
        """Return what each worker of an attached cluster has of top-level modules."""
        if self._attached is None or self._client is None:
            raise ClusterError(f"There is no connection to a cluster at '{self._target}'.")
        if self._attached.want(tops):
            self._wait_for(self._attached.ask_for_packages)
        return self._attached.reported(tops)

    def _wait_for(self, asking: Callable[[], Any]) -> None:
        try:
            self._client.sync(asking, callback_timeout=2 * _ANSWER_S)
        except MLPipeError:
            raise
        except Exception as error:  # of any kind: the scheduler is on its way out
            why = f"{type(error).__name__}: {error}"
            raise ClusterError(f"The cluster at '{self._place}' does not answer ({why}).") from error

    def _lose_cluster(self, why: str) -> None:
        if not self._underway.closed:
            lost = f"The Dask scheduler at '{self._place}' is gone ({why}). What has ended is kept:"
            again = "run again" if self._target is None else "start the cluster, and run again"
            self._emit(ClusterLost(f"{lost} {again}."))

    def preload(self, modules: Sequence[str]) -> None:
        """Have workers import modules ahead of the steps that need them. Returns at once."""
        if self._local is not None:
            self._server.ensure(modules)
        elif self._client is not None:
            self._run_aside(dask_worker.preload_modules, tuple(modules))

    def submit(
        self, token: str, worker: str, spec: bytes, amounts: Amounts, marks: frozenset[str] = frozenset()
    ) -> None:
        """Start a step on a worker that has room. Returns at once; a token is used only once."""
        address, offer = self._underway.place(token, worker)
        n_gpus = int(amounts.get("GPU", 0))
        options = {
            "key": f"{self._name}-{token}",
            "workers": [address],
            "allow_other_workers": False,
            "resources": {name: amount for name, amount in amounts.items() if name in offer.amounts},
            "pure": False,
            "retries": 0,
        }
        if self._local is not None:
            self._local.specs[token] = spec
            future = self._client.submit(
                dask_worker.run_local_step, self._name, worker, token, n_gpus, **options
            )
        else:
            sent = spec
            if len(spec) > _SCATTER_BYTES:
                sent = self._client.scatter(spec, workers=[address], hash=False)
            counted = n_gpus if offer.devices or not n_gpus else None
            with self._span():
                future = self._client.submit(
                    _run_step, self._client.id, token, sent, counted, marks, **options
                )
        self._underway.hold(token, future)
        future.add_done_callback(lambda done: self._on_done(token, done))

    def _span(self) -> contextlib.AbstractContextManager[None]:
        """Have tasks counted as one: Dask keeps spans for ever, and else makes one for each burst of work."""
        span: contextlib.AbstractContextManager[None] = dask.annotate(
            span={"name": (_SPAN,), "ids": (self._name,)}
        )
        return span

    def kill(self, token: str) -> None:
        """End a step's process at once. Its "ended" message still comes, of kind "killed"."""
        if self._local is not None:
            self._server.kill(token)
            return
        if (address := self._underway.address_of(token)) is not None:
            self._run_aside(dask_worker.kill_step, token, workers=[address])

    def _run_aside(
        self, function: Callable[..., None], *args: object, workers: list[str] | None = None
    ) -> None:
        """Run something on workers without waiting for it."""

        def run() -> None:
            # A worker that is gone meanwhile is told of elsewhere.
            with contextlib.suppress(Exception):
                self._client.run(function, *args, workers=workers, on_error="ignore")

        threading.Thread(target=run, name="mlpipe-aside", daemon=True).start()

    # What comes back

    def _emit(self, event: Event) -> None:
        if self._underway.closed:
            return
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                _log.exception("A listener failed")

    def _on_message(self, token: str, message: Message) -> None:
        heard = self._underway.hear(token, message)
        if heard is not None:
            self._emit(StepMessage(token, heard))

    def _on_done(self, token: str, future: Any) -> None:
        """The Dask task is over: if its last message has not come by then, it never will."""
        self._underway.let_go(token)
        if future.status == "error":
            try:
                error = future.exception(timeout=_CLOSE_S)
            except Exception as asking:  # the scheduler is gone, or the error cannot be unpickled here
                error = asking
            if isinstance(error, dask_worker.PackagesChangedError):
                self._ask_again(token)
            self._lose(token, f"{type(error).__name__}: {error}")
        self._lose(token, f"its task was {future.status} before the step said how it ended")

    def _lose(self, token: str, why: str) -> None:
        if self._underway.lose(token):
            self._emit(StepLost(token, why))

    def _take_workers(self) -> None:
        assert self._attached is not None
        now = self._attached.present
        before, lost = self._underway.change(now)
        # In this order: what is lost must not be sent to a worker that is gone.
        if now != before:
            self._emit(WorkersChanged(now.offers, now.marks))
        if now.offers.keys() - before.offers.keys():
            assert self._growth is not None
            self._growth.watch(self._tell_workers)
        for token, worker in lost.items():
            self._lose(token, f"worker '{worker}' left the cluster")

    def _tell_workers(self) -> None:
        present = self._underway.present
        self._emit(WorkersChanged(present.offers, present.marks))

    def _ask_again(self, token: str) -> None:
        """Have a worker whose packages are not what it said they were say it anew."""
        assert self._attached is not None
        self._attached.distrust(self._underway.worker_of(token))
        with contextlib.suppress(Exception):  # it does not answer: then it has no packages
            self.look_up(frozenset())

    def close(self) -> None:
        """Kill what runs and leave nothing behind; events end. May be called twice."""
        # A process forked from this one runs its exit handlers too, but has none of its threads.
        if os.getpid() != self._pid:
            return
        running = self._underway.close()
        if running is None:
            return
        with self._starting:
            if self._local is None:
                for token in running:
                    self._kill_for_good(token)
            self._release()

    def _kill_for_good(self, token: str) -> None:
        if (address := self._underway.address_of(token)) is not None:
            # It is the last attempt, while we leave; a worker that does not answer cannot be told.
            with contextlib.suppress(Exception):
                self._client.run(dask_worker.kill_step, token, workers=[address], on_error="ignore")

    def _release(self) -> None:
        atexit.unregister(self.close)
        self._server.close()
        self._underway.let_all_go()
        self._stack.close()
        dask_worker.local_workers.pop(self._name, None)
        self._client = None


def this_machine() -> Machine:
    """Return what this machine has, as far as this process may use it."""
    return Machine(CPU_COUNT, int(MEMORY_LIMIT), find_devices())


def reach(address: str, security: Any) -> Any:
    """Return a `distributed.Client` of a scheduler that another process uses too."""
    return distributed.Client(address, security=security, set_as_default=False)


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


def _close(cluster: Any) -> None:
    # One that has ended by itself does not answer, and Dask would ask it for half a minute.
    cluster.shutdown_scheduler = cluster.scheduler.status == distributed.Status.running
    cluster.close(timeout=_CLOSE_S)


async def _close_pages(cluster: Any) -> None:
    for server in (cluster.scheduler, *cluster.workers.values()):
        server.http_server.stop()


class _Client(distributed.Client):  # type: ignore[misc]
    """Tells that its scheduler is gone, rather than look for one in its place, which would not know us."""

    def __init__(self, on_lost: Callable[[str], None], **options: Any) -> None:
        self._on_lost = on_lost
        try:
            super().__init__(**options)
        except BaseException:
            # Else it closes when it is collected, which may be when its loop has ended, and waits for that.
            with contextlib.suppress(Exception):
                self.close(timeout=_CLOSE_S)
            raise

    async def _reconnect(self) -> None:
        self._on_lost("the connection was closed")
        await self._close()


def _find_scheduler(target: Any) -> tuple[str, dict[str, Any]]:
    """Return what a scheduler is called, and what a client finds it by."""
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


class _Workers:
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
            return (await asyncio.wait_for(asking, _ANSWER_S))[address]
        except Exception as error:  # of any kind: it says why the worker is of no use
            return error


async def _join_worker(asked: dask_worker.Asked, dask_worker: Any) -> dask_worker.Answer:
    return await join(dask_worker, asked, MEMORY_LIMIT)


def _run_step(topic: str, token: str, spec: bytes, n_gpus: int | None, marks: frozenset[str]) -> None:
    worker = distributed.get_worker()
    # Its process is another: the worker's thread only relays, and how many may run the amounts say.
    distributed.secede()
    dask_worker.run_step(worker.log_event, topic, token, spec, n_gpus, marks)
