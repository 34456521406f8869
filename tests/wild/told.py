"""Says whether the user was told of a difference: by a note of a receipt, or by an error of ours."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Sequence

from tests.wild.notebook import Cell
from tests.wild.runs import CellRun

_OUR_ERRORS = re.compile(
    r"\b(?:Usage|Header|Pipeline|Cycle|UnknownName|UnknownStep|Contract|Parameter|Store\w*|Encoding|Artifact\w+"
    r"|Resource|Cluster|Step\w*)Error\b"
)
_UNSTORED = "could not be stored"  # the error of whoever reads it bears a name of Python's
_WORD = re.compile(r"[^\W\d]\w*")
_OF_NAMES = re.compile(r"([\w, ]+) comes? back detached")
_OF_CLASS = re.compile(r"(\w+)\.\w+ holds ([\w, ]+): for later cells")
_OF_LIBRARY = re.compile(r"(\w+)[\w.]*(?:\(\))? changes a library|(plt) of later cells does not know")


class Told:
    """What was said in one run, cell by cell.

    Parameters
    ----------
    apart
        Numbers of the cells that differ in this run.
    """

    def __init__(self, cells: Sequence[Cell], runs: Sequence[CellRun], apart: Collection[int]) -> None:
        by_number = {run.number: run for run in runs}
        self.of_cell: dict[int, str] = {}
        self._of_name: dict[str, str] = {}
        for cell in cells:
            run = by_number.get(cell.number)
            words = set(_WORD.findall(cell.source))
            said = word_of(run) if run is not None else "the run ended early"
            if found := _OF_NAMES.match(said) or _OF_LIBRARY.match(said):
                self._of_name |= dict.fromkeys(
                    found[found.lastindex or 1].split(", "), f"follows {cell.name}: {said}"
                )
            if held := _OF_CLASS.search(said):
                concerned = (held[1], *held[2].split(", "))
                self._of_name |= dict.fromkeys(concerned, f"follows {cell.name}: {said}")
            # What reads a name that a cell with such a word should have made comes out otherwise, too.
            said = said or next((self._of_name[w] for w in sorted(words) if w in self._of_name), "")
            self.of_cell[cell.number] = said
            if said and cell.number in apart:
                follows = said if said.startswith("follows ") else f"follows {cell.name}: {said}"
                self._of_name |= dict.fromkeys(names_written(cell.source), follows)

    def of_name(self, name: str, runs: Sequence[CellRun]) -> str:
        """Return the first word that speaks of a name, or that of a cell which should have made it."""
        if name in self._of_name:
            return self._of_name[name]
        word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        return next((said for said in map(word_of, runs) if word.search(said)), "")


def word_of(run: CellRun) -> str:
    """Return the notes of a cell's receipt, or its error where that is one of ours."""
    if run.error and (_OUR_ERRORS.search(run.error[0]) or _UNSTORED in run.error[1]):
        return f"{run.error[0]}: {run.error[1][:200]}"
    return "; ".join(line.strip() for words in run.words for line in words.splitlines())[:300]


def names_written(source: str) -> set[str]:
    """Return the names that a cell binds or visibly changes in place; none where it is no Python."""
    lines = ["pass" if line.startswith(("%", "!")) else line for line in source.splitlines()]
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError:
        return set()
    found: set[str] = set()
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
            continue  # its body binds no names of the notebook
        if isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and not isinstance(
            node.ctx, ast.Load
        ):
            found |= _base(node)
        nodes += ast.iter_child_nodes(node)
    return found


def _base(node: ast.expr) -> set[str]:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()
