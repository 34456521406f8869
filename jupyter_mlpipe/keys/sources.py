"""One reading of a local module's file: its text, what that digests to, and the pieces that it is made of."""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass, field

from jupyter_mlpipe.keys.canonical import digest, digest_bytes
from jupyter_mlpipe.keys.pieces import Pieces, take_apart
from jupyter_mlpipe.keys.settings import Settings, scan_settings
from jupyter_mlpipe.keys.syntax import syntax_digest
from jupyter_mlpipe.keys.uses import Import, imported_by_call, resolve_import


@dataclass(frozen=True, slots=True)
class ModuleSource:
    """A local module as a step gets it.

    Parameters
    ----------
    uncounted
        Names in it that are no part of the step's key, since nothing that the step reaches was seen to use
        them; None where the whole module is not.
    """

    source: str
    path: str
    is_package: bool
    uncounted: frozenset[str] | None = frozenset()


@dataclass(frozen=True, slots=True)
class LocalModule:
    """One reading of a local module's file.

    Parameters
    ----------
    digest
        Of the module as a whole.
    imports
        (module, names) of each import anywhere in it, relative ones resolved.
    source
        None where the file is no Python source, such as an extension module.
    pieces
        None where the module can only count as a whole.
    """

    name: str
    digest: str
    source: ModuleSource | None
    imports: tuple[Import, ...]
    settings: Settings
    pieces: Pieces | None = field(default=None, compare=False, repr=False)


def imports_in(tree: ast.AST, package: str = "") -> tuple[Import, ...]:
    """Return (module, names) of each import anywhere in a tree, in order, each once."""
    found: dict[tuple[str, tuple[str, ...]], None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.name, ()] = None
        elif isinstance(node, ast.ImportFrom):
            module = resolve_import(node.module or "", node.level, package)
            if module and (package or not node.level):
                found[module, tuple(alias.name for alias in node.names)] = None
        elif isinstance(node, ast.Call) and (name := imported_by_call(node)) is not None:
            found[name, ()] = None
    return tuple(found)


def parse_module(name: str, path: str, is_package: bool, content: bytes) -> LocalModule:
    """Return what a file's content says."""
    package = name if is_package else name.rpartition(".")[0]
    try:
        text = importlib.util.decode_source(content)
        tree = ast.parse(text)
        code_digest = syntax_digest(tree)
    except (SyntaxError, ValueError):
        # An extension module, or a file that only the step can complain about.
        is_source = path.endswith(".py")
        source = ModuleSource(content.decode("utf-8", "replace"), path, is_package) if is_source else None
        return LocalModule(name, digest("module bytes", digest_bytes(content)), source, (), Settings())
    return LocalModule(
        name,
        # A package and a module of the same text differ in what relative imports mean.
        digest("module", name, is_package, code_digest),
        ModuleSource(text, path, is_package),
        imports_in(tree, package),
        scan_settings(tree),
        take_apart(tree, package, text),
    )
