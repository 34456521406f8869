"""Digests of objects that refer to each other in a cycle, such as a figure and its axes.

What an object of a cycle holds cannot be hashed before the others are. So its parts are kept as a `Form`
with the open ones in it, until the strongly connected component (Tarjan, 1972) around it is complete. Its
objects are then told apart by refining a partition, as minimizing an automaton does (Moore, 1956): first by
what they hold beside each other, then by what the objects they refer to were found to be, until no more
are told apart. Two objects get one digest just when following references from them never shows a
difference, however the objects were made and in whatever order the elements of a set come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from blake3 import blake3

_CYCLE = b"^"


@dataclass(slots=True, eq=False)
class Node:
    """An object whose digest is not known yet.

    Parameters
    ----------
    index
        How many were met before it.
    is_written_out
        A definition that is not to stand for those that refer to it by its name.
    """

    value: object
    index: int
    is_written_out: bool = False
    form: Token = b""


@dataclass(slots=True, frozen=True)
class Form:
    """Parts of which some are not known yet; in no order those of a set."""

    tag: bytes
    parts: tuple[Token, ...]
    is_set: bool = False


Token: TypeAlias = "bytes | Form | Node"
"""What stands for a part of a value."""


def join(tag: bytes, parts: Sequence[Token], *, is_set: bool = False) -> bytes | Form:
    """Return what stands for parts together."""
    known = [part for part in parts if type(part) is bytes]
    if len(known) < len(parts):
        return Form(tag, tuple(parts), is_set)
    if is_set:
        known.sort()
    return tag + blake3(b"%d:" % len(known) + b"".join(_marked(known))).digest()


def resolve(nodes: Sequence[Node], count: Callable[[int], None]) -> list[bytes]:
    """Return the digests of all objects of a component; `count` is told how many are visited."""
    labels = dict.fromkeys((node.index for node in nodes), _CYCLE)
    n_classes = 0
    while True:
        count(len(nodes))
        refined = {node.index: _CYCLE + _write(node.form, labels) for node in nodes}
        n_refined = len(set(refined.values()))
        if n_refined == n_classes:
            break
        labels, n_classes = refined, n_refined
    # What each class refers to says it all: two components that have the same are the same.
    classes = sorted({labels[index] + refined[index] for index in labels})
    whole = blake3(b"".join(_marked(classes))).digest()
    return [_CYCLE + blake3(label + whole).digest() for label in labels.values()]


def _write(token: Token, labels: dict[int, bytes]) -> bytes:
    if type(token) is bytes:
        return token
    if isinstance(token, Node):
        return labels[token.index]
    assert isinstance(token, Form)
    written = join(token.tag, [_write(part, labels) for part in token.parts], is_set=token.is_set)
    assert type(written) is bytes
    return written


def _marked(parts: Iterable[bytes]) -> Iterator[bytes]:
    for part in parts:
        yield b"%d:" % len(part)
        yield part
