"""A module taken apart: what its import does, and what stands ready to be called.

A *symbol* is a name that one plain statement binds: a function, a class, an import, a literal. Importing
the module does no more with it than to bind it. All else is the module's *frame*: calls, decorators that
are not known, branches, names that are bound twice. The frame runs whenever the module is imported, and so
do the *headers* of symbols: annotations, defaults and bases that are more than names.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from jupyter_mlpipe.keys.headers import Headers, find_headers, is_literal
from jupyter_mlpipe.keys.statements import Statement
from jupyter_mlpipe.keys.uses import ONLY, Bound, Import, bound_by

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_BUILTINS = frozenset(vars(builtins))
# Names by which a module changes what others see of it.
_HOOKS = frozenset({"__getattr__", "__dir__", "__class__"})


@dataclass(eq=False, slots=True)
class Piece:
    """One statement of a module.

    Parameters
    ----------
    names
        The symbols that it binds; none where it is part of the frame.
    """

    statement: Statement
    names: tuple[str, ...] = ()


@dataclass(eq=False)
class Pieces:
    """A module's pieces in their order.

    Parameters
    ----------
    symbols
        The statement that binds each name which is no import.
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
    symbols: dict[str, Statement] = field(default_factory=dict)
    imported: dict[str, Bound] = field(default_factory=dict)
    imports: tuple[Import, ...] = ()
    headers: tuple[Statement, ...] = ()
    frame_names: frozenset[str] = frozenset()

    @cached_property
    def frame(self) -> tuple[Statement, ...]:
        return tuple(piece.statement for piece in self.pieces if not piece.names)

    @cached_property
    def around(self) -> dict[str, str]:
        """Return what each name that an import binds anywhere stands for, dotted."""
        bound = (pair for piece in self.pieces for pair in piece.statement.uses.imports)
        return {name: f"{found.module}.{found.name}" if found.name else found.module for name, found in bound}

    @cached_property
    def frame_text(self) -> str:
        """Return what runs at import, imports included."""
        imports = (ast.Import, ast.ImportFrom)
        shown = (p for p in self.pieces if not p.names or isinstance(p.statement.node, imports))
        return "\n".join(piece.statement.text for piece in shown)

    def binds(self, name: str) -> bool:
        return name in self.symbols or name in self.imported or name in self.frame_names


def take_apart(statements: list[Statement], package: str) -> Pieces | None:
    """Return the pieces of a module; None where it can only be taken as a whole."""
    if any(statement.uses.has_star for statement in statements):
        return None
    body = [statement.node for statement in statements]
    counts = _count_bindings(body, package)
    otherwise = _bound_otherwise(body)
    if not _HOOKS.isdisjoint({*otherwise, *counts}):
        return None
    once = {name for name, bound in counts.items() if len(bound) == 1} - otherwise
    known = Headers({*_BUILTINS} - {*otherwise, *counts}, annotations_are_texts=_has_lazy_annotations(body))
    found = Pieces([])
    imports: list[Import] = []
    headers: dict[str, Statement] = {}
    frame_names = {*otherwise}
    for node, statement in zip(body, statements, strict=True):
        piece = Piece(statement)
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
                    at_import = ast.Expr(header) if isinstance(header, ast.expr) else header
                    evaluated = Statement(at_import, "", package)
                    headers.setdefault(evaluated.digest, evaluated)
                found.symbols.update(dict.fromkeys(names, statement))
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
