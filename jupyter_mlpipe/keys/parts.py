"""How a value is taken apart for its digest: a tag and items, in which nothing is left to chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes that stand for themselves."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Packed:
    """An array's values without gaps between them: how a column lies in a table is the table's business."""

    array: Any


@dataclass(frozen=True, slots=True)
class Item:
    """A part of a value.

    Parameters
    ----------
    step
        How to get to it from the value, for messages: ``.name``.
    is_temporary
        Made for the description only.
    is_inline
        A definition to be written out where a name would do.
    """

    value: Any
    step: str = ""
    is_temporary: bool = False
    is_inline: bool = False


@dataclass(frozen=True, slots=True)
class Description:
    tag: str
    items: tuple[Item, ...] = ()


def describe_as(tag: str, *values: Any) -> Description:
    """Return a description of values alone."""
    return Description(tag, tuple(map(Item, values)))
