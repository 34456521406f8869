"""What Python evaluates when it meets a function or a class: decorators, defaults, annotations, bases.

Only what is known to have no effect beyond its own value, and to call nothing of the module, lets a
definition be told apart from the import of its module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from jupyter_mlpipe.keys.uses import Bound, is_text

Header: TypeAlias = ast.expr | ast.stmt

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_HINTS = frozenset({"typing", "collections.abc", "types"})
# Decorators that call nothing, and tell nobody.
_OF_FUNCTIONS = frozenset(
    [
        "abc.abstractmethod",
        "contextlib.contextmanager",
        "functools.cache",
        "functools.cached_property",
        "functools.lru_cache",
        "typing.final",
        "typing.overload",
        "typing.override",
    ]
)
_OF_METHODS = frozenset({"classmethod", "property", "staticmethod"})
_OF_PROPERTIES = frozenset({"deleter", "getter", "setter"})
_OF_CLASSES = frozenset({"dataclasses.dataclass", "typing.final"})
# Classes whose subclasses call none of their methods when they are made.
_BASES = frozenset({"abc.ABC", "typing.NamedTuple", "typing.Protocol"})


@dataclass
class Headers:
    """What is known of names at one point of a module.

    Parameters
    ----------
    names
        Those that the module has bound for certain.
    classes
        Those of them that are classes which nothing tells of their subclasses.
    imports
        Those of them that an import has bound.
    """

    builtins: set[str]
    names: set[str] = field(default_factory=set)
    classes: set[str] = field(default_factory=set)
    imports: dict[str, Bound] = field(default_factory=dict)
    annotations_are_texts: bool = False

    def has(self, name: str) -> bool:
        return name in self.names or name in self.builtins

    def is_type(self, name: str) -> bool:
        """Tell whether a name stands for a type, as far as one can say: whatever is imported may be one."""
        return name in self.builtins or name in self.imports or name in self.classes

    def add(self, names: Iterable[str]) -> None:
        for name in names:
            self.names.add(name)
            self.builtins.discard(name)
            self.classes.discard(name)
            self.imports.pop(name, None)

    def add_import(self, name: str, bound: Bound) -> None:
        self.add([name])
        self.imports[name] = bound

    def add_symbol(self, node: ast.stmt, names: Iterable[str]) -> None:
        self.add(names)
        if isinstance(node, ast.ClassDef) and not any(
            isinstance(part, _FUNCTIONS) and part.name == "__init_subclass__" for part in node.body
        ):
            self.classes.add(node.name)

    def inside(self) -> Headers:
        """Return what is known at the beginning of a class's body."""
        sets = {*self.builtins}, {*self.names}, {*self.classes}
        return Headers(*sets, dict(self.imports), self.annotations_are_texts)

    def home(self, node: ast.expr) -> str:
        """Return where something is imported from, ``functools.cache``; a builtin's name; else nothing."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        if node.id in self.imports:
            bound = self.imports[node.id]
            parts += [part for part in (bound.name, bound.module) if part]
        elif node.id in self.builtins and not parts:
            return node.id
        else:
            return ""
        return ".".join(reversed(parts))


def find_headers(node: ast.stmt, known: Headers) -> list[Header] | None:
    """Return what is evaluated for a definition and is more than names; None where it may do anything."""
    if isinstance(node, _FUNCTIONS):
        return _of_function(node, known, _OF_FUNCTIONS)
    if isinstance(node, ast.ClassDef):
        return _of_class(node, known)
    if isinstance(node, ast.AnnAssign):
        return _of_annotations([node.annotation], known)
    return []


def is_literal(node: ast.expr) -> bool:
    """Tell whether an expression is a value written out, which nothing can make fail."""
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.UnaryOp):
        return _is_number(node)
    if isinstance(node, ast.BinOp):
        return _is_number(node)
    if isinstance(node, ast.List | ast.Tuple):
        return all(map(is_literal, node.elts))
    if isinstance(node, ast.Set):
        return all(isinstance(item, ast.Constant) for item in node.elts)
    if isinstance(node, ast.Dict):
        return all(isinstance(k, ast.Constant) for k in node.keys) and all(map(is_literal, node.values))
    return False


def _is_number(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub | ast.UAdd) and _is_number(node.operand)
    if isinstance(node, ast.BinOp):
        return (
            isinstance(node.op, ast.Add | ast.Sub | ast.Mult)
            and _is_number(node.left)
            and _is_number(node.right)
        )
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def _is_plain(node: ast.expr, known: Headers) -> bool:
    """Tell whether an expression does no more than to read names that are there."""
    if isinstance(node, ast.Name):
        return known.has(node.id)
    if isinstance(node, ast.List | ast.Tuple):
        return all(_is_plain(item, known) for item in node.elts)
    return isinstance(node, ast.Lambda) or is_literal(node)


def _of_annotations(nodes: Iterable[ast.expr | None], known: Headers) -> list[Header] | None:
    if known.annotations_are_texts:
        return []
    return _of_expressions([node for node in nodes if node is not None], known)


def _of_expressions(nodes: Iterable[ast.expr], known: Headers) -> list[Header] | None:
    found: list[Header] = []
    for node in nodes:
        if _is_plain(node, known):
            continue
        if not _is_hint(node, known):
            return None
        found.append(node)
    return found


def _is_hint(node: ast.expr, known: Headers, *, in_brackets: bool = False) -> bool:
    """Tell whether an expression is of the kind that types are written with: ``dict[str, pd.Series] | None``.

    Parameters
    ----------
    in_brackets
        Of something that only notes what it is given there, whatever this is.
    """
    if isinstance(node, ast.Name):
        return known.is_type(node.id) or (in_brackets and known.has(node.id))
    if isinstance(node, ast.Attribute):
        return "." in known.home(node)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitOr) and _is_hint(node.left, known) and _is_hint(node.right, known)
    if isinstance(node, ast.Subscript):
        home = known.home(node.value)
        only_notes = "." not in home or home.rpartition(".")[0] in _HINTS
        return bool(home) and _is_hint(node.slice, known, in_brackets=only_notes)
    if isinstance(node, ast.Tuple | ast.List):
        return all(_is_hint(item, known, in_brackets=in_brackets) for item in node.elts)
    return isinstance(node, ast.Constant)


def _of_function(
    node: ast.FunctionDef | ast.AsyncFunctionDef, known: Headers, decorators: frozenset[str]
) -> list[Header] | None:
    if getattr(node, "type_params", None):
        return None
    found: list[Header] = []
    for decorator in node.decorator_list:
        if not _is_known(decorator, known, decorators):
            return None
        if isinstance(decorator, ast.Call):
            found.append(decorator)
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [star for star in (arguments.vararg, arguments.kwarg) if star is not None]
    notes = _of_annotations([*(argument.annotation for argument in every), node.returns], known)
    defaults = [*arguments.defaults, *(default for default in arguments.kw_defaults if default is not None)]
    given = _of_expressions(defaults, known)
    return None if notes is None or given is None else [*found, *notes, *given]


def _is_known(decorator: ast.expr, known: Headers, allowed: frozenset[str]) -> bool:
    """Tell whether a decorator is one of those allowed, with literal arguments if any."""
    if isinstance(decorator, ast.Call):
        values = [*decorator.args, *(keyword.value for keyword in decorator.keywords)]
        return all(map(is_literal, values)) and known.home(decorator.func) in allowed
    return known.home(decorator) in allowed


def _of_class(node: ast.ClassDef, known: Headers) -> list[Header] | None:
    if node.keywords or getattr(node, "type_params", None):
        return None
    if not all(_is_known(decorator, known, _OF_CLASSES) for decorator in node.decorator_list):
        return None
    if not all(_is_known_base(base, known) for base in node.bases):
        return None
    inner = known.inside()
    found: list[Header] = []
    fields: list[ast.stmt] = []
    methods: set[str] = set()
    for part in node.body:
        if isinstance(part, ast.Pass) or is_text(part):
            continue
        of_part = _of_member(part, inner, methods)
        if of_part is None:
            return None
        found += of_part
        if isinstance(part, _FUNCTIONS):
            inner.add([part.name])
            methods.add(part.name)
        else:
            inner.add(_targets(part))
            fields.append(part)
    if node.decorator_list or (node.bases and (fields or len(node.bases) > 1)) or "__slots__" in inner.names:
        # What Python refuses in a class lies in its fields and bases, not in what its methods do.
        found.append(ast.ClassDef(node.name, node.bases, [], fields, node.decorator_list))
    return found


def _is_known_base(base: ast.expr, known: Headers) -> bool:
    if isinstance(base, ast.Name) and base.id in known.classes:
        return True
    return known.home(base) in known.builtins | _BASES


def _of_member(part: ast.stmt, known: Headers, methods: set[str]) -> list[Header] | None:
    if isinstance(part, _FUNCTIONS):
        decorators = [d for d in part.decorator_list if not _is_of_property(d, methods)]
        plain = type(part)(part.name, part.args, part.body, decorators, part.returns)
        return _of_function(plain, known, _OF_FUNCTIONS | _OF_METHODS)
    if isinstance(part, ast.Assign):
        is_named = all(isinstance(target, ast.Name) for target in part.targets)
        return [] if is_named and is_literal(part.value) else None
    if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
        if part.value is not None and not is_literal(part.value) and not _is_field(part.value, known):
            return None
        return _of_annotations([part.annotation], known)
    return None


def _is_of_property(decorator: ast.expr, methods: set[str]) -> bool:
    """Tell whether a decorator is ``size.setter``."""
    return (
        isinstance(decorator, ast.Attribute)
        and decorator.attr in _OF_PROPERTIES
        and isinstance(decorator.value, ast.Name)
        and decorator.value.id in methods
    )


def _is_field(node: ast.expr, known: Headers) -> bool:
    return (
        isinstance(node, ast.Call)
        and known.home(node.func) == "dataclasses.field"
        and not node.args
        and all(_is_plain(keyword.value, known) for keyword in node.keywords)
    )


def _targets(part: ast.stmt) -> list[str]:
    targets = part.targets if isinstance(part, ast.Assign) else [getattr(part, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]
