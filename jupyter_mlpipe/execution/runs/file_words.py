"""Whether code has to do with files, by its words alone: before it has run, nothing else can be said."""

from __future__ import annotations

import ast
import re

_NAMED = re.compile(r"^[^\s*?<>|]+\.[A-Za-z]\w{0,9}$|^[\w.~/-]*/[\w./-]*$")
_READS = re.compile(
    r"^(read|load|open|glob|listdir|scandir|iterdir|walk|exists|isfile|is_file|isdir|is_dir|connect|imread|"
    r"from_csv|from_file|genfromtxt)"
)
_WRITES = re.compile(
    r"^(to_|tofile|write|save|dump|export|im(write|save)|sink_|copy|move|extract|remove|unlink|rename|mkdir|"
    r"makedirs|rmtree|touch|connect|chmod|symlink)"
)
# Of those, what libraries of tables and arrays call what stays in memory.
_STAYS = re.compile(
    r"^(dumps|rename_(axis|categories)|to_(arrow|array|categorical|date|datetime|dense|device|dict|dicts|dummies|flat_index|frame|integer|"
    r"lazy|list|lowercase|numeric|numpy|offset|pandas|period|physical|pydatetime|records|series|struct|"
    r"table|tensor|time|timedelta|timestamp|torch|uppercase))$"
)
_OF_TABLES = frozenset({"columns", "index", "axis", "level"})  # named where a table is given other names
_PROGRAMS = frozenset({"system", "getoutput", "run_cell_magic", "Popen", "check_call", "check_output"})
_MODES = re.compile(r"^(?=.*[wax+])[rwaxbt+]{1,3}$")


def may_write(code: str) -> bool:
    """Tell whether code calls something that leaves files behind, or starts a program."""
    return any(
        (_WRITES.match(name) and not _stays(name, call)) or name in _PROGRAMS or _is_run(name, call)
        for name, call in _calls(code)
    )


def may_read(code: str) -> bool:
    """Tell whether code looks at files: by what it calls, or because it names one."""
    if any(_READS.match(name) or name in _PROGRAMS or name == "run" for name, _ in _calls(code)):
        return True
    return any(isinstance(n, ast.Constant) and _is_path(n.value) for n in _nodes(code))


def _is_path(value: object) -> bool:
    return isinstance(value, str) and _NAMED.match(value) is not None


def _stays(name: str, call: ast.Call) -> bool:
    of = call.func.value if isinstance(call.func, ast.Attribute) else None
    if name == "copy" and len(call.args) < 2:
        # A file is copied to a place that is named; a table is not, nor what the module `copy` copies.
        return not call.args or of is None or (isinstance(of, ast.Name) and of.id == "copy")
    if name == "rename":
        return any(keyword.arg in _OF_TABLES for keyword in call.keywords)
    if name in ("extract", "extractall"):
        return isinstance(of, ast.Attribute) and of.attr == "str"  # of a column of texts
    return _STAYS.match(name) is not None


def _is_run(name: str, call: ast.Call) -> bool:
    if name == "run":
        return True
    given = (*call.args, *(keyword.value for keyword in call.keywords))
    modes = [part.value for part in given if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return name in ("open", "File", "fdopen", "ZipFile") and any(map(_MODES.match, modes))


def _calls(code: str) -> list[tuple[str, ast.Call]]:
    calls = [node for node in _nodes(code) if isinstance(node, ast.Call)]
    return [
        (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", ""), node)
        for node in calls
    ]


def _nodes(code: str) -> list[ast.AST]:
    try:
        return list(ast.walk(ast.parse(code)))
    except (SyntaxError, ValueError, RecursionError):
        return []
