"""What a bucket had when it was listed: its files, and the records among them by key and signer."""

from __future__ import annotations

import heapq
import time
from collections.abc import Collection, Mapping

from jupyter_mlpipe.store.blobs import is_digest
from jupyter_mlpipe.store.bucket import Bucket, Seen

FRESH_S = 1.0
"""So long a listing is taken for what there is."""
_SHARE = 20.0  # listing takes at most this part of the time


class Listing:
    """The files of a bucket, listed at once."""

    def __init__(self, bucket: Bucket) -> None:
        started = time.monotonic()
        self.at_ns = time.time_ns()
        self.files = bucket.list()
        self._at = started
        self._took_s = time.monotonic() - started
        self._records: dict[str, dict[str, Seen]] = {}
        for name, seen in self.files.items():
            kind, _, rest = name.partition("/")
            signer, _, key = rest.partition("/")
            if kind == "records" and is_digest(key):
                self._records.setdefault(key, {})[signer] = seen

    @property
    def is_fresh(self) -> bool:
        """Whether what is not in it is not there."""
        return time.monotonic() - self._at < FRESH_S

    @property
    def is_due(self) -> bool:
        """Whether it is time to list again: the more files there are, the longer that takes."""
        return time.monotonic() - self._at > max(FRESH_S, _SHARE * self._took_s)

    def signers(self, key: str) -> Mapping[str, Seen]:
        """Return the records of a key, by the key that has signed them."""
        return self._records.get(key, {})

    def record(self, key: str, trusted: Collection[str]) -> tuple[str, Seen] | None:
        """Return name and state of the record of a key, the latest that one of these has signed."""
        ours = [(seen.time_ns, signer) for signer, seen in self.signers(key).items() if signer in trusted]
        if not ours:
            return None
        _, signer = max(ours)
        return record_name(signer, key), self._records[key][signer]

    def keys(self, trusted: Collection[str]) -> set[str]:
        """Return the keys of all records that one of these has signed."""
        return {key for key, signers in self._records.items() if not signers.keys().isdisjoint(trusted)}

    def written_near(self, seen: Seen, n: int) -> list[str]:
        """Return the keys of up to `n` records that were written about when another one was."""
        found = self._records
        return heapq.nsmallest(
            n, found, key=lambda key: min(abs(s.time_ns - seen.time_ns) for s in found[key].values())
        )

    def add(self, signer: str, key: str, seen: Seen) -> None:
        self._records.setdefault(key, {})[signer] = seen

    def remove(self, signer: str, key: str) -> None:
        self._records.get(key, {}).pop(signer, None)


def record_name(signer: str, key: str) -> str:
    """Return the name of a record: each signer has his own, so that nobody replaces another one's."""
    return f"records/{signer}/{key}"


def object_name(digest: str) -> str:
    """Return the name of an object."""
    return f"objects/{digest[:2]}/{digest}"
