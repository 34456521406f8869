"""Code objects: the source that describes them, their digest, and what they read.

A file's text may have changed since a function was made from it. So a text counts only where
compiling it gives the very code in question; otherwise the code object itself is digested.
"""

from __future__ import annotations

import ast
import dis
import functools
import itertools
import keyword
import linecache
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.syntax import read_syntax, syntax_digest
from jupyter_mlpipe.model.futures import FUTURES
from jupyter_mlpipe.model.parsed import compile_tree, compile_whole, parse

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

# Flags of a code object that change what it does, apart from those that its instructions show.
_FLAGS = FUTURES | 0x04 | 0x08 | 0x20 | 0x80 | 0x100 | 0x200
_MAX_CACHED = 20_000


@dataclass(frozen=True, slots=True)
class CodeReads:
    """What a code object and those nested in it reach.

    Parameters
    ----------
    names
        Globals read, in order of first use.
    imports
        (module, level, names) of each import statement.
    attributes
        Every attribute and global named.
    words
        Names in texts, where the code evaluates texts: ``df.query("delay > @limit")``.
    texts
        All texts, which another function may evaluate.
    """

    names: tuple[str, ...]
    imports: tuple[tuple[str, int, tuple[str, ...]], ...]
    attributes: frozenset[str]
    words: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """The text from which a code object was made."""

    file_text: str
    node: FunctionNode
    digest: str

    @property
    def text(self) -> str:
        """Return the definition alone, decorators included."""
        first = min([self.node.lineno, *(d.lineno for d in getattr(self.node, "decorator_list", []))])
        lines = _lines(self.file_text)[first - 1 : self.node.end_lineno]
        margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        return "\n".join(line[margin:] for line in lines)


# By identity: equal code may come from different text. The code is kept, so that no id is used twice.
_sources: dict[int, tuple[types.CodeType, list[str], str, Source | None]] = {}
_digests: dict[int, tuple[types.CodeType, str]] = {}
_reads: dict[int, tuple[types.CodeType, CodeReads]] = {}


def digest_code(code: types.CodeType) -> str:
    """Return the digest of a function's code: by its syntax, or by its instructions without a source."""
    source = find_source(code)
    if source is not None:
        return source.digest
    known = _digests.get(id(code))
    if known is None:
        _make_room(_digests)
        known = _digests[id(code)] = (code, digest("bytecode", _describe(code)))
    return known[1]


def find_source(code: types.CodeType) -> Source | None:
    """Return the text that describes `code`, or None where none is known or it is another one's."""
    # Not getlines: for files it would look at the disk, and the text that counts is the one compiled.
    entry = linecache.cache.get(code.co_filename)
    if entry is None or len(entry) == 1:
        lines = linecache.getlines(code.co_filename)
    else:
        lines = entry[2]
    if not lines:
        return None
    known = _sources.get(id(code))
    if known is not None and known[1] is lines:
        return known[3]
    text = _join(lines)
    if known is not None and known[2] == text:
        return known[3]
    _make_room(_sources)
    source = _match(code, text)
    _sources[id(code)] = (code, lines, text, source)
    return source


# A text is asked for by each function in it, one after the other.
_joined: tuple[list[str], str] = ([], "")


def _join(lines: list[str]) -> str:
    global _joined
    if _joined[0] is not lines:
        _joined = (lines, "".join(lines))
    return _joined[1]


@functools.lru_cache(maxsize=16)
def _lines(text: str) -> list[str]:
    return text.splitlines()


def code_reads(code: types.CodeType) -> CodeReads:
    """Return the globals and imports of `code`, those of functions inside it included."""
    known = _reads.get(id(code))
    if known is None:
        _make_room(_reads)
        known = _reads[id(code)] = (code, _collect_reads(code))
    return known[1]


def nested_codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield `code` and all code objects inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from nested_codes(constant)


def _make_room(cache: dict[int, Any]) -> None:
    if len(cache) >= _MAX_CACHED:
        cache.clear()


def _match(code: types.CodeType, text: str) -> Source | None:
    flags = code.co_flags & FUTURES
    parsed = _parse(text)
    if parsed is None:
        return None
    place = (code.co_name, code.co_firstlineno)
    candidates = [node for node in parsed.functions.get(place, ()) if _covers(node, code)]
    if not candidates:
        return None
    if not any(code in found.get(place, ()) for found in _ways_to_compile(text, flags)):
        return None
    # The innermost one, where one lambda holds another.
    node = min(candidates, key=_extent)
    if sum(_extent(other) == _extent(node) for other in candidates) > 1:
        return None
    return Source(text, node, syntax_digest(node))


_Place = tuple[str, int]
"""The name of a function, and its first line."""


@dataclass(frozen=True, slots=True)
class _Parsed:
    tree: ast.Module
    functions: dict[_Place, list[FunctionNode]]


@functools.lru_cache(maxsize=64)
def _parse(text: str) -> _Parsed | None:
    try:
        tree = parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    functions: dict[_Place, list[FunctionNode]] = {}
    for found in (read_syntax(statement).nodes for statement in tree.body):
        for node in (*found.get(ast.FunctionDef, ()), *found.get(ast.AsyncFunctionDef, ())):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            functions.setdefault((node.name, first), []).append(node)
        for node in found.get(ast.Lambda, ()):
            functions.setdefault(("<lambda>", node.lineno), []).append(node)
    return _Parsed(tree, functions)


def _ways_to_compile(text: str, flags: int) -> Iterator[Mapping[_Place, list[types.CodeType]]]:
    """Yield the functions of a text as an import compiles them, and as IPython does: by single statements.

    What a cell imports is called by other instructions where the import was compiled along.
    """
    yield _compile(text, flags, by_statements=False)
    parsed = _parse(text)
    if parsed is not None and len(parsed.tree.body) > 1:
        yield _compile(text, flags, by_statements=True)


@functools.lru_cache(maxsize=64)
def _compile(text: str, flags: int, *, by_statements: bool) -> Mapping[_Place, list[types.CodeType]]:
    parsed = _parse(text)
    codes: dict[_Place, list[types.CodeType]] = {}
    if parsed is None:
        return codes
    try:
        if by_statements:
            compiled = [compile_tree(ast.Module([statement], []), flags) for statement in parsed.tree.body]
        else:
            compiled = [compile_whole(text, flags)]
    except (SyntaxError, ValueError, RecursionError):
        return codes
    for code in itertools.chain.from_iterable(map(nested_codes, compiled)):
        codes.setdefault((code.co_name, code.co_firstlineno), []).append(code)
    return codes


def _extent(node: FunctionNode) -> tuple[int, int]:
    return ((node.end_lineno or 0) - node.lineno, (node.end_col_offset or 0) - node.col_offset)


def _covers(node: FunctionNode, code: types.CodeType) -> bool:
    """Tell whether all that the code does stands inside the node; several lambdas may share a line."""
    if not isinstance(node, ast.Lambda):
        return True
    body = node.body
    start, end = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    for line, end_line, column, end_column in code.co_positions():
        if line is None or end_line is None or column is None or end_column is None:
            continue
        # The entry of a function is marked with its first line and no width.
        if (line, column) == (end_line, end_column):
            continue
        if (line, column) < start or (end_line, end_column) > end:
            return False
    return True


def _collect_reads(code: types.CodeType) -> CodeReads:
    names: dict[str, None] = {}
    imports: dict[tuple[str, int, tuple[str, ...]], None] = {}
    attributes: set[str] = set()
    for part in nested_codes(code):
        attributes.update(part.co_names)
        names.update(dict.fromkeys(_globals_read(part)))
        if _IMPORT_NAME in part.co_code[::2]:
            imports.update(dict.fromkeys(_imports_in(part)))
    texts = tuple(text for part in nested_codes(code) for text in part.co_consts if isinstance(text, str))
    words = words_in(texts, attributes)
    return CodeReads(tuple(names), tuple(imports), frozenset(attributes), words, texts)


def _globals_read(code: types.CodeType) -> Iterator[str]:
    """Yield the names of globals; as `dis` gives them, in a tenth of its time."""
    operations, arguments = code.co_code[::2], code.co_code[1::2]
    for i, operation in enumerate(operations):
        if operation in _READS_GLOBAL:
            argument, before = arguments[i], i - 1
            while before >= 0 and operations[before] == dis.EXTENDED_ARG:
                argument |= arguments[before] << 8 * (i - before)
                before -= 1
            # Its last bit says whether it is about to be called.
            yield code.co_names[argument >> 1 if operation == _LOAD_GLOBAL else argument]


def _imports_in(code: types.CodeType) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    constants: list[object] = [None, None]
    for instruction in dis.get_instructions(code):
        argument = instruction.argval
        if instruction.opname == "IMPORT_NAME":
            level, listed = constants[-2:]
            yield (
                argument,
                level if isinstance(level, int) else 0,
                listed if isinstance(listed, tuple) else (),
            )
        elif instruction.opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
            constants.append(argument)


def words_in(texts: Iterable[str], attributes: Iterable[str]) -> tuple[str, ...]:
    """Return the names in texts where the code, by what it calls, may look them up."""
    called = frozenset(attributes)
    texts = list(texts)
    if evaluates(called):
        pieces = texts
    else:
        pieces = [text for text in texts if _FORMULA.search(text)]
        if not _EXPAND.isdisjoint(called):
            pieces += [piece for text in texts for found in _EXPANDED.findall(text) for piece in found]
    return names_in(pieces)


def names_in(pieces: Iterable[str]) -> tuple[str, ...]:
    """Return the words of texts that may be names, in order of first use."""
    words = dict.fromkeys(word for piece in pieces for word in _WORD.findall(piece))
    return tuple(word for word in words if not keyword.iskeyword(word))


def evaluates(attributes: Set[str]) -> bool:
    """Tell whether code that calls all these may look up names that stand in any text."""
    return not _EVALUATE.isdisjoint(attributes)


_EVALUATE = frozenset(
    {
        "eval",
        "exec",
        "query",
        "sql",
        "dmatrix",
        "globals",
        "locals",
        "vars",
        "run_line_magic",
        "run_cell_magic",
    }
)
# A model's formula, ``y ~ np.log(x)``, is evaluated where the function was called.
_FORMULA = re.compile(r"[\w)\]]\s*~\s*[\w(-]|^\s*~")
# IPython's commands: `!head {path} $n_lines`.
_EXPAND = frozenset({"system", "getoutput"})
_EXPANDED = re.compile(r"\{([^{}]*)\}|\$(\w+)")
_WORD = re.compile(r"[^\W\d]\w*")


_READS_GLOBAL = frozenset(
    dis.opmap[name]
    for name in (
        "LOAD_GLOBAL",
        "LOAD_NAME",
        "LOAD_FROM_DICT_OR_GLOBALS",
        # A function that only writes a global shares it with those that read it.
        "STORE_GLOBAL",
        "DELETE_GLOBAL",
    )
    if name in dis.opmap
)
_LOAD_GLOBAL = dis.opmap["LOAD_GLOBAL"]
_IMPORT_NAME = dis.opmap["IMPORT_NAME"]


# Operations whose number stands for something else: a constant, a name, a target.
_RESOLVED = frozenset(
    {*dis.hasconst, *dis.hasname, *dis.haslocal, *dis.hasfree, *dis.hascompare, *dis.hasjrel, *dis.hasjabs}
)


def _describe(code: types.CodeType) -> tuple[object, ...]:
    """Return what a code object does, as plain values: no positions, file names or docstring."""
    instructions = []
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("CACHE", "NOP", "RESUME", "EXTENDED_ARG"):
            continue
        argument = instruction.argval if instruction.opcode in _RESOLVED else instruction.arg
        if instruction.opname == "KW_NAMES" and instruction.arg is not None:
            argument = code.co_consts[instruction.arg]  # which dis leaves open
        instructions.append((instruction.opname, instruction.offset, _plain(argument)))
    exceptions: tuple[object, ...] = (getattr(code, "co_exceptiontable", b""),)
    return (
        code.co_name,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags & _FLAGS,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        instructions,
        exceptions,
    )


def _plain(argument: object) -> object:
    if isinstance(argument, types.CodeType):
        return ("code", _describe(argument))
    if isinstance(argument, tuple):
        return tuple(map(_plain, argument))
    if isinstance(argument, frozenset):
        return ("frozenset", sorted(digest("constant", _plain(item)) for item in argument))
    return argument
