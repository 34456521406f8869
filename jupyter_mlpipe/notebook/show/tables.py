"""A word on a table that is changed in place, where something reads the one that it was made of."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_mlpipe.execution.process.tables import SHARED_TABLE


def words_on_tables(changed: Iterable[str], sharing: Iterable[str]) -> list[str]:
    """Return what does not see that code changes a table in place.

    Parameters
    ----------
    sharing
        What reads a table, each a `SHARED_TABLE`; anything else is passed over.
    """
    readers: dict[str, dict[str, None]] = {}
    for entry in sharing:
        if entry.startswith(SHARED_TABLE):
            table, *names = entry.removeprefix(SHARED_TABLE).split()
            readers.setdefault(table, {}).update(dict.fromkeys(names))
    return [
        f"{name} is changed for {name} only: {', '.join(sorted(readers[name]))}, made of it, still reads it "
        "as it was. Make that anew where it is to see the change"
        for name in changed
        if name in readers
    ]
