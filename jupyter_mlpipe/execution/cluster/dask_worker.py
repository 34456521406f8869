"""What runs in a Dask worker: relays between a step's process and the executor. Does not import distributed.

In a worker inside the executor's own process, specs and messages go by reference; elsewhere specs
come with the task, and messages go as events of a topic, in order.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from jupyter_mlpipe import __version__
from jupyter_mlpipe.execution.cluster.devices import Devices, find_devices, identify
from jupyter_mlpipe.execution.process.client import StepServer
from jupyter_mlpipe.execution.process.messages import Message
from jupyter_mlpipe.keys.environment import Report, find_changed, look_up
from jupyter_mlpipe.keys.modules import LocalModules
from jupyter_mlpipe.store import probe


class Asked(TypedDict):
    """What a worker that is new is asked: by a notebook with this Python and version of ours.

    `probe` is a file in the store that it is to read, `reply` one to write there.
    """

    python: tuple[int, int]
    version: str
    store: str
    probe: str
    reply: str
    tops: list[str]


class Answer(TypedDict):
    """Why it cannot run steps, else what it offers and has of the modules.

    `devices` names its GPUs as all workers do that have them.
    """

    why: str
    offer: dict[str, float]
    devices: list[str]
    report: Report


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
_modules = LocalModules()


def run_local_step(topic: str, worker: str, token: str, n_gpus: int) -> None:
    """Run a step whose spec is in this process already."""
    local = local_workers.get(topic)
    if local is None:
        return  # closed in the meantime
    spec = local.specs.pop(token)
    with local.lenders[worker].give(n_gpus) as environment:
        local.server.run(token, spec, lambda message: local.relay(token, message), environment)


class PackagesChangedError(Exception):
    """Packages of this worker are others than those that a step's key says."""


def run_step(
    log_event: Callable[[str, Any], None],
    topic: str,
    token: str,
    spec: bytes,
    n_gpus: int | None,
    marks: frozenset[str],
) -> None:
    """Run a step for an executor elsewhere; `log_event` sends one event to those who follow the topic.

    Parameters
    ----------
    n_gpus
        How many devices it gets; None where the GPUs that the worker offers are not devices: it sees all.
    """
    if changed := find_changed(marks, _modules):
        raise PackagesChangedError(
            f"{', '.join(changed)} changed on the worker since the step's key was derived"
        )
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
            _shared = StepServer(), Devices(find_devices(), shares=True)
        return _shared


def kill_step(token: str) -> None:
    """Kill a step of `run_step`, also one that is still to come."""
    shared_server()[0].kill(token)


def preload_modules(modules: tuple[str, ...]) -> None:
    """Start the fork server, and have it import modules."""
    shared_server()[0].ensure(modules)


async def join(worker: Any, asked: Asked, memory_bytes: int) -> Answer:
    """Say whether a Dask worker can run the steps of a notebook; if so, have Dask know what it offers.

    Parameters
    ----------
    memory_bytes
        Of this machine, for a worker without a limit.
    """
    # Not in the worker's event loop: a store may be far away.
    answer = await asyncio.to_thread(_answer, asked)
    if not answer["why"]:
        own = dict(worker.state.total_resources)
        answer["offer"] = offers(
            own,
            n_threads=worker.state.nthreads,
            memory_bytes=worker.memory_manager.memory_limit or memory_bytes,
            n_gpus=len(answer["devices"]),
        )
        if answer["offer"].get("GPU", 0.0) > len(answer["devices"]):
            # Its own word, such as 4 for a device that four steps are to share.
            answer["devices"] = []
        if added := {name: amount for name, amount in answer["offer"].items() if name not in own}:
            await worker.set_resources(**added)
    return answer


def _answer(asked: Asked) -> Answer:
    why = ""
    if tuple(asked["python"]) != sys.version_info[:2]:
        why = (
            f"runs Python {_dotted(sys.version_info[:2])}, the notebook {_dotted(asked['python'])}. "
            "Code can only be sent between the same minor versions: start the workers with that one"
        )
    elif asked["version"] != __version__:
        why = (
            f"has jupyter-mlpipe {__version__}, the notebook {asked['version']}. "
            "Install the same version in both environments"
        )
    elif asked["store"]:
        why = probe.answer(asked["store"], asked["probe"], asked["reply"])
    if why:
        return {"why": why, "offer": {}, "devices": [], "report": {}}
    devices = [*identify(find_devices())]
    return {"why": "", "offer": {}, "devices": devices, "report": look_up(asked["tops"], _modules)}


async def report(tops: Sequence[str]) -> Report:
    """Return what this worker has of top-level modules."""
    return await asyncio.to_thread(look_up, tops, _modules)


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def offers(
    resources: Mapping[str, float], *, n_threads: int, memory_bytes: int, n_gpus: int
) -> dict[str, float]:
    """Return the amounts of a worker, its own before what is found."""
    found = {"CPU": float(n_threads), "MEMORY": float(memory_bytes), "GPU": float(n_gpus)}
    return {name: amount for name, amount in {**found, **resources}.items() if amount}
