"""A provider: how one kind of setting is read, compared and set.

Where they are: `options`, `accessors`, `process`, `registries`.

A state is all that a provider reads, changes are what differs between two states. What the notebook
has set are the changes from how a fresh process is.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_mlpipe.keys.readable import MAX_VALUE, shorten

State = Mapping[str, Any]
Changes = Mapping[str, Any]

LIST = ""
"""The one name in the state of a provider whose setting is a list, where the order counts."""


def nothing(module: Any) -> State:
    """Return what a fresh process has of a setting that nobody but the notebook makes."""
    return {}


def differences(before: State, after: State) -> Changes:
    """Return what is set otherwise; None for what is not set any more."""
    changes = {
        name: value
        for name, value in after.items()
        if name not in before or not _is_same(before[name], value)
    }
    if len(changes) + len(before) > len(after):
        changes.update((name, None) for name in before if name not in after)
    return changes


def list_differences(before: State, after: State) -> Changes:
    """Return what was put before and behind the entries of a list, and what was taken out."""
    old, new = list(before[LIST]), list(after[LIST])
    if old == new:
        return {}
    for start in range(len(new) + 1):
        kept = list(itertools.takewhile(old.__contains__, new[start:]))
        back = new[start + len(kept) :]
        if _is_within(kept, old) and not any(entry in old for entry in back):
            break
    return {
        "front": new[:start],
        "back": back,
        "removed": [entry for entry in old if entry not in new],
        "emptied": not kept,
    }


def change_list(target: list[Any], changes: Changes) -> None:
    """Do to a list what `list_differences` found; doing it again changes nothing."""
    front, back = list(changes["front"]), list(changes["back"])
    gone = [*front, *back, *changes["removed"]]
    rest = [] if changes["emptied"] else [entry for entry in target if entry not in gone]
    target[:] = [*front, *rest, *back]


def list_in_words(changes: Any) -> str:
    """Return what `list_differences` found as text, ``ignore UserWarning``; nothing for anything else."""
    if not isinstance(changes, dict) or changes.keys() != {"front", "back", "removed", "emptied"}:
        return ""
    put = [_entry_in_words(entry) for entry in (*changes["front"], *changes["back"])]
    gone = [f"without {_entry_in_words(entry)}" for entry in changes["removed"]]
    return shorten(", ".join((*put, *gone)), MAX_VALUE)


def _entry_in_words(entry: Any) -> str:
    parts = entry if isinstance(entry, tuple) else (entry,)
    names = (getattr(part, "__name__", getattr(part, "pattern", part)) for part in parts if part)
    return " ".join(map(str, names))


def _is_within(part: Sequence[Any], whole: Sequence[Any]) -> bool:
    rest = iter(whole)
    return all(any(entry == other for other in rest) for entry in part)


def joined(first: Changes, second: Changes) -> Changes:
    """Return one set of changes that does what two do, one after the other."""
    return {**first, **second}


def joined_lists(first: Changes, second: Changes) -> Changes:
    """Return one set of changes to a list that does what two do, one after the other."""
    if not first or not second or second["emptied"]:
        return second or first
    gone = [*second["front"], *second["back"], *second["removed"]]
    return {
        "front": [*second["front"], *(e for e in first["front"] if e not in gone)],
        "back": [*(e for e in first["back"] if e not in gone), *second["back"]],
        "removed": [*first["removed"], *second["removed"]],
        "emptied": first["emptied"],
    }


def without_own(now: Changes, before: Changes, own: Changes) -> Changes:
    """Return what was set before code set what is `own`, as far as that still stands."""
    found = dict(now)
    for name, value in own.items():
        if name in now and _is_same(now[name], value):
            del found[name]
        elif name in now or value is not None:
            continue  # somebody has set it otherwise since
        if name in before:
            found[name] = before[name]
    return found


def list_without_own(now: Changes, before: Changes, own: Changes) -> Changes:
    """Return what was done to a list before code did what is `own`, as far as that still stands."""
    return before if now == joined_lists(before, own) else now


@dataclass(frozen=True, slots=True)
class Provider:
    """One kind of setting.

    Parameters
    ----------
    module
        Where it lives: looked at where it is loaded, and never imported for this.
    read
        Gives all that is set, such that later changes do not reach it.
    usual
        Gives what a fresh process has.
    write
        Sets changes; what it does not know of them is left alone.
    travels_back
        Whether what a step sets is set in the notebook as well.
    is_early
        Whether it concerns a step whatever its code loads: what has been set is set before the body.
    """

    name: str
    module: str
    read: Callable[[Any], State]
    usual: Callable[[Any], State]
    write: Callable[[Any, Changes], None]
    differ: Callable[[State, State], Changes] = differences
    join: Callable[[Changes, Changes], Changes] = joined
    without: Callable[[Changes, Changes, Changes], Changes] = without_own
    travels_back: bool = True
    is_early: bool = False

    @property
    def loaded(self) -> Any:
        """The module, or None where it is not loaded."""
        return sys.modules.get(self.module)

    def state(self) -> State | None:
        """Return all that is set; None where the module is not loaded, or keeps it elsewhere."""
        module = self.loaded
        try:
            return self.read(module) if module is not None else None
        except (AttributeError, KeyError, TypeError):
            return None

    def changed(self) -> Changes:
        """Return what is set otherwise than in a fresh process."""
        state = self.state()
        return self.differ(self.usual(self.loaded), state) if state is not None else {}


def list_provider(
    name: str,
    module: str,
    read: Callable[[Any], State],
    usual: Callable[[Any], State],
    write: Callable[[Any, Changes], None],
) -> Provider:
    """Return a provider whose setting is a list."""
    return Provider(name, module, read, usual, write, list_differences, joined_lists, list_without_own)


def _is_same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    try:
        return bool(one == other)
    except (ValueError, TypeError):
        return False  # arrays: rather once too often
