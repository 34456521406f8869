"""The texts that a record keeps beside its ingredients, to say later what changed in them.

They stand in the record itself, packed, so that it is read as fast as without them, and needs nothing
else in the store.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable

from msgspec.structs import replace

from jupyter_mlpipe.model.status import Ingredient

_PACKED_FROM = 400  # characters; shorter details stay where they are
_MAX_BYTES = 64_000


def pack_texts(ingredients: Iterable[Ingredient]) -> tuple[tuple[Ingredient, ...], str]:
    """Return ingredients without their long details, and these packed.

    Where they are too many, the longest are left out: of those no later plan can say more than "changed".
    """
    kept: list[Ingredient] = []
    long: list[tuple[str, str, str]] = []
    for part in ingredients:
        if len(part.detail) >= _PACKED_FROM:
            long.append((part.kind, part.name, part.detail))
            part = replace(part, detail="")
        kept.append(part)
    long.sort(key=lambda text: len(text[2]))
    while long:
        packed = zlib.compress(json.dumps(long).encode(), 1)
        if len(packed) <= _MAX_BYTES:
            return tuple(kept), base64.b85encode(packed).decode("ascii")
        long = long[: len(long) // 2]
    return tuple(kept), ""


def unpack_texts(ingredients: Iterable[Ingredient], packed: str) -> tuple[Ingredient, ...]:
    """Return ingredients with the details that `pack_texts` took out."""
    if not packed:
        return tuple(ingredients)
    try:
        long = json.loads(zlib.decompress(base64.b85decode(packed)))
        texts = {(kind, name): text for kind, name, text in long}
    except (ValueError, TypeError, zlib.error):
        texts = {}
    return tuple(
        replace(part, detail=texts[part.kind, part.name]) if (part.kind, part.name) in texts else part
        for part in ingredients
    )
