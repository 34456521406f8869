"""Changes that a cell makes to libraries: names that it puts into their modules and classes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from jupyter_mlpipe.cells.mutation import MUTATING_METHODS
from jupyter_mlpipe.model.parsed import parse

_OF_THE_PROCESS = frozenset({"os", "sys"})
_SETTERS = (ast.Call, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete)
_REGISTER = frozenset(
    {"register_dataframe_accessor", "register_series_accessor", "register_index_accessor"}
    | {"register_matplotlib_converters"}
)
# Is set in the notebook as the step has set it.
_TRAVELS = frozenset({"ast_node_interactivity"})
_SAYS_SO = re.compile(r"(?:^|_)patch_[a-z]")  # `patch_sklearn()`, `monkey.patch_all()`


def find_patches(code: str) -> tuple[tuple[str, str], ...]:
    """Return what a cell's code puts into libraries, each with the name at its root, in order.

    Only by the looks of it: ``pd.DataFrame.total = ...``, ``np.own = ...``, ``tqdm.pandas()``. Whether
    the root stands for something of a library is the caller's to tell.
    """
    found = dict.fromkeys(patch for node in ast.walk(parse(code)) for patch in _patches(node))
    return tuple(found)


def find_set_attributes(code: str) -> tuple[tuple[str, str, bool], ...]:
    """Return what a cell's code sets in, or inside, attributes of names.

    Returns
    -------
    tuple
        (name, attributes, whether it is set inside: an item of it, or by a method): ``("config", "RATES",
        True)`` for ``config.RATES["a"] = 2``.
    """
    return tuple(
        dict.fromkeys(
            found
            for node in ast.walk(parse(code))
            if isinstance(node, _SETTERS)
            for found in _set_attributes(node)
        )
    )


def find_registrations(code: str) -> Iterator[tuple[list[str], str, str | list[str]]]:
    """Give the calls and decorators that register something: ``X.register(Y)``.

    Returns
    -------
    Iterator
        (parts of the owner's name, the function's, first argument: a text, or the parts of a name).
    """
    for node in ast.walk(parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            first = node.args[0]
            is_text = isinstance(first, ast.Constant) and isinstance(first.value, str)
            argument = str(first.value) if isinstance(first, ast.Constant) and is_text else _parts(first)
            yield _parts(node.func.value), node.func.attr, argument
        elif isinstance(node, ast.Attribute) and node.attr == "register":
            yield _parts(node.value), node.attr, []


def _set_attributes(node: ast.AST) -> Iterator[tuple[str, str, bool]]:
    if isinstance(node, ast.Call):
        if (
            _parts(node.func) == ["setattr"]
            and len(node.args) == 3
            and isinstance(node.args[1], ast.Constant)
        ):
            owner, name = _parts(node.args[0]), node.args[1].value
            yield from _as_set([*owner, str(name)] if owner else [], is_inside=False)
        elif isinstance(node.func, ast.Attribute) and node.func.attr in MUTATING_METHODS:
            yield from _as_set(_parts(node.func.value), is_inside=True)
        return
    if isinstance(node, ast.Assign | ast.Delete):
        targets = node.targets
    else:
        targets = [node.target] if isinstance(node, ast.AugAssign | ast.AnnAssign) else []
    for target in targets:
        is_inside = isinstance(target, ast.Subscript)
        while isinstance(target, ast.Subscript):
            target = target.value
        yield from _as_set(_parts(target), is_inside)


def _as_set(parts: list[str], is_inside: bool) -> Iterator[tuple[str, str, bool]]:
    if len(parts) == 2 or (len(parts) > 2 and parts[-2][:1].isupper()):
        yield parts[0], ".".join(parts[1:]), is_inside


def _patches(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            parts = _parts(target)
            # What lies deeper, and in no class, are settings: ``pd.options.display.width = 80``.
            is_patch = len(parts) == 2 or (len(parts) > 2 and parts[-2][:1].isupper())
            if is_patch and parts[-1] not in _TRAVELS:
                yield parts[0], ".".join(parts)
    elif isinstance(node, ast.Call):
        parts = _parts(node.func)
        if parts == ["setattr"] and node.args and len(owner := _parts(node.args[0])) > 1:
            yield owner[0], ".".join(owner)
        elif parts and (
            parts[-1] in _REGISTER or parts[-2:] == ["tqdm", "pandas"] or _SAYS_SO.search(parts[-1])
        ):
            yield parts[0], f"{'.'.join(parts)}()"


def _parts(node: ast.expr) -> list[str]:
    """Return the parts of a dotted name; none of another expression, and of what belongs to the process."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id in _OF_THE_PROCESS:
        return []
    return [node.id, *parts]
