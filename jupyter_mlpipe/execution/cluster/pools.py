"""Pools of the cluster that we start: which workers they make of this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.model.resources import Offer, describe_bytes

LOCAL = "local"
"""The one worker of a cluster without pools, which offers all of this machine."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Workers of one kind, and what each of them offers.

    Parameters
    ----------
    cpus, memory_bytes
        None: an equal share of what the other workers leave of this machine.
    """

    name: str
    n_workers: int = 1
    cpus: float | None = None
    memory_bytes: int | None = None
    gpus: int = 0
    custom: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is to be shared out; GPUs as `CUDA_VISIBLE_DEVICES` names them."""

    cpus: float
    memory_bytes: int
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """What one worker gets; of the GPUs, which ones."""

    offer: Offer
    devices: tuple[str, ...] = ()

    @property
    def cpus(self) -> float:
        return self.offer.amounts["CPU"]


def share_out(pools: Sequence[Pool], machine: Machine) -> dict[str, Share]:
    """Return the workers by name, such as ``gpu-0``; without pools one that offers everything.

    CPUs and memory may be promised more than once (`describe_excess`), GPUs may not.

    Raises
    ------
    UsageError
        The pools ask for more GPUs than there are.
    """
    if not pools:
        everything = _amounts(machine.cpus, machine.memory_bytes, len(machine.devices))
        return {LOCAL: Share(Offer(everything), machine.devices)}
    n_gpus = sum(pool.n_workers * pool.gpus for pool in pools)
    if n_gpus > len(machine.devices):
        asked = ", ".join(f"{pool.name}: {pool.n_workers} x {pool.gpus}" for pool in pools if pool.gpus)
        raise UsageError(
            f"The pools ask for {n_gpus} GPUs ({asked}), and this machine has "
            f"{len(machine.devices) or 'none'}{_named(machine.devices)}. GPUs are not shared: ask for fewer, "
            "or attach to a cluster that has them."
        )
    cpus = _share(pools, machine.cpus, lambda pool: pool.cpus)
    memory = _share(pools, machine.memory_bytes, lambda pool: pool.memory_bytes)
    free = list(machine.devices)
    shares: dict[str, Share] = {}
    for pool in pools:
        offer = Offer(
            {
                # Whole cores, since a step asks for one where it does not say.
                **_amounts(
                    max(1.0, cpus // 1) if pool.cpus is None else pool.cpus,
                    int(memory) if pool.memory_bytes is None else pool.memory_bytes,
                    pool.gpus,
                ),
                **dict(pool.custom),
            },
            frozenset({pool.name}),
        )
        for index in range(pool.n_workers):
            given, free = tuple(free[: pool.gpus]), free[pool.gpus :]
            shares[f"{pool.name}-{index}"] = Share(offer, given)
    return shares


def describe_excess(shares: dict[str, Share], machine: Machine) -> str:
    """Return a word on what is promised more than once; empty where all fits the machine."""
    offers = [share.offer.amounts for share in shares.values()]
    cpus = sum(offer.get("CPU", 0.0) for offer in offers)
    memory = int(sum(offer.get("MEMORY", 0.0) for offer in offers))
    parts = []
    if cpus > machine.cpus:
        parts.append(f"{cpus:g} CPUs, and this machine has {machine.cpus:g}")
    if memory > machine.memory_bytes:
        parts.append(
            f"{describe_bytes(memory)} of memory, and this machine has {describe_bytes(machine.memory_bytes)}"
        )
    return f"The pools offer {'; '.join(parts)}: steps on several of them share it." if parts else ""


def _share(pools: Sequence[Pool], total: float, said: Callable[[Pool], float | None]) -> float:
    """Return what each worker gets whose pool does not say how much."""
    taken = sum(pool.n_workers * (said(pool) or 0.0) for pool in pools)
    n_sharing = sum(pool.n_workers for pool in pools if said(pool) is None)
    if not n_sharing:
        return 0.0
    # Where nothing is left, they take part as any other.
    return (total - taken) / n_sharing if total > taken else total / sum(pool.n_workers for pool in pools)


def _amounts(cpus: float, memory_bytes: float, n_gpus: int) -> dict[str, float]:
    found = {"CPU": float(cpus), "MEMORY": float(memory_bytes), "GPU": float(n_gpus)}
    return {name: amount for name, amount in found.items() if amount}


def _named(devices: Sequence[str]) -> str:
    return f" ({', '.join(devices)})" if devices else ""
