"""The statements of a module, each with what its text says; none is looked at twice."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from functools import cached_property

from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.settings import Settings, scan_settings
from jupyter_mlpipe.keys.syntax import syntax_digest
from jupyter_mlpipe.keys.uses import Uses, find_uses, is_text


class Statement:
    """A statement at the top of a module.

    Parameters
    ----------
    package
        The package of its module, for relative imports.
    """

    def __init__(self, node: ast.stmt, text: str, package: str) -> None:
        self.node = node
        self.text = text
        self.package = package
        self._settings: tuple[Mapping[str, str], Settings] | None = None

    @cached_property
    def digest(self) -> str:
        try:
            return syntax_digest(self.node)
        except SyntaxError:
            return digest("statement", self.text)  # nested too deeply

    @cached_property
    def uses(self) -> Uses:
        return find_uses(self.node, self.package)

    def settings(self, around: Mapping[str, str]) -> Settings:
        """Return what `scan_settings` finds in it."""
        if self._settings is None or self._settings[0] != around:
            self._settings = around, scan_settings(self.node, around)
        return self._settings[1]


def split(tree: ast.Module, text: str, package: str, before: Iterable[Statement]) -> list[Statement]:
    """Return a module's statements, without texts that stand alone and what is for scripts or type checkers.

    Parameters
    ----------
    before
        Those of an earlier reading, which stand for the same text.
    """
    checking = _names_of_checking(tree)
    known = {statement.text: statement for statement in before if statement.package == package}
    lines = text.split("\n")
    found: list[Statement] = []
    places = [(_first_line(node), node.end_lineno or node.lineno) for node in tree.body]
    for i, (node, (first, last)) in enumerate(zip(tree.body, places, strict=True)):
        if is_text(node) or _is_for_scripts(node) or _is_for_checkers(node, checking):
            continue
        own = "\n".join(lines[first - 1 : last])
        shares_lines = places[i - 1][1] >= first if i else False
        shares_lines = shares_lines or (i + 1 < len(places) and places[i + 1][0] <= last)
        earlier = None if shares_lines else known.get(own)
        found.append(earlier if earlier is not None else Statement(node, own, package))
        if shares_lines:
            # Its text is that of others, too.
            found[-1].text = ast.unparse(node)
    return found


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _is_for_scripts(node: ast.stmt) -> bool:
    """Tell whether a statement is ``if __name__ == "__main__":``, which an import passes over."""
    return (
        isinstance(node, ast.If)
        and not node.orelse
        and isinstance(node.test, ast.Compare)
        and isinstance(node.test.left, ast.Name)
        and node.test.left.id == "__name__"
        and [type(operator) for operator in node.test.ops] == [ast.Eq]
        and isinstance(node.test.comparators[0], ast.Constant)
        and node.test.comparators[0].value == "__main__"
    )


def _names_of_checking(tree: ast.Module) -> frozenset[str]:
    """Return how a module calls ``typing.TYPE_CHECKING``, dotted, which is False whenever it runs."""
    found: dict[str, str] = {}
    for top in tree.body:
        if isinstance(top, ast.Import):
            found |= {a.asname or a.name: ".TYPE_CHECKING" for a in top.names if a.name == "typing"}
        elif isinstance(top, ast.ImportFrom) and top.module == "typing" and not top.level:
            found |= {a.asname or a.name: "" for a in top.names if a.name == "TYPE_CHECKING"}
    if found and any(isinstance(node, ast.If) for node in tree.body):
        for node in ast.walk(tree):
            # The module may say itself what it is.
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                found.pop(node.id, None)
            elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
                found = {} if node.attr == "TYPE_CHECKING" else found
    return frozenset(name + rest for name, rest in found.items())


def _is_for_checkers(node: ast.stmt, checking: frozenset[str]) -> bool:
    """Tell whether a statement is ``if TYPE_CHECKING:``, which only type checkers look into."""
    if not checking or not isinstance(node, ast.If) or node.orelse:
        return False
    return isinstance(node.test, ast.Name | ast.Attribute) and ast.unparse(node.test) in checking
