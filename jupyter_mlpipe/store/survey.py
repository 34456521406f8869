"""What is in a store, file by file: records with what they hold, and what belongs to no record."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from jupyter_mlpipe.store.records import Artifact, joint_digest, read_any, stored_blobs
from jupyter_mlpipe.store.shelves import Found
from jupyter_mlpipe.store.store import Store


@dataclass(frozen=True, slots=True)
class Entry:
    """A record and what it holds, also where another version of this package wrote it.

    Parameters
    ----------
    seconds
        What running its step took.
    objects
        Size by digest of the objects that it refers to.
    """

    key: str
    file: Found
    step: str = ""
    seconds: float = 0.0
    objects: Mapping[str, int] = field(default_factory=dict)
    reads: frozenset[str] = frozenset()
    makes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Survey:
    """A store as it was found.

    Parameters
    ----------
    entries, objects
        By key (with more behind it, where another record has the same one), and by digest.
    torn
        Files among the records that are none.
    leftovers
        What was written aside and never renamed, and what was moved aside because it was damaged.
    """

    entries: Mapping[str, Entry]
    objects: Mapping[str, Found]
    torn: tuple[Found, ...] = ()
    leftovers: tuple[Found, ...] = ()

    @property
    def orphans(self) -> list[str]:
        """Digests of the objects that no record refers to."""
        known = self.count_references()
        return [digest for digest in self.objects if digest not in known]

    @property
    def total_bytes(self) -> int:
        """All that it takes on disk, the history of runs aside."""
        files = (*(e.file for e in self.entries.values()), *self.objects.values(), *self.torn)
        return sum(file.size for file in (*files, *self.leftovers))

    def count_references(self, keys: Iterable[str] | None = None) -> dict[str, int]:
        """Return by object how many records refer to it, of all or of those with these keys."""
        counts: dict[str, int] = {}
        for key in self.entries if keys is None else keys:
            for digest in self.entries[key].objects:
                counts[digest] = counts.get(digest, 0) + 1
        return counts

    def of_keys(self, keys: Collection[str]) -> list[str]:
        """Return the names of the entries whose record has one of these keys."""
        return [name for name, entry in self.entries.items() if entry.key in keys]

    def shares(self) -> dict[str, float]:
        """Return the bytes of each record by key: what several have is divided among them."""
        counts = self.count_references()
        return {
            key: entry.file.size
            + sum(self.objects[d].size / counts[d] for d in entry.objects if d in self.objects)
            for key, entry in self.entries.items()
        }

    def above(self, keys: Iterable[str]) -> set[str]:
        """Return these records and those that made what they read, which reusing them needs."""
        makers: dict[str, list[str]] = {}
        for key, entry in self.entries.items():
            for digest in entry.makes:
                makers.setdefault(digest, []).append(key)
        found: set[str] = set()
        pending = [key for key in keys if key in self.entries]
        while pending:
            key = pending.pop()
            if key not in found:
                found.add(key)
                pending += [maker for read in self.entries[key].reads for maker in makers.get(read, ())]
        return found


def survey(store: Store) -> Survey:
    """Look at every file of a store; reads the records, of objects only their size."""
    entries, torn, shelves = {}, [], store.shelves
    records = list(shelves.files("records"))
    for file, content in zip(records, shelves.contents(records), strict=True):
        entry = _read(file, content, store)
        if entry is None:
            torn.append(file)
        else:
            # In a shared store, several may have signed a record of the same key.
            entries[entry.key if entry.key not in entries else f"{entry.key} {file.path}"] = entry
    objects = {file.name: file for file in shelves.files("objects")}
    return Survey(entries, objects, tuple(torn), tuple(shelves.files("leftovers")))


def _read(file: Found, content: bytes | None, store: Store) -> Entry | None:
    found = None if content is None else read_any(content)
    if found is None:
        return None
    _scheme, body = found
    seconds, key = body.get("seconds"), body.get("key")
    if not isinstance(key, str) or key != file.name:
        return None
    outputs = body.get("outputs")
    makes: set[str] = set()
    objects = dict(stored_blobs(body))
    for artifact in outputs.values() if isinstance(outputs, dict) else ():
        objects.update(_beside(artifact, store))
        digest, part = (str(artifact.get(name, "")) for name in ("digest", "part"))
        # Until schema 3 an artifact named its object itself.
        stored = str(artifact.get("blob", artifact).get("object", ""))
        makes |= {digest, joint_digest(digest, part, stored)} if part else {digest}
    ingredients = body.get("ingredients")
    return Entry(
        key,
        file,
        step=str(body.get("step", "")),
        seconds=float(seconds) if isinstance(seconds, int | float) else 0.0,
        objects=objects,
        reads=frozenset(
            str(part[2])
            for part in (ingredients if isinstance(ingredients, list) else ())
            if isinstance(part, list) and len(part) > 2 and part[0] == "input"
        ),
        makes=frozenset(makes),
    )


def _beside(found: Mapping[str, Any], store: Store) -> Iterator[tuple[str, int]]:
    """Give digest and size of the objects that an artifact lists in its own bytes: files and folders."""
    with contextlib.suppress(ValueError):  # of another scheme
        for blob in store.blobs(msgspec.convert(found, Artifact)):
            if blob.inline is None:
                yield blob.object, blob.size
