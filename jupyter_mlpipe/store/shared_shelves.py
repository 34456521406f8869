"""The files of a shared store, to look after: listed, pruned, verified and pinned in its bucket.

Nobody there can say that he needs something just now. So whoever uses a record that is older than half a day
writes it again, and pruning leaves what is younger than a day.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from blake3 import blake3

from jupyter_mlpipe.store.blobs import is_digest
from jupyter_mlpipe.store.shelves import WITHOUT_LOCKS_S, Found, old_logs, remove_log
from jupyter_mlpipe.store.signing import content_of

if TYPE_CHECKING:
    from jupyter_mlpipe.store.mirror import Mirror

_AT_ONCE = 500


class BucketShelves:
    """The `Shelves` of a shared store."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._bucket = mirror.bucket
        self._files: dict[str, Found] | None = None

    @property
    def address(self) -> str:
        return self._bucket.address

    def files(self, kind: str) -> Iterator[Found]:
        if self._files is None:
            self._files = {n: Found(n, s.size, s.time_ns) for n, s in self._bucket.list().items()}
        for name, found in self._files.items():
            folder = name.partition("/")[0]
            is_ours = folder in ("records", "objects") and is_digest(found.name)
            if kind == (folder if is_ours else "leftovers") and folder != "pins":
                yield found
        if kind == "leftovers":
            # Logs are not shared: they lie in the copy, by whole paths.
            yield from old_logs(self._mirror.root)

    def contents(self, files: Sequence[Found]) -> Iterator[bytes | None]:
        for start in range(0, len(files), _AT_ONCE):
            some = files[start : start + _AT_ONCE]
            found = self._bucket.read(file.path for file in some)
            for file in some:
                signed = found.get(file.path)
                # What others have signed is theirs to judge; ours must be as it was signed.
                if signed is not None and self.is_trusted(file):
                    yield self._mirror.open(file.name, signed)
                else:
                    yield None if signed is None else content_of(signed)

    def is_trusted(self, file: Found) -> bool:
        return file.path.split("/")[1] in self._mirror.signing.ids()

    def check(self, file: Found) -> bool:
        fd, path = self._mirror.objects.create_temporary()
        os.close(fd)
        try:
            if not self._bucket.fetch(file.path, path):
                return True  # removed since
            is_whole = blake3().update_mmap(path).hexdigest() == file.name
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        if not is_whole:
            self._mirror.reject(file.name, is_damaged=True)
        return is_whole

    def now(self) -> float:
        return time.time()

    def latest(self, now: float) -> float:
        return now - WITHOUT_LOCKS_S

    def cutoff(self, latest: float) -> float:
        return latest

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        # Two that prune at once remove the same.
        yield
        self._mirror.refresh(anew=True)

    def remove(self, file: Found, latest: float) -> bool:
        if os.path.isabs(file.path):
            return remove_log(file)
        seen = self._bucket.look(file.path)
        if seen is None or seen.time_ns != file.used_ns:
            return False
        self._bucket.remove(file.path)
        return True


class BucketPins:
    """The pins of a shared store: an empty file for each, by key, that everybody respects."""

    def __init__(self, mirror: Mirror) -> None:
        self._bucket = mirror.bucket

    def keys(self) -> frozenset[str]:
        """Return the keys of the records that are pinned."""
        return frozenset(name[5:] for name in self._bucket.list() if name.startswith("pins/"))

    def add(self, key: str) -> None:
        """Pin a record; StoreError where that cannot be written."""
        self._bucket.write({f"pins/{key}": b""})

    def remove(self, key: str) -> None:
        """Unpin a record; nothing where it is not pinned."""
        self._bucket.remove(f"pins/{key}")
