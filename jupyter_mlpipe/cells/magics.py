"""Magics in a cell's text, written such that what they run is seen as code.

IPython turns ``%time y = f(x)`` into a call with a text. Here the statement stays Python beside its
magic, so that names, definitions and changes of inputs are found as anywhere; the step process makes
the call of it again (`jupyter_mlpipe.execution.process.magic_calls`). Magics that set up the kernel are taken
out: they are the notebook's, not the step's.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from jupyter_mlpipe.cells.source import split_lines, without_warnings
from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.model.parsed import parse

OVER_CELL = "run_cell_magic_over"
OVER_LINE = "run_line_magic_over"
QUIETLY = "run_magic_quietly"
FOLLOWED = "run_magic_followed"

_AROUND_CODE = frozenset({"time", "prun", "capture"})
_AROUND_STATEMENT = frozenset({"time", "prun"})
# They look at names, those of their own cell too.
_ASKS = frozenset(
    {"who", "whos", "who_ls", "pinfo", "pinfo2", "pdoc", "pdef", "psource", "pfile", "psearch", "tb"}
    | {"lsmagic", "magic", "quickref"}
)
_OF_THE_KERNEL = frozenset(
    _ASKS
    | {"load_ext", "reload_ext", "unload_ext", "autoreload", "aimport", "pip", "conda", "mamba", "uv"}
    | {"store", "history", "hist", "xmode", "colors", "alias", "unalias"}
    | {"reset", "reset_selective", "xdel", "macro", "save", "notebook", "doctest_mode", "logstart", "gui"}
)
_KEEPS = frozenset({"store", "history", "hist", "macro", "save", "notebook", "logstart"})
_CHANGES_NAMES = frozenset({"store", "reset", "reset_selective", "xdel"})
_OF_BOTH = frozenset({"matplotlib", "config", "precision", "env", "set_env", "pylab"})
# They start from where the kernel is, and from where it has been: who runs one twice moves twice.
OF_FOLDERS = frozenset({"cd", "pushd", "popd", "bookmark", "dhist", "dirs"})
_SETTINGS = _OF_THE_KERNEL | _OF_BOTH | OF_FOLDERS | {"run"}
_CELL_MAGIC = re.compile(r"%%(\w+)[ \t]*(.*)")
_BINDS = re.compile(r"--(?:out|err|proc)[= ]\s*([A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class LineMagic:
    """A magic for the kernel.

    Parameters
    ----------
    is_last
        Its value would be the cell's result.
    is_after
        It stands below other code: the kernel follows when the step is done.
    is_repeated
        The step runs it too, and has shown what it shows.
    is_followed
        The step has run it, and the kernel is where it led: that is for its list of folders.
    """

    name: str
    line: str
    is_last: bool = False
    is_after: bool = False
    is_repeated: bool = False
    is_followed: bool = False

    @property
    def looks_around(self) -> bool:
        """Whether it shows or keeps what the kernel has, or what was typed."""
        return self.name in _ASKS or self.name in _KEEPS

    @property
    def changes_names(self) -> bool:
        """Whether it may bind or delete names of the kernel."""
        return self.name in _CHANGES_NAMES


@dataclass(frozen=True, slots=True)
class Expanded:
    """A cell's body as Python, and the magics in it that are the kernel's to run."""

    code: str
    for_kernel: tuple[LineMagic, ...] = ()


def expand_magics(cell: str, to_python: Callable[[str], str]) -> Expanded:
    """Return a cell as Python with the same lines.

    Parameters
    ----------
    to_python
        Turns magics and commands into calls, as IPython does.
    """
    lines = split_lines(cell)
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    match = _CELL_MAGIC.fullmatch(lines[first].rstrip())
    # IPython drops blank lines above the code; line numbers are to be those of the cell.
    above = "\n" * first
    if match is None:
        return _expand_lines(above + to_python("\n".join(lines[first:])))
    name, line = match[1], match[2]
    body = "\n".join(lines[first + 1 :])
    if name in _AROUND_CODE:
        inner = expand_magics(body, to_python)
        captured = _captured_name(line) if name == "capture" else None
        target = f"{captured} = " if captured else ""
        code = f"{above}{target}get_ipython().{OVER_CELL}({name!r}, {line!r})\n{inner.code}"
        return Expanded(code, inner.for_kernel)
    bound = _BINDS.findall(line)
    if bound:
        target = "".join(f"{output} = " for output in bound)
        return Expanded(f"{above}{target}get_ipython().{OVER_CELL}({name!r}, {line!r}, {body!r})\n")
    return Expanded(above + to_python("\n".join(lines[first:])))


def acts_in_kernel(name: str) -> bool:
    """Tell whether a magic sets up the kernel, or looks at it, and so is run there whatever runs the cell."""
    return name in _SETTINGS


def component_first(lines: list[str]) -> list[str]:
    """Put our line above other cell magics that stand above it: both orders mean the same."""
    n_above = 0
    while n_above < len(lines) and _CELL_MAGIC.match(lines[n_above]) and not _is_ours(lines[n_above]):
        n_above += 1
    if not n_above or n_above >= len(lines) or not _is_ours(lines[n_above]):
        return lines
    return [lines[n_above], *lines[:n_above], *lines[n_above + 1 :]]


def _is_ours(line: str) -> bool:
    return line.startswith("%%component")


def _captured_name(line: str) -> str | None:
    words = [word for word in line.split() if not word.startswith("-")]
    return words[0] if words and words[0].isidentifier() else None


def _expand_lines(code: str) -> Expanded:
    if "run_line_magic" not in code:
        return Expanded(code)
    try:
        with without_warnings():
            tree = parse(code)
    except SyntaxError:
        return Expanded(code)  # told where the cell is compiled, with its line
    lines = split_lines(code)
    for_kernel = []
    n_first = _count_first(tree.body)
    behind = _folder_magics(tree.body[n_first:])
    followed = _followed(behind, tree.body)
    for number, statement in reversed(list(enumerate(tree.body))):
        found = _line_magic(statement)
        if found is None or statement.lineno != statement.end_lineno:
            continue
        magic = LineMagic(*found, is_last=statement is tree.body[-1])
        if magic.name in _AROUND_STATEMENT and _is_statement(magic.line):
            new = f"with get_ipython().{OVER_LINE}({magic.name!r}, {magic.line!r}): {magic.line}"
        elif magic.name in _OF_BOTH and number >= n_first and not _only_asks(magic):
            for_kernel.append(replace(magic, is_after=True, is_repeated=True))
            continue
        elif magic.name in _OF_BOTH and not _only_asks(magic):
            for_kernel.append(magic)
            new = f"get_ipython().{QUIETLY}({magic.name!r}, {magic.line!r})"
        elif statement is followed:
            for_kernel.append(replace(magic, is_after=True, is_followed=True))
            new = f"get_ipython().{FOLLOWED}({magic.name!r}, {magic.line!r})"
        elif magic.name in OF_FOLDERS:
            if behind and followed is None:
                continue  # all of them where the code is
            for_kernel.append(magic)
            new = "pass"
        elif magic.name in _OF_THE_KERNEL or (magic.name == "run" and number < n_first):
            _check_place(magic, tree.body[:number])
            for_kernel.append(replace(magic, is_after=number > 0 and _looks_at_cell(magic)))
            new = "pass"
        else:
            continue
        _replace(lines, statement, new)
    return Expanded("\n".join(lines), tuple(reversed(for_kernel)))


def _folder_magics(statements: Iterable[ast.stmt]) -> list[ast.expr]:
    """Return the calls in code of magics that change the folder, or tell where the kernel has been."""
    calls = (node for part in statements for node in ast.walk(part) if isinstance(node, ast.Call))
    return [call for call in calls if (found := _line_magic(ast.Expr(call))) and found[0] in OF_FOLDERS]


def _followed(behind: list[ast.expr], body: list[ast.stmt]) -> ast.stmt | None:
    """Return the one that stands behind other code, where the kernel can go there after the step."""
    for statement in body:
        if isinstance(statement, ast.Expr) and [statement.value] == behind:
            found = _line_magic(statement)
            if found is not None and found[0] == "cd" and not found[1].removeprefix("-q ").startswith("-"):
                return statement
    return None


def _line_magic(statement: ast.stmt) -> tuple[str, str] | None:
    """Return name and line of ``get_ipython().run_line_magic("name", "line")``."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if (
        not isinstance(call, ast.Call)
        or not isinstance(call.func, ast.Attribute)
        or call.func.attr != "run_line_magic"
        or len(call.args) != 2
    ):
        return None
    name, line = (argument.value if isinstance(argument, ast.Constant) else None for argument in call.args)
    return (name, line) if isinstance(name, str) and isinstance(line, str) else None


def _is_statement(text: str) -> bool:
    """Tell whether a magic's text is a statement without a value, on one line and with nothing below it."""
    try:
        with without_warnings():
            statements = ast.parse(text).body
    except SyntaxError:
        return False
    return bool(statements) and not any(
        isinstance(statement, ast.Expr) or hasattr(statement, "body") for statement in statements
    )


def _count_first(statements: list[ast.stmt]) -> int:
    """Return how many statements at the top are imports and settings."""
    for number, statement in enumerate(statements):
        found = _line_magic(statement)
        # The names of a script are the notebook's own, functions and classes too.
        is_setting = found is not None and found[0] in _SETTINGS
        if not is_setting and not isinstance(statement, ast.Import | ast.ImportFrom):
            return number
    return len(statements)


def _looks_at_cell(magic: LineMagic) -> bool:
    """Tell whether a magic takes names that its cell may have bound: `%whos`, `%store x`, `%xdel x`."""
    if magic.name == "store":
        return not magic.line.startswith("-")
    return magic.name in _ASKS or magic.changes_names


def _check_place(magic: LineMagic, above: Iterable[ast.stmt]) -> None:
    """Refuse a magic that binds names which code above it binds: the kernel runs it before the step."""
    words = magic.line.split()
    if magic.name != "store" or "-r" not in words:
        return
    names = [word for word in words if word.isidentifier()]
    for node in (node for statement in above for node in ast.walk(statement)):
        if (
            isinstance(node, ast.Name)
            and not isinstance(node.ctx, ast.Load)
            and node.id in (names or [node.id])
        ):
            raise UsageError(
                f"'%{magic.name} {magic.line}' stands below code that binds or deletes '{node.id}', "
                "but acts in the kernel, before the step. Put it into a cell of its own."
            )


def _only_asks(magic: LineMagic) -> bool:
    """Tell whether a magic shows what there is: `%env HOME`."""
    return magic.name in ("env", "set_env") and "=" not in magic.line and " " not in magic.line


def _replace(lines: list[str], node: ast.stmt, new: str) -> None:
    encoded = lines[node.lineno - 1].encode()
    before, after = encoded[: node.col_offset].decode(), encoded[node.end_col_offset or 0 :].decode()
    lines[node.lineno - 1] = before + new + after
