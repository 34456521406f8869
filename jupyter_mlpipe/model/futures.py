"""``from __future__ import …``: a cell that has it sets how Python compiles the cells after it, too."""

from __future__ import annotations
import __future__

import ast
import functools

POSTPONED: int = __future__.annotations.compiler_flag
"""Annotations are not evaluated."""

FUTURES: int = functools.reduce(
    int.__or__, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
)
"""All flags of the compiler that such an import sets."""


def futures_of(tree: ast.Module) -> int:
    """Return the flags of the compiler that a module's own imports set."""
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    features = (getattr(__future__, alias.name, None) for node in imports for alias in node.names)
    return functools.reduce(int.__or__, (feature.compiler_flag for feature in features if feature), 0)


def has_annotations(tree: ast.Module) -> bool:
    """Tell whether code has annotations."""
    return any(
        isinstance(node, ast.AnnAssign)
        or (isinstance(node, ast.arg) and node.annotation is not None)
        or (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None)
        for node in ast.walk(tree)
    )
