"""What runs where: the workers that an executor has, and the steps that each of them was given."""

from __future__ import annotations

import threading
from typing import Any

from jupyter_mlpipe.errors import ClusterError
from jupyter_mlpipe.execution.cluster.attached import Present
from jupyter_mlpipe.execution.process.messages import Message
from jupyter_mlpipe.model.resources import Offer


class Underway:
    """Keeps account of steps by their tokens, from any thread.

    Its lock is held for moments only, by the client's event loop too: never while waiting for the cluster.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._present = Present()
        self._running: dict[str, str] = {}
        self._futures: dict[str, Any] = {}
        self._closed = False

    @property
    def present(self) -> Present:
        """The workers that can run steps."""
        with self._lock:
            return self._present

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def place(self, token: str, worker: str) -> tuple[str, Offer]:
        """Note that a worker is given a step; return its address and what it offers.

        Raises
        ------
        ClusterError
            There is no such worker, or no further step is taken.
        """
        with self._lock:
            address = self._present.addresses.get(worker)
            if self._closed or address is None:
                there = sorted(self._present.addresses)
                raise ClusterError(f"There is no worker '{worker}'; there are {there}.")
            self._running[token] = worker
            return address, self._present.offers[worker]

    def hold(self, token: str, future: Any) -> None:
        """Keep the future of a step's task: Dask drops a task of which nobody has one."""
        with self._lock:
            self._futures[token] = future

    def let_go(self, token: str) -> None:
        """Drop the future of a step's task, which is over."""
        with self._lock:
            self._futures.pop(token, None)

    def worker_of(self, token: str) -> str:
        """Return where a step runs; empty where it does not."""
        with self._lock:
            return self._running.get(token, "")

    def address_of(self, token: str) -> str | None:
        """Return the address of the worker where a step runs; None where it does not."""
        with self._lock:
            return self._present.addresses.get(self._running.get(token, ""))

    def hear(self, token: str, message: Message) -> Message | None:
        """Return a message as it is passed on; None after the step has ended or was lost."""
        with self._lock:
            worker = self._running.get(token)
            if worker is None:
                return None
            if message["type"] == "ended":
                del self._running[token]
        if message["type"] == "started":
            message = {**message, "worker": worker}
        return message

    def lose(self, token: str) -> bool:
        """Give up a step; tells whether it was running."""
        with self._lock:
            if self._running.pop(token, None) is None:
                return False
            future = self._futures.pop(token, None)
        if future is not None:
            # Else a worker that comes back at the same address would be given it.
            future.release()
        return True

    def change(self, present: Present) -> tuple[Present, dict[str, str]]:
        """Take over which workers there are; return those before, and what ran on workers that are gone.

        The latter as token -> worker. Whoever is at another address is another worker.
        """
        with self._lock:
            before, self._present = self._present, present
            addresses = before.addresses.items()
            gone = {name for name, address in addresses if present.addresses.get(name) != address}
            return before, {token: worker for token, worker in self._running.items() if worker in gone}

    def close(self) -> list[str] | None:
        """Take no further step; return what runs, or None where this was called before."""
        with self._lock:
            if self._closed:
                return None
            self._closed = True
            return list(self._running)

    def let_all_go(self) -> None:
        """Drop all futures."""
        with self._lock:
            futures, self._futures = self._futures, {}
        # Outside the lock: to drop one may call those who wait for it, and these ask here.
        futures.clear()
