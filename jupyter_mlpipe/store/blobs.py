"""Content in the store, as a record speaks of it: by its digest and size, or in full where it is small."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

INLINE_BYTES = 1024  # content up to this size lives in the record: a tiny step writes one file
_DIGEST = re.compile(r"[0-9a-f]{8,128}")


@dataclass(frozen=True, slots=True)
class Blob:
    """Content in the store.

    Parameters
    ----------
    object
        BLAKE3 of the bytes, 64 hex digits.
    inline
        The bytes themselves where they are few; else they are a file under ``objects/``.
    """

    object: str
    size: int
    inline: bytes | None = None


def blob_to_json(blob: Blob) -> dict[str, Any]:
    """Return a blob as plain JSON values."""
    entry: dict[str, Any] = {"object": blob.object, "size": blob.size}
    if blob.inline is not None:
        try:
            entry["text"] = blob.inline.decode("ascii")
        except UnicodeDecodeError:
            entry["base64"] = base64.b64encode(blob.inline).decode()
    return entry


def blob_from_json(entry: Mapping[str, Any]) -> Blob:
    """Return the blob of `blob_to_json`; KeyError, TypeError or ValueError for anything else."""
    inline: bytes | None = None
    if "text" in entry:
        inline = entry["text"].encode("ascii")
    elif "base64" in entry:
        inline = base64.b64decode(entry["base64"], validate=True)
    if not is_digest(entry["object"]):
        raise ValueError("an object is named by its digest")  # else by a path, perhaps, out of the store
    return Blob(entry["object"], entry["size"], inline)


def is_digest(name: str) -> bool:
    """Tell whether something is named by a digest; what others wrote may be named by anything."""
    return _DIGEST.fullmatch(name) is not None
