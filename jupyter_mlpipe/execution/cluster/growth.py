"""Clusters that grow: whether more workers may come, and how one that adapts learns that they are wanted."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
import uuid
from collections.abc import Callable
from typing import Any

SETTLES_S = 30.0
"""How long after the last worker has come a cluster counts as one that others may still join."""

_LOOK_S = 1.0
_MOST_CPUS = 64
# By Dask's defaults: a task of which nothing is known counts as half a second, and it asks for as many
# threads as do what waits in five.
_TASKS_PER_CPU = 10
_NEVER = {"mlpipe.never": 1}


class Growth:
    """What is known of the workers that a cluster does not have yet.

    Parameters
    ----------
    cluster
        Dask's, where the notebook has it: it says which workers it has asked for. None elsewhere.
    settles_s
        Where nobody says, how long after the last worker has come another may.
    """

    def __init__(self, cluster: Any, settles_s: float) -> None:
        self._cluster = cluster
        self._settles_s = settles_s
        self._joined_at = time.monotonic()
        self._is_watched = False

    def watch(self, on_settled: Callable[[], None]) -> None:
        """A worker has come: call when no more are expected, once for all that come until then.

        From the event loop that calls.
        """
        self._joined_at = time.monotonic()
        if not self._is_watched:
            self._is_watched = True
            self._look(on_settled)

    def _look(self, on_settled: Callable[[], None]) -> None:
        if (left := self.seconds_left()) > 0:
            asyncio.get_running_loop().call_later(left, self._look, on_settled)
            return
        self._is_watched = False
        on_settled()

    def seconds_left(self) -> float:
        """Return when to look again whether more may come; 0 where none is expected."""
        # Some clusters have no plan: an empty one says nothing.
        with contextlib.suppress(Exception):
            if set(self._cluster.plan) - set(self._cluster.observed):
                return _LOOK_S
        return max(0.0, self._joined_at + self._settles_s - time.monotonic())


class Wanted:
    """Stands in a scheduler's queue for steps that wait here, so that a cluster which adapts sees them.

    Dask adapts the number of workers to tasks that wait, and is given a step only when it can start. These
    tasks ask for what no worker has: they never start, and any other cluster is not moved by them.
    """

    def __init__(self) -> None:
        self._cpus = 0
        self._name = f"mlpipe-waiting-{uuid.uuid4().hex}"
        self._futures: list[Any] = []

    def ask(self, client: Any, n_cpus: float) -> None:
        """Say for how many CPUs steps wait, roughly: each change is a message."""
        cpus = 0 if n_cpus <= 0 else min(_MOST_CPUS, 2 ** math.ceil(math.log2(max(1.0, n_cpus))))
        if cpus == self._cpus:
            return
        self._cpus = cpus
        n_tasks = cpus * _TASKS_PER_CPU
        for future in self._futures[n_tasks:]:
            future.release()
        del self._futures[n_tasks:]
        # The same names again: Dask remembers the latest 100,000 that it was told.
        if names := [f"{self._name}-{number}" for number in range(len(self._futures), n_tasks)]:
            self._futures += client.map(abs, names, key=names, resources=_NEVER, pure=False)
