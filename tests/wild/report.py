"""Says what came of notebooks: one by one, and all together in a table."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.wild.compare import Comparison, Difference


def lines_of(found: Comparison, limit: int = 60) -> Iterator[str]:
    """Tell what differs in one notebook."""
    apart = found.cells_apart()
    names = {d.facet for d in found.differences if not d.cell}
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in found.seconds.items())
    yield (
        f"{found.notebook} [{found.choice}]: {found.n_cells - len(apart)} of {found.n_cells} cells the same, "
        f"{found.n_names - len(names)} of {found.n_names} names · {seconds} s"
    )
    for run, why in found.broken.items():
        yield f"  {run} ended early: {why}"
    if found.not_comparable:
        yield f"  not comparable: {', '.join(_place(*item) for item in found.not_comparable)[:300]}"
    yield from (f"  note: {note[:400]}" for note in found.notes)
    if found.statuses:
        yield f"  steps: {found.statuses}"
    by_thing: dict[tuple[int, str, str], list[Difference]] = defaultdict(list)
    for one in found.differences:
        by_thing[one.cell, one.facet, one.detail].append(one)
    # Names come last: most follow from a cell.
    for (cell, facet, detail), same in sorted(by_thing.items(), key=lambda item: (not item[0][0], item[0]))[
        :limit
    ]:
        runs = "+".join(one.run for one in same)
        told = f" (told: {same[0].told[:160]})" if same[0].told else " SILENT"
        yield f"  {_place(cell, facet)} [{runs}]{told}: {detail}"


def _place(cell: int, facet: str) -> str:
    return f"cell{cell} {facet}" if cell else f"name {facet}"


def table(results: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Sum up kept results, by choice, as Markdown."""
    by_choice: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        by_choice[result["choice"].partition(":")[0]].append(result)
    columns = (
        "choice|notebooks|the same|cells|the same|silent|names|the same|not comparable|plain|first|reused"
    )
    yield f"| {columns.replace('|', ' | ')} |"
    yield "| --- |" + " ---: |" * 11
    for choice, found in sorted(by_choice.items()):
        n_cells = sum(r["n_cells"] for r in found)
        n_names = sum(r["n_names"] for r in found)
        apart = sum(len(_cells(r)) for r in found)
        silent = sum(len(_cells(r, silent=True)) for r in found)
        names = sum(len({d["facet"] for d in r["differences"] if not d["cell"]}) for r in found)
        same = sum(not r["differences"] and not r["broken"] for r in found)
        masked = sum(len({c for c, _ in r["not_comparable"] if c}) for r in found)
        times = [sum(r["seconds"].get(run, 0) for r in found) for run in ("plain", "first", "reused")]
        row = [choice, len(found), f"{same} ({same / len(found):.0%})", n_cells, f"{1 - apart / n_cells:.1%}"]
        row += [silent, n_names, f"{1 - names / max(n_names, 1):.1%}", masked, *(f"{t:.0f} s" for t in times)]
        yield "| " + " | ".join(map(str, row)) + " |"


def rows(results: Iterable[dict[str, Any]]) -> Iterator[str]:
    """One line for each notebook and choice."""
    yield "| notebook | choice | cells | differ | silent | names differ | plain | first | reused |"
    yield "| --- | --- |" + " ---: |" * 7
    ratios = []
    for r in sorted(results, key=lambda r: (r["choice"], r["notebook"])):
        s = r["seconds"]
        names = {d["facet"] for d in r["differences"] if not d["cell"]}
        broken = " (ended early)" if r["broken"] else ""
        yield (
            f"| {r['notebook']} | {r['choice']} | {r['n_cells']} | {len(_cells(r))}{broken} "
            f"| {len(_cells(r, silent=True))} | {len(names)} of {r['n_names']} "
            f"| {s['plain']:.1f} s | {s.get('first', 0):.1f} s | {s.get('reused', 0):.1f} s |"
        )
        ratios.append((s.get("first", 0) / s["plain"], s.get("reused", 0) / s["plain"]))
    if ratios:
        first, reused = (statistics.median(column) for column in zip(*ratios, strict=True))
        yield f"\nMedians: first {first:.2f} times plain, reused {reused:.2f} times plain."


def _cells(result: dict[str, Any], *, silent: bool = False) -> set[int]:
    return {d["cell"] for d in result["differences"] if d["cell"] and not (silent and d["told"])}


def kept_results(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
