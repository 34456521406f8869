"""Looking after a store: what it holds, whether that is whole, what to remove and what to keep."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jupyter_mlpipe.errors import UsageError, close_matches
from jupyter_mlpipe.store.prune import Pruned, prune
from jupyter_mlpipe.store.store import Store
from jupyter_mlpipe.store.survey import Survey, survey

_KEY = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True, slots=True)
class StepUsage:
    """What a step's records take.

    Parameters
    ----------
    size
        Bytes; what several records have is divided among them.
    seconds
        What computing all of them again takes.
    used_at
        Seconds since 1970 of the last use.
    """

    n_records: int
    size: int
    seconds: float
    used_at: float
    n_pinned: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a store holds, by step, the largest first; `leftover_bytes` belong to no record."""

    path: str
    steps: Mapping[str, StepUsage]
    n_objects: int
    n_leftovers: int
    leftover_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Verified:
    """What is not whole. It counts as missing, and is computed again by the run that needs it.

    Parameters
    ----------
    damaged
        Objects whose bytes are not those that were written, each with the steps that made it. They were
        moved aside.
    torn
        Files among the records that are none, and are never looked at.
    incomplete
        Steps by key of their record, of which an object is missing or damaged.
    untrusted
        Steps by key of their record, which no key that is trusted here has signed.
    """

    n_records: int
    n_objects: int
    damaged: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    torn: tuple[str, ...] = ()
    incomplete: Mapping[str, str] = field(default_factory=dict)
    untrusted: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        return not (self.damaged or self.torn or self.incomplete)


class Cache:
    """A store to look after.

    Parameters
    ----------
    made
        Returns the key of what a step gave here, by its name; None where it gave nothing yet.
    """

    def __init__(self, store: Store, made: Callable[[str], str | None] = lambda step: None) -> None:
        self._store = store
        self._made = made

    def ls(self) -> Usage:
        """Return what the store holds, by step."""
        seen = survey(self._store)
        shares, pinned = seen.shares(), self._store.pins.keys()
        found: dict[str, StepUsage] = {}
        for key, entry in seen.entries.items():
            before = found.get(entry.step, StepUsage(0, 0, 0.0, 0.0))
            found[entry.step] = StepUsage(
                before.n_records + 1,
                before.size + round(shares[key]),
                before.seconds + entry.seconds,
                max(before.used_at, entry.file.used_ns / 1e9),
                before.n_pinned + (entry.key in pinned),
            )
        leftovers = [*(seen.objects[digest] for digest in seen.orphans), *seen.torn, *seen.leftovers]
        return Usage(
            self._store.shelves.address,
            dict(sorted(found.items(), key=lambda item: -item[1].size)),
            len(seen.objects),
            len(leftovers),
            sum(file.size for file in leftovers),
            seen.total_bytes,
        )

    def verify(self) -> Verified:
        """Read every object and record; what is damaged is moved aside."""
        seen, shelves = survey(self._store), self._store.shelves
        damaged = {
            digest: tuple(dict.fromkeys(e.step for e in seen.entries.values() if digest in e.objects))
            for digest, file in seen.objects.items()
            if not shelves.check(file)
        }
        whole = {digest: file.size for digest, file in seen.objects.items() if digest not in damaged}
        incomplete = {
            entry.key: entry.step
            for entry in seen.entries.values()
            if any(whole.get(digest) != size for digest, size in entry.objects.items())
        }
        torn = tuple(file.path.removeprefix(f"{self._store.root}/") for file in seen.torn)
        untrusted = {e.key: e.step for e in seen.entries.values() if not shelves.is_trusted(e.file)}
        return Verified(len(seen.entries), len(seen.objects), damaged, torn, incomplete, untrusted)

    def prune(
        self,
        *,
        max_size_bytes: int | None = None,
        older_than_s: float | None = None,
        dry_run: bool = False,
    ) -> Pruned:
        """Remove what nothing can use and, where asked for, what is old or too much; see `prune.prune`."""
        return prune(self._store, max_size_bytes=max_size_bytes, older_than_s=older_than_s, dry_run=dry_run)

    def pin(self, what: str) -> str:
        """Keep a record, and what reusing it needs, until it is unpinned; returns its key.

        Parameters
        ----------
        what
            A step, of which what it gave here is meant, else the record that was used last; or the key of a
            record, or how it begins.

        Raises
        ------
        UsageError
            There is no such record.
        """
        seen, made = survey(self._store), self._made(what)
        key = made if made is not None and made in seen.entries else self._find(seen, what)[0]
        self._store.pins.add(key)
        return key

    def unpin(self, what: str) -> tuple[str, ...]:
        """Let pruning remove what was pinned; returns the keys.

        Parameters
        ----------
        what
            A step, of which all pins are meant; or the key of a record, or how it begins.

        Raises
        ------
        UsageError
            Nothing is pinned under that name.
        """
        seen, pinned = survey(self._store), self._store.pins.keys()
        keys = tuple(key for key in pinned if _KEY.fullmatch(what) and key.startswith(what))
        if not keys:
            keys = tuple(key for key in self._find(seen, what) if key in pinned)
        if not keys:
            raise UsageError(f"Nothing of '{what}' is pinned.")
        for key in keys:
            self._store.pins.remove(key)
        return keys

    def _find(self, seen: Survey, what: str) -> list[str]:
        """Return the keys of the records that a name or the beginning of a key means, the latest first."""
        used = {entry.key: entry.file.used_ns for entry in seen.entries.values()}
        found = [*dict.fromkeys(entry.key for entry in seen.entries.values() if entry.step == what)]
        if not found and _KEY.fullmatch(what):
            found = [key for key in used if key.startswith(what)]
            if len(found) > 1:
                raise UsageError(
                    f"{len(found)} keys begin with '{what}'. Give more of the one that is meant."
                )
        if not found:
            steps = {entry.step for entry in seen.entries.values()}
            raise UsageError(
                f"The store has no record of a step '{what}', nor one whose key begins so."
                f"{close_matches(what, steps)} Its steps: {', '.join(sorted(steps)) or 'none'}."
            )
        return sorted(found, key=lambda key: -used[key])
