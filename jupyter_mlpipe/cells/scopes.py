"""What a function takes from around it: free names, globals that it binds, objects that it changes.

Inside a function a name is local or not, wherever it is bound: no flow is followed here.
"""

# ruff: noqa: N815  (ast.NodeVisitor gives the methods their names)

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from jupyter_mlpipe.cells.mutation import changed_by_call, root_name

Position = tuple[int, int]
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(slots=True)
class Free:
    """Names that code takes from outside of itself, with the position of the first use."""

    reads: dict[str, Position] = field(default_factory=dict)
    changes: dict[str, Position] = field(default_factory=dict)
    may_change: dict[str, Position] = field(default_factory=dict)
    global_binds: dict[str, None] = field(default_factory=dict)

    def add(self, other: Free, *, but: Iterable[str] = ()) -> None:
        hidden = set(but) - set(other.global_binds)
        for mine, theirs in (
            (self.reads, other.reads),
            (self.changes, other.changes),
            (self.may_change, other.may_change),
        ):
            for name, position in theirs.items():
                if name not in hidden:
                    mine.setdefault(name, position)
        self.global_binds.update(other.global_binds)


def free_in_function(node: Function) -> Free:
    """Return what the body takes from outside; defaults, annotations and decorators not included."""
    body: Sequence[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else node.body
    bound = _Bound()
    for statement in body:
        bound.visit(statement)
    local = (bound.names | arguments_of(node)) - bound.globals - bound.nonlocals
    uses = _Uses()
    for statement in body:
        uses.visit(statement)
    free = Free()
    free.global_binds.update(dict.fromkeys(sorted(bound.globals & bound.names)))
    free.add(uses.free, but=(local | type_parameters(node)) - bound.globals)
    return free


def free_in_expressions(nodes: Iterable[ast.AST], *, hidden: Iterable[str] = ()) -> Free:
    """Return what expressions take from outside when they are evaluated later."""
    uses = _Uses()
    for node in nodes:
        uses.visit(node)
    free = Free()
    free.add(uses.free, but=hidden)
    return free


def bound_in(statements: Iterable[ast.stmt]) -> set[str]:
    """Return the names that statements bind in their own scope, in whatever branch."""
    bound = _Bound()
    for statement in statements:
        bound.visit(statement)
    return bound.names


def arguments_of(node: Function) -> set[str]:
    """Return the names of a function's arguments."""
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [star for star in (arguments.vararg, arguments.kwarg) if star]
    return {argument.arg for argument in every}


def argument_annotations(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [star for star in (arguments.vararg, arguments.kwarg) if star]
    annotations = [argument.annotation for argument in every if argument.annotation]
    return [*annotations, node.returns] if node.returns else annotations


def argument_defaults(node: Function) -> list[ast.expr]:
    return [*node.args.defaults, *(default for default in node.args.kw_defaults if default)]


def type_parameters(node: ast.AST) -> set[str]:
    """Return the names in ``def f[T]``, ``class C[T]``, ``type A[T]``, from Python 3.12 on."""
    return {parameter.name for parameter in getattr(node, "type_params", [])}


def type_parameter_expressions(node: ast.AST) -> list[ast.expr]:
    """Return bounds and defaults of type parameters: Python evaluates them when asked for."""
    found: list[ast.expr] = []
    for parameter in getattr(node, "type_params", []):
        found += [
            expression
            for part in ("bound", "default_value")
            if (expression := getattr(parameter, part, None)) is not None
        ]
    return found


def imported_name(alias: ast.alias) -> str:
    """Return the name that ``import a.b`` or ``import a.b as c`` binds."""
    return alias.asname or alias.name.partition(".")[0]


def captures_of(pattern: ast.AST) -> list[str]:
    """Return the names that a ``case`` pattern binds, in order."""
    names = []
    for node in ast.walk(pattern):
        if isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
            names.append(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            names.append(node.rest)
    return names


def comprehension_targets(node: Comprehension) -> set[str]:
    """Return the names that live only inside a comprehension."""
    return {
        part.id
        for generator in node.generators
        for part in ast.walk(generator.target)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    }


class _Bound(ast.NodeVisitor):
    """Names that one scope binds, scopes nested in it aside."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.names.add(node.id)

    def visit_Global(self, node: ast.Global) -> None:
        self.globals.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.nonlocals.update(node.names)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.names.update(imported_name(alias) for alias in node.names)

    visit_ImportFrom = visit_Import

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.names.add(node.name)
        self.generic_visit(node)

    def visit_match_case(self, node: ast.match_case) -> None:
        self.names.update(captures_of(node.pattern))
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.names.add(node.name)
        for part in [*node.decorator_list, *argument_defaults(node)]:
            self.visit(part)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.names.add(node.name)
        for part in [*node.decorator_list, *node.bases, *node.keywords]:
            self.visit(part)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for default in argument_defaults(node):
            self.visit(default)

    def visit_ListComp(self, node: Comprehension) -> None:
        # A walrus inside binds out here; the targets do not.
        inner = _Bound()
        inner.generic_visit(node)
        self.names |= inner.names - comprehension_targets(node)

    visit_SetComp = visit_ListComp
    visit_DictComp = visit_ListComp
    visit_GeneratorExp = visit_ListComp


class _Uses(ast.NodeVisitor):
    """Names that one scope loads and objects that it changes, local or not."""

    def __init__(self) -> None:
        self.free = Free()

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Store):
            self.free.reads.setdefault(node.id, (node.lineno, node.col_offset))

    def visit_Attribute(self, node: ast.Attribute | ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load) and (root := root_name(node)) is not None:
            self.free.changes.setdefault(root, (node.lineno, node.col_offset))
        self.generic_visit(node)

    visit_Subscript = visit_Attribute

    def visit_Call(self, node: ast.Call) -> None:
        for name, certain in changed_by_call(node):
            found = self.free.changes if certain else self.free.may_change
            found.setdefault(name, (node.lineno, node.col_offset))
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.free.reads.setdefault(node.target.id, (node.lineno, node.col_offset))
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        # Functions do not evaluate annotations of their variables.
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        now = [*node.decorator_list, *argument_defaults(node)]
        for part in now:
            self.visit(part)
        signature = [*argument_annotations(node), *type_parameter_expressions(node)]
        self.free.add(free_in_expressions(signature, hidden=type_parameters(node)))
        self.free.add(free_in_function(node))

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for default in argument_defaults(node):
            self.visit(default)
        self.free.add(free_in_function(node))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in node.decorator_list:
            self.visit(part)
        parameters = type_parameters(node)
        outer = [*node.bases, *node.keywords, *type_parameter_expressions(node)]
        self.free.add(free_in_expressions(outer, hidden=parameters))
        bound = _Bound()
        body = _Uses()
        methods = Free()
        for statement in node.body:
            bound.visit(statement)
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                # Methods do not see the names of the class body.
                methods.add(free_in_function(statement))
                for part in [*statement.decorator_list, *argument_defaults(statement)]:
                    body.visit(part)
                for part in argument_annotations(statement):
                    body.visit(part)
            else:
                body.visit(statement)
        self.free.add(body.free, but=(bound.names | parameters) - bound.globals)
        self.free.add(methods, but=parameters | {"__class__"})

    def visit_ListComp(self, node: Comprehension) -> None:
        self.visit(node.generators[0].iter)
        inner = _Uses()
        for index, generator in enumerate(node.generators):
            inner.visit(generator.target)
            if index:
                inner.visit(generator.iter)
            for condition in generator.ifs:
                inner.visit(condition)
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        for result in results:
            inner.visit(result)
        self.free.add(inner.free, but=comprehension_targets(node))

    visit_SetComp = visit_ListComp
    visit_DictComp = visit_ListComp
    visit_GeneratorExp = visit_ListComp

    def visit_TypeAlias(self, node: ast.AST) -> None:
        value: ast.expr = getattr(node, "value")  # noqa: B009
        parts = [value, *type_parameter_expressions(node)]
        self.free.add(free_in_expressions(parts, hidden=type_parameters(node)))
