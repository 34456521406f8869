"""Content in the store, as a record speaks of it: by its digest and size, or in full where it is small."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

INLINE_BYTES = 1024  # content up to this size lives in the record: a tiny step writes one file
_DIGEST = re.compile(r"[0-9a-f]{8,128}")


class Blob(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Content in the store.

    Parameters
    ----------
    object
        BLAKE3 of the bytes, 64 hex digits. Of anything else one could make a path out of the store.
    inline
        The bytes themselves where they are few; else they are a file under ``objects/``.
    """

    object: Annotated[str, msgspec.Meta(pattern=rf"^{_DIGEST.pattern}$")]
    size: int
    inline: bytes | None = None


def is_digest(name: str) -> bool:
    """Tell whether something is named by a digest; what others wrote may be named by anything."""
    return _DIGEST.fullmatch(name) is not None
