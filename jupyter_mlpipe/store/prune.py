"""Pruning: removes what is old or too much, and never what a living process or a pin needs.

What goes first is what is worth least: the seconds that computing it again takes, for each byte that it
occupies, the less the longer nobody has asked for it. (The profit of Scheuermann, Shim and Vingralek,
"WATCHMAN: A Data Warehouse Intelligent Cache Manager", VLDB 1996, with the last use alone for its rate.)

A record goes before the objects that it refers to, so that no record points nowhere, whenever pruning ends.
Others may read and write meanwhile. Whoever finds a record during a lease has set its time, unless the lease
covers that; whoever writes an object that is there sets its time, too. So a file is moved aside first, and
looked at then: where its time is another than it was, or lies within a lease, it is put back. Objects are
found aside as well (`jupyter_mlpipe.store.aside`); records are not, for what they hold may go next.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from jupyter_mlpipe.store.accepted import forget_accepted
from jupyter_mlpipe.store.disk import explain
from jupyter_mlpipe.store.shelves import Found, Shelves, is_idle
from jupyter_mlpipe.store.store import Store
from jupyter_mlpipe.store.survey import Survey, survey


@dataclass(frozen=True, slots=True)
class PrunedStep:
    """What goes of one step: how many records, their bytes, and the seconds to compute them again."""

    n_records: int
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, or would be.

    Parameters
    ----------
    steps
        By name of the step.
    n_leftovers, leftover_bytes
        Objects without a record, files written aside or moved aside, records that are torn.
    seconds
        What computing it again takes.
    freed_bytes, left_bytes
        On disk.
    n_live, n_pinned
        Records that would have gone, were they not used by a living process, or pinned.
    """

    dry_run: bool
    steps: Mapping[str, PrunedStep] = field(default_factory=dict)
    n_leftovers: int = 0
    leftover_bytes: int = 0
    seconds: float = 0.0
    freed_bytes: int = 0
    left_bytes: int = 0
    n_live: int = 0
    n_pinned: int = 0


def prune(
    store: Store,
    *,
    max_size_bytes: int | None = None,
    older_than_s: float | None = None,
    dry_run: bool = False,
) -> Pruned:
    """Remove what nothing can use any more and, where asked for, records that are old or too much.

    Parameters
    ----------
    max_size_bytes
        Remove records, those worth least first, until the store takes no more than this.
    older_than_s
        Remove records that were not used for so long.
    dry_run
        Say what would go, and leave it.

    Raises
    ------
    StoreError
        The store cannot be written, or another process prunes it.
    """
    if dry_run:
        return _prune(store, max_size_bytes, older_than_s, dry_run=True)
    try:
        with store.shelves.alone():
            return _prune(store, max_size_bytes, older_than_s, dry_run=False)
    except OSError as error:
        raise explain(error, store.root) from error


def _prune(store: Store, max_size_bytes: int | None, older_than_s: float | None, *, dry_run: bool) -> Pruned:
    shelves = store.shelves
    now = shelves.now()
    latest = shelves.latest(now)
    seen = survey(store)
    pinned = seen.above(seen.of_keys(store.pins.keys()))
    cutoff = shelves.cutoff(latest)
    live = {key for key, entry in seen.entries.items() if not is_idle(entry.file, cutoff)}
    leftovers = [
        file
        for file in (*(seen.objects[digest] for digest in seen.orphans), *seen.torn, *seen.leftovers)
        if is_idle(file, cutoff)
    ]
    n_bytes = seen.total_bytes - sum(file.size for file in leftovers)
    chosen, kept = _choose(seen, {*pinned, *live}, now, n_bytes, max_size_bytes, older_than_s)
    if dry_run:
        gone = {file.path for file in leftovers}
        gone.update(seen.objects[digest].path for digest in _Tally(seen).drop_all(chosen))
    else:
        chosen, gone = _remove(store, seen, chosen, leftovers, latest)
        leftovers = [file for file in leftovers if file.path in gone]
    steps: dict[str, PrunedStep] = {}
    tally = _Tally(seen)
    for key in chosen:
        entry = seen.entries[key]
        size = entry.file.size + sum(
            seen.objects[digest].size for digest in tally.drop(key) if seen.objects[digest].path in gone
        )
        before = steps.get(entry.step, PrunedStep(0, 0, 0.0))
        steps[entry.step] = PrunedStep(
            before.n_records + 1, before.size + size, before.seconds + entry.seconds
        )
    leftover_bytes = sum(file.size for file in leftovers)
    freed = leftover_bytes + sum(step.size for step in steps.values())
    return Pruned(
        dry_run,
        steps,
        len(leftovers),
        leftover_bytes,
        sum(step.seconds for step in steps.values()),
        freed,
        seen.total_bytes - freed,
        n_live=len([key for key in kept if key not in pinned]),
        n_pinned=len([key for key in kept if key in pinned]),
    )


def _choose(
    seen: Survey,
    fixed: Collection[str],
    now: float,
    n_bytes: int,
    max_size_bytes: int | None,
    older_than_s: float | None,
) -> tuple[list[str], list[str]]:
    """Return the records to remove, in order, and those that would be, were they not among the `fixed`."""
    chosen: list[str] = []
    kept: list[str] = []
    idle = {key: max(1.0, now - entry.file.used_ns / 1e9) for key, entry in seen.entries.items()}
    tally = _Tally(seen)

    def choose(key: str) -> None:
        nonlocal n_bytes
        if key in fixed:
            kept.append(key)
            return
        chosen.append(key)
        n_bytes -= seen.entries[key].file.size + sum(seen.objects[d].size for d in tally.drop(key))

    if older_than_s is not None:
        for key in sorted(idle, key=lambda key: -idle[key]):
            if idle[key] > older_than_s:
                choose(key)
    if max_size_bytes is not None:
        shares = seen.shares()
        done = {*chosen, *kept}
        rest = [key for key in idle if key not in done]
        rest.sort(key=lambda key: (seen.entries[key].seconds / (shares[key] * idle[key]), -idle[key], key))
        for key in rest:
            if n_bytes <= max_size_bytes:
                break
            choose(key)
    return chosen, kept


class _Tally:
    """How many of the records that are left refer to each object."""

    def __init__(self, seen: Survey) -> None:
        self._seen = seen
        self._counts = seen.count_references()

    def drop(self, key: str) -> list[str]:
        """Take a record out; returns the digests of the objects that belong to none from then on."""
        gone = []
        for digest in self._seen.entries[key].objects:
            self._counts[digest] -= 1
            if not self._counts[digest] and digest in self._seen.objects:
                gone.append(digest)
        return gone

    def drop_all(self, keys: Iterable[str]) -> list[str]:
        return [digest for key in keys for digest in self.drop(key)]


def _remove(
    store: Store, seen: Survey, chosen: Iterable[str], leftovers: Iterable[Found], latest: float
) -> tuple[list[str], set[str]]:
    """Remove files that nobody has used since they were seen.

    Returns
    -------
    The records that are gone by now, and the paths of all other files that are.
    """
    shelves: Shelves = store.shelves
    removed = [key for key in chosen if shelves.remove(seen.entries[key].file, latest)]
    forget_accepted(store, [seen.entries[name].key for name in removed])
    objects = (seen.objects[digest] for digest in _Tally(seen).drop_all(removed))
    gone = {file.path for file in (*objects, *leftovers) if shelves.remove(file, latest)}
    return removed, gone
