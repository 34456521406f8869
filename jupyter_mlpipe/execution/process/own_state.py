"""What a step's code did to functions and classes of the notebook themselves.

They are known to later cells by their source. A default argument that grows, an attribute of a function or
class that was set, what a decorator or a base class did when the cell defined them: none of it is in the
source. It is kept beside the record, and set in the notebook's own when the cell has ended.
"""

from __future__ import annotations

import abc
import ast
import inspect
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_mlpipe.errors import EncodingError
from jupyter_mlpipe.execution.process.common import HELD_BY_CLASS
from jupyter_mlpipe.keys.artifacts import dump_artifact, dump_definitions
from jupyter_mlpipe.keys.held import DefinitionPickle, Path, held_by, is_holder
from jupyter_mlpipe.keys.quiet import is_hooked
from jupyter_mlpipe.model.defining import defined_by, read_at_once
from jupyter_mlpipe.model.parsed import parse
from jupyter_mlpipe.store.comparing import content_of
from jupyter_mlpipe.store.sharing import find_sharing, is_atom

State = dict[Path, tuple[Any, ...]]
Held = tuple[Path, bool, object]
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_NO_VALUES = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)


@dataclass(frozen=True, slots=True)
class OwnState:
    """What a step leaves behind in definitions.

    Parameters
    ----------
    altered
        What definitions that it was given hold otherwise.
    made
        Definitions of its own whose statement calls something of the notebook, which has happened once, or
        reads a value of it, which may be another one later.
    untold
        Definitions of which this cannot be kept as it is; of a class that holds outputs, a `HELD_BY_CLASS`.
    """

    altered: DefinitionPickle | None = None
    made: DefinitionPickle | None = None
    untold: tuple[str, ...] = ()


class OwnStates:
    """The definitions that a step was given, as they were before its body ran."""

    def __init__(self, code: str, namespace: Mapping[str, Any]) -> None:
        self._statements = [(name, node) for node in parse(code).body if (name := defined_by(node))]
        self._namespace = namespace
        self._of_values: set[str] = set()
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
        if any(_reads_values(node, self._namespace) for n, node in self._statements if n == name):
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
        made = dict(self._made_otherwise(namespace))
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
        return OwnState(encoded, definitions, tuple(sorted({*untold, *refused, *without})))

    def _made_otherwise(self, namespace: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
        """Yield the definitions of a cell that are not what running their statement again would give."""
        for name, node in self._statements:
            value = namespace.get(name)
            if _is_made_by(node, value) and (name in self._of_values or _is_loud(node, value, namespace)):
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
) -> tuple[DefinitionPickle | None, list[str]]:
    if not made:
        return None, []
    try:
        stream, needs = dump_definitions(made, namespace)
    except EncodingError:
        return None, sorted(made)
    return DefinitionPickle(tuple(made), stream, (), needs), []


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


def _reads_values(node: ast.stmt, namespace: Mapping[str, Any]) -> bool:
    """Tell whether a statement reads something that another cell may bind anew, or change, when it is run."""
    read = read_at_once(compile(ast.Module([node], []), "<definition>", "exec", dont_inherit=True))
    # Each class reads `__name__`.
    values = (namespace[n] for n in read if n in namespace and not n.startswith("__"))
    return any(not isinstance(value, _NO_VALUES) for value in values)


def _is_made_by(node: ast.stmt, value: object) -> bool:
    """Tell whether a value is what such a statement makes, and not what another one bound."""
    if isinstance(node, _Definition) and node.decorator_list:
        return is_holder(value) or type(value).__module__ == "__main__"
    if isinstance(node, ast.ClassDef):
        return isinstance(value, type) and value.__module__ == "__main__"
    return is_holder(value)


def _is_loud(node: ast.stmt, value: object, namespace: Mapping[str, Any]) -> bool:
    """Tell whether making a definition calls something of the notebook."""
    for decorator in node.decorator_list if isinstance(node, _Definition) else ():
        root = decorator
        while isinstance(root, ast.Call | ast.Attribute):
            root = root.func if isinstance(root, ast.Call) else root.value
        called = namespace.get(root.id) if isinstance(root, ast.Name) else None
        if isinstance(called, abc.ABCMeta) and isinstance(decorator, ast.Attribute):
            continue  # `Shape.register`, which the statement does again
        if "__main__" in (getattr(called, "__module__", None), type(called).__module__):
            return True
    return isinstance(value, type) and is_hooked(value)
