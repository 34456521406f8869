"""What a cell's text says of what it reaches, whatever the notebook has."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from jupyter_mlpipe.keys.codes import names_in, words_in
from jupyter_mlpipe.keys.settings import Settings, scan_settings
from jupyter_mlpipe.keys.syntax import ends_quietly, syntax_digest
from jupyter_mlpipe.keys.uses import Uses, find_uses
from jupyter_mlpipe.model.parsed import parse

# Libraries that draw with Matplotlib do not require it: `df.plot()`, `qqplot(...)`, `RocCurveDisplay`.
_DRAWS = re.compile(r"plot|graphics|Display$|(?:^|_)(?:hist|draw)(?:_|$)")


def draws(names: Iterable[str]) -> bool:
    """Tell whether one of the names is such as what draws with Matplotlib is called."""
    return any(map(_DRAWS.search, names))


@dataclass(frozen=True, slots=True)
class CellText:
    """A cell's text, read.

    Parameters
    ----------
    is_quiet
        Whether it ends with a semicolon, and so shows no result.
    words, texts
        Words in its texts and annotations, which a library may look up as names; and these texts.
    draws
        Whether it looks as if it drew something.
    """

    digest: str
    is_quiet: bool
    uses: Uses
    settings: Settings
    attributes: frozenset[str]
    names: frozenset[str]
    words: tuple[str, ...]
    texts: tuple[str, ...]
    draws: bool


@functools.lru_cache(maxsize=4096)
def read_cell_text(code: str) -> CellText:
    """Read a cell's text as Python; it is read once."""
    tree = parse(code)
    attributes, names, texts = set(), set(), []
    annotations: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign | ast.FunctionDef | ast.AsyncFunctionDef):
            annotations += _names_in_annotation(node)
        if isinstance(node, ast.Attribute):
            attributes.add(node.attr)
        elif isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.append(node.value)
    return CellText(
        syntax_digest(tree),
        ends_quietly(code),
        find_uses(tree),
        scan_settings(tree),
        frozenset(attributes),
        frozenset(names),
        (*words_in(texts, attributes | names), *names_in(annotations)),
        tuple(texts),
        draws(attributes | names),
    )


def _names_in_annotation(node: ast.arg | ast.AnnAssign | ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Return the texts in an annotation, and its names: a future import makes texts of these."""
    annotation = node.annotation if isinstance(node, ast.arg | ast.AnnAssign) else node.returns
    found = []
    for part in ast.walk(annotation) if annotation is not None else ():
        if isinstance(part, ast.Name):
            found.append(part.id)
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            found.append(part.value)
    return found
