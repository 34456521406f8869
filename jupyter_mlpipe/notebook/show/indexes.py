"""A word on an index that is named in place and that other tables have, too: stored, each has its own."""

from __future__ import annotations

import re
from collections.abc import Iterable

from jupyter_mlpipe.execution.process.indexes import SHARED_INDEX

_NAMES_INDEX = re.compile(r"^[ \t]*([^\W\d]\w*)((?:\.(?:index|columns))?)\.names?\s*=[^=]", re.MULTILINE)


def words_on_indexes(code: str, sharing: Iterable[str]) -> list[str]:
    """Return which names do not see that code names an index in place.

    Parameters
    ----------
    sharing
        Which names share an index, each a `SHARED_INDEX`; anything else is passed over.
    """
    groups = [entry.removeprefix(SHARED_INDEX).split() for entry in sharing if entry.startswith(SHARED_INDEX)]
    words = []
    for name, axis in dict.fromkeys(_NAMES_INDEX.findall(code)):
        holder = name if axis else f"{name}:"
        others = {other.rstrip(":") for group in groups if holder in group for other in group} - {name}
        if others:
            index = f"{name}{axis}"
            listed = ", ".join(sorted(others))
            words.append(
                f"{index} is named for {name} only: {listed}, which had the same index, keep the old name. "
                f"Name theirs, too, or write {index} = {index}.rename(...), which never means the others"
            )
    return words
