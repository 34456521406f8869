"""The first rows of a table, the range of an array: a look at an artifact that runs no code of users."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Any

from jupyter_mlpipe.store.records import Artifact
from jupyter_mlpipe.store.store import Store

_MAX_BYTES = 50_000_000  # mapped, not copied, but a range is taken over all of it
_ROWS = 5
_COLUMNS = 8
_CODECS = frozenset({"arrow", "npy"})  # a pickle may run what it likes


def first_rows(store: Store, artifact: Artifact) -> str:
    """Return a few lines of text; empty where its short preview says it all, or it is large.

    To look at it loads no library that this process has not loaded.

    Raises
    ------
    ArtifactMissingError, ArtifactCorruptError
        Its bytes are gone, or are not those that were written.
    """
    is_small = artifact.size <= _MAX_BYTES and not artifact.part
    if artifact.codec not in _CODECS or not is_small or artifact.type.partition(".")[0] not in sys.modules:
        return ""
    value = store.get_value(artifact)
    numpy = sys.modules.get("numpy")
    # In this thread alone: pandas compares half floats with numbers that they cannot hold.
    with numpy.errstate(all="ignore") if numpy is not None else nullcontext():
        return _table(value) if artifact.codec == "arrow" else _array(value)


def _table(value: Any) -> str:
    if not hasattr(value, "head"):
        return ""  # of Arrow's own, whose short preview says it all
    head = value.head(_ROWS)
    if hasattr(head, "to_string") and hasattr(head, "columns"):
        return str(head.to_string(max_cols=_COLUMNS, max_colwidth=24))
    return str(head)


def _array(value: Any) -> str:
    lines = [f"{value.dtype}, shape {tuple(value.shape)}"]
    if value.size and value.dtype.kind in "iuf":
        lines.append(f"from {value.min()} to {value.max()}")
    return "\n".join(lines)
