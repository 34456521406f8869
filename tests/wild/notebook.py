"""Reads a notebook's code cells from a file, and says which of them get our line.

A notebook is an .ipynb file, a MyST text with ``{code-cell}`` blocks, or a script whose cells begin
at lines of ``# %%`` or of many ``#``.
"""

from __future__ import annotations

import ast
import json
import random
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_MARK = re.compile(r"^(?:# ?%%.*|#{20,})\s*$")
_CODE_CELL = re.compile(r"^```+\s*\{code-cell\}[^\n]*\n(.*?)^```+\s*$", re.M | re.S)
_SETTINGS = re.compile(
    r"(^|\.)(set_\w+|set|use|reset_option\w*|simplefilter|filterwarnings|seed|manual_seed|basicConfig|setLevel"
    r"|setlocale|chdir|config|reload|append|insert|rc|update|rcdefaults|set_theme|register_matplotlib_converters)$"
)
_LIBRARIES = re.compile(
    r"^(plt|mpl|matplotlib|sns|seaborn|pd|pandas|np|numpy|random|torch|warnings|logging|locale|os|sys|sklearn"
    r"|set_config|InlineBackend|pylab)\b"
)


@dataclass(frozen=True)
class Cell:
    """A code cell; `number` counts code cells from one."""

    number: int
    source: str

    @property
    def name(self) -> str:
        return f"cell{self.number}"

    @property
    def with_line(self) -> str:
        """The cell with our line on top."""
        return f"%%component {self.name}\n{self.source}"


def read_cells(path: Path) -> list[Cell]:
    """Return the code cells of a notebook, those without any text left out."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        sources = _cells_of_ipynb(json.loads(text))
    elif path.suffix == ".md":
        sources = [
            re.sub(r"\A(?:---\n.*?\n---\n|:.*\n)+", "", body, flags=re.S) for body in _CODE_CELL.findall(text)
        ]
    else:
        sources = _cells_of_script(text)
    sources = [source.strip("\n") for source in sources if _has_code(source)]
    return [Cell(number, source) for number, source in enumerate(sources, 1)]


def choose(cells: list[Cell], choice: str) -> set[int]:
    """Return the numbers of the cells that get our line.

    Parameters
    ----------
    choice
        ``all``; ``code``: all but those that hold only imports, magics and settings; ``half:SEED``: a
        random half; ``one:N``: the cell with this number.
    """
    kind, _, argument = choice.partition(":")
    numbers = [cell.number for cell in cells]
    if kind == "all" and not argument:
        return set(numbers)
    if kind == "code" and not argument:
        return {cell.number for cell in cells if not is_preparation(cell.source)}
    if kind == "half":
        return set(random.Random(argument or "0").sample(numbers, (len(numbers) + 1) // 2))
    if kind == "one" and argument.isdigit():
        return {int(argument)} & set(numbers)
    raise ValueError(f"unknown choice {choice!r}. Give one of: all, code, half:SEED, one:N.")


def edit_one(cells: list[Cell], among: Collection[int]) -> tuple[list[Cell], int]:
    """Edit the middle one of some cells so that its code is another and does the same.

    Returns
    -------
    tuple
        The cells, and the number of the one that was edited; 0 where none can be edited.
    """
    found = [cell for cell in cells if cell.number in among and _takes_line_above(cell.source)]
    if not found:
        return cells, 0
    chosen = found[len(found) // 2]
    # It binds nothing, and shows nothing however much of a cell is shown.
    edited = Cell(chosen.number, f"pass\n{chosen.source}")
    return [edited if cell is chosen else cell for cell in cells], chosen.number


def _takes_line_above(source: str) -> bool:
    try:
        body = ast.parse(source).body
    except SyntaxError:  # with a magic, or meant to fail
        return False
    return not any(isinstance(each, ast.ImportFrom) and each.module == "__future__" for each in body)


def is_preparation(source: str) -> bool:
    """Tell whether a cell holds only imports, magics and settings."""
    if source.lstrip().startswith("%%"):
        return False
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError:
        return False
    return all(_is_import_or_setting(statement) for statement in tree.body)


def _is_import_or_setting(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return True
    if isinstance(statement, ast.Try):
        return all(_is_import_or_setting(inner) for inner in statement.body)
    if isinstance(statement, ast.Assign):
        return all(
            isinstance(target, ast.Attribute | ast.Subscript) and bool(_LIBRARIES.match(ast.unparse(target)))
            for target in statement.targets
        )
    if not isinstance(statement, ast.Expr):
        return False
    if isinstance(statement.value, ast.Constant):
        return True
    if not isinstance(statement.value, ast.Call):
        return False
    called = ast.unparse(statement.value.func)
    return bool(_LIBRARIES.match(called) and _SETTINGS.search(called))


def _cells_of_ipynb(notebook: dict[str, object]) -> list[str]:
    cells = notebook.get("cells")
    if cells is None:  # format 3
        sheets = notebook["worksheets"]
        assert isinstance(sheets, list)
        cells = [cell for sheet in sheets for cell in sheet["cells"]]
    assert isinstance(cells, list)
    sources = [cell.get("source", cell.get("input", "")) for cell in cells if cell["cell_type"] == "code"]
    return [source if isinstance(source, str) else "".join(source) for source in sources]


def _cells_of_script(text: str) -> list[str]:
    cells: list[list[str]] = [[]]
    for line in text.splitlines():
        if _MARK.match(line):
            cells.append([])
        else:
            cells[-1].append(line)
    return ["\n".join(lines) for lines in cells]


def _has_code(source: str) -> bool:
    """Tell whether anything but comments, blank lines and one text that is documentation stands there."""
    if all(not line.strip() or line.lstrip().startswith("#") for line in source.splitlines()):
        return False
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return True
    return not (len(body) == 1 and isinstance(body[0], ast.Expr) and _is_documentation(body[0].value))


def _is_documentation(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" in node.value
