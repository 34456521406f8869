"""What a piece of code does with names: which attributes it reads of each, and whether it looks at code.

Names are taken whatever their scope: a local variable that is called like a module counts as that module.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from jupyter_mlpipe.keys.codes import words_in
from jupyter_mlpipe.keys.syntax import read_syntax

Import = tuple[str, tuple[str, ...]]
"""A module, and what is wanted of it: dotted names in it, () for all that it holds, `ONLY` for its import."""

ONLY = ("",)
WHOLE = ""
"""In a chain's place: the name is used in another way than for its attributes."""

# What shows code, its text or its lines, or finds names in ways that cannot be seen in the code.
_OPEN_NAMES = frozenset(
    [
        "__builtins__",
        "__file__",
        "builtins",
        "compile",
        "eval",
        "exec",
        "globals",
        "locals",
        "vars",
    ]
)
_OPEN_ATTRIBUTES = frozenset(
    [
        "__code__",
        "__file__",
        "__globals__",
        "__subclasses__",
        "_getframe",
        "co_firstlineno",
        "currentframe",
        "f_globals",
        "f_lineno",
        "findCaller",
        "get_type_hints",
        "getsource",
        "run_cell_magic",
        "run_line_magic",
        "tb_lineno",
    ]
)
_OPEN_MODULES = frozenset({"builtins", "gc", "inspect", "linecache", "traceback", "tracemalloc"})


@dataclass(frozen=True, slots=True)
class Bound:
    """What an import in a piece of code binds: a module, or a name in it."""

    module: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Uses:
    """What was found in a piece of code.

    Parameters
    ----------
    chains
        By name, the dotted attributes that are read of it: ``tools.clean(x)`` gives ``tools: {"clean"}``.
    imports
        What each import gives that binds a name, with the name.
    others
        Imports that bind no name: by a star, by ``import_module("name")``.
    has_star
        It imports by a star.
    is_open
        It looks at code, or at whole namespaces.
    """

    chains: Mapping[str, frozenset[str]] = field(default_factory=dict)
    imports: tuple[tuple[str, Bound], ...] = ()
    others: tuple[Import, ...] = ()
    has_star: bool = False
    is_open: bool = False

    def imports_anywhere(self) -> list[Import]:
        """Return what is imported, whatever is done with it."""
        bound = [(b.module, (b.name,) if b.name is not None else ()) for _, b in self.imports]
        return [*((module, ()) for module, _ in self.others), *bound]

    def wanted(self, chains: Mapping[str, Collection[str]] | None = None) -> list[Import]:
        """Return what its imports lead to, as it uses them.

        Parameters
        ----------
        chains
            Stand for its own, where others use what it imports.
        """
        found: list[Import] = list(self.others)
        for name, bound in self.imports:
            found += wanted_of(bound, (self.chains if chains is None else chains).get(name, ()))
        return found


def wanted_of(bound: Bound, chains: Iterable[str]) -> list[Import]:
    """Return what is wanted of an imported thing of which these attributes are read."""
    if bound.name is not None:
        names = [f"{bound.name}.{chain}" if chain else bound.name for chain in chains]
        return [(bound.module, tuple(names) or (bound.name,))]
    return [(bound.module, ONLY), *((bound.module, (chain,) if chain else ()) for chain in chains)]


def resolve_import(module: str, level: int, package: str) -> str:
    """Return the absolute name of an import; `package` is the importing module's package."""
    if level == 0:
        return module
    base = package.rsplit(".", level - 1)[0] if level > 1 else package
    return f"{base}.{module}" if module else base


def imported_by_call(node: ast.Call) -> str | None:
    """Return the module of ``importlib.import_module("name")`` and of ``__import__("name")``."""
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if called not in ("import_module", "__import__") or not node.args:
        return None
    first = node.args[0]
    value = first.value if isinstance(first, ast.Constant) else None
    return value if isinstance(value, str) and value and not value.startswith(".") else None


def bound_by(
    node: ast.Import | ast.ImportFrom, package: str = ""
) -> tuple[list[tuple[str, Bound]], list[Import]]:
    """Return what an import statement binds by name, and what else it imports."""
    named: list[tuple[str, Bound]] = []
    others: list[Import] = []
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname:
                named.append((alias.asname, Bound(alias.name)))
            else:
                top = alias.name.partition(".")[0]
                named.append((top, Bound(top)))
                others.append((alias.name, ONLY))
        return named, others
    module = resolve_import(node.module or "", node.level, package)
    if module and (package or not node.level):
        for alias in node.names:
            if alias.name == "*":
                others.append((module, ()))
            else:
                named.append((alias.asname or alias.name, Bound(module, alias.name)))
    return named, others


def find_uses(node: ast.AST, package: str = "") -> Uses:
    """Return what a piece of code does with names; `package` is that of its module, if it has one."""
    finder = _Finder(node, package)
    for word in words_in(finder.texts, finder.attributes | finder.chains.keys()):
        finder.add(word, WHOLE)
    is_open = (
        is_open_to(finder.chains.keys(), finder.attributes)
        or any("lineno" in text or text in _OPEN_ATTRIBUTES for text in finder.texts)
        or finder.has_mangled
        or any(chain.startswith("modules") for chain in finder.chains.get("sys", ()))
    )
    chains = {name: frozenset(chains) for name, chains in finder.chains.items()}
    imports, others = tuple(dict.fromkeys(finder.imports)), tuple(dict.fromkeys(finder.others))
    return Uses(chains, imports, others, finder.has_star, is_open)


def is_open_to(names: Set[str], attributes: Set[str]) -> bool:
    """Tell whether code that has these names and attributes looks at code, or at whole namespaces."""
    return not (_OPEN_NAMES.isdisjoint(names) and _OPEN_ATTRIBUTES.isdisjoint(attributes))


def shows_code(wanted: Import) -> bool:
    """Tell whether what is wanted of a module shows code, under whatever name it was imported."""
    module, names = wanted
    if module == "sys":
        return any(name.partition(".")[0] == "modules" for name in names)
    return names != ONLY and module.partition(".")[0] in _OPEN_MODULES


class _Finder:
    def __init__(self, node: ast.AST, package: str) -> None:
        self.chains: dict[str, set[str]] = {}
        self.imports: list[tuple[str, Bound]] = []
        self.others: list[Import] = []
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.has_mangled = False
        self.has_star = False
        self._package = package
        self._done: set[int] = set()  # parts of a chain, docstrings
        nodes = read_syntax(node).nodes
        for kind, find in _FINDERS.items():
            for part in nodes.get(kind, ()):
                if id(part) not in self._done:
                    find(self, part)
        # They are many, and what they are a part of has been met.
        self.find_names(nodes.get(ast.Name, ()))
        self.find_texts(nodes.get(ast.Constant, ()))

    def add(self, name: str, chain: str) -> None:
        self.chains.setdefault(name, set()).add(chain)

    def find_names(self, nodes: Iterable[ast.Name]) -> None:
        for name in dict.fromkeys(node.id for node in nodes if id(node) not in self._done):
            self.add(name, WHOLE)
            self._note_mangled(name)

    def find_attribute(self, node: ast.Attribute) -> None:
        """Take a chain as a whole: the outermost attribute is met first."""
        parts: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            self._done.add(id(inner))
            inner = inner.value
        self.attributes.update(parts)
        if isinstance(inner, ast.Name):
            self._done.add(id(inner))
            is_read = isinstance(node.ctx, ast.Load)
            self.add(inner.id, ".".join(reversed(parts)) if is_read else WHOLE)
            self._note_mangled(inner.id)

    def _note_mangled(self, name: str) -> None:
        # Inside a class it stands for another name.
        self.has_mangled = self.has_mangled or (name.startswith("__") and not name.endswith("__"))

    def find_global(self, node: ast.Global) -> None:
        for name in node.names:
            self.add(name, WHOLE)

    def find_import(self, node: ast.Import | ast.ImportFrom) -> None:
        named, others = bound_by(node, self._package)
        self.imports += named
        self.others += others
        self.has_star = self.has_star or node.names[0].name == "*"

    def find_call(self, node: ast.Call) -> None:
        if (module := imported_by_call(node)) is not None:
            self.others.append((module, ()))

    def find_texts(self, nodes: Iterable[ast.Constant]) -> None:
        self.texts += [
            node.value for node in nodes if isinstance(node.value, str) and id(node) not in self._done
        ]

    def find_annotation(self, node: ast.arg | ast.AnnAssign) -> None:
        if node.annotation is not None:
            self._read_annotation(node.annotation)

    def find_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._read_annotation(node.returns)
        self.find_class(node)

    def find_class(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self._done.update(
            id(part.value) for part in node.body if isinstance(part, ast.Expr) and is_text(part)
        )

    def _read_annotation(self, node: ast.expr | None) -> None:
        """Take the names in texts as well: ``"Config | None"``."""
        for part in read_syntax(node).nodes.get(ast.Constant, ()) if node is not None else ():
            if isinstance(part.value, str):
                for word in words_in([part.value], {"eval"}):
                    self.add(word, WHOLE)


# In this order: the first three say which texts are docstrings.
_FINDERS: dict[type[ast.AST], Callable[[_Finder, Any], None]] = {
    ast.FunctionDef: _Finder.find_function,
    ast.AsyncFunctionDef: _Finder.find_function,
    ast.ClassDef: _Finder.find_class,
    ast.Attribute: _Finder.find_attribute,
    ast.AnnAssign: _Finder.find_annotation,
    ast.arg: _Finder.find_annotation,
    ast.Call: _Finder.find_call,
    ast.Global: _Finder.find_global,
    ast.Import: _Finder.find_import,
    ast.ImportFrom: _Finder.find_import,
}


def is_text(statement: ast.stmt) -> bool:
    """Tell whether a statement is a text alone, such as a docstring."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
