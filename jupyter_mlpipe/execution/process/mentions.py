"""Which files a step's code and values name.

Libraries that open files in C++ or Rust (Arrow, Polars, OpenCV) do so unseen by Python. What they
read is mostly named: by a text in the code, or by a path among the values that the code has.
"""

from __future__ import annotations

import ast
import itertools
import os
import pickle
import re
import sys
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from jupyter_mlpipe.keys.codes import find_source, nested_codes

if TYPE_CHECKING:
    from jupyter_mlpipe.keys.closure import ModuleSource

_MAX_DEPTH = 4
_MAX_TEXTS = 5000
_MAX_ITEMS = 20_000  # of a collection that holds more than so many texts: there are such with millions
_MAX_LENGTH = 1024
_NO_TEXTS = frozenset({bool, int, float, complex, bytes, type(None)})
_WRITERS = re.compile(r"^(to_(?!hdf)|write|save|dump|export|imwrite|imsave|store|sink_|copy|extract)")
_ANEW = frozenset({"w", "wb", "wt", "w+", "wb+", "w+b"})
_FORGIVING = frozenset(
    {"FileExistsError", "FileNotFoundError", "OSError", "IOError", "Exception", "suppress"}
)
_WORDS = re.compile(r"[\s\"'=<>|;&(),]+")
_IN_PLAN = re.compile(r"[^\x00-\x1f\ufffd]{3,}")
_QUESTIONS = frozenset({"exists", "isfile", "isdir", "is_file", "is_dir"})


_Large = list[tuple[Collection[object], int]]
"""Collections that are still to be looked into, each with how deep."""


@dataclass(slots=True)
class Mentions:
    """Texts that may be paths.

    Parameters
    ----------
    paths
        Each with whether it may stand for all files of a folder.
    asks
        Whether the code asks if files are there.
    writes
        Whether the code calls something that, by its name, makes files anew.
    targets, target_names
        Paths that such a call is given, and names of variables that it is given.
    forgives
        Whether the code goes on where a file is there already, or is not.
    decides
        Whether more may follow from that, or from what it asks, than what it removes or makes.
    codes
        The texts themselves.
    """

    paths: dict[str, bool] = field(default_factory=dict)
    asks: bool = False
    writes: bool = False
    targets: set[str] = field(default_factory=set)
    target_names: set[str] = field(default_factory=set)
    forgives: bool = False
    decides: bool = False
    codes: list[str] = field(default_factory=list)

    def words(self) -> set[str]:
        """Return the words of the code: in scripts for other programs, some of them are paths."""
        return {word for code in self.codes for word in _WORDS.split(code) if word}

    def add_sources(self, code: str, modules: Mapping[str, ModuleSource]) -> None:
        """Take texts of a step's code, and of the local modules that it has loaded."""
        self.add_code(code)
        for module in (module for name, module in modules.items() if name in sys.modules):
            self.add_code(module.source, module.path)

    def add_code(self, code: str, file_name: str = "") -> None:
        """Take texts of code; those of a module may name what lies beside its file, too."""
        self.codes.append(code)
        before = set(self.paths)
        try:
            self._add_tree(ast.parse(code))
        except (SyntaxError, ValueError, RecursionError):
            return
        if "__file__" in code:
            folder = os.path.dirname(file_name)
            for text in self.paths.keys() - before:
                beside = os.path.join(folder, text)
                if os.path.exists(beside):
                    self._add(os.path.relpath(beside), self.paths[text])

    def add_values(self, values: Iterable[object]) -> None:
        """Take texts and paths among values; functions and classes stand for their code."""
        large: _Large = []
        for value in values:
            self._add_value(value, _MAX_DEPTH, large)
        # Last: what is in the way of others here is seldom a path. More may come from within them.
        for items, depth in large:
            for item in itertools.islice(items, _MAX_ITEMS):
                if len(self.paths) >= _MAX_TEXTS:
                    break
                self._add_value(item, depth, large)
            # Of the rest count those that are known: as what may be a folder.
            texts = items if isinstance(items, set) else {item for item in items if type(item) is str}
            self.paths.update((path, True) for path in self.paths.keys() & texts)

    def _add(self, text: str, may_be_folder: bool) -> None:
        if not 0 < len(text) <= _MAX_LENGTH or "\n" in text or "\0" in text or "://" in text:
            return
        # These name folders all right, but are far more often something else.
        if text.strip("./~ ") and (text in self.paths or len(self.paths) < _MAX_TEXTS):
            self.paths[text] = self.paths.get(text, False) or may_be_folder

    def _add_tree(self, tree: ast.AST) -> None:
        arguments: set[int] = set()
        tidying = {id(part) for node in ast.walk(tree) for part in _tidying(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                arguments.update(map(id, node.args))
                arguments.update(id(keyword.value) for keyword in node.keywords)
                if _makes_anew(node):
                    self._add_targets(node)
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                arguments.add(id(node.right))  # Path("data") / "raw"
            elif isinstance(node, ast.JoinedStr) and node.values:
                first = node.values[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    # f"data/{month}.parquet" names a file in that folder.
                    self._add(os.path.dirname(first.value), True)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                self._add(node.value, id(node) in arguments or os.sep in node.value)
            elif isinstance(node, ast.Attribute | ast.Name):
                name = node.attr if isinstance(node, ast.Attribute) else node.id
                self.asks = self.asks or name in _QUESTIONS
                self.forgives = self.forgives or name in _FORGIVING
                if name in _QUESTIONS or name in _FORGIVING:
                    self.decides = self.decides or id(node) not in tidying

    def _add_targets(self, call: ast.Call) -> None:
        self.writes = True
        for part in (*call.args, *(keyword.value for keyword in call.keywords)):
            if isinstance(part, ast.Name):
                self.target_names.add(part.id)
            elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                self.targets.add(part.value)

    def add_variables(self, namespace: Mapping[str, object]) -> None:
        """Look up the names that calls which make files are given."""
        for name in self.target_names:
            value = namespace.get(name)
            if isinstance(value, str | PurePath):
                self.targets.add(os.fspath(value))

    def _add_value(self, value: object, depth: int, large: _Large) -> None:
        kind = type(value)
        if isinstance(value, str):
            if kind is str:
                self._add(value, True)
        elif isinstance(value, PurePath):
            self._add(os.fspath(value), True)
        elif isinstance(value, types.FunctionType):
            self._add_function(value)
        elif (files_of := _LAZY.get((kind.__module__.partition(".")[0], kind.__name__))) is not None:
            for path in files_of(value):
                self._add(path, os.sep in path)
        elif not depth:
            return
        elif isinstance(value, list | tuple | set | frozenset):
            if kind in (list, tuple, set, frozenset):
                self._add_items(value, depth, large)
        elif isinstance(value, dict):
            if kind is dict:
                self._add_items(value.values(), depth, large)
        elif isinstance(value, staticmethod | classmethod):
            self._add_value(value.__func__, depth - 1, large)
        elif isinstance(value, type):
            if value.__module__ == "__main__":
                self._add_value(dict(vars(value)), depth, large)
        elif kind.__module__ == "__main__" or kind is types.SimpleNamespace:
            self._add_value(dict(getattr(value, "__dict__", {})), depth, large)

    def _add_items(self, items: Collection[object], depth: int, large: _Large) -> None:
        kinds = set(map(type, items))
        if kinds <= _NO_TEXTS:
            return
        if len(items) > _MAX_TEXTS:
            large.append((items, depth - 1))
            return
        for item in items:
            self._add_value(item, depth - 1, large)

    def _add_function(self, function: types.FunctionType) -> None:
        if function.__module__ != "__main__":
            return
        source = find_source(function.__code__)
        if source is not None:
            self._add_tree(source.node)
            return
        for code in nested_codes(function.__code__):
            self.asks = self.asks or not _QUESTIONS.isdisjoint(code.co_names)
            self.decides = self.decides or not (_QUESTIONS | _FORGIVING).isdisjoint(code.co_names)
            for constant in code.co_consts:
                if isinstance(constant, str):
                    self._add(constant, os.sep in constant)


def _tidying(node: ast.AST) -> Iterator[ast.AST]:
    """Give what a statement asks, or bears, only to remove or make something: ``if exists(p): remove(p)``."""
    asked: list[ast.expr] = []
    if isinstance(node, ast.If) and _only_tidies(node.body + node.orelse):
        asked = [node.test]
    elif isinstance(node, ast.Try) and _only_tidies(node.body + node.orelse + node.finalbody):
        if all(_only_tidies(handler.body) for handler in node.handlers):
            asked = [handler.type for handler in node.handlers if handler.type is not None]
    elif isinstance(node, ast.With) and _only_tidies(node.body):
        asked = [item.context_expr for item in node.items]
    for part in asked:
        yield from ast.walk(part)


def _only_tidies(statements: Iterable[ast.stmt]) -> bool:
    calls = [s.value for s in statements if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call)]
    others = [s for s in statements if not isinstance(s, ast.Pass)]
    return len(calls) == len(others) and all(_TIDIES.search(ast.unparse(call.func)) for call in calls)


_TIDIES = re.compile(r"^os\.remove$|\b(?:unlink|rmtree|rmdir|removedirs|mkdir|makedirs|touch)$")


def _files_of_plan(plan: Any) -> Iterator[str]:
    """Give the texts of a Polars plan that may be paths: it reads its files when it is asked for rows."""
    if "SCAN" not in plan.explain(optimized=False):
        return
    text = pickle.dumps(plan).decode("utf-8", errors="replace")
    for found in dict.fromkeys(_IN_PLAN.findall(text)):
        yield from (found, found[1:])  # the length before a long text may look like a letter


# By name: libraries are looked at, never imported.
_LAZY: dict[tuple[str, str], Callable[[Any], Iterable[str]]] = {
    ("polars", "LazyFrame"): _files_of_plan,
    ("pyarrow", "FileSystemDataset"): lambda dataset: dataset.files,
}


def _makes_anew(call: ast.Call) -> bool:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if _WRITERS.match(name):
        return True
    arguments = (*call.args, *(keyword.value for keyword in call.keywords))
    return any(isinstance(part, ast.Constant) and part.value in _ANEW for part in arguments)
