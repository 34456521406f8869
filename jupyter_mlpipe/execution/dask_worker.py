"""What runs in a Dask worker: relays between a step's process and the executor. Does not import distributed.

In a worker inside the executor's own process, specs and messages go by reference; elsewhere specs
come with the task, and messages go as events of a topic, in order.
"""

from __future__ import annotations

import json
import os
import platform
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_mlpipe.execution.client import StepServer
from jupyter_mlpipe.execution.devices import Devices, find_devices
from jupyter_mlpipe.execution.executor import Message

Relay = Callable[[str, Message], None]


@dataclass
class LocalWorkers:
    """The workers inside the process of their executor.

    They differ by what they offer. The fork server is one: what it has imported and verified serves all.
    """

    relay: Relay
    lenders: Mapping[str, Devices]
    server: StepServer = field(default_factory=StepServer)
    specs: dict[str, bytes] = field(default_factory=dict)


local_workers: dict[str, LocalWorkers] = {}
"""By topic."""

_lock = threading.Lock()
_shared: tuple[StepServer, Devices] | None = None


def run_local_step(topic: str, worker: str, token: str, n_gpus: int) -> None:
    """Run a step whose spec is in this process already."""
    local = local_workers.get(topic)
    if local is None:
        return  # closed in the meantime
    spec = local.specs.pop(token)
    with local.lenders[worker].give(n_gpus) as environment:
        local.server.run(token, spec, lambda message: local.relay(token, message), environment)


def run_step(log_event: Callable[[str, Any], None], topic: str, token: str, spec: bytes, n_gpus: int) -> None:
    """Run a step for an executor elsewhere; `log_event` sends one event to those who follow the topic."""
    server, devices = shared_server()
    with devices.give(n_gpus) as environment:
        server.run(
            # As JSON: events turn lists into tuples.
            token,
            spec,
            lambda m: log_event(topic, {"token": token, "message": json.dumps(m)}),
            environment,
        )


def shared_server() -> tuple[StepServer, Devices]:
    """Return this worker's fork server, which lives as long as the worker, and its devices."""
    global _shared
    with _lock:
        if _shared is None:
            _shared = StepServer(), Devices(find_devices())
        return _shared


def kill_step(token: str) -> None:
    """Kill a step of `run_step`, also one that is still to come."""
    shared_server()[0].kill(token)


def preload_modules(modules: tuple[str, ...]) -> None:
    """Start the fork server, and have it import modules."""
    shared_server()[0].ensure(modules)


def describe_worker() -> dict[str, Any]:
    """Return what must agree between a worker and the notebook, and what it has."""
    return {"python": platform.python_version_tuple()[:2], "gpus": len(find_devices()), "pid": os.getpid()}


def offers(
    resources: Mapping[str, float], *, n_threads: int, memory_bytes: int, n_gpus: int
) -> dict[str, float]:
    """Return the amounts of a worker, its own before what is found."""
    found = {"CPU": float(n_threads), "MEMORY": float(memory_bytes), "GPU": float(n_gpus)}
    return {name: amount for name, amount in {**found, **resources}.items() if amount}
