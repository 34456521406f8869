"""What people are told of workers: what there is, what is in use, why a step waits or can never run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from jupyter_mlpipe.errors import close_matches
from jupyter_mlpipe.execution.runs.events import Amounts, Node
from jupyter_mlpipe.execution.runs.placing import Placing, Request
from jupyter_mlpipe.model.resources import Offer, describe_amounts, describe_bytes, fits

NO_WORKER_YET = "the cluster has no worker yet that can serve it: waits for one to join"
"""Of a step, as long as the cluster may grow."""

_NAMED = 3


@dataclass(frozen=True, slots=True)
class WorkerUse:
    """One worker: its offer, and what each step has in use there."""

    name: str
    offer: Offer
    in_use: Mapping[Node, Amounts]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Steps that ask for the same, in the order in which they will start, and what they wait for."""

    steps: tuple[Node, ...]
    amounts: Amounts
    pool: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Account:
    """Workers, and the steps that wait for one, at one moment.

    `left_out`: by name, why further workers of a cluster cannot run steps.
    """

    workers: tuple[WorkerUse, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


def take_account(placing: Placing[Node], *, is_starting: bool) -> Account:
    """Return what is in use and what waits."""
    workers = tuple(
        WorkerUse(name, offer, dict(placing.in_use(name))) for name, offer in placing.workers.items()
    )
    queued: dict[object, list[Request[Node]]] = {}
    for request in placing.queued():
        queued.setdefault(request.shape, []).append(request)
    waiting = tuple(
        Waiting(
            tuple(request.item for request in group),
            group[0].amounts,
            group[0].pool,
            "waits for the cluster, which is starting" if is_starting else _why_it_waits(group[0], placing),
        )
        for group in queued.values()
    )
    return Account(workers, waiting)


def _why_it_waits(request: Request[Node], placing: Placing[Node]) -> str:
    suitable = [name for name, offer in placing.workers.items() if request.suits(offer)]
    if not suitable:
        if not placing.offers:
            return "waits for a worker: the cluster has none yet"
        seen = [name for name, offer in placing.offers.items() if request.suits(offer)]
        if not seen:
            return NO_WORKER_YET
        return f"waits for {join_names(seen)} to come back"
    lacking = {name: _lacking(request.amounts, placing.free(name)) for name in suitable}
    kept = [name for name in suitable if not lacking[name]]
    if kept:
        return f"waits for its turn: {kept[0]} is kept free for a step that needs more of it"
    # The one where least is missing will most likely be it.
    nearest = min(suitable, key=lambda name: (len(lacking[name]), len(placing.in_use(name))))
    missing = set(lacking[nearest])
    users = [
        f"{node.step} on {name}"
        for name in suitable
        for node, used in placing.in_use(name).items()
        if missing & set(used)
    ]
    return f"waits for {describe_need(lacking[nearest])}: in use by {join_names(users)}"


def _lacking(amounts: Amounts, free: Amounts) -> dict[str, float]:
    return {name: amount for name, amount in amounts.items() if not fits({name: amount}, free)}


def describe_need(amounts: Amounts) -> str:
    """Return amounts in a sentence: ``2 CPUs, 1 GPU and 4.0 GB of memory``."""
    words = []
    for name, amount in amounts.items():
        if name == "MEMORY":
            words.append(f"{describe_bytes(int(amount))} of memory")
        else:
            plural = "s" if name in ("CPU", "GPU") and amount != 1 else ""
            words.append(f"{amount:g} {name}{plural}")
    return " and ".join([", ".join(words[:-1])] * (len(words) > 1) + words[-1:])


def describe_offers(offers: Mapping[str, Offer]) -> str:
    """Return what each worker offers, those that offer the same together."""
    groups: dict[tuple[frozenset[str], str], list[str]] = {}
    for name, offer in offers.items():
        groups.setdefault((offer.pools, describe_amounts(offer.amounts)), []).append(name)
    return "; ".join(
        f"{join_names(names)}{_pools_in_brackets(pools)} {'offers' if len(names) == 1 else 'offer'} {amounts}"
        for (pools, amounts), names in groups.items()
    )


def describe_unserved(
    asked: Sequence[tuple[str, Amounts, str | None]], offers: Mapping[str, Offer]
) -> list[str]:
    """Return an error message for each step that no worker can ever serve; each mentions the others.

    Parameters
    ----------
    asked
        Step, amounts and pool of each.
    """
    demands: dict[str, list[str]] = {}
    for step, amounts, pool in asked:
        demands.setdefault(_describe_demand(amounts, pool), []).append(step)
    together = ""
    if len(asked) > 1:
        listed = "; ".join(
            f"{join_names(map(repr, steps))} {'asks' if len(steps) == 1 else 'ask'} for {demand}"
            for demand, steps in demands.items()
        )
        together = f" In all, {len(asked)} steps cannot be served: {listed}."
    there = describe_offers(offers)
    messages = []
    for step, amounts, pool in asked:
        if hint := _pool_hint(pool, offers):
            message = f"Step '{step}' asks for pool '{pool}', and there is no such pool.{hint} {there}."
        else:
            message = (
                f"Step '{step}' asks for {_describe_demand(amounts, pool)}, which no worker can ever serve: "
                f"{there}. Ask for less in its header, or add a worker."
            )
        messages.append(message + together)
    return messages


def _describe_demand(amounts: Amounts, pool: str | None) -> str:
    return describe_amounts(amounts) + (f" in pool '{pool}'" if pool is not None else "")


def _pool_hint(pool: str | None, offers: Mapping[str, Offer]) -> str:
    pools = sorted({name for offer in offers.values() for name in offer.pools})
    if pool is None or pool in pools:
        return ""
    if pools:
        return close_matches(pool, pools) or f" Pools: {', '.join(pools)}."
    return (
        " No worker is of any pool: start some with %pipeline cluster local --pool "
        f'{pool}:workers=1, or start those of a cluster with --resources "pool.{pool}=1".'
    )


def _pools_in_brackets(pools: Iterable[str]) -> str:
    names = sorted(pools)
    return f" ({'pool' if len(names) == 1 else 'pools'} {', '.join(names)})" if names else ""


def join_names(names: Iterable[str]) -> str:
    """Return names in a sentence: ``a, b and 7 more``."""
    listed = list(names)
    if len(listed) > _NAMED + 1:
        listed = [*listed[:_NAMED], f"{len(listed) - _NAMED} more"]
    return " and ".join([", ".join(listed[:-1])] * (len(listed) > 1) + listed[-1:])
