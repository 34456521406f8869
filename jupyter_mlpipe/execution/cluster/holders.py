"""Which worker has an artifact at hand: it wrote or read it, so its bytes are warm and verified there."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_mlpipe.execution.process.spec import VERIFIED_BYTES
from jupyter_mlpipe.store.records import Artifact

_REMEMBERED = 10_000


class Holders:
    """What each worker has written or read, the latest objects only; small ones are at hand anywhere."""

    def __init__(self) -> None:
        self._workers: dict[str, set[str]] = {}

    def note(self, worker: str, artifacts: Iterable[Artifact]) -> None:
        """Take note that a worker has these at hand."""
        for artifact in artifacts:
            if artifact.size >= VERIFIED_BYTES:
                workers = self._workers.pop(artifact.blob.object, set())
                # The last to be noted is the last to be forgotten.
                self._workers[artifact.blob.object] = {*workers, worker}
        while len(self._workers) > _REMEMBERED:
            del self._workers[next(iter(self._workers))]

    def near(self, artifacts: Iterable[Artifact]) -> dict[str, int]:
        """Return by worker how many bytes of these are at hand there."""
        found: dict[str, int] = {}
        for size, object_ in {(artifact.size, artifact.blob.object) for artifact in artifacts}:
            for worker in self._workers.get(object_, ()):
                found[worker] = found.get(worker, 0) + size
        return found
