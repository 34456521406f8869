"""Compares runs of a notebook: which cells and names differ, how, and whether the user was told."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.wild.notebook import Cell
from tests.wild.pictures import PICTURES, difference, svg_difference
from tests.wild.runs import CellRun, NotebookRun
from tests.wild.told import Told

_PATTERNS = [
    (r"\x1b\[[0-9;]*m", ""),
    (r"0x[0-9a-fA-F]{6,}", "0x…"),
    (r"ipykernel_\d+/\d+\.py", "ipykernel/cell.py"),
    (r"<ipython-input-\d+-[0-9a-f]+>", "<cell>"),
    # Our line moves the others down by one, and a step's cell bears another file name.
    (r"(?:/tmp/ipykernel/cell\.py|(?:Cell )?In ?\[\d+\]|<cell>):\d+:", "cell:"),
    (r"\((?:\d+\.py|(?:Cell )?In ?\[\d+\]|<cell>), line \d+\)", "(cell)"),
    (r"In\[\d+\]|Cell In ?\[\d+\]", "In[…]"),
    (r"\bsk-container-id-\d+|\bsk-estimator-id-\d+", "sk-id"),
    (r"\bT_[0-9a-f]{5}", "T_…"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "uuid"),
    (r"\d\d:\d\d(?::\d\d)?<[\d:?]+,\s*[\d.?]+\s*(?:\w+/s|s/\w+)", "progress"),
    (r"(?m)^(?:CPU times|Wall time|Compiler|Parser)\s*:.*$", "time"),
    (r"[\d.]+ \S+ ± [\d.]+ \S+ per loop.*", "time"),
    (r"(?m)^\d+ loops, best of \d+:.*$", "time"),
    (r"(?m)^The slowest run took .*$\n?", ""),
    (r"[\d.]+(?:e-?\d+)? ?(?:seconds|secs|sec|msec|ms|µs|us)\b", "time"),
]
_NORMAL = [(re.compile(pattern), put) for pattern, put in _PATTERNS]
FACETS = ("error", "stdout", "stderr", "order", "displays", "text", "html", "figures")


@dataclass
class Difference:
    """One thing that differs: a facet of a cell, or a name (cell 0).

    Parameters
    ----------
    told
        A word to the user, in a receipt or an error, that goes with it; empty: it is silent.
    """

    run: str
    cell: int
    facet: str
    detail: str
    told: str = ""


@dataclass
class Comparison:
    """What came of one notebook with one choice of cells.

    Parameters
    ----------
    edited
        The number of the cell that was edited for the run of that name; 0: there was none.
    """

    notebook: str
    choice: str
    n_cells: int
    n_with_line: int
    n_names: int
    seconds: dict[str, float]
    differences: list[Difference] = field(default_factory=list)
    not_comparable: list[tuple[int, str]] = field(default_factory=list)  # cell and facet; cell 0: a name
    notes: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, dict[str, int]] = field(default_factory=dict)
    plain_errors: list[str] = field(default_factory=list)
    edited: int = 0

    def cells_apart(self, run: str | None = None) -> set[int]:
        """Return the numbers of the cells that differ, in one run or in any."""
        return {d.cell for d in self.differences if d.cell and run in (None, d.run)}

    @property
    def is_same(self) -> bool:
        return not self.differences and not self.broken

    @property
    def silent(self) -> list[Difference]:
        return [d for d in self.differences if not d.told]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def normal(text: str) -> str:
    """Return a text without what differs from process to process or from day to day."""
    for pattern, put in _NORMAL:
        text = pattern.sub(put, text)
    return "\n".join(
        line.rsplit("\r", 1)[-1] if not line.endswith("\r") else line for line in text.split("\n")
    )


def compare(
    notebook: str,
    choice: str,
    cells: Sequence[Cell],
    with_line: set[int],
    plain: Sequence[NotebookRun],
    runs: dict[str, NotebookRun],
) -> Comparison:
    """Compare runs with our line against two plain ones, or more.

    What differs between plain runs is not comparable.
    """
    first, *others = plain
    seconds = {
        "plain": min(run.seconds for run in plain),
        **{name: run.seconds for name, run in runs.items()},
    }
    found = Comparison(notebook, choice, len(first.cells), len(with_line), len(first.names), seconds)
    found.plain_errors = [f"cell{c.number}: {c.error[0]}" for c in first.cells if c.error]
    masked = {(number, facet) for other in others for number, facet, _ in _cells(first, other)}
    # A figure that is a bit different each time may be a bit more so the next time.
    masked |= {(number, "figures") for other in others for number in _redrawn(first, other)}
    masked_names = {name for other in others for name, _ in _names(first, other)}
    found.not_comparable = sorted(masked) + [(0, name) for name in sorted(masked_names)]
    for name, run in (*(("plain", run) for run in plain), *runs.items()):
        if run.broken:
            found.broken[name] = run.broken
    for name, run in runs.items():
        statuses = [c.status or "none" for c in run.cells if c.number in with_line]
        found.statuses[name] = {status: statuses.count(status) for status in sorted(set(statuses))}
        apart_here = [part for part in _cells(first, run) if part[:2] not in masked]
        told = Told(cells, run.cells, {number for number, _, _ in apart_here})
        for number, facet, detail in apart_here:
            found.differences.append(Difference(name, number, facet, detail, told.of_cell[number]))
        for variable, detail in [] if run.broken else _names(first, run):
            if variable not in masked_names:
                said = told.of_name(variable, run.cells)
                found.differences.append(Difference(name, 0, variable, detail, said))
        if not run.broken and not first.broken and run.shared != first.shared:
            apart = [g for g in first.shared if g not in run.shared and not set(g) & masked_names]
            joined = [g for g in run.shared if g not in first.shared and not set(g) & masked_names]
            if apart or joined:
                found.notes.append(f"{name}: no longer one object: {apart}; one object only here: {joined}")
    return found


def _redrawn(one: NotebookRun, other: NotebookRun) -> set[int]:
    """Return the numbers of cells whose pictures are not the same to the point."""
    after = {cell.number: _pictures(cell) for cell in other.cells}
    return {cell.number for cell in one.cells if _pictures(cell) != after.get(cell.number)}


def _pictures(cell: CellRun) -> list[Any]:
    return [bundle[mime] for bundle in cell.displays for mime in PICTURES if mime in bundle]


def _cells(one: NotebookRun, other: NotebookRun) -> list[tuple[int, str, str]]:
    """Return number, facet and detail of all that differs."""
    by_number = {cell.number: cell for cell in other.cells}
    found = []
    for cell in one.cells:
        if cell.number not in by_number:
            found.append((cell.number, "error", "was not run"))
            continue
        for facet, check in _CHECKS.items():
            detail = check(cell, by_number[cell.number])
            if detail:
                found.append((cell.number, facet, detail))
    return found


def _names(one: NotebookRun, other: NotebookRun) -> list[tuple[str, str]]:
    found = []
    for name in sorted(set(one.names) | set(other.names)):
        before, after = one.names.get(name), other.names.get(name)
        if before is None or after is None:
            present = before or after or {}
            found.append(
                (name, f"{'only here' if after else 'missing'}: {present['type']} {present['text'][:120]}")
            )
        elif before["digest"] != after["digest"]:
            if before["type"] != after["type"]:
                found.append((name, f"{before['type']} -> {after['type']}: {after['text'][:150]}"))
            else:
                found.append((name, f"{before['type']}: {short_diff(before['text'], after['text'])}"))
    return found


def _error(one: CellRun, other: CellRun) -> str:
    before, after = (
        tuple(normal(part) for part in cell.error) if cell.error else None for cell in (one, other)
    )
    return "" if before == after else f"{_shown(before)} -> {_shown(after)}"


def _shown(error: tuple[str, ...] | None) -> str:
    return "none" if error is None else f"{error[0]}: {error[1][:300]}"


def _text_of(name: str) -> Callable[[CellRun, CellRun], str]:
    def check(one: CellRun, other: CellRun) -> str:
        before, after = normal(getattr(one, name)), normal(getattr(other, name))
        return "" if before == after else short_diff(before, after)

    return check


def _kinds(one: CellRun, other: CellRun) -> str:
    before, after = ([_kind(bundle) for bundle in cell.displays] for cell in (one, other))
    return "" if before == after else f"{before} -> {after}"


def _kind(bundle: dict[str, Any]) -> str:
    mimes = sorted(key for key in bundle if key != "kind")
    return ("result" if bundle["kind"] == "execute_result" else "display") + f"({', '.join(mimes)})"


def _order(one: CellRun, other: CellRun) -> str:
    # Where other things are missing, their own facet says so.
    if sorted(one.order) != sorted(other.order) or one.order == other.order:
        return ""
    return f"{one.order} -> {other.order}"


def _bundles(select: Callable[[str], bool]) -> Callable[[CellRun, CellRun], str]:
    def check(one: CellRun, other: CellRun) -> str:
        if len(one.displays) != len(other.displays):
            return ""
        for before, after in zip(one.displays, other.displays, strict=True):
            for mime in sorted(before.keys() & after.keys()):
                if mime != "kind" and select(mime):
                    detail = _content(mime, before[mime], after[mime])
                    if detail:
                        return f"{mime}: {detail}"
        return ""

    return check


def _content(mime: str, before: Any, after: Any) -> str:
    if mime in PICTURES:
        return difference(before, after)
    if mime == "image/svg+xml":
        return svg_difference(before, after)
    if not isinstance(before, str) or not isinstance(after, str):
        # JSON, whose members have no order.
        before, after = (json.dumps(value, sort_keys=True, ensure_ascii=False) for value in (before, after))
    before, after = normal(before), normal(after)
    return "" if before == after else short_diff(before, after)


def _is_picture(mime: str) -> bool:
    return mime.startswith("image/")


_CHECKS: dict[str, Callable[[CellRun, CellRun], str]] = {
    "error": _error,
    "stdout": _text_of("stdout"),
    "stderr": _text_of("stderr"),
    "order": _order,
    "displays": _kinds,
    "text": _bundles(lambda mime: not _is_picture(mime) and mime != "text/html"),
    "html": _bundles(lambda mime: mime == "text/html"),
    "figures": _bundles(_is_picture),
}


def short_diff(before: str, after: str, size: int = 400) -> str:
    """Return the first lines that differ."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    text = " | ".join(line[:160] for line in lines if not line.startswith(("---", "+++", "@@")))
    return text[:size] or f"{before[-80:]!r} -> {after[-80:]!r}"
