"""Which queued step starts on which worker: the account of what is in use, and who goes first."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

from jupyter_mlpipe.model.resources import describe_amounts, fits

Amounts = Mapping[str, float]
Rank = tuple[int, ...]
Marks = frozenset[str]
T = TypeVar("T", bound=Hashable)

PATIENCE = 8
"""How often a step that finds no room may be passed before a worker is kept free for it."""


class _Request(Generic[T]):
    __slots__ = ("amounts", "item", "keeps", "marks", "passed", "rank", "shape", "turn")

    def __init__(self, item: T, rank: Rank, turn: int, amounts: Amounts, marks: Marks) -> None:
        self.item = item
        self.rank = rank
        self.turn = turn
        self.amounts = amounts
        self.marks = marks
        self.shape = (tuple(sorted(amounts.items())), marks)
        self.passed = 0
        self.keeps: str | None = None

    def __lt__(self, other: _Request[T]) -> bool:
        return (self.rank, self.turn) < (other.rank, other.turn)


class Placing(Generic[T]):
    """Queue of requests, workers, and what is in use on them.

    A lower rank goes first. A request that finds no room is passed by those that do, `PATIENCE`
    times; then one worker takes nothing else until it has room for it. Requests of the same shape
    wait in one heap, so that a long queue costs no more than its number of shapes.
    """

    def __init__(self) -> None:
        self.workers: dict[str, Amounts] = {}
        # What each worker offered when it was last seen: one that is away may come back.
        self.offers: dict[str, Amounts] = {}
        self._marks: dict[str, Marks] = {}
        self._in_use: dict[str, dict[T, Amounts]] = {}
        self._queued: dict[T, _Request[T]] = {}
        self._heaps: dict[Hashable, list[_Request[T]]] = {}
        self._aged: list[_Request[T]] = []
        self._turn = 0

    def set_workers(
        self, workers: Mapping[str, Amounts], marks: Mapping[str, Marks] = MappingProxyType({})
    ) -> None:
        """Take note of all workers that there are; an empty mapping: none at the moment.

        Parameters
        ----------
        marks
            What each has of packages.
        """
        self.workers = {name: dict(workers[name]) for name in sorted(workers)}
        self._marks = dict(marks)
        self.offers.update(self.workers)

    def forget_workers(self) -> None:
        """The cluster is gone, and what ran on it."""
        self.workers, self.offers, self._marks, self._in_use = {}, {}, {}, {}

    def can_ever_serve(self, amounts: Amounts) -> bool:
        """Tell whether a worker that was ever seen offers enough, when it is idle."""
        return any(fits(amounts, offer) for offer in self.offers.values())

    def is_stranded(self, amounts: Amounts, marks: Marks) -> bool:
        """Tell whether workers are there that could serve a request, none of them with its packages."""
        able = [worker for worker, offer in self.workers.items() if marks and fits(amounts, offer)]
        return bool(able) and not any(self._has(worker, marks) for worker in able)

    def _has(self, worker: str, marks: Marks) -> bool:
        return not marks or marks <= self._marks.get(worker, frozenset())

    def _suits(self, request: _Request[T], worker: str) -> bool:
        """Tell whether a worker could serve a request, were it idle."""
        return self._has(worker, request.marks) and fits(request.amounts, self.workers[worker])

    def describe_offers(self) -> str:
        """Return what each worker offers, for an error message."""
        return "; ".join(f"{name} offers {describe_amounts(offer)}" for name, offer in self.offers.items())

    def add(self, item: T, rank: Rank, amounts: Amounts, marks: Marks = frozenset()) -> None:
        """Queue a request, for a worker that has these amounts free, and the packages of these marks."""
        self._turn += 1
        request = _Request(item, rank, self._turn, amounts, marks)
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
        started: list[tuple[_Request[T], str]] = []
        kept: set[str] = set()
        self._aged = [request for request in self._aged if self._waits(request)]
        for request in sorted(self._aged, key=lambda request: request.turn):
            worker = self._best_worker(request, kept)
            if worker is not None:
                started.append((request, self._start(request, worker)))
            else:
                kept |= self._keep(request, kept)
        blocked: list[_Request[T]] = []
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

    def _waits(self, request: _Request[T]) -> bool:
        return self._queued.get(request.item) is request

    def _first(self, full: set[Hashable]) -> _Request[T] | None:
        first: _Request[T] | None = None
        for shape, heap in list(self._heaps.items()):
            # Those dropped, started or aged stay in the heap until they come up.
            while heap and (not self._waits(heap[0]) or heap[0].passed >= PATIENCE):
                heapq.heappop(heap)
            if not heap:
                del self._heaps[shape]
            elif shape not in full and (first is None or heap[0] < first):
                first = heap[0]
        return first

    def _free(self, worker: str) -> dict[str, float]:
        # Summed anew each time: adding and subtracting fractions for days would drift.
        free = dict(self.workers[worker])
        for amounts in self._in_use.get(worker, {}).values():
            for name, amount in amounts.items():
                free[name] = free.get(name, 0.0) - amount
        return free

    def _best_worker(self, request: _Request[T], kept: set[str]) -> str | None:
        """Return the worker on which the least is left over; those with kinds not asked for come last."""
        best: tuple[tuple[int, float, str], str] | None = None
        amounts = request.amounts
        for worker, offer in self.workers.items():
            if worker in kept or not self._suits(request, worker):
                continue
            free = self._free(worker)
            if fits(amounts, free):
                # A GPU stays free for those who need one.
                spare = sum(1 for name in offer if name not in ("CPU", "MEMORY") and name not in amounts)
                score = (spare, free.get("CPU", 0.0), worker)
                if best is None or score < best[0]:
                    best = (score, worker)
        return best[1] if best is not None else None

    def _start(self, request: _Request[T], worker: str) -> str:
        del self._queued[request.item]
        self._in_use.setdefault(worker, {})[request.item] = request.amounts
        return worker

    def _keep(self, request: _Request[T], kept: set[str]) -> set[str]:
        """Choose the worker that takes nothing else until `request` has room; stick to the choice."""
        candidates = [
            worker for worker in self.workers if worker not in kept and self._suits(request, worker)
        ]
        if request.keeps not in candidates:
            request.keeps = min(
                candidates, key=lambda worker: (len(self._in_use.get(worker, {})), worker), default=None
            )
        return {request.keeps} if request.keeps is not None else set()

    def _count_passes(self, request: _Request[T], started: list[tuple[_Request[T], str]]) -> None:
        """Count those that went first though they came later or rank lower."""
        for other, worker in started:
            passes = other.turn > request.turn or other.rank > request.rank
            if passes and self._suits(request, worker):
                request.passed += 1
        if request.passed >= PATIENCE:
            self._aged.append(request)
