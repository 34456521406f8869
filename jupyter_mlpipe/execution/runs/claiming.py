"""The keys that a runner's steps compute: other processes see them in the store, and wait."""

from __future__ import annotations

from jupyter_mlpipe.execution.runs.events import Node
from jupyter_mlpipe.store.locks import Claims


class ClaimedKeys:
    """What this runner has claimed, by key.

    A claim is taken when a step could start at once, and ends with the step: whoever has one waits for
    workers at most, never for another claim, so that no two wait for each other.
    """

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        # Both ways: of a thousand steps, each looks here several times.
        self._held: set[str] = set()
        self._keys: dict[Node, str] = {}

    def take(self, node: Node, key: str) -> bool:
        """Claim a key for a step that is to compute it, and has claimed no other; False where another does.

        Where another step of this runner does, or nothing can be claimed in this store, nothing is done.
        """
        if key in self._held:
            return True
        try:
            is_ours = self._claims.claim(key)
        except OSError:
            return True
        if is_ours:
            self._keys[node] = key
            self._held.add(key)
        return is_ours

    def claimant(self, key: str) -> str | None:
        """Return which other process computes a key; None where none does any more."""
        return None if key in self._held else self._claims.claimant(key)

    def release(self, node: Node) -> None:
        """Let others compute what a step has claimed, or find what it gave."""
        if (key := self._keys.pop(node, None)) is not None:
            self._held.discard(key)
            self._claims.release(key)

    def release_all(self) -> None:
        for node in list(self._keys):
            self.release(node)
