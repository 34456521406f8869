"""The workers of a cluster that was there before: which can run steps, what they offer, why others cannot.

They are asked one by one as they come, and not by a plugin of Dask's: that would stay with the scheduler
when the notebook is killed, and a worker that cannot unpickle it does not start.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from jupyter_mlpipe import __version__
from jupyter_mlpipe.errors import ClusterError, StoreError
from jupyter_mlpipe.execution.cluster import dask_worker
from jupyter_mlpipe.execution.cluster.dask_worker import Answer, Asked
from jupyter_mlpipe.execution.cluster.environments import Reported
from jupyter_mlpipe.keys.environment import Report, mark_of
from jupyter_mlpipe.model.resources import Offer
from jupyter_mlpipe.store.probe import Probe

_log = logging.getLogger(__name__)
_FRESH_S = 30.0
"""So long a worker is taken to have the packages that it had."""


class Cluster(Protocol):
    """How workers are reached, from the event loop of the one who asks."""

    async def names(self) -> Mapping[str, str]:
        """Return the names of the workers that there are, by address."""
        ...

    async def join(self, address: str, asked: Asked) -> Answer | Exception:
        """Have a worker answer `dask_worker.join`."""
        ...

    async def call(self, address: str, function: Callable[..., Any], *args: object) -> Any:
        """Return what a function gives on a worker, or the error that stands in its way."""
        ...


@dataclass(slots=True)
class AttachedWorker:
    """A worker, from the moment that it is seen; until it has answered it offers nothing."""

    name: str
    offer: Offer | None = None
    report: Report = field(default_factory=dict)
    reported_at: float = 0.0
    why: str = ""

    def is_stale(self, tops: Collection[str]) -> bool:
        """Tell whether it must say what it has of modules: it has not, or that was a while ago."""
        is_old = time.monotonic() - self.reported_at > _FRESH_S
        return bool(self.offer) and (is_old or not self.report.keys() >= set(tops))


@dataclass(frozen=True, slots=True)
class Present:
    """The workers that can run steps, by name, at one moment."""

    offers: Mapping[str, Offer] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, frozenset[str]] = field(default_factory=dict)


class AttachedWorkers:
    """The workers of a cluster. What does not wait may be called from any thread.

    Parameters
    ----------
    store
        Address of the store, which they must reach; empty where that does not matter.
    on_change
        Called when workers that can run steps come or go, or have other packages.
    """

    def __init__(self, cluster: Cluster, store: str, on_change: Callable[[], None]) -> None:
        self._cluster = cluster
        self._store = store
        self._on_change = on_change
        self._lock = threading.Lock()
        self._looking = asyncio.Lock()
        self._by_address: dict[str, AttachedWorker] = {}
        self._tops: set[str] = set()

    async def look(self) -> None:
        """See which workers there are, and ask those that are new."""
        # One after the other: an answer that was overtaken would have those who came since forgotten.
        async with self._looking:
            there = await self._cluster.names()
            with self._lock:
                self._by_address = {a: worker for a, worker in self._by_address.items() if a in there}
                new = [address for address in there if address not in self._by_address]
                self._by_address.update((address, AttachedWorker(there[address])) for address in new)
        self._on_change()
        await asyncio.gather(*map(self._join, new))

    def forget(self, address: str) -> None:
        """A worker has left: whoever is at its address later on is another one."""
        with self._lock:
            self._by_address.pop(address, None)
        self._on_change()

    async def _join(self, address: str) -> None:
        answer = await _Question(self._store, self._tops).put(
            lambda asked: self._cluster.join(address, asked)
        )
        with self._lock:
            worker = self._by_address.get(address)
            if worker is None:
                return  # it has left in the meantime
            if isinstance(answer, TimeoutError):
                worker.why = "does not answer."
            elif isinstance(answer, Exception):
                worker.why = (
                    f"cannot run steps ({type(answer).__name__}: {answer}). "
                    "Install jupyter-mlpipe in its environment, in the version of the notebook."
                )
            else:
                worker.why = answer["why"]
                worker.offer = Offer.of(answer["offer"], answer["devices"]) if answer["offer"] else None
                worker.report, worker.reported_at = answer["report"], time.monotonic()
        if worker.why:
            _log.warning("%s It is given no steps.", _describe(address, worker))
        self._on_change()

    async def ask_for_packages(self) -> None:
        """Have workers say what they have of all modules asked for so far, where that is not known."""

        async def ask(address: str) -> None:
            report = await self._cluster.call(address, dask_worker.report, sorted(self._tops))
            with self._lock:
                worker = self._by_address.get(address)
                # One that does not answer counts as it was: it may be on its way out.
                if worker is not None and not isinstance(report, Exception):
                    worker.report, worker.reported_at = report, time.monotonic()

        await asyncio.gather(*map(ask, self._stale()))
        self._on_change()

    def _stale(self) -> list[str]:
        with self._lock:
            return [address for address, worker in self._by_address.items() if worker.is_stale(self._tops)]

    def want(self, tops: Collection[str]) -> bool:
        """Take note of modules that are asked for; tell whether a worker must be asked for them."""
        with self._lock:
            self._tops.update(tops)
        return bool(self._stale())

    def distrust(self, name: str) -> None:
        """Have a worker asked again: it has found that its packages are others."""
        with self._lock:
            for worker in self._by_address.values():
                if worker.name == name:
                    worker.report = {}

    def reported(self, tops: Collection[str]) -> dict[str, Reported]:
        """Return the workers that can run steps and have said what they have of these modules."""
        with self._lock:
            able = [(worker, worker.offer) for worker in self._by_address.values() if worker.offer]
        return {w.name: Reported(offer, w.report) for w, offer in able if w.report.keys() >= set(tops)}

    @property
    def present(self) -> Present:
        """The workers that can run steps."""
        with self._lock:
            able = [(address, w, w.offer) for address, w in self._by_address.items() if w.offer]
        return Present(
            {worker.name: offer for _, worker, offer in able},
            {worker.name: address for address, worker, _ in able},
            {
                worker.name: frozenset(mark_of(top, parts) for top, parts in worker.report.items())
                for _, worker, _ in able
            },
        )

    @property
    def left_out(self) -> dict[str, str]:
        """Why the others cannot, by name."""
        with self._lock:
            return {worker.name: worker.why for worker in self._by_address.values() if worker.why}

    def check(self, place: str) -> None:
        """Raise ClusterError where there are workers, and none that could run a step."""
        with self._lock:
            workers = list(self._by_address.items())
        if workers and all(worker.why for _, worker in workers):
            reasons = "\n".join(_describe(address, worker) for address, worker in workers)
            raise ClusterError(f"No worker of the cluster at '{place}' can run steps.\n{reasons}")


class _Question:
    """What a new worker is asked; with a file in the store that it is to read, and answer with another."""

    def __init__(self, store: str, tops: Collection[str]) -> None:
        self._probe = Probe(store) if store else None
        self._reply = Probe(store) if store else None
        self._asked: Asked = {
            "python": sys.version_info[:2],
            "version": __version__,
            "store": store,
            "probe": self._probe.name if self._probe is not None else "",
            "reply": self._reply.name if self._reply is not None else "",
            "tops": sorted(tops),
        }

    async def put(self, ask: Callable[[Asked], Awaitable[Answer | Exception]]) -> Answer | Exception:
        """Return the answer, or why there is none. The store may be far away: it holds up no loop."""
        try:
            if self._probe is not None:
                await asyncio.to_thread(self._probe.write)
            answer = await ask(self._asked)
            if not isinstance(answer, Exception) and not answer["why"]:
                why = await asyncio.to_thread(self._why_not_seen)
                return {**answer, "why": why, "offer": {} if why else answer["offer"]}
            return answer
        finally:
            await asyncio.to_thread(self._remove)

    def _why_not_seen(self) -> str:
        try:
            if self._reply is None or self._reply.is_there():
                return ""
        except StoreError as error:
            return f"writes to the store what cannot be read here: {error}"
        return f"writes to another store: nothing arrives here in {self._asked['store']}."

    def _remove(self) -> None:
        for probe in (self._probe, self._reply):
            if probe is not None:
                probe.remove()


def _describe(address: str, worker: AttachedWorker) -> str:
    named = address if worker.name == address else f"'{worker.name}' ({address})"
    return f"Worker {named} {worker.why}"
