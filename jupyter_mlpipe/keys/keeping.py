"""Which names of a module keep what its functions are told: ``def use(x): global _x; _x = x``.

By its text alone. What a function makes when it is first asked for, and gives to whoever asks, is no such
thing: a cache, a model that is loaded once. Another process makes it for itself.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from jupyter_mlpipe.keys.headers import is_literal

UNKNOWN, NOT_BOUND = object(), object()
_CHANGE = frozenset(
    {"add", "append", "appendleft", "clear", "discard", "extend", "extendleft", "insert"}
    | {"pop", "popitem", "popleft", "remove", "setdefault", "sort", "update"}
)
_EMPTY = {"dict": dict, "list": list, "set": set}
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Value = ast.expr | None


def find_kept(tree: ast.Module) -> tuple[dict[str, object], set[str]]:
    """Return what each name that keeps something holds when the module has been imported.

    Returns
    -------
    tuple
        By name, ``_x`` or ``Class.x``, a value, `NOT_BOUND` where an import leaves it unbound, or `UNKNOWN`
        where only running it tells; and the names of what is made when it is first asked for.
    """
    module = _Module()
    for node in tree.body:
        module.add(node)
    kept: set[str] = set()
    made: set[str] = set()
    for function, owner in _functions(tree.body):
        for path, is_made in _changes(function, owner, module):
            (made if is_made else kept).add(path)
    return {path: module.usual(path) for path in kept | (module.values.keys() - made)}, made - kept


@dataclass(slots=True)
class _Module:
    """What is bound at the top, and in classes; None where no single statement says to what."""

    values: dict[str, _Value] = field(default_factory=dict)
    classes: set[str] = field(default_factory=set)

    def add(self, node: ast.stmt, prefix: str = "") -> None:
        if isinstance(node, ast.ClassDef):
            if not prefix:
                self.classes.add(node.name)
                for inner in node.body:
                    self.add(inner, f"{node.name}.")
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            self._bind(prefix + node.targets[0].id, node.value)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            self._bind(prefix + node.target.id, node.value)
        elif not isinstance(node, _Function):
            for part in ast.walk(node):
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                    self._bind(prefix + part.id, None)

    def _bind(self, path: str, value: _Value) -> None:
        self.values[path] = None if path in self.values else value

    def usual(self, path: str) -> object:
        if path not in self.values:
            return NOT_BOUND
        value = self.values[path]
        if value is None:
            return UNKNOWN
        if is_literal(value):
            return ast.literal_eval(value)
        if isinstance(value, ast.Call) and not (value.args or value.keywords):
            made_by = _EMPTY.get(value.func.id) if isinstance(value.func, ast.Name) else None
            return made_by() if made_by is not None else UNKNOWN
        return UNKNOWN


def _functions(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[_Function, str]]:
    for node in body:
        if isinstance(node, _Function):
            yield node, owner
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, node.name)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _functions([part for part in node.body if isinstance(part, ast.stmt)], owner)


def _changes(function: _Function, owner: str, module: _Module) -> Iterator[tuple[str, bool]]:
    """Give what a function changes at the top, and whether it only makes it when it is first asked for."""
    nodes = [*ast.walk(function)]
    outside = {name for node in nodes if isinstance(node, ast.Global) for name in node.names}
    given = {node.arg for node in nodes if isinstance(node, ast.arg)}
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own = (given | stored) - outside
    for node in nodes:
        for target, value in _targets(node):
            path = _path(_parts(target), owner, own, module)
            if path is None or (isinstance(target, ast.Name) and target.id not in outside):
                continue
            rests_on_call = value is not None and isinstance(target, ast.Name) and _names(value) & given
            yield path, not rests_on_call and gives_once(nodes, path.partition(".")[0])


def _targets(node: ast.AST) -> Iterator[tuple[ast.expr, _Value]]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from ((part, node.value) for part in _unpacked(target))
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        yield node.target, node.value
    elif isinstance(node, ast.Delete):
        yield from ((target, None) for target in node.targets)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGE:
        yield node.func.value, None


def _unpacked(target: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, ast.Tuple | ast.List):
        for part in target.elts:
            yield from _unpacked(part)
    else:
        yield target


def _path(parts: list[str], owner: str, own: set[str], module: _Module) -> str | None:
    if not parts:
        return None
    root, *more = parts
    if root == "cls" and owner and root in own:
        root = owner
    elif root in own:
        return None
    if root in module.classes:
        return f"{root}.{more[0]}" if more else None
    return root if root in module.values or not more else None


def _parts(node: ast.expr) -> list[str]:
    parts: list[str] = []
    while isinstance(node, ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
        node = node.value
    return [node.id, *parts] if isinstance(node, ast.Name) else []


def gives_once(nodes: list[ast.AST], name: str) -> bool:
    """Tell whether a function looks whether something is there already, and gives it."""
    looks = any(
        name in _names(node.test) for node in nodes if isinstance(node, ast.If | ast.IfExp | ast.While)
    ) or any(isinstance(node, ast.Try) and any(name in _names(part) for part in node.body) for node in nodes)
    gives = (node.value for node in nodes if isinstance(node, ast.Return) and node.value is not None)
    return looks and any(name in _names(value) for value in gives)


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
