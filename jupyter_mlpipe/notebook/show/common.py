"""A word on what is changed in place for one name only, although other values had it in common."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_mlpipe.execution.process.common import IN_COMMON

_WORDS = {
    "table": "made of it, still reads it as it was. Make that anew where it is to see the change",
    "memory": "in the same memory, stays as it was. Make that anew where it is to see the change",
}


def words_in_common(changed: Iterable[str], sharing: Iterable[str]) -> list[str]:
    """Return what does not see that code changes values in place.

    Parameters
    ----------
    sharing
        What has something in common, each an `IN_COMMON`; anything else is passed over.
    """
    others: dict[tuple[str, str], dict[str, None]] = {}
    for entry in sharing:
        if entry.startswith(IN_COMMON):
            what, name, *names = entry.removeprefix(IN_COMMON).split()
            others.setdefault((name, what), {}).update(dict.fromkeys(names))
    return [
        f"{name} is changed for {name} only: {', '.join(sorted(others[name, what]))}, {word}"
        for name in dict.fromkeys(changed)
        for what, word in _WORDS.items()
        if (name, what) in others
    ]
