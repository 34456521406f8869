"""Imports made in the kernel while a step makes them."""

from __future__ import annotations

import ast
import io
import textwrap
from collections.abc import Collection, Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress

from jupyter_mlpipe.model.component import Definition

# Of those that do set something when they are loaded, such as colormaps: what they import that takes long.
_NEEDED = {"seaborn": ("matplotlib.pyplot", "pandas", "scipy.stats")}


def import_ahead(definitions: Iterable[Definition], tops: Collection[str]) -> None:
    """Import what a cell imports at its top: the next cell that reads it then has not to wait for it.

    Parameters
    ----------
    tops
        The top-level modules that may be imported.
    """
    for source in dict.fromkeys(d.source for d in definitions if d.kind == "import"):
        tree = ast.parse(textwrap.dedent(source))
        found = set(_tops_in(tree))
        needed = [f"import {name}" for top in found for name in _NEEDED.get(top, ())]
        _execute(tree if found.issubset(tops) else ast.parse("\n".join(needed)))


def _execute(tree: ast.Module) -> None:
    # Whether it fails is for the step to say, and what it prints is shown there.
    with suppress(Exception), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        exec(compile(tree, "<import>", "exec", dont_inherit=True), {})


def _tops_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0] if not node.level else ""
