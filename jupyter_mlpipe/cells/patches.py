"""Changes that a cell makes to libraries: names that it puts into their modules and classes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

_OF_THE_PROCESS = frozenset({"os", "sys"})
_REGISTER = frozenset(
    {"register_dataframe_accessor", "register_series_accessor", "register_index_accessor"}
    | {"register_matplotlib_converters"}
)
_SAYS_SO = re.compile(r"(?:^|_)patch_[a-z]")  # `patch_sklearn()`, `monkey.patch_all()`


def find_patches(code: str) -> tuple[tuple[str, str], ...]:
    """Return what a cell's code puts into libraries, each with the name at its root, in order.

    Only by the looks of it: ``pd.DataFrame.total = ...``, ``np.own = ...``, ``tqdm.pandas()``. Whether
    the root stands for something of a library is the caller's to tell.
    """
    found = dict.fromkeys(patch for node in ast.walk(ast.parse(code)) for patch in _patches(node))
    return tuple(found)


def _patches(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            parts = _parts(target)
            # What lies deeper, and in no class, are settings: ``pd.options.display.width = 80``.
            if len(parts) == 2 or (len(parts) > 2 and parts[-2][:1].isupper()):
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
