"""A word on what is changed in place for one name only, although other values had it in common."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_mlpipe.execution.process.common import HELD_BY_CLASS, IN_COMMON

_WORDS = {
    "table": "made of it, still reads it as it was. Make that anew where it is to see the change",
    "memory": "in the same memory, stays as it was. Make that anew where it is to see the change",
    "class": "where it is held as well, keeps it as it was. Keep it in a variable only",
}


def words_in_common(changed: Iterable[str], sharing: Iterable[str]) -> list[str]:
    """Return what does not see that code changes values in place.

    Parameters
    ----------
    sharing
        What has something in common, each an `IN_COMMON` or `HELD_BY_CLASS`; anything else is passed over.
    """
    others: dict[tuple[str, str], dict[str, None]] = {}
    for entry in sharing:
        if entry.startswith(IN_COMMON):
            what, name, *names = entry.removeprefix(IN_COMMON).split()
            others.setdefault((name, what), {}).update(dict.fromkeys(names))
        elif entry.startswith(HELD_BY_CLASS):
            attribute, *names = entry.removeprefix(HELD_BY_CLASS).split()
            for name in names:
                others.setdefault((name, "class"), {})[attribute] = None
    return [
        f"{name} is changed for {name} only: {', '.join(sorted(others[name, what]))}, {word}"
        for name in dict.fromkeys(changed)
        for what, word in _WORDS.items()
        if (name, what) in others
    ]


def word_on_held(entry: str) -> str:
    """Say of a `HELD_BY_CLASS` what becomes of it."""
    attribute, *names = entry.removeprefix(HELD_BY_CLASS).split()
    held, them = ", ".join(names), "them" if len(names) > 1 else "it"
    return (
        f"{attribute} holds {held}: for later cells it holds copies. Keep {them} in a variable, such as a "
        f"list, rather than in the class, or run all cells that read either with --here"
    )
