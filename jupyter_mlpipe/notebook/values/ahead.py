"""Imports made in the kernel while a step makes them."""

from __future__ import annotations

import ast
import importlib
import io
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress

from jupyter_mlpipe.model.component import Definition

# Slow to load, and they set nothing for others when they are loaded: a kernel in which all is reused loads
# them later, and the settings that it gives to the cells in between are the same.
QUIET = frozenset(
    {
        "PIL",
        "matplotlib",
        "networkx",
        "numpy",
        "pandas",
        "patsy",
        "plotly",
        "pyarrow",
        "scipy",
        "skimage",
        "sklearn",
        "torch",
    }
)


def import_ahead(definitions: Iterable[Definition], tops: Iterable[str]) -> None:
    """Import what a cell imports at its top: the next cell that reads it then has not to wait for it.

    Parameters
    ----------
    tops
        The top-level modules that may be imported: also for others that need them.
    """
    allowed = set(tops)
    trees = [ast.parse(textwrap.dedent(source)) for source in _imports_in(definitions)]
    own = [tree for tree in trees if allowed.issuperset(_tops_in(tree))]
    # Whether one fails is for the step to say.
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        for tree in own:
            with suppress(Exception):
                exec(compile(tree, "<import>", "exec", dont_inherit=True), {})
        for top in sorted(allowed) if len(own) < len(trees) else ():
            with suppress(Exception):
                importlib.import_module(top)


def _imports_in(definitions: Iterable[Definition]) -> Iterable[str]:
    return dict.fromkeys(definition.source for definition in definitions if definition.kind == "import")


def _tops_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0] if not node.level else ""
