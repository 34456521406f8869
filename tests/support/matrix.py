"""Notebooks in two versions, many of them side by side in the same kernels.

A row is a small notebook written once: ``«1|2»`` is ``1`` in its first version and ``2`` in its
second, ``§`` is the row's own number, so that rows do not meet. Cells are parted by ``---`` lines.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.kernel import Kernel

_EITHER = re.compile(r"«(.*?)\|(.*?)»", re.DOTALL)
_MAGICS = ("%%component", "%%parameters", "#| component:")
_PLAIN_ONLY = "# plain\n"
_OURS_ONLY = "# ours\n"


@dataclass(frozen=True)
class Row:
    """One notebook in two versions, and what the second is to run.

    Parameters
    ----------
    name
        What differs between the versions.
    cells
        Cells that begin with ``# plain`` are run only where there are no components, those with
        ``# ours`` only where there are.
    ran, reused
        Names of the components that the second version runs, and of those that it reuses.
    shows
        An expression whose value has to be that of a plain kernel.
    """

    name: str
    cells: str
    ran: str = ""
    reused: str = ""
    shows: str = "y§"
    files: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Outcome:
    """What one version of a row gave, with components and without."""

    statuses: dict[str, str] = field(default_factory=dict)
    value: str = ""
    plain_value: str = ""
    error: str = ""


def run_version(
    rows: Mapping[int, Row], version: int, folder: Path, start: Callable[..., Kernel], **environment: str
) -> dict[str, Outcome]:
    """Run one version of rows, by number, in a kernel with components and in one without."""
    for number, row in rows.items():
        for path, text in row.files.items():
            file = folder / _written(path, version, number)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(_written(text, version, number))
        for name, text in row.environment.items():
            environment[_written(name, version, number)] = _written(text, version, number)
    ours, plain = start(folder, **environment), start(folder, load=False, **environment)
    outcomes = {row.name: Outcome() for row in rows.values()}
    for number, row in rows.items():
        outcome = outcomes[row.name]
        cells = re.split(r"^---\n", _written(row.cells, version, number), flags=re.M)
        try:
            for cell in cells:
                if not cell.startswith(_PLAIN_ONLY):
                    _run(ours, cell.removeprefix(_OURS_ONLY), outcome)
            plain.run("\n".join(_without_magic(c) for c in cells if not c.startswith(_OURS_ONLY))).check()
        except AssertionError as error:
            outcome.error = str(error)
    shown = {row.name: _written(row.shows, version, number) for number, row in rows.items()}
    for name, (value, plain_value) in _values(shown, ours, plain).items():
        outcomes[name].value, outcomes[name].plain_value = value, plain_value
    ours.close()
    plain.close()
    return outcomes


def _run(kernel: Kernel, cell: str, outcome: Outcome) -> None:
    result = kernel.run(cell.strip("\n")).check()
    if cell.startswith(_MAGICS) and not cell.startswith("%%parameters"):
        outcome.statuses[re.findall(r"\w+", cell)[1]] = result.status_of_step
    for step, status in re.findall(r"^status (\w+) (\w+)$", result.printed, re.M):
        outcome.statuses[step] = status


def _without_magic(cell: str) -> str:
    return cell.partition("\n")[2] if cell.startswith(_MAGICS) else cell


def _values(shown: Mapping[str, str], *kernels: Kernel) -> dict[str, list[str]]:
    """Evaluate all rows' expressions in each kernel, in one cell where none of them fails."""
    found: dict[str, list[str]] = {name: [] for name in shown}
    for kernel in kernels:
        everything = "{" + ", ".join(f"{name!r}: repr({text})" for name, text in shown.items()) + "}"
        result = kernel.run(f"print({everything})")
        values = ast.literal_eval(result.printed) if result.status == "ok" else {}
        for name, text in shown.items():
            if name not in values:
                alone = kernel.run(f"print(repr({text}))")
                values[name] = alone.printed if alone.status == "ok" else alone.traceback
            found[name].append(values[name])
    return found


def expected(row: Row, number: int, *, first: bool) -> dict[str, str]:
    """Return the status that each component of a row is to have."""
    version = 1 if first else 2
    ran, reused = (_written(names, version, number).split() for names in (row.ran, row.reused))
    return {
        **dict.fromkeys(ran, "succeeded"),
        **dict.fromkeys(reused, "succeeded" if first else "reused"),
    }


def as_value(printed: str) -> object:
    """Return a printed value; dicts and sets then compare without order."""
    try:
        return ast.literal_eval(printed)
    except (ValueError, SyntaxError):
        return printed


def _written(text: str, version: int, number: int) -> str:
    return _EITHER.sub(lambda found: found[version], text).replace("§", str(number))
