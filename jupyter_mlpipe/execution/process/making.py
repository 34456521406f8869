"""Which definitions of a cell running their statement again would make otherwise, or would make once more.

What a default asks for when a function is made, what a branch did not define, what a decorator registers: the
source of a definition says none of it.
"""

from __future__ import annotations

import abc
import ast
import builtins
import types
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from jupyter_mlpipe.keys.held import is_holder
from jupyter_mlpipe.keys.packages import is_of_user, is_standard
from jupyter_mlpipe.keys.quiet import is_hooked
from jupyter_mlpipe.model.defining import in_blocks, made_function, names_bound_by, read_at_once

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_NO_VALUES = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)
# What gives another answer another time.
_ASKING = frozenset(
    {"_io", "_random", "datetime", "genericpath", "getpass", "io", "nt", "os", "pathlib", "platform", "posix"}
    | {"random", "secrets", "socket", "subprocess", "tempfile", "time", "uuid"}
)
_ASKING_BUILTINS = frozenset(
    {"__import__", "dir", "eval", "exec", "getattr", "globals", "hasattr", "id", "input", "next", "vars"}
)
_UNKNOWN = object()


def statements_of(tree: ast.Module) -> tuple[list[tuple[str, ast.stmt]], set[str]]:
    """Return the statements that define something, by name, and the names that are not sure to be theirs.

    Such are those of a branch or a loop. An import is left out where no other statement could bind its name.
    """
    imports = (ast.Import, ast.ImportFrom)
    at_top = {id(node) for node in tree.body}
    found = [(name, node) for node in in_blocks(tree.body) for name in names_bound_by(node)]
    names = [name for name, _ in found]
    unsure = {name for name, node in found if id(node) not in at_top}
    several = {name for name in unsure if names.count(name) > 1}
    return [(name, node) for name, node in found if name in several or not isinstance(node, imports)], unsure


def is_made_by(node: ast.stmt, value: object) -> bool:
    """Tell whether a value is what such a statement makes, and not what another one bound."""
    if isinstance(node, Definition) and node.decorator_list:
        return (
            isinstance(value, types.FunctionType) or is_holder(value) or type(value).__module__ == "__main__"
        )
    if isinstance(node, ast.ClassDef):
        return isinstance(value, type) and value.__module__ == "__main__"
    return isinstance(node, ast.Import | ast.ImportFrom) or is_holder(value)


def reads_values(node: ast.stmt, namespace: Mapping[str, Any]) -> bool:
    """Tell whether a statement reads something that another cell, or itself, may bind anew, or change."""
    read = _read_by(node)
    if not read.isdisjoint(names_bound_by(node)):
        return True  # ``def f(x, before=f)``
    # Each class reads `__name__`.
    values = (namespace[n] for n in read if n in namespace and not n.startswith("__"))
    return any(not isinstance(value, _NO_VALUES) for value in values)


def reads_any(node: ast.stmt, names: Set[str]) -> bool:
    """Tell whether a statement reads one of these names when it is run."""
    return not names.isdisjoint(_read_by(node))


def _read_by(node: ast.stmt) -> set[str]:
    return read_at_once(compile(ast.Module([node], []), "<definition>", "exec", dont_inherit=True))


def is_heard(node: ast.stmt, value: object, namespace: Mapping[str, Any]) -> bool:
    """Tell whether making a definition calls something of the notebook, or of a local module."""
    for decorator in node.decorator_list if isinstance(node, Definition) else ():
        root = decorator
        while isinstance(root, ast.Call | ast.Attribute):
            root = root.func if isinstance(root, ast.Call) else root.value
        called = namespace.get(root.id) if isinstance(root, ast.Name) else None
        if isinstance(called, abc.ABCMeta) and isinstance(decorator, ast.Attribute):
            continue  # `Shape.register`, which the statement does again
        if any(is_of_user(home) for home in _homes(called)):
            return True
    return isinstance(value, type) and is_hooked(value)


def asks(node: ast.stmt, value: object, namespace: Mapping[str, Any]) -> bool:
    """Tell whether a statement, when it is run, asks for something that may be another thing later."""
    is_plain = not isinstance(value, type) or type(value) in (type, abc.ABCMeta)
    return any(
        _may_answer_otherwise(part, namespace, is_plain=is_plain)
        for expression in _evaluated(node)
        for part in _walk_evaluated(expression)
    )


def _evaluated(node: ast.stmt) -> Iterator[ast.AST]:
    """Yield the defaults of a function, and what stands in the body of a class."""
    if isinstance(node, ast.ClassDef):
        for part in node.body:
            yield from _evaluated(part) if isinstance(part, Definition) else [part]
        return
    function = node.value if made_function(node) is not None and isinstance(node, ast.Assign) else node
    if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        yield from function.args.defaults
        yield from (default for default in function.args.kw_defaults if default is not None)


def _walk_evaluated(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if isinstance(node, ast.Lambda):
        return
    if isinstance(node, ast.AnnAssign):
        children: Iterable[ast.AST] = [node.value] if node.value is not None else []
    else:
        children = ast.iter_child_nodes(node)
    for child in children:
        yield from _walk_evaluated(child)


def _may_answer_otherwise(node: ast.AST, namespace: Mapping[str, Any], *, is_plain: bool) -> bool:
    if isinstance(node, ast.Attribute):
        owner = _find(node.value, namespace)
        if isinstance(owner, types.ModuleType) and owner.__name__ == "os":
            return node.attr == "environ"
        return isinstance(owner, _NO_VALUES) and any(is_of_user(home) for home in _homes(owner))
    if not isinstance(node, ast.Call):
        return False
    called = _find(node.func, namespace)
    if called is _UNKNOWN:
        # A function of the class's own body; a method of a value calls nothing that could ask.
        return isinstance(node.func, ast.Name)
    if called is getattr(builtins, getattr(called, "__name__", ""), None):
        return getattr(called, "__name__", "") in _ASKING_BUILTINS
    homes = _homes(called)
    tops = {home.partition(".")[0] for home in homes}
    return (
        any(is_of_user(home) for home in homes)
        or not tops.isdisjoint(_ASKING)
        or (is_plain and not all(is_standard(top) for top in tops))
    )


def _find(node: ast.AST, namespace: Mapping[str, Any]) -> Any:
    """Return what an expression stands for, where no code has to run to say so."""
    if isinstance(node, ast.Name):
        return namespace.get(node.id, getattr(builtins, node.id, _UNKNOWN))
    if isinstance(node, ast.Attribute):
        owner = _find(node.value, namespace)
        if isinstance(owner, types.ModuleType):
            return vars(owner).get(node.attr, _UNKNOWN)
        # Which method counts less than whose it is: ``datetime.now``.
        return owner if isinstance(owner, type) else _UNKNOWN
    return _UNKNOWN


def _homes(value: object) -> set[str]:
    """Return the modules of a value's own definition, of its class, and of what it is a method of."""
    if isinstance(value, types.ModuleType):
        return {value.__name__}
    owner = getattr(value, "__self__", None)
    found = {getattr(value, "__module__", None), type(value).__module__}
    if owner is not None and not isinstance(owner, types.ModuleType):
        found.add(owner.__module__ if isinstance(owner, type) else type(owner).__module__)
    elif isinstance(owner, types.ModuleType):
        found.add(owner.__name__)
    return {home for home in found if isinstance(home, str) and home != "builtins"}
