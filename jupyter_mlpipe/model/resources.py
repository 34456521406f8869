"""What a step asks of a worker, and what a worker offers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

POOL_MARK = "pool."
"""A Dask resource of this name and a pool's says that a worker is of that pool. It is never used up."""
NAME = r"[A-Za-z_][\w.-]*"
"""Pattern of the names of pools and custom resources."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Amounts by name, as asked by a step or offered by a worker.

    Parameters
    ----------
    cpus, gpus
        Cores (may be a fraction) and whole devices.
    memory_bytes
        Working memory; 0 asks for none in particular.
    custom
        Any further named amount that a worker may offer, ``--resource NAME=AMOUNT``.
    """

    cpus: float = 1.0
    gpus: int = 0
    memory_bytes: int = 0
    custom: tuple[tuple[str, float], ...] = field(default=())

    def amounts(self) -> dict[str, float]:
        """Return the amounts by Dask resource name, those of zero left out."""
        named: dict[str, float] = {
            "CPU": self.cpus,
            "GPU": float(self.gpus),
            "MEMORY": float(self.memory_bytes),
            **dict(self.custom),
        }
        return {name: amount for name, amount in named.items() if amount}


@dataclass(frozen=True, slots=True)
class Offer:
    """What a worker offers: amounts by name, and the pools that it is of.

    `devices` names its GPUs where other workers may have the same ones.
    """

    amounts: Mapping[str, float] = field(default_factory=dict)
    pools: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()

    @staticmethod
    def of(resources: Mapping[str, float], devices: Iterable[str] = ()) -> Offer:
        """Return the offer of a Dask worker that has these resources."""
        marks = {name for name in resources if name.startswith(POOL_MARK)}
        return Offer(
            {name: amount for name, amount in resources.items() if name not in marks},
            frozenset(mark.removeprefix(POOL_MARK) for mark in marks),
            frozenset(devices),
        )

    def resources(self) -> dict[str, float]:
        """Return what a Dask worker needs in order to make this offer."""
        return {**self.amounts, **{f"{POOL_MARK}{pool}": 1.0 for pool in sorted(self.pools)}}

    def serves(self, amounts: Mapping[str, float], pool: str | None) -> bool:
        """Tell whether it is enough, when the worker is idle."""
        return (pool is None or pool in self.pools) and fits(amounts, self.amounts)


def fits(asked: Mapping[str, float], free: Mapping[str, float]) -> bool:
    """Tell whether every asked amount is free."""
    # The tolerance absorbs sums of fractions such as 0.1 + 0.2.
    return all(amount <= free.get(name, 0.0) + 1e-9 for name, amount in asked.items())


def describe_amounts(amounts: Mapping[str, float]) -> str:
    """Return amounts as people write them: ``CPU=2, MEMORY=4.0 GB``."""
    parts = []
    for name, amount in sorted(amounts.items()):
        if name == "MEMORY":
            parts.append(f"MEMORY={describe_bytes(int(amount))}")
        else:
            parts.append(f"{name}={amount:g}")
    return ", ".join(parts) or "nothing"


def describe_bytes(n_bytes: int) -> str:
    """Return a size as people write it, in powers of 1000: ``4.0 GB``."""
    size = float(n_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{n_bytes} B"


def describe_seconds(seconds: float) -> str:
    """Return a duration as people write it: ``0.4 s``, ``2 min 5 s``, ``1 h 3 min``."""
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
