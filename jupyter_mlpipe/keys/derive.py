"""The key of a step's work, and what differs between two of them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence

from jupyter_mlpipe.keys.canonical import Encoded, digest
from jupyter_mlpipe.keys.readable import short_value
from jupyter_mlpipe.keys.values import UNREADABLE, digest_with_places
from jupyter_mlpipe.model.files import Place
from jupyter_mlpipe.model.status import Ingredient, Reason

_ORDER = {
    kind: place
    for place, kind in enumerate(
        ("code", "helper", "value", "parameter", "input", "file", "setting", "package", "python", "salt")
    )
}
_MAX_DETAIL = 60
_ADDED, _REMOVED = "added", "removed"


def derive_key(
    closure_ingredients: Iterable[Ingredient],
    parameters: Mapping[str, object],
    inputs: Mapping[str, str],
    outputs: Sequence[str],
    salt: str,
) -> tuple[str, tuple[Ingredient, ...]]:
    """Return a step's key and all its named ingredients, sorted.

    Parameters
    ----------
    parameters
        Values by the name that the code reads.
    inputs
        Digests of content by the name that the code reads.
    outputs
        In an order that means something, or sorted.

    Raises
    ------
    Undigestable
        A parameter's value has no digest.
    """
    ingredients = list(closure_ingredients)
    for name, value in parameters.items():
        content, places = digest_with_places(value)
        ingredients.append(Ingredient("parameter", name, content, short_value(value)))
        ingredients += place_ingredients(places)
    for name, content in inputs.items():
        ingredients.append(Ingredient("input", name, content))
    if salt:
        ingredients.append(Ingredient("salt", "", digest("salt", salt), salt))
    ingredients.sort(key=_identity)
    key = digest("step key", [_encoded(*_identity(part)) for part in ingredients], list(outputs))
    return key, tuple(ingredients)


def place_ingredients(places: Iterable[tuple[Place, str]]) -> list[Ingredient]:
    """Return a part of the key for what is in each file or folder that was declared."""
    return [
        Ingredient(
            "file", str(place), digest(type(place).__name__, found), found if found == UNREADABLE else ""
        )
        for place, found in places
    ]


def explain(before: Iterable[Ingredient], now: Iterable[Ingredient]) -> tuple[Reason, ...]:
    """Return the parts that differ: code first, then helpers, values and what lies around them."""
    earlier = {(part.kind, part.name): part for part in before}
    later = {(part.kind, part.name): part for part in now}
    reasons = []
    for place in {**earlier, **later}:
        old, new = earlier.get(place), later.get(place)
        if old is None or new is None or old.digest != new.digest:
            reasons.append(Reason(*place, _difference(old, new)))
    # Another path is another file: to say so once is enough.
    reasons = [r for r in reasons if r.kind != "file" or r.detail not in (_ADDED, _REMOVED)] or reasons
    return tuple(sorted(reasons, key=lambda r: (_ORDER.get(r.kind, len(_ORDER)), r.name)))


def _identity(part: Ingredient) -> tuple[str, str, str]:
    return (part.kind, part.name, part.digest)


@functools.lru_cache(maxsize=20_000)
def _encoded(kind: str, name: str, content: str) -> Encoded:
    # A notebook's steps share most of their ingredients, and are looked at with every cell that runs.
    return Encoded((kind, name, content))


def _difference(old: Ingredient | None, new: Ingredient | None) -> str:
    if old is None:
        return _ADDED
    if new is None:
        return _REMOVED
    if old.kind == "file" and UNREADABLE in (old.detail, new.detail):
        return "cannot be read" if new.detail else "can be read again"
    if old.kind in ("code", "helper", "unhashable"):
        return "changed"
    details = (old.detail, new.detail)
    if all(0 < len(detail) <= _MAX_DETAIL and "\n" not in detail for detail in details):
        # Such as two tables of one shape.
        return " -> ".join(details) if old.detail != new.detail else "changed"
    return "changed"
