"""A module taken apart: what its import does, and what stands ready to be called.

A *symbol* is a name that one plain statement binds: a function, a class, an import, a literal. Importing
the module does no more with it than to bind it. All else is the module's *frame*: calls, decorators that
are not known, branches, names that are bound twice. The frame runs whenever the module is imported, and so
do the *headers* of symbols: annotations, defaults and bases that are more than names.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from jupyter_mlpipe.keys.headers import Headers, find_headers, is_literal
from jupyter_mlpipe.keys.settings import Settings, imported_names, scan_settings
from jupyter_mlpipe.keys.syntax import syntax_digest
from jupyter_mlpipe.keys.uses import ONLY, Bound, Import, Uses, bound_by, find_uses, is_text

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_BUILTINS = frozenset(vars(builtins))
# Names by which a module changes what others see of it.
_HOOKS = frozenset({"__getattr__", "__dir__", "__class__"})


@dataclass(frozen=True, slots=True)
class _Module:
    """What the pieces of a module have in common."""

    lines: list[str]
    package: str
    around: Mapping[str, str]


@dataclass(eq=False)
class Piece:
    """One statement of a module.

    Parameters
    ----------
    names
        The symbols that it binds; none where it is part of the frame.
    """

    node: ast.stmt
    names: tuple[str, ...]
    module: _Module

    @cached_property
    def text(self) -> str:
        decorators = getattr(self.node, "decorator_list", [])
        first = min([self.node.lineno, *(decorator.lineno for decorator in decorators)])
        return "\n".join(self.module.lines[first - 1 : self.node.end_lineno])

    @cached_property
    def digest(self) -> str:
        return syntax_digest(self.node)

    @cached_property
    def uses(self) -> Uses:
        return find_uses(self.node, self.module.package)

    @cached_property
    def settings(self) -> Settings:
        return scan_settings(self.node, self.module.around)


@dataclass(eq=False)
class Pieces:
    """A module's pieces in their order.

    Parameters
    ----------
    symbols
        The piece that binds each name which is no import.
    imported
        What an import at the top binds, by name.
    imports
        All that imports at the top lead to when the module is imported.
    headers
        What is evaluated at import for the sake of symbols.
    frame_names
        Names that the frame binds.
    """

    pieces: list[Piece]
    symbols: dict[str, Piece] = field(default_factory=dict)
    imported: dict[str, Bound] = field(default_factory=dict)
    imports: tuple[Import, ...] = ()
    headers: tuple[Piece, ...] = ()
    frame_names: frozenset[str] = frozenset()

    @cached_property
    def frame(self) -> tuple[Piece, ...]:
        return tuple(piece for piece in self.pieces if not piece.names)

    @cached_property
    def frame_text(self) -> str:
        """Return what runs at import, imports included."""
        shown = (p for p in self.pieces if not p.names or isinstance(p.node, ast.Import | ast.ImportFrom))
        return "\n".join(piece.text for piece in shown)

    def binds(self, name: str) -> bool:
        return name in self.symbols or name in self.imported or name in self.frame_names


def take_apart(tree: ast.Module, package: str, text: str) -> Pieces | None:
    """Return the pieces of a module; None where it can only be taken as a whole."""
    nodes = [*ast.walk(tree)]
    if any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in nodes):
        return None
    body = [node for node in tree.body if not is_text(node) and not _is_for_scripts(node)]
    counts = _count_bindings(body, package)
    otherwise = _bound_otherwise(body)
    if not _HOOKS.isdisjoint({*otherwise, *counts}):
        return None
    once = {name for name, bound in counts.items() if len(bound) == 1} - otherwise
    known = Headers({*_BUILTINS} - {*otherwise, *counts}, annotations_are_texts=_has_lazy_annotations(body))
    module = _Module(text.splitlines(), package, imported_names(nodes))
    found = Pieces([])
    imports: list[Import] = []
    headers: dict[str, Piece] = {}
    frame_names = {*otherwise}
    for node in body:
        piece = Piece(node, (), module)
        if isinstance(node, ast.Import | ast.ImportFrom):
            named, others = bound_by(node, package)
            if once.issuperset(name for name, _ in named):
                imports += others
                for name, bound in named:
                    found.imported[name] = bound
                    imports.append((bound.module, (f"?{bound.name}",) if bound.name else ONLY))
                    known.add_import(name, bound)
                piece.names = tuple(name for name, _ in named)
        elif (names := _symbols_of(node)) and once.issuperset(names):
            of_node = find_headers(node, known)
            if of_node is not None:
                for header in of_node:
                    statement = ast.Expr(header) if isinstance(header, ast.expr) else header
                    evaluated = Piece(statement, (), module)
                    headers.setdefault(evaluated.digest, evaluated)
                found.symbols.update(dict.fromkeys(names, piece))
                known.add_symbol(node, names)
                piece.names = names
        if not piece.names:
            bound_here = _bound_by_frame(node)
            frame_names |= bound_here
            if isinstance(node, ast.Assign | _Definition):
                known.add(bound_here)
        found.pieces.append(piece)
    found.imports = tuple(sorted(set(imports)))
    found.headers = tuple(headers[content] for content in sorted(headers))
    found.frame_names = frozenset(frame_names)
    return found


def _has_lazy_annotations(body: Iterable[ast.stmt]) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(alias.name == "annotations" for alias in node.names)
        for node in body
    )


def _is_for_scripts(node: ast.stmt) -> bool:
    """Tell whether a statement is ``if __name__ == "__main__":``, which an import passes over."""
    return (
        isinstance(node, ast.If)
        and not node.orelse
        and isinstance(node.test, ast.Compare)
        and isinstance(node.test.left, ast.Name)
        and node.test.left.id == "__name__"
        and [type(operator) for operator in node.test.ops] == [ast.Eq]
        and isinstance(node.test.comparators[0], ast.Constant)
        and node.test.comparators[0].value == "__main__"
    )


def _symbols_of(node: ast.stmt) -> tuple[str, ...]:
    """Return what a statement binds if it is of a kind that may bind symbols."""
    if isinstance(node, _Definition):
        return (node.name,)
    if isinstance(node, ast.Assign) and is_literal(node.value):
        names = [_target_names(target) for target in node.targets]
        return tuple(name for found in names if found for name in found) if all(names) else ()
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return (node.target.id,) if node.value is not None and is_literal(node.value) else ()
    return ()


def _target_names(target: ast.expr) -> tuple[str, ...]:
    return (target.id,) if isinstance(target, ast.Name) else ()


def _count_bindings(body: Iterable[ast.stmt], package: str) -> dict[str, set[object]]:
    """Return what is bound to each name by statements that may bind symbols."""
    found: dict[str, set[object]] = {}
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            # `import scipy.stats` and `import scipy.signal` bind one thing.
            for name, bound in bound_by(node, package)[0]:
                found.setdefault(name, set()).add(bound)
        for name in _symbols_of(node):
            found.setdefault(name, set()).add(id(node))
    return found


def _bound_otherwise(body: Iterable[ast.stmt]) -> set[str]:
    """Return the names that other statements bind or delete at the top."""
    found: set[str] = set()
    for node in body:
        if not isinstance(node, ast.Import | ast.ImportFrom) and not _symbols_of(node):
            found |= _bound_by_frame(node)
    return found


def _bound_by_frame(node: ast.stmt) -> set[str]:
    """Return all names that a statement may bind, those of scopes inside it included."""
    found: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
            found.add(part.id)
        elif isinstance(part, _Definition):
            found.add(part.name)
        elif isinstance(part, ast.alias):
            found.add(part.asname or part.name.partition(".")[0])
        elif isinstance(part, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and part.name:
            found.add(part.name)
        elif isinstance(part, ast.MatchMapping) and part.rest:
            found.add(part.rest)
    return found
