"""Says what came of notebooks: one by one, and all together in a table."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
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
    results = list(results)
    runs = _runs(results)
    by_choice: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        by_choice[result["choice"].partition(":")[0]].append(result)
    columns = [
        "choice",
        "notebooks",
        "the same",
        "cells",
        "the same",
        "silent",
        "names",
        "the same",
        "not comparable",
    ]
    yield from _head([*columns, *runs], n_texts=1)
    for choice, found in sorted(by_choice.items()):
        n_cells = sum(r["n_cells"] for r in found)
        n_names = sum(r["n_names"] for r in found)
        apart = sum(len(_cells(r)) for r in found)
        silent = sum(len(_cells(r, silent=True)) for r in found)
        names = sum(len({d["facet"] for d in r["differences"] if not d["cell"]}) for r in found)
        same = sum(not r["differences"] and not r["broken"] for r in found)
        masked = sum(len({c for c, _ in r["not_comparable"] if c}) for r in found)
        times = [sum(r["seconds"].get(run, 0) for r in found) for run in runs]
        row = [choice, len(found), f"{same} ({same / len(found):.0%})", n_cells, f"{1 - apart / n_cells:.1%}"]
        row += [silent, n_names, f"{1 - names / max(n_names, 1):.1%}", masked, *(f"{t:.0f} s" for t in times)]
        yield _row(row)


def rows(results: Iterable[dict[str, Any]]) -> Iterator[str]:
    """One line for each notebook and choice."""
    results = list(results)
    runs = _runs(results)
    yield from _head(["notebook", "choice", "cells", "differ", "silent", "names differ", *runs], n_texts=2)
    for r in sorted(results, key=lambda r: (r["choice"], r["notebook"])):
        names = {d["facet"] for d in r["differences"] if not d["cell"]}
        broken = " (ended early)" if r["broken"] else ""
        row = [r["notebook"], r["choice"], r["n_cells"], f"{len(_cells(r))}{broken}"]
        row += [len(_cells(r, silent=True)), f"{len(names)} of {r['n_names']}"]
        yield _row([*row, *(_seconds(r, run) for run in runs)])


def times(results: Iterable[dict[str, Any]]) -> Iterator[str]:
    """How long notebooks took, beside the plain run, and where that is more than it may be."""
    results = sorted(results, key=lambda r: (r["choice"], r["notebook"]))
    runs = _runs(results)
    ratios = [f"{run} / plain" for run in runs[1:]]
    yield from _head(["notebook", "choice", *runs, *ratios, "ran when edited"], n_texts=2)
    for r in results:
        row = [r["notebook"], r["choice"], *(_seconds(r, run) for run in runs)]
        row += [
            f"{r['seconds'][run] / r['seconds']['plain']:.2f}" if run in r["seconds"] else ""
            for run in runs[1:]
        ]
        yield _row([*row, _ran_when_edited(r)])
    if not results:
        return
    by_run = {run: [r for r in results if run in r["seconds"]] for run in runs}
    medians: list[object] = ["median", ""]
    medians += [
        f"{statistics.median(r['seconds'][run] for r in found):.1f} s" for run, found in by_run.items()
    ]
    medians += [
        f"{statistics.median(r['seconds'][run] / r['seconds']['plain'] for r in found):.2f}"
        for run, found in by_run.items()
        if run != "plain"
    ]
    yield _row([*medians, ""])
    yield ""
    yield from _targets(results)


def _targets(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Say where the runs took no longer than asked for; what ended early says nothing."""
    ended = [r["seconds"] for r in results if not r["broken"]]
    first = [s["first"] <= 1.3 * s["plain"] + 2 for s in ended if "first" in s]
    reused = [s["reused"] <= s["plain"] / 3 for s in ended if "reused" in s and s["plain"] > 10]
    yield f"First at most 1.3 times plain and 2 s: {sum(first)} of {len(first)}."
    yield f"Reused at most a third of plain, where that took over 10 s: {sum(reused)} of {len(reused)}."


def _ran_when_edited(result: dict[str, Any]) -> str:
    """Say how many steps ran, beside the edited one, of how many."""
    statuses = result["statuses"].get("edited")
    if statuses is None:
        return ""
    return f"{sum(statuses.values()) - statuses.get('reused', 0)} of {sum(statuses.values())}"


def _runs(results: Sequence[dict[str, Any]]) -> list[str]:
    known = {run for r in results for run in r["seconds"]}
    return [run for run in ("plain", "first", "reused", "edited") if run in known or run != "edited"]


def _seconds(result: dict[str, Any], run: str) -> str:
    return f"{result['seconds'][run]:.1f} s" if run in result["seconds"] else ""


def _head(columns: Sequence[str], n_texts: int) -> Iterator[str]:
    yield _row(columns)
    yield "| " + " | ".join(["---"] * n_texts + ["---:"] * (len(columns) - n_texts)) + " |"


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _cells(result: dict[str, Any], *, silent: bool = False) -> set[int]:
    return {d["cell"] for d in result["differences"] if d["cell"] and not (silent and d["told"])}


def kept_results(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
