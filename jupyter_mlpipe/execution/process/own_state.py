"""What a step's code did to functions and classes of the notebook themselves.

They are known to later cells by their source. A default argument that grows, an attribute of a function or
class that was set, what a decorator or a base class did when the cell defined them: none of it is in the
source. It is kept beside the record, and set in the notebook's own when the cell has ended.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_mlpipe.errors import EncodingError
from jupyter_mlpipe.execution.process.common import HELD_BY_CLASS
from jupyter_mlpipe.execution.process.making import (
    asks,
    is_heard,
    is_made_by,
    reads_any,
    reads_values,
    statements_of,
)
from jupyter_mlpipe.keys.artifacts import dump_artifact, dump_definitions
from jupyter_mlpipe.keys.held import DefinitionPickle, Path, held_by, is_holder
from jupyter_mlpipe.model.parsed import parse
from jupyter_mlpipe.store.comparing import content_of
from jupyter_mlpipe.store.sharing import find_sharing, is_atom

State = dict[Path, tuple[Any, ...]]
Held = tuple[Path, bool, object]
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class OwnState:
    """What a step leaves behind in definitions.

    Parameters
    ----------
    altered
        What definitions that it was given hold otherwise.
    made
        Definitions of its own that running their statement again might not give: it stands in a branch, calls
        something of the notebook, which has happened once, or asks for what may be another thing later.
    untold
        Definitions of which this cannot be kept as it is; of a class that holds outputs, a `HELD_BY_CLASS`.
    missed
        Definitions that the code has not come to.
    """

    altered: DefinitionPickle | None = None
    made: DefinitionPickle | None = None
    untold: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()


class OwnStates:
    """The definitions that a step was given, as they were before its body ran."""

    def __init__(self, code: str, namespace: Mapping[str, Any]) -> None:
        self._statements, self._unsure = statements_of(parse(code))
        self._namespace = namespace
        self._given = {name: namespace[name] for name in self._unsure if name in namespace}
        self._of_values: set[str] = set()
        self._heard: set[str] = set()
        self._before = {
            name: (value, _state_of(value, namespace))
            for name, value in namespace.items()
            if is_holder(value)
        }

    def note(self, name: str) -> None:
        """Note a definition of the code itself, right after its statement has run."""
        value = self._namespace.get(name)
        if is_holder(value):
            self._before[name] = value, _state_of(value, self._namespace)
        if any(reads_values(node, self._namespace) for n, node in self._statements if n == name):
            self._of_values.add(name)

    def end(self, namespace: Mapping[str, Any], outputs: Iterable[str]) -> OwnState:
        """Return what the code changed and made.

        Parameters
        ----------
        outputs
            Names of values that are kept apart: what a definition shares with one would be a copy.
        """
        apart = {name: namespace[name] for name in outputs if name in namespace}
        untold: list[str] = []
        missed = {
            name
            for name in self._unsure
            if name not in namespace or namespace[name] is self._given.get(name, _ABSENT)
        }
        made = {name: value for name, value in self._made_otherwise(namespace) if name not in missed}
        altered: dict[str, list[Held]] = {}
        for name, (value, before) in self._before.items():
            if (
                name not in made
                and namespace.get(name) is value
                and (changes := _changes(value, before, namespace))
            ):
                altered[name] = changes
                untold += _held_apart(name, value, changes, apart, namespace)
        for name, value in made.items():
            held = [(path, True, part) for path, part in held_by(value)]
            if found := [*_held_apart(name, value, held, apart, namespace)]:
                untold += found
            elif name in self._of_values:
                # A default that is the very list that a name stands for would be a copy of it.
                others = {n: v for n, v in namespace.items() if n != name and not n.startswith("_")}
                untold += _held_apart(name, value, held, others, namespace)
        encoded, refused = _dump_altered(altered, namespace)
        definitions, without = _dump_made(made, namespace)
        # What only asks, such as for a connection, is mostly as good when it is made again.
        without &= {*self._of_values, *self._heard, *self._unsure}
        told = tuple(sorted({*untold, *refused, *without}))
        return OwnState(encoded, definitions, told, tuple(sorted(missed)))

    def _made_otherwise(self, namespace: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
        """Yield the definitions of a cell that are not what running their statement again would give."""
        made = set[str]()
        for name, node in self._statements:
            value = namespace.get(name)
            if not is_made_by(node, value):
                continue
            if is_heard(node, value, namespace):
                self._heard.add(name)
            kept = self._of_values | self._heard | self._unsure
            # What rests on one of these comes with it: each can be made before the other then.
            if name in kept or asks(node, value, namespace) or (made and reads_any(node, made)):
                made.add(name)
                yield name, value


def _held_apart(
    name: str, value: object, held: Iterable[Held], apart: Mapping[str, object], namespace: Mapping[str, Any]
) -> Iterator[str]:
    """Yield what is to be said of a definition that holds what is stored apart: later it holds copies."""
    for path, is_there, part in held:
        if is_there and (shared := find_sharing([part], apart, namespace)):
            is_of_class = isinstance(value, type)
            yield f"{HELD_BY_CLASS}{name}.{path[0]} {' '.join(sorted(shared))}" if is_of_class else name


def _dump_altered(
    altered: dict[str, list[Held]], namespace: Mapping[str, Any]
) -> tuple[DefinitionPickle | None, list[str]]:
    refused = []
    for name in list(altered):
        try:
            dump_artifact(altered[name], namespace)
        except EncodingError:
            refused.append(name)
            del altered[name]
    if not altered:
        return None, refused
    pickled = dump_artifact(altered, namespace, changed=altered)
    buffers = tuple(bytes(buffer) for buffer in pickled.buffers)
    return DefinitionPickle(tuple(altered), pickled.stream, buffers, tuple(pickled.needs)), refused


def _dump_made(
    made: dict[str, object], namespace: Mapping[str, Any]
) -> tuple[DefinitionPickle | None, set[str]]:
    try:
        stream, needs = dump_definitions(made, namespace)
    except EncodingError:
        refused = {name for name, value in made.items() if not _can_dump(name, value, namespace)} or {*made}
        kept = {name: value for name, value in made.items() if name not in refused}
        return _dump_made(kept, namespace)[0], refused
    return DefinitionPickle(tuple(made), stream, (), needs) if made else None, set()


def _can_dump(name: str, value: object, namespace: Mapping[str, Any]) -> bool:
    try:
        dump_definitions({name: value}, namespace)
    except EncodingError:
        return False
    return True


def _state_of(value: object, namespace: Mapping[str, Any]) -> State:
    return {path: _token(held, namespace) for path, held in held_by(value)}


def _changes(value: object, before: State, namespace: Mapping[str, Any]) -> list[Held]:
    now = dict(held_by(value))
    changes: list[Held] = [
        (path, True, held) for path, held in now.items() if before.get(path) != _token(held, namespace)
    ]
    return changes + [(path, False, None) for path in before if path not in now]


def _token(held: object, namespace: Mapping[str, Any]) -> tuple[Any, ...]:
    if callable(held) or inspect.isdatadescriptor(held):
        return "object", id(held)
    if is_atom(held):
        return type(held).__name__, repr(held)
    content = content_of(held, namespace)
    return ("content", content) if content is not None else ("object", id(held))
