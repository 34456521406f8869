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
        self._held: dict[str, Node] = {}

    def take(self, node: Node, key: str) -> bool:
        """Claim a key for a step that is to compute it; False where another process does.

        Where another step of this runner does, or nothing can be claimed in this store, nothing is done.
        """
        if key in self._held:
            return True
        try:
            is_ours = self._claims.claim(key)
        except OSError:
            return True
        if is_ours:
            self._held[key] = node
        return is_ours

    def claimant(self, key: str) -> str | None:
        """Return which other process computes a key; None where none does any more."""
        return None if key in self._held else self._claims.claimant(key)

    def release(self, node: Node) -> None:
        """Let others compute what a step has claimed, or find what it gave."""
        for key in [key for key, owner in self._held.items() if owner == node]:
            del self._held[key]
            self._claims.release(key)

    def release_all(self) -> None:
        for key in self._held:
            self._claims.release(key)
        self._held.clear()
