"""Names in expressions, followed in the order in which Python evaluates them.

Definite assignment: a state holds the names that are bound on every path to a point, and those bound
on some path. A read of a name that is not bound on every path comes, perhaps, from outside the cell.
"""

# ruff: noqa: N815  (ast.NodeVisitor gives the methods their names)

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from jupyter_mlpipe.cells.mutation import changed_by_call, root_name
from jupyter_mlpipe.cells.scopes import (
    Comprehension,
    Free,
    Position,
    argument_defaults,
    comprehension_targets,
    free_in_expressions,
    free_in_function,
)


@dataclass(slots=True)
class State:
    """What is known at one point: names bound on every path to it, and on some path."""

    definite: set[str] = field(default_factory=set)
    maybe: set[str] = field(default_factory=set)
    dead: bool = False

    def copy(self) -> State:
        return State(set(self.definite), set(self.maybe), self.dead)

    def is_bound(self, name: str) -> bool:
        return self.dead or name in self.definite


def join(*states: State) -> State:
    """Return what holds where paths meet; paths that end before do not count."""
    alive = [state for state in states if not state.dead]
    met = alive or states
    return State(
        set.intersection(*(state.definite for state in met)),
        set().union(*(state.maybe for state in met)),
        not alive,
    )


class ExpressionFlow(ast.NodeVisitor):
    """Follows expressions at the top level of a cell."""

    def __init__(self) -> None:
        self.state = State()
        # Targets of the comprehensions around the point, and type parameters.
        self.hidden: list[set[str]] = []
        self.n_comprehensions = 0
        # Names that the blocks around the point bind too: in a loop by an earlier turn, it may be.
        self.bound_around: list[set[str]] = []
        self.only_mentions = False
        self.reads: dict[str, Position] = {}
        self.certain_reads: set[str] = set()
        self.changes: dict[str, Position] = {}
        self.may_change: dict[str, Position] = {}
        self.ever_bound: dict[str, None] = {}
        # Names bound to something else than an import, a function, a class or None.
        self.values: set[str] = set()
        self.bound_log: list[str] = []
        self.deleted_log: list[str] = []
        self.aliases: dict[str, str] = {}
        self.star_imports: list[str] = []
        self.awaits = False
        self.lazy_annotations = sys.version_info >= (3, 14)
        self.ignored_annotations = False
        # What functions of the cell take from around them: of all, and by the name of the function.
        self.pending = Free()
        self.deferred: dict[str, Free] = {}
        self.early_reads: dict[str, Position] = {}

    # What happens to names

    def is_hidden(self, name: str) -> bool:
        return any(name in names for names in self.hidden)

    def read(self, name: str, position: Position, *, certain: bool = True) -> None:
        """Note a read. It is uncertain where the cell may have bound the name itself."""
        if self.is_hidden(name):
            return
        if not self.state.is_bound(name):
            self.note_read(name, position, certain=certain and not self.may_be_bound(name))
        if name in self.deferred and not self.only_mentions:
            self.use_function(self.deferred[name])

    def may_be_bound(self, name: str) -> bool:
        return (
            name in self.state.maybe
            or bool(self.star_imports)
            or any(name in names for names in self.bound_around)
        )

    def note_read(self, name: str, position: Position, *, certain: bool) -> None:
        self.reads[name] = min(position, self.reads.get(name, position))
        if certain:
            self.certain_reads.add(name)

    def bind(self, name: str, *, value: bool = True) -> None:
        """Note a binding; of a value, or of an import, function or class."""
        self.ever_bound.setdefault(name)
        self.bound_log.append(name)
        self.state.definite.add(name)
        self.state.maybe.add(name)
        self.aliases.pop(name, None)
        if value:
            self.values.add(name)

    def unbind(self, name: str) -> None:
        self.state.definite.discard(name)
        self.state.maybe.discard(name)
        self.aliases.pop(name, None)

    def alias(self, name: str, source: str) -> None:
        """Note ``name = source``: what is done to the one is done to the other."""
        if source in self.aliases:
            self.aliases[name] = self.aliases[source]
        elif not self.state.is_bound(source):
            self.aliases[name] = source

    def change(self, name: str, position: Position, *, certain: bool) -> None:
        """Note a change in place, if the object comes from outside the cell."""
        if self.is_hidden(name):
            return
        root = self.aliases.get(name, name) if self.state.is_bound(name) else name
        if not self.state.is_bound(root):
            (self.changes if certain else self.may_change).setdefault(root, position)

    def defer(self, name: str, free: Free) -> None:
        """Keep what a function takes from around it until the function is used."""
        for bound in free.global_binds:
            self.ever_bound.setdefault(bound)
            self.bound_log.append(bound)
            self.state.maybe.add(bound)
            self.values.add(bound)
        self.pending.add(free)
        self.deferred.setdefault(name, Free()).add(free)

    def use_function(self, free: Free) -> None:
        """Treat what a function of the cell does as done here, and by the functions that it uses."""
        waiting, seen = [free], {id(free)}
        while waiting:
            current = waiting.pop()
            for name, position in current.reads.items():
                if not self.state.is_bound(name):
                    self.early_reads.setdefault(name, position)
                inner = self.deferred.get(name)
                if inner is not None and id(inner) not in seen:
                    seen.add(id(inner))
                    waiting.append(inner)
            for name, position in current.changes.items():
                self.change(name, position, certain=True)
            for name, position in current.may_change.items():
                self.change(name, position, certain=False)

    def use_now(self, free: Free) -> None:
        """Treat a lambda as called where it stands; comprehension targets around it are its own."""
        visible = Free()
        visible.add(free, but=set().union(*self.hidden))
        self.pending.add(visible)
        self.use_function(visible)

    # Expressions

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.read(node.id, (node.lineno, node.col_offset))
        elif isinstance(node.ctx, ast.Del):
            self.read(node.id, (node.lineno, node.col_offset))
            self.unbind(node.id)
            self.deleted_log.append(node.id)
        elif not self.is_hidden(node.id):
            self.bind(node.id)

    def visit_Attribute(self, node: ast.Attribute | ast.Subscript) -> None:
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load) and (root := root_name(node)) is not None:
            self.change(root, (node.lineno, node.col_offset), certain=True)

    visit_Subscript = visit_Attribute

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        for name, certain in changed_by_call(node):
            self.change(name, (node.lineno, node.col_offset), certain=certain)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self.bind(node.target.id)

    def visit_Await(self, node: ast.Await) -> None:
        self.awaits = True
        self.generic_visit(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit_all(argument_defaults(node))
        self.use_now(free_in_function(node))

    def visit_BinOp(self, node: ast.BinOp) -> None:
        # Long sums nest to the left; a loop keeps clear of the recursion limit.
        operands: list[ast.expr] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp):
            operands.append(left.right)
            left = left.left
        self.visit(left)
        self.visit_all(reversed(operands))

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.state = join(*self.test(node))

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.state, otherwise = self.test(node.test)
        self.visit(node.body)
        then, self.state = self.state, otherwise
        self.visit(node.orelse)
        self.state = join(then, self.state)

    def visit_Compare(self, node: ast.Compare) -> None:
        self.visit(node.left)
        self.visit(node.comparators[0])
        before = self.state.copy()
        # `a < b < c` looks at c only where a < b holds.
        self.visit_all(node.comparators[1:])
        self.state = join(before, self.state)

    def visit_ListComp(self, node: Comprehension) -> None:
        self.visit(node.generators[0].iter)
        if not isinstance(node, ast.GeneratorExp):
            self.awaits |= any(generator.is_async for generator in node.generators)
        before = self.state.copy()
        self.hidden.append(comprehension_targets(node))
        self.n_comprehensions += 1
        for index, generator in enumerate(node.generators):
            if index:
                self.visit(generator.iter)
            self.visit(generator.target)
            for condition in generator.ifs:
                self.state, _ = self.test(condition)
        self.visit_all([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self.n_comprehensions -= 1
        self.hidden.pop()
        # There may be nothing to go through, so what a walrus inside binds is not certain.
        self.state = join(before, self.state)

    visit_SetComp = visit_ListComp
    visit_DictComp = visit_ListComp
    visit_GeneratorExp = visit_ListComp

    def visit_all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def visit_annotation(self, node: ast.expr) -> None:
        if self.ignored_annotations:
            return
        if self.lazy_annotations:
            self.pending.add(free_in_expressions([node]), but=set().union(*self.hidden))
        else:
            with self.mentions():
                self.visit(node)

    @contextmanager
    def mentions(self) -> Iterator[None]:
        """Within this, functions and classes are named without being called."""
        before, self.only_mentions = self.only_mentions, True
        yield
        self.only_mentions = before

    def test(self, node: ast.expr) -> tuple[State, State]:
        """Follow a condition; return the states where it holds and where it does not."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            holds, fails = self.test(node.operand)
            return fails, holds
        if isinstance(node, ast.BoolOp):
            is_and = isinstance(node.op, ast.And)
            left_early: list[State] = []
            for value in node.values:
                holds, fails = self.test(value)
                self.state = (holds if is_and else fails).copy()
                left_early.append(fails if is_and else holds)
            through, early = self.state, join(*left_early)
            return (through, early) if is_and else (early, through)
        self.visit(node)
        holds, fails = self.state, self.state.copy()
        if isinstance(node, ast.Constant):
            (fails if node.value else holds).dead = True
        return holds, fails
