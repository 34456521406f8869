"""One reading of a local module's file: its text, what that digests to, and the pieces that it is made of."""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass, field
from functools import cached_property

from jupyter_mlpipe.keys.canonical import digest, digest_bytes
from jupyter_mlpipe.keys.pieces import Pieces, take_apart
from jupyter_mlpipe.keys.settings import Settings, scan_settings
from jupyter_mlpipe.keys.statements import Statement, split
from jupyter_mlpipe.keys.syntax import syntax_digest
from jupyter_mlpipe.keys.uses import Import, find_uses


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


@dataclass(frozen=True)
class LocalModule:
    """One reading of a local module's file.

    Parameters
    ----------
    content
        The digest of the file's bytes.
    source
        None where the file is no Python source, such as an extension module.
    imports
        (module, names) of each import anywhere in it, relative ones resolved.
    tree
        None where it is not Python, or not to be read as such.
    pieces
        None where the module can only count as a whole.
    """

    name: str
    content: str
    source: ModuleSource | None
    imports: tuple[Import, ...] = field(default=(), compare=False, repr=False)
    tree: ast.Module | None = field(default=None, compare=False, repr=False)
    statements: tuple[Statement, ...] = field(default=(), compare=False, repr=False)
    pieces: Pieces | None = field(default=None, compare=False, repr=False)

    @cached_property
    def digest(self) -> str:
        """Return the digest of the module as a whole."""
        try:
            syntax = syntax_digest(self.tree) if self.tree is not None else None
        except SyntaxError:
            syntax = None  # nested too deeply
        if syntax is None:
            return digest("module bytes", self.name, self.content)
        # A package and a module of the same text differ in what relative imports mean.
        return digest("module", self.name, self.source is not None and self.source.is_package, syntax)

    @cached_property
    def settings(self) -> Settings:
        """Return what is found in the module as a whole."""
        return scan_settings(self.tree) if self.tree is not None else Settings()


def parse_module(
    name: str, path: str, is_package: bool, content: bytes, before: LocalModule | None = None
) -> LocalModule:
    """Return what a file's content says.

    Parameters
    ----------
    before
        An earlier reading of the same file: texts that are still there are not looked at again.
    """
    digested = digest_bytes(content)
    if before is not None and before.content == digested:
        return before
    package = name if is_package else name.rpartition(".")[0]
    try:
        text = importlib.util.decode_source(content)
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        # An extension module, or a file that only the step can complain about.
        is_source = path.endswith(".py")
        source = ModuleSource(content.decode("utf-8", "replace"), path, is_package) if is_source else None
        return LocalModule(name, digested, source)
    statements = split(tree, text, package, before.statements if before is not None else ())
    try:
        pieces = take_apart(statements, package)
    except RecursionError:
        pieces = None
    source = ModuleSource(text, path, is_package)
    imports = dict.fromkeys(found for each in statements for found in each.uses.imports_anywhere())
    return LocalModule(name, digested, source, tuple(imports), tree, tuple(statements), pieces)


def imports_in(tree: ast.AST, package: str = "") -> tuple[Import, ...]:
    """Return (module, names) of each import anywhere in a tree."""
    return tuple(dict.fromkeys(find_uses(tree, package).imports_anywhere()))
