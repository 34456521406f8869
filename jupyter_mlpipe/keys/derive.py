"""The key of a step's work, and what differs between two of them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from jupyter_mlpipe.keys.canonical import Encoded, digest
from jupyter_mlpipe.keys.changes import changed_parts
from jupyter_mlpipe.keys.readable import short_value
from jupyter_mlpipe.keys.values import UNREADABLE, digest_with_places
from jupyter_mlpipe.model.files import Place
from jupyter_mlpipe.model.status import Ingredient, Reason, ReasonKind, enumerate_words

_ORDER = {
    kind: place
    for place, kind in enumerate(
        ("code", "helper", "value", "parameter", "input", "file", "setting", "package", "python", "salt")
    )
}
_MAX_DETAIL = 60
_MAX_BESIDE = 4
_ADDED, _REMOVED = "added", "removed"
_IMPORTED = re.compile(r"[\w.]+")


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
    return key_of(ingredients, outputs), tuple(ingredients)


def key_of(ingredients: Iterable[Ingredient], outputs: Sequence[str]) -> str:
    """Return the key of ingredients as `derive_key` gives them."""
    return digest("step key", [_encoded(*_identity(part)) for part in ingredients], list(outputs))


def keys_beside(key: str) -> Iterator[str]:
    """Give the keys under which the records of one work lie, its own first.

    They differ in what only running it has shown, such as the content of a file that it opened: whoever goes
    back to what was there before finds what it gave then.
    """
    yield key
    for place in range(1, _MAX_BESIDE):
        yield digest("beside", key, place)


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
    pairs = {place: (earlier.get(place), later.get(place)) for place in {**earlier, **later}}
    reasons = [
        _explain(*place, old, new)
        for place, (old, new) in pairs.items()
        if old is None or new is None or old.digest != new.digest
    ]
    # Another path is another file: to say so once is enough.
    reasons = [r for r in reasons if r.kind != "file" or r.detail not in (_ADDED, _REMOVED)] or reasons
    return tuple(sorted(reasons, key=lambda r: (_ORDER.get(r.kind, len(_ORDER)), r.name)))


def _identity(part: Ingredient) -> tuple[str, str, str]:
    return (part.kind, part.name, part.digest)


@functools.lru_cache(maxsize=4096)
def _encoded(kind: str, name: str, content: str) -> Encoded:
    # A notebook's steps share most of their ingredients, and are looked at with every cell that runs.
    return Encoded((kind, name, content))


def _explain(kind: ReasonKind, name: str, old: Ingredient | None, new: Ingredient | None) -> Reason:
    """Return how one part differs; `old` and `new` are not both None."""
    if kind == "unhashable":
        # Such a part differs from any other, itself included.
        return Reason(kind, name, "could not be compared the last time" if new is None else new.detail)
    if kind == "file" and old is not None and new is not None and UNREADABLE in (old.detail, new.detail):
        return Reason(kind, name, "cannot be read" if new.detail else "can be read again")
    if kind not in ("code", "helper"):
        return Reason(kind, name, _values(old, new))
    texts = (old.detail if old else "", new.detail if new else "")
    if kind == "helper" and all(_IMPORTED.fullmatch(text) for text in texts if text):
        # No source, but where it is imported from.
        return Reason(kind, name, _values(old, new))
    if old is None or new is None:
        return Reason(kind, name, _REMOVED if new is None else _ADDED, texts)
    return Reason(kind, name, _changed(name, *texts), texts) if all(texts) else Reason(kind, name, "changed")


def _changed(name: str, before: str, now: str) -> str:
    """Say what of a text that changed has changed; of a module, which functions."""
    name = name.rpartition(".")[2]  # a name in a module: its text does not say which one
    parts = changed_parts(before, now) if name else None
    if parts == ():
        # Defaults, what a function closes over, what a decorator or a class attribute holds.
        return "changed in what it holds, not in its text"
    if not parts or parts in ((name,), (f"{name}()",)):
        return "changed"
    within = [part.removeprefix(f"{name}.") for part in parts if part != name] or [*parts]
    return f"changed: {enumerate_words(within)}"


def _values(old: Ingredient | None, new: Ingredient | None) -> str:
    details = [part.detail for part in (old, new) if part is not None]
    is_told = all(0 < len(detail) <= _MAX_DETAIL and "\n" not in detail for detail in details)
    if old is None or new is None:
        word = _REMOVED if new is None else _ADDED
        return f"{word}: {details[0]}" if is_told else word
    # Such as two tables of one shape.
    return " -> ".join(details) if is_told and old.detail != new.detail else "changed"
