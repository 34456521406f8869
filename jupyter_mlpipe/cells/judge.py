"""What kind of cell is this: one that computes what later cells read, one that shows, or one to leave alone.

From the text alone, without running it and without IPython. What a cell did when it ran (how long it
took, what it bound) is weighed in `jupyter_mlpipe.cells.adopt`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from jupyter_mlpipe.cells import deeds
from jupyter_mlpipe.cells.compile import compile_cell
from jupyter_mlpipe.cells.header import Header
from jupyter_mlpipe.cells.lines import has_our_line
from jupyter_mlpipe.cells.names import analyse, parse_cell
from jupyter_mlpipe.errors import MLPipeError
from jupyter_mlpipe.model.component import Component

Kind = Literal["ours", "computes", "shows", "leave"]

_COMMAND = re.compile(r"^(\s*)(?:[\w, ]+=\s*)?(%{1,2}|!{1,2})\s*([\w.-]*)[^\n]*$")
_HELP = re.compile(r"^\s*\??\??[\w.]+\?{1,2}\s*$|^\s*\?{1,2}[\w.]+\s*$")

_TIMERS = ("%time", "%%time", "%timeit", "%%timeit", "%prun", "%%prun")

_COLLECTIONS = (ast.Tuple, ast.List, ast.Set, ast.Dict)
_OPERATORS = (ast.UnaryOp, ast.BinOp, ast.operator, ast.unaryop)
_TEXTS = (ast.Constant, ast.JoinedStr, ast.FormattedValue)
_PLAIN = (*_COLLECTIONS, *_OPERATORS, *_TEXTS, ast.Name, ast.Attribute, ast.expr_context)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a cell is.

    Parameters
    ----------
    why
        For a cell to leave alone, the reason, as the end of a sentence that begins with the cell.
    binds
        Names that a later cell may read: values only.
    tree
        Its Python, commands and magics taken out; None where it has none.
    """

    kind: Kind
    why: str = ""
    binds: tuple[str, ...] = ()
    tree: ast.Module | None = None


@dataclass(slots=True)
class Above:
    """What the cells above have bound, as far as it matters to those below."""

    modules: set[str] = field(default_factory=set)
    figures: set[str] = field(default_factory=lambda: {"plt", "sns", "fig", "ax", "axs", "axes"})
    widgets: set[str] = field(default_factory=lambda: set(deeds.WIDGETS))
    unstorable: dict[str, str] = field(default_factory=dict)  # name -> what it is


def judge(source: str, above: Above, unstorable: Mapping[str, str] | None = None) -> Judgement:
    """Say what a cell is, and note in `above` what those below have to know of it.

    Parameters
    ----------
    unstorable
        Names that the cell bound to values that cannot be stored, each with what it is, where it has
        run. By default the text is all there is to go by.
    """
    if has_our_line(source):
        return Judgement("ours", "has our line already")
    if not source.strip():
        return Judgement("leave", "is empty")
    first = source.strip().partition("\n")[0]
    if first.startswith("%%"):
        magic = first.split()[0]
        remedy = "; take that line out first" if magic in _TIMERS else ""
        return Judgement("leave", f"stands under the cell magic {magic}{remedy}")
    python, commands = _take_commands(source)
    timers = [command for command in commands if command in _TIMERS]
    try:
        tree = parse_cell(python)
        component = compile_cell(f"%%component cell\n{python}", header=Header("cell"), body=python)
    except SyntaxError:
        return Judgement("leave", "is not Python that can be read")
    except MLPipeError as error:
        return Judgement("leave", str(error))
    above.modules |= {d.name for d in component.definitions if d.kind == "import"}
    above.widgets |= deeds.widget_imports(tree)
    made = dict(unstorable) if unstorable is not None else dict(deeds.unstorable(tree))
    reads_unstorable = [name for name in component.reads if name in above.unstorable]
    described = [f"{name} ({above.unstorable[name]})" for name in reads_unstorable]
    for name in component.outputs:
        above.unstorable.pop(name, None)
    above.unstorable.update(made)
    above.figures |= deeds.figure_names(tree)
    if timers:
        return Judgement(
            "leave", f"uses {timers[0]}, which hides what it binds; take it out first", tree=tree
        )
    if (only := _describe_trivial(tree, commands)) is not None:
        return Judgement("leave", only, tree=tree)
    binds = _binds(component, tree, above)
    if commands:
        return Judgement("leave", f"uses {commands[0]}, which acts on more than its names", binds, tree)
    if (interactive := deeds.interactive(tree, above.widgets)) is not None:
        return Judgement("leave", f"uses {interactive}, which needs the kernel itself", binds, tree)
    if (change := deeds.outside_change(tree)) is not None:
        return Judgement("leave", f"changes something outside ({change})", binds, tree)
    if described:
        return Judgement("leave", f"reads {described[0]}, which cannot leave this kernel", binds, tree)
    kept = tuple(name for name in binds if name not in made)
    if binds and not kept:
        what = ", ".join(f"{name} ({made[name]})" for name in binds)
        return Judgement("leave", f"binds only what cannot be stored: {what}", binds, tree)
    if kept:
        return Judgement("computes", binds=kept, tree=tree)
    if component.shows or _calls_print(tree):
        return Judgement("shows", "only shows something", tree=tree)
    return Judgement("leave", "binds nothing that a later cell could read", tree=tree)


def names_bound(source: str) -> list[str]:
    """Return the names that a plain cell binds; none where it cannot be read."""
    if has_our_line(source) or source.lstrip().startswith("%%"):
        return []
    try:
        return list(analyse(_take_commands(source)[0]).binds)
    except SyntaxError:
        return []


def _take_commands(source: str) -> tuple[str, list[str]]:
    """Return the cell's Python, lines kept, and its ``%magics`` and ``!commands`` as words."""
    try:
        parse_cell(source)
    except SyntaxError:
        pass
    else:
        return source, []
    lines, commands = [], []
    goes_on = False
    for line in source.splitlines():
        found = _COMMAND.match(line)
        if goes_on:
            lines.append("")
            goes_on = line.endswith("\\")
        elif found is not None:
            commands.append(f"{found[2]}{found[3]}" if found[3] else found[2])
            lines.append(f"{found[1]}pass")
            goes_on = line.endswith("\\")
        elif _HELP.match(line):
            commands.append("?")
            lines.append("")
        else:
            lines.append(line)
    return "\n".join(lines), commands


def _describe_trivial(tree: ast.Module, commands: Sequence[str]) -> str | None:
    """Return ``only imports and settings`` for a cell of statements that cost nothing, else None."""
    kinds: dict[str, None] = {"magics and commands": None} if commands else {}
    for node in tree.body:
        if isinstance(node, ast.Pass) or _is_text(node):
            continue
        kind = _trivial_kind(node)
        if kind is None:
            return None
        kinds[kind] = None
    if not kinds:
        return "has only comments"
    *some, last = kinds
    return f"has only {', '.join(some)} and {last}" if some else f"has only {last}"


def _trivial_kind(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return "imports"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return "functions and classes"
    if isinstance(node, ast.Delete):
        return "del"
    if deeds.is_setting(node):
        return "settings"
    if isinstance(node, ast.Try | ast.If):
        parts = [*node.body, *node.orelse, *(s for h in getattr(node, "handlers", ()) for s in h.body)]
        kinds = {_trivial_kind(part) for part in parts if not isinstance(part, ast.Pass)}
        return None if None in kinds else "imports" if "imports" in kinds else "settings"
    if isinstance(node, ast.Assign | ast.AnnAssign) and (node.value is None or _is_plain(node.value)):
        return "plain values"
    return None


def _is_plain(node: ast.expr) -> bool:
    return all(isinstance(part, _PLAIN) for part in ast.walk(node))


def _binds(component: Component, tree: ast.Module, above: Above) -> tuple[str, ...]:
    """Return the names that a later cell may want: no counters of loops, modules or figures."""
    assigned = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    drawn_on = deeds.drawn_on(tree) - assigned - set(component.changes)
    other = above.modules | above.figures | deeds.counters(tree) | drawn_on
    return tuple(name for name in component.outputs if name not in other)


def _calls_print(tree: ast.Module) -> bool:
    return any(name in ("print", "pprint") for name in _called(tree))


def _called(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
