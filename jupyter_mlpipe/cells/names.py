"""What a cell reads, binds, deletes and changes in place: seen in its text, without running it."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from jupyter_mlpipe.cells.flow import Flow
from jupyter_mlpipe.cells.scopes import Position, imported_name
from jupyter_mlpipe.cells.source import (
    first_line,
    is_main_thread,
    made_class,
    room_to_nest,
    split_lines,
    statement_text,
    without_warnings,
)
from jupyter_mlpipe.model.component import Definition
from jupyter_mlpipe.model.defining import chooses_import, in_blocks, made_function
from jupyter_mlpipe.model.parsed import compile_whole, parse

# The same in a kernel and on the command line: IPython adds names to the module, the interactive
# prompt adds `_`.
BUILTINS = frozenset(dir(builtins)) - {"_"} | {"display", "get_ipython"}

_IN_EVERY_MODULE = frozenset(
    {"__name__", "__doc__", "__builtins__", "__debug__", "__loader__", "__package__", "__spec__"}
)
_QUIET = re.compile(r"[\s)\\]*;")


@dataclass(frozen=True, slots=True)
class Names:
    """What a cell does with names. All tuples are in order of first use.

    Parameters
    ----------
    reads
        Names that may be read before the cell binds them, or that its functions read as globals;
        builtins left out.
    builtins_read
        Names of builtins that are read so: a notebook may have bound one of them anew.
    may_read
        Those of `reads` and `builtins_read` that the cell may have bound itself by then (in a branch,
        in a loop, by a star import): one that is nowhere found is no error.
    binds
        Names that are bound, on some path, when the cell ends: definitions too.
    deletes
        Names deleted at the top level and not bound again.
    changes, may_change
        Names from outside whose object the cell changes, for certain or by the look of it.
    definitions
        Imports, functions and classes, except of names that are bound to another value as well.
    awaits
        Whether there is an ``await``, or its like, at the top level.
    lines
        For each name read: line of the first read. `change_lines`: of the first change.
    """

    reads: tuple[str, ...] = ()
    builtins_read: tuple[str, ...] = ()
    may_read: tuple[str, ...] = ()
    binds: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    may_change: tuple[str, ...] = ()
    definitions: tuple[Definition, ...] = ()
    star_imports: tuple[str, ...] = ()
    last_is_expression: bool = False
    awaits: bool = False
    lines: Mapping[str, int] = field(default_factory=dict)
    change_lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def all_reads(self) -> tuple[str, ...]:
        """`reads` and `builtins_read` in order of first use."""
        return tuple(self.lines)


def parse_cell(code: str, *, filename: str = "<cell>") -> ast.Module:
    """Parse the Python of a cell, top-level ``await`` allowed.

    Raises
    ------
    SyntaxError
        With the line of the cell; also what only the compiler finds, a ``return`` outside of functions.
    """
    try:
        with without_warnings():
            tree = parse(code)
            if is_main_thread():  # the compiler warns of more than the parser does
                compile_whole(code)
    except SyntaxError as error:
        error.filename = filename
        raise
    return tree


def analyse(code: str, *, filename: str = "<cell>", called: Iterable[str] = ()) -> Names:
    """Find the names that a cell reads, binds, deletes and changes.

    Parameters
    ----------
    called
        Functions of the cell that are called from outside, after it: what they change is changed.

    Raises
    ------
    SyntaxError
        See `parse_cell`.
    """
    return analyse_tree(parse_cell(code, filename=filename), code, called=[*called])


def analyse_tree(
    tree: ast.Module, code: str, *, called: Sequence[str] = (), postponed: bool = False
) -> Names:
    """As `analyse`, where the code is parsed already; `postponed`: annotations are not evaluated."""
    try:
        flow = _follow(tree, called, postponed=postponed)
    except RecursionError:
        with room_to_nest():
            flow = _follow(tree, called, postponed=postponed)
    reads = {
        name: position[0]
        for name, position in sorted(flow.reads.items(), key=lambda item: item[1])
        if name not in _IN_EVERY_MODULE
    }
    binds = tuple(name for name in flow.ever_bound if name in flow.state.maybe)
    changes = _in_order(flow.changes)
    may_change = _in_order(flow.may_change)
    return Names(
        reads=tuple(name for name in reads if name not in BUILTINS),
        builtins_read=tuple(name for name in reads if name in BUILTINS),
        may_read=tuple(name for name in reads if name not in flow.certain_reads),
        binds=binds,
        deletes=tuple(name for name in dict.fromkeys(flow.deleted_log) if name not in flow.state.maybe),
        changes=tuple(changes),
        may_change=tuple(name for name in may_change if name not in changes),
        definitions=tuple(
            definition
            for definition in find_definitions(tree, code)
            if definition.name in binds and definition.name not in flow.values
        ),
        star_imports=tuple(dict.fromkeys(flow.star_imports)),
        last_is_expression=_ends_in_expression(tree, code),
        awaits=flow.awaits,
        lines=MappingProxyType(reads),
        change_lines=MappingProxyType({**may_change, **changes}),
    )


def _follow(tree: ast.Module, called: Sequence[str], *, postponed: bool) -> Flow:
    flow = Flow()
    flow.ignored_annotations = postponed
    flow.follow(tree.body)
    for name in called:
        flow.use_function(flow.deferred[name])
    _settle_functions(flow)
    return flow


def find_definitions(tree: ast.Module, code: str) -> Iterator[Definition]:
    """Yield the imports, functions and classes of the top level, those in its blocks included."""
    lines = split_lines(code)
    for node in in_blocks(tree.body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [imported_name(alias) for alias in node.names if alias.name != "*"]
            for name in names:
                yield Definition(name, "import", statement_text(node, lines), node.lineno)
        elif isinstance(node, ast.Try) and chooses_import(node):
            # As a whole: where the import fails, the name stands for what the handler says.
            parts = [*node.body, *(part for handler in node.handlers for part in handler.body)]
            found = [definition.name for definition in find_definitions(ast.Module(parts, []), code)]
            for name in dict.fromkeys(found):
                yield Definition(name, "import", statement_text(node, lines), node.lineno)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Definition(node.name, "function", statement_text(node, lines), first_line(node))
        elif isinstance(node, ast.ClassDef):
            yield Definition(node.name, "class", statement_text(node, lines), first_line(node))
        elif (made := made_function(node)) is not None:
            yield Definition(made, "function", statement_text(node, lines), node.lineno)
        elif (made := made_class(node)) is not None:
            yield Definition(made, "class", statement_text(node, lines), node.lineno)


def _settle_functions(flow: Flow) -> None:
    """Count what functions take from outside, once it is known what the cell binds anywhere."""
    for name, position in flow.early_reads.items():
        if name in flow.ever_bound and name not in flow.values:
            continue  # a helper that stands further down; nobody means one of before
        # Used before the cell binds it, perhaps only by a function that is called later.
        flow.note_read(name, position, certain=name not in flow.ever_bound and not flow.star_imports)
    for name, position in flow.pending.reads.items():
        if name not in flow.ever_bound:
            # By functions that the cell itself does not use: what is not there yet may come before they are.
            flow.note_read(name, position, certain=False)
    for found in (flow.pending.changes, flow.pending.may_change):
        for name, position in found.items():
            if name not in flow.ever_bound:
                flow.may_change.setdefault(name, position)


def _in_order(found: Mapping[str, Position]) -> dict[str, int]:
    return {name: position[0] for name, position in sorted(found.items(), key=lambda item: item[1])}


def _ends_in_expression(tree: ast.Module, code: str) -> bool:
    """Tell whether the last statement's value would be displayed: no trailing ``;``, not None."""
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr) or (isinstance(last.value, ast.Constant) and last.value.value is None):
        return False
    assert last.end_lineno is not None
    assert last.end_col_offset is not None
    lines = split_lines(code)
    rest = lines[last.end_lineno - 1].encode()[last.end_col_offset :].decode()
    return not _QUIET.match("\n".join([rest, *lines[last.end_lineno :]]))
