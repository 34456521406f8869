"""Which queued step starts on which worker: the account of what is in use, and who goes first."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Hashable, Iterator, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

from jupyter_mlpipe.model.resources import Offer, fits

Amounts = Mapping[str, float]
Rank = tuple[float, ...]
Marks = frozenset[str]
T = TypeVar("T", bound=Hashable)

PATIENCE = 8
"""How often a step that finds no room may be passed before a worker is kept free for it."""

_FEW = 64
_NOWHERE: Mapping[str, int] = {}


class Request(Generic[T]):
    """A step that waits for a worker.

    Parameters
    ----------
    near
        By worker, how many bytes of its inputs are at hand there.
    marks
        What a worker must have of packages.
    """

    __slots__ = ("amounts", "item", "keeps", "marks", "near", "passed", "pool", "rank", "shape", "turn")

    def __init__(
        self,
        item: T,
        rank: Rank,
        turn: int,
        amounts: Amounts,
        pool: str | None,
        near: Mapping[str, int],
        marks: Marks,
    ) -> None:
        self.item = item
        self.rank = rank
        self.turn = turn
        self.amounts = amounts
        self.pool = pool
        self.near = near
        self.marks = marks
        self.shape = (pool, marks, *sorted(amounts.items()))
        self.passed = 0
        self.keeps: str | None = None

    def __lt__(self, other: Request[T]) -> bool:
        return (self.rank, self.turn) < (other.rank, other.turn)

    def suits(self, offer: Offer) -> bool:
        """Tell whether a worker with this offer can serve it, when it is idle."""
        return offer.serves(self.amounts, self.pool)


class Placing(Generic[T]):
    """Queue of requests, workers, and what is in use on them.

    A lower rank goes first. A request that finds no room is passed by those that do, `PATIENCE`
    times; then one worker takes nothing else until it has room for it. Requests of the same shape
    wait in one heap, so that a long queue costs no more than its number of shapes.
    """

    def __init__(self) -> None:
        self.workers: dict[str, Offer] = {}
        # What each worker offered when it was last seen: one that is away may come back.
        self.offers: dict[str, Offer] = {}
        self._marks: dict[str, Marks] = {}
        self._in_use: dict[str, dict[T, Amounts]] = {}
        self._queued: dict[T, Request[T]] = {}
        self._heaps: dict[Hashable, list[Request[T]]] = {}
        self._aged: list[Request[T]] = []
        self._turn = 0

    def set_workers(
        self, workers: Mapping[str, Offer], marks: Mapping[str, Marks] = MappingProxyType({})
    ) -> None:
        """Take note of all workers that there are; an empty mapping: none at the moment.

        Parameters
        ----------
        marks
            What each has of packages.
        """
        self.workers = {name: workers[name] for name in sorted(workers)}
        self._marks = dict(marks)
        self.offers.update(self.workers)

    def forget_workers(self) -> None:
        """The cluster is gone, and what ran on it."""
        self.workers, self.offers, self._marks, self._in_use = {}, {}, {}, {}

    def can_ever_serve(self, amounts: Amounts, pool: str | None) -> bool:
        """Tell whether a worker that was ever seen offers enough, when it is idle."""
        return any(offer.serves(amounts, pool) for offer in self.offers.values())

    def is_stranded(self, amounts: Amounts, pool: str | None, marks: Marks) -> bool:
        """Tell whether workers are there that could serve a request, none of them with its packages."""
        able = [name for name, offer in self.workers.items() if marks and offer.serves(amounts, pool)]
        return bool(able) and not any(self._has(worker, marks) for worker in able)

    def _has(self, worker: str, marks: Marks) -> bool:
        return not marks or marks <= self._marks.get(worker, frozenset())

    def _suits(self, request: Request[T], worker: str) -> bool:
        """Tell whether a worker could serve a request, were it idle."""
        return self._has(worker, request.marks) and request.suits(self.workers[worker])

    def queued(self) -> list[Request[T]]:
        """Return what waits, in the order in which it would start if there were room."""
        return sorted(self._queued.values())

    def waiting_cpus(self) -> float:
        """Return for how many CPUs requests wait, of the first few; one where a request does not say."""
        few = itertools.islice(self._queued.values(), _FEW)
        return sum(request.amounts.get("CPU", 1.0) for request in few)

    def in_use(self, worker: str) -> Mapping[T, Amounts]:
        """Return what each item has in use on a worker."""
        return self._in_use.get(worker, {})

    def free(self, worker: str) -> dict[str, float]:
        """Return what is left of a worker's offer."""
        # Summed anew each time: adding and subtracting fractions for days would drift.
        free = dict(self.workers[worker].amounts)
        for amounts in self.in_use(worker).values():
            for name, amount in amounts.items():
                free[name] = free.get(name, 0.0) - amount
        if self.workers[worker].devices and "GPU" in free:
            free["GPU"] = min(free["GPU"], self._free_devices(worker))
        return free

    def _free_devices(self, worker: str) -> float:
        """Return how many of a worker's GPUs no step has, on any worker that has the same ones."""
        sharing = self._having_devices_of(worker)
        used = (amounts.get("GPU", 0.0) for name in sharing for amounts in self.in_use(name).values())
        return len(self.workers[worker].devices) - sum(used)

    def _having_devices_of(self, worker: str) -> set[str]:
        devices = self.workers[worker].devices
        return {name for name, offer in self.workers.items() if offer.devices & devices}

    def add(
        self,
        item: T,
        rank: Rank,
        amounts: Amounts,
        pool: str | None = None,
        near: Mapping[str, int] = _NOWHERE,
        marks: Marks = frozenset(),
    ) -> None:
        """Queue a request; see `Request`."""
        self._turn += 1
        request = Request(item, rank, self._turn, amounts, pool, near, marks)
        self._queued[item] = request
        heapq.heappush(self._heaps.setdefault(request.shape, []), request)

    def drop(self, item: T) -> None:
        """Take a request out of the queue, if it is there."""
        self._queued.pop(item, None)

    def release(self, worker: str, item: T) -> None:
        """Give back what an item has in use."""
        self._in_use.get(worker, {}).pop(item, None)

    def place(self) -> Iterator[tuple[T, str, Amounts]]:
        """Start what can start now: yield item, worker and amounts, which are in use from then on."""
        if not self._queued or not self.workers:
            return
        started: list[tuple[Request[T], str]] = []
        kept: set[str] = set()
        self._aged = [request for request in self._aged if self._waits(request)]
        for request in sorted(self._aged, key=lambda request: request.turn):
            worker = self._best_worker(request, kept)
            if worker is not None:
                started.append((request, self._start(request, worker)))
            else:
                kept |= self._keep(request, kept)
        blocked: list[Request[T]] = []
        full: set[Hashable] = set()
        while (request_ := self._first(full)) is not None:
            worker = self._best_worker(request_, kept)
            if worker is not None:
                started.append((request_, self._start(request_, worker)))
            else:
                blocked.append(request_)
                full.add(request_.shape)
        for request in blocked:
            self._count_passes(request, started)
        for request, worker in started:
            yield request.item, worker, request.amounts

    def _waits(self, request: Request[T]) -> bool:
        return self._queued.get(request.item) is request

    def _first(self, full: set[Hashable]) -> Request[T] | None:
        first: Request[T] | None = None
        for shape, heap in list(self._heaps.items()):
            # Those dropped, started or aged stay in the heap until they come up.
            while heap and (not self._waits(heap[0]) or heap[0].passed >= PATIENCE):
                heapq.heappop(heap)
            if not heap:
                del self._heaps[shape]
            elif shape not in full and (first is None or heap[0] < first):
                first = heap[0]
        return first

    def _best_worker(self, request: Request[T], kept: set[str]) -> str | None:
        """Return the worker that has room and whose amounts are least missed by others."""
        best: tuple[tuple[float, ...], str] | None = None
        for worker, offer in self.workers.items():
            if worker in kept or not self._suits(request, worker):
                continue
            free = self.free(worker)
            if fits(request.amounts, free):
                score = (*_rarity(offer, request.amounts), -request.near.get(worker, 0), free.get("CPU", 0.0))
                if best is None or score < best[0]:
                    best = (score, worker)
        return best[1] if best is not None else None

    def _start(self, request: Request[T], worker: str) -> str:
        del self._queued[request.item]
        self._in_use.setdefault(worker, {})[request.item] = request.amounts
        return worker

    def _keep(self, request: Request[T], kept: set[str]) -> set[str]:
        """Choose the worker that takes nothing else until `request` has room; stick to the choice."""
        candidates = [
            worker for worker in self.workers if worker not in kept and self._suits(request, worker)
        ]
        if request.keeps not in candidates:
            request.keeps = min(
                candidates, key=lambda worker: (len(self.in_use(worker)), worker), default=None
            )
        if request.keeps is None:
            return set()
        # Else its GPUs would go to others by way of other workers.
        return {request.keeps} | (
            self._having_devices_of(request.keeps) if "GPU" in request.amounts else set()
        )

    def _count_passes(self, request: Request[T], started: list[tuple[Request[T], str]]) -> None:
        """Count those that went first though they came later or rank lower."""
        for other, worker in started:
            passes = other.turn > request.turn or other.rank > request.rank
            if passes and self._suits(request, worker):
                request.passed += 1
        if request.passed >= PATIENCE:
            self._aged.append(request)


def _rarity(offer: Offer, amounts: Amounts) -> tuple[int, int]:
    """Return how much others would miss a worker: kinds that are not asked for (a GPU), and big memory."""
    spare = sum(1 for name in offer.amounts if name not in ("CPU", "MEMORY") and name not in amounts)
    # By powers of two: workers of one kind may differ by a little.
    return spare, int(math.log2(max(offer.amounts.get("MEMORY", 0.0), 1.0)))
