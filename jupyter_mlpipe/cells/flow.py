"""Names in statements: where paths part, meet again, or end."""

# ruff: noqa: N802, N815  (ast.NodeVisitor gives the methods their names)

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field

from jupyter_mlpipe.cells.expressions import ExpressionFlow, State, join
from jupyter_mlpipe.cells.mutation import items_of
from jupyter_mlpipe.cells.scopes import (
    Free,
    Position,
    argument_annotations,
    argument_defaults,
    bound_in,
    captures_of,
    free_in_expressions,
    free_in_function,
    imported_name,
    type_parameter_expressions,
    type_parameters,
)
from jupyter_mlpipe.cells.source import made_class
from jupyter_mlpipe.model.defining import made_function

Loop = ast.For | ast.AsyncFor | ast.While
Try = ast.Try | ast.TryStar


@dataclass(slots=True)
class _Exits:
    breaks: list[State] = field(default_factory=list)
    continues: list[State] = field(default_factory=list)


class Flow(ExpressionFlow):
    """Follows the statements at the top level of a cell."""

    def __init__(self) -> None:
        super().__init__()
        self.loops: list[_Exits] = []
        # Type parameters of the classes around a class body.
        self.hidden_outside: list[set[str]] = []

    def follow(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            self.visit(statement)

    # Binding statements

    def visit_Assign(self, node: ast.Assign) -> None:
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        values_before = set(self.values)
        if isinstance(node.value, ast.Lambda) and len(names) == len(node.targets):
            self.visit_all(argument_defaults(node.value))
            for name in names:
                self.defer(name, free_in_function(node.value))
        else:
            self.visit(node.value)
        source = node.value.id if isinstance(node.value, ast.Name) else None
        for target in node.targets:
            self.visit(target)
            if source is not None and isinstance(target, ast.Name) and target.id != source:
                self.alias(target.id, source)
        is_none = isinstance(node.value, ast.Constant) and node.value.value is None
        if is_none or (made_function(node) or made_class(node)) is not None:
            # `except ImportError: cupy = None` leaves the name an import.
            self.values.difference_update(set(names) - values_before)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
        self.visit_annotation(node.annotation)
        if node.value is not None:
            self.visit(node.target)
        elif not isinstance(node.target, ast.Name):
            # Evaluated, but not assigned to.
            self.generic_visit(node.target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            position = (node.target.lineno, node.target.col_offset)
            self.read(node.target.id, position)
            if node.target.id in self.aliases:
                self.change(node.target.id, position, certain=False)
            self.visit(node.value)
            self.visit(node.target)
        else:
            self.visit(node.value)
            self.visit(node.target)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.bind(imported_name(alias), value=False)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.star_imports.append("." * node.level + (node.module or ""))
            else:
                self.bind(imported_name(alias), value=False)
                self.ignored_annotations |= node.module == "__future__" and alias.name == "annotations"

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.visit_all(node.decorator_list)
        self.visit_all(argument_defaults(node))
        self.hidden.append(type_parameters(node))
        for annotation in argument_annotations(node):
            self.visit_annotation(annotation)
        self.hidden.pop()
        free = free_in_function(node)
        free.add(free_in_expressions(type_parameter_expressions(node)), but=type_parameters(node))
        self.defer(node.name, free)
        self.bind(node.name, value=False)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.visit_all(node.decorator_list)
        self.hidden.append(type_parameters(node))
        with self.mentions():
            self.visit_all([*node.bases, *node.keywords])
        body = _ClassFlow(self.module)
        body.hidden_outside += [*self.hidden, *self.hidden_outside]
        body.follow(node.body)
        free = body.methods
        free.add(free_in_expressions(type_parameter_expressions(node)))
        self.hidden.pop()
        outer = Free()
        outer.add(free, but={"__class__"} | type_parameters(node))
        self.defer(node.name, outer)
        self.bind(node.name, value=False)

    def visit_TypeAlias(self, node: ast.AST) -> None:
        target: ast.Name = getattr(node, "name")  # noqa: B009  Python 3.12
        value: ast.expr = getattr(node, "value")  # noqa: B009
        lazy = [value, *type_parameter_expressions(node)]
        self.defer(target.id, free_in_expressions(lazy, hidden=type_parameters(node)))
        self.bind(target.id)

    # Paths

    def visit_If(self, node: ast.If) -> None:
        self.state, otherwise = self.test(node.test)
        self.follow(node.body)
        then, self.state = self.state, otherwise
        self.follow(node.orelse)
        self.state = join(then, self.state)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self.awaits |= isinstance(node, ast.AsyncFor)
        empty = self.state.copy()
        if isinstance(node.iter, ast.Tuple | ast.List) and node.iter.elts:
            # A list written out is gone through at least once.
            empty.dead = not any(isinstance(item, ast.Starred) for item in node.iter.elts) or empty.dead
        self._turn(node, empty)

    visit_AsyncFor = visit_For

    def visit_While(self, node: ast.While) -> None:
        self.bound_around.append(bound_in(node.body))
        self.state, done = self.test(node.test)
        self.bound_around.pop()
        self._turn(node, done)

    def _turn(self, node: Loop, without_turn: State) -> None:
        """Follow a loop's body and what comes behind it; `without_turn` leads past the body."""
        endless = isinstance(node, ast.While) and without_turn.dead
        exits = _Exits()
        self.loops.append(exits)
        self.bound_around.append(bound_in(node.body))
        if not isinstance(node, ast.While):
            self.visit(node.target)
            for name, source in items_of(node.target, node.iter):
                self.alias(name, source)
        self.follow(node.body)
        self.bound_around.pop()
        self.loops.pop()
        if endless:
            self.state = without_turn
        else:
            self.state = join(without_turn, self.state, *exits.continues)
        self.follow(node.orelse)
        self.state = join(self.state, *exits.breaks)

    def visit_Break(self, node: ast.Break) -> None:
        self.loops[-1].breaks.append(self.state.copy())
        self.state.dead = True

    def visit_Continue(self, node: ast.Continue) -> None:
        self.loops[-1].continues.append(self.state.copy())
        self.state.dead = True

    def visit_Raise(self, node: ast.Raise) -> None:
        self.generic_visit(node)
        self.state.dead = True

    def visit_Assert(self, node: ast.Assert) -> None:
        holds, self.state = self.test(node.test)
        if node.msg is not None:
            self.visit(node.msg)
        self.state = holds

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        self.awaits |= isinstance(node, ast.AsyncWith)
        for item in node.items:
            self.visit(item.context_expr)
            if item.optional_vars is not None:
                self.visit(item.optional_vars)
        start, marks = self.state.copy(), self._marks()
        self.follow(node.body)
        if any(_suppresses(item.context_expr) for item in node.items):
            self.state = join(self.state, self._thrown(start, marks))

    visit_AsyncWith = visit_With

    def visit_Try(self, node: Try) -> None:
        start, marks = self.state.copy(), self._marks()
        # `try: seen` with `except NameError: seen = {}` asks whether there is such a name.
        asked = [handler for handler in node.handlers if _catches_name_error(handler)]
        self.bound_around.append(set().union(*(bound_in(handler.body) for handler in asked)))
        self.follow(node.body)
        self.bound_around.pop()
        thrown = self._thrown(start, marks)
        self.follow(node.orelse)
        ends = [self.state]
        for handler in node.handlers:
            self.state = thrown.copy()
            if handler.type is not None:
                self.visit(handler.type)
            if handler.name:
                self.bind(handler.name, value=False)
            self.follow(handler.body)
            if handler.name:
                self.unbind(handler.name)
            ends.append(self.state)
        after = join(*ends)
        if node.finalbody:
            after = self._follow_finally(node.finalbody, after, self._thrown(start, marks))
        self.state = after

    visit_TryStar = visit_Try

    def _follow_finally(self, statements: Sequence[ast.stmt], after: State, thrown: State) -> State:
        self.state = thrown.copy()
        n_deleted = len(self.deleted_log)
        self.follow(statements)
        deleted = set(self.deleted_log[n_deleted:])
        return State(
            (after.definite | (self.state.definite - thrown.definite)) - (deleted - self.state.definite),
            (after.maybe | (self.state.maybe - thrown.maybe)) - (deleted - self.state.maybe),
            after.dead or self.state.dead,
        )

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        unmatched, ends = self.state, []
        for case in node.cases:
            self.state = unmatched.copy()
            self.visit(case.pattern)
            for name in captures_of(case.pattern):
                self.bind(name)
            catches_all = isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None
            if case.guard is not None:
                self.state, _ = self.test(case.guard)
                catches_all = False
            self.follow(case.body)
            ends.append(self.state)
            if catches_all:
                self.state = join(*ends)
                return
        self.state = join(*ends, unmatched)

    def _marks(self) -> tuple[int, int]:
        return len(self.bound_log), len(self.deleted_log)

    def _thrown(self, start: State, marks: tuple[int, int]) -> State:
        """Return what holds if an exception comes from anywhere since `start`."""
        bound, deleted = set(self.bound_log[marks[0] :]), set(self.deleted_log[marks[1] :])
        return State(start.definite - deleted, start.maybe | bound, start.dead)

    @property
    def module(self) -> Flow:
        return self


class _ClassFlow(Flow):
    """Follows a class body: its names are its own, what it does not know it asks the module for."""

    def __init__(self, module: Flow) -> None:
        super().__init__()
        self.outside = module
        self.methods = Free()
        self.hidden_outside = [{"__module__", "__qualname__"}]
        self.global_names: set[str] = set()
        self.ignored_annotations = module.ignored_annotations

    @property
    def module(self) -> Flow:
        return self.outside

    def sees(self, name: str) -> bool:
        # Comprehensions and functions do not see the names of a class body.
        return not self.n_comprehensions and name not in self.global_names

    def read(self, name: str, position: Position, *, certain: bool = True) -> None:
        if self.is_hidden(name) or (self.sees(name) and self.state.is_bound(name)):
            return
        if any(name in names for names in self.hidden_outside):
            return
        own = self.sees(name) and self.may_be_bound(name)
        self.outside.read(name, position, certain=certain and not own)

    def bind(self, name: str, *, value: bool = True) -> None:
        if name in self.global_names:
            self.outside.bind(name, value=value)
        else:
            super().bind(name, value=value)

    def change(self, name: str, position: Position, *, certain: bool) -> None:
        own = self.sees(name) and name in self.state.maybe
        if not own and not self.is_hidden(name):
            self.outside.change(name, position, certain=certain)

    def defer(self, name: str, free: Free) -> None:
        self.methods.add(free)

    def use_now(self, free: Free) -> None:
        visible = Free()
        visible.add(free, but=set().union(*self.hidden, *self.hidden_outside))
        self.outside.use_now(visible)

    def visit_Global(self, node: ast.Global) -> None:
        self.global_names.update(node.names)


def _catches_name_error(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.type, ast.Name) and handler.type.id == "NameError"


def _suppresses(node: ast.expr) -> bool:
    """Tell whether a context manager is contextlib's suppress: the body may end anywhere."""
    if not isinstance(node, ast.Call):
        return False
    function = node.func
    return (isinstance(function, ast.Name) and function.id == "suppress") or (
        isinstance(function, ast.Attribute) and function.attr == "suppress"
    )
