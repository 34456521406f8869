"""What differs between two texts, as people read it."""

from __future__ import annotations

import difflib
import functools

_CONTEXT_LINES = 2


@functools.lru_cache(maxsize=256)
def unified_diff(before: str, now: str) -> str:
    """Return a unified diff without the lines that name files; empty where the texts are equal."""
    lines = difflib.unified_diff(before.splitlines(), now.splitlines(), n=_CONTEXT_LINES, lineterm="")
    return "\n".join(list(lines)[2:])


def shorten_diff(diff: str, limit: int) -> str:
    """Return the first lines of a diff, and how many more there are."""
    lines = diff.splitlines()
    # One line too many is better shown than counted.
    if len(lines) <= limit + 1:
        return diff
    return "\n".join([*lines[:limit], f"… {len(lines) - limit} more lines"])


def count_changes(diff: str) -> str:
    """Return how many lines came and went: ``+2 −1``."""
    signs = [line[:1] for line in diff.splitlines()]
    return " ".join(f"{word}{signs.count(sign)}" for word, sign in (("+", "+"), ("−", "-")) if sign in signs)
