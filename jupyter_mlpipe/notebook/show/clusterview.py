"""``%pipeline cluster``: workers, their pools, what they offer, what is in use by which step, what waits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_mlpipe.execution.cluster.pools import Share
from jupyter_mlpipe.execution.runs.offers import Account, Waiting, WorkerUse, join_names
from jupyter_mlpipe.model.resources import describe_amounts
from jupyter_mlpipe.notebook.show.views import Bundle, table_bundle
from jupyter_mlpipe.notebook.show.words import plain

_COLUMNS = ("worker", "pool", "offers", "in use")


def cluster_bundle(account: Account, excess: str = "") -> Bundle:
    """Return the workers that there are, and below them the steps that wait for one.

    Parameters
    ----------
    excess
        A word on what is promised more than once.
    """
    if account.workers:
        head = f"cluster: {_count(len(account.workers), 'worker')}"
    elif account.waiting:
        head = "cluster: no workers"
    else:
        head = "no cluster yet: one starts when a step has to run"
    return _bundle(head, account, excess)


def describe_workers(account: Account) -> dict[str, Any]:
    """Return the same for people, row by row, with the share of each worker that is in use."""
    return {
        "workers": [
            {
                "name": plain(use.name, 60),
                "pools": ", ".join(sorted(use.offer.pools)),
                "offers": plain(_offers(use, account)),
                "used": plain(_used(use)),
                "share": _share(use),
            }
            for use in account.workers
        ],
        "waiting": [
            {"steps": plain(join_names(node.step for node in each.steps)), "why": plain(each.why)}
            for each in account.waiting
        ],
    }


def _share(use: WorkerUse) -> float:
    """Return how much of what it has least left of is in use, from 0 to 1."""
    shares = [0.0]
    for name, offered in use.offer.amounts.items():
        used = sum(amounts.get(name, 0.0) for amounts in use.in_use.values())
        shares.append(min(used / offered, 1.0) if offered else 0.0)
    return round(max(shares), 3)


def planned_bundle(shares: Mapping[str, Share], excess: str) -> Bundle:
    """Return the workers that will start with the first step that has to run."""
    workers = tuple(WorkerUse(name, share.offer, {}) for name, share in shares.items())
    head = f"cluster: {_count(len(workers), 'worker')}, started when a step has to run"
    return _bundle(head, Account(workers), excess)


def _bundle(head: str, account: Account, excess: str) -> Bundle:
    rows = [
        (use.name, ", ".join(sorted(use.offer.pools)), _offers(use, account), _used(use))
        for use in account.workers
    ]
    rows += [
        (join_names(node.step for node in each.steps), each.pool or "", _asks(each), each.why)
        for each in account.waiting
    ]
    rows += [(name, "", "nothing", why) for name, why in account.left_out.items()]
    facts = {
        "kind": "cluster",
        "workers": {use.name: _worker_facts(use) for use in account.workers},
        "waiting": [
            {
                "steps": [{"run": node.run, "step": node.step} for node in each.steps],
                "asks": dict(each.amounts),
                "pool": each.pool,
                "why": each.why,
            }
            for each in account.waiting
        ],
        "left_out": dict(account.left_out),
        "excess": excess,
    }
    return table_bundle(f"{head}. {excess}" if excess else head, _COLUMNS, rows, facts)


def _worker_facts(use: WorkerUse) -> dict[str, Any]:
    return {
        "pools": sorted(use.offer.pools),
        "offers": dict(use.offer.amounts),
        "in_use": [
            {"run": node.run, "step": node.step, "amounts": dict(amounts)}
            for node, amounts in use.in_use.items()
        ],
    }


def _offers(use: WorkerUse, account: Account) -> str:
    sharing = [o.name for o in account.workers if o is not use and o.offer.devices & use.offer.devices]
    shared = f", the GPUs shared with {join_names(sharing)}" if sharing else ""
    return describe_amounts(use.offer.amounts) + shared


def _used(use: WorkerUse) -> str:
    return "; ".join(f"{describe_amounts(amounts)} by {node.step}" for node, amounts in use.in_use.items())


def _asks(each: Waiting) -> str:
    return f"asks for {describe_amounts(each.amounts)}"


def _count(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
