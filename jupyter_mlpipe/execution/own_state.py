"""What a step's code changed in functions and classes of the notebook themselves.

They are known to later cells by their source. A default argument that grows, an attribute of a
function or class that was set: none of it goes with the source, and whoever ran the cell is told.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Iterator, Mapping, Sized
from typing import Any, cast

from jupyter_mlpipe.keys.values import is_closure
from jupyter_mlpipe.store.comparing import content_of
from jupyter_mlpipe.store.sharing import is_atom

State = dict[str, tuple[Any, ...]]


def state_of(value: object, namespace: Mapping[str, Any]) -> State:
    """Return what a function or class of the notebook holds beside its code, by attribute."""
    return {name: _token(held, namespace) for name, held in _held_by(value)}


def find_changed(
    before: Mapping[str, tuple[object, State]], code: str, namespace: Mapping[str, Any]
) -> list[str]:
    """Return the definitions that are not what their source says, or what they were.

    Parameters
    ----------
    before
        By name, what the step was given, with its `state_of` before the code ran.
    code
        Of the step: what it defines itself is compared with its statement.
    """
    changed = [
        name
        for name, (value, state) in before.items()
        if namespace.get(name) is value and state_of(value, namespace) != state
    ]
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            value = namespace.get(node.name)
            if not node.decorator_list and _is_made_by(node, value) and _differs(node, value):
                changed.append(node.name)
    return sorted(dict.fromkeys(changed))


def _held_by(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, types.FunctionType) and not is_closure(value):
        for number, default in enumerate(value.__defaults__ or ()):
            yield f"default {number}", default
        for name, default in (value.__kwdefaults__ or {}).items():
            yield f"default {name}", default
        yield from value.__dict__.items()
    elif isinstance(value, type) and value.__module__ == "__main__":
        for name, held in vars(value).items():
            if not name.startswith(("__", "_abc_")):
                yield name, held


def _token(held: object, namespace: Mapping[str, Any]) -> tuple[Any, ...]:
    if callable(held) or inspect.isdatadescriptor(held):
        return "object", id(held)
    if is_atom(held):
        return type(held).__name__, repr(held)
    return "content", content_of(held, namespace)


def _is_made_by(node: ast.stmt, value: object) -> bool:
    """Tell whether a value is what such a statement makes, and not what another one bound."""
    if isinstance(node, ast.ClassDef):
        # A metaclass, or a base class that looks at its subclasses, may add anything.
        return isinstance(value, type) and type(value) is type and not node.keywords and not node.bases
    return isinstance(value, types.FunctionType) and value.__module__ == "__main__"


def _differs(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, value: Any) -> bool:
    """Tell whether a definition holds something that its statement does not make."""
    if isinstance(node, ast.ClassDef):
        return any(name not in _bound_in(node) for name, _ in _held_by(value)) or any(
            _is_other(default, vars(value).get(name)) for name, default in _written_once(node)
        )
    named = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    return (
        bool(value.__dict__)
        or any(map(_is_other, node.args.defaults, value.__defaults__ or ()))
        or any(_is_other(d, (value.__kwdefaults__ or {}).get(a.arg)) for a, d in named if d is not None)
    )


def _written_once(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a class body binds by one assignment only, each with what is assigned."""
    stored = [
        part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    ]
    for part in node.body:
        if isinstance(part, ast.Assign):
            for target in part.targets:
                if isinstance(target, ast.Name) and stored.count(target.id) == 1:
                    yield target.id, part.value


def _bound_in(node: ast.ClassDef) -> set[str]:
    found: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name | ast.alias):
            found.add(part.id if isinstance(part, ast.Name) else (part.asname or part.name).partition(".")[0])
        elif isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(part.name)
    return found


def _is_other(written: ast.expr, value: object) -> bool:
    """Tell whether a value is not the one that was written down; only literals can be compared."""
    try:
        expected = ast.literal_eval(written)
    except ValueError:
        return False
    if type(expected) is not type(value):
        return True
    if isinstance(expected, Sized) and len(expected) != len(cast(Sized, value)):
        return True
    try:
        return repr(expected) != repr(value)
    except Exception:  # of a user's object, which no literal holds
        return True
