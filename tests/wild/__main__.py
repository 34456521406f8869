"""``python -m tests.wild``: try notebooks from files, or those of the corpus."""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.wild.compare import Comparison
from tests.wild.corpus import SourceMissingError, fetch, read_corpus
from tests.wild.report import kept_results, lines_of, rows, table, times
from tests.wild.runs import NotebookRun
from tests.wild.trial import Trial


def main() -> int:
    """Return 1 where something differs."""
    options = _options()
    results = options.results
    if options.report:
        kept = kept_results(results)
        print(*table(kept), "", *rows(kept), "", *times(kept), sep="\n")
        return 0
    found: list[Comparison] = []
    for path in options.notebooks:
        found += _try(str(path), path.parent.resolve(), path.name, options)
    for entry in read_corpus() if options.corpus is not None else []:
        if not re.search(options.corpus, f"{entry.name} {entry.kind}"):
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                fetch(entry, Path(folder))
            except SourceMissingError as error:
                print(f"{entry.name}: skipped: {error}", flush=True)
                continue
            found += _try(entry.name, Path(folder), entry.path, options, entry.environment)
    if options.json:
        options.json.write_text(json.dumps([one.as_json() for one in found], indent=1), encoding="utf-8")
    return int(any(not one.is_same for one in found))


def _try(
    name: str,
    source: Path,
    notebook: str,
    options: argparse.Namespace,
    environment: Sequence[tuple[str, str]] = (),
) -> list[Comparison]:
    choices = [
        choice
        for choice in options.choice
        if not (options.missing and _kept(options.results, name, choice).exists())
    ]
    if not choices:
        return []
    found = []
    trial = Trial(
        name,
        source,
        notebook,
        environment=environment,
        timeout=options.timeout,
        kept=options.results / "plain",
    )
    if trial.plain_seconds > options.longest:
        trial.close()
        return []
    try:
        for choice in choices:
            comparison, runs = trial.run(choice, edited=options.edited)
            print(*lines_of(comparison), sep="\n", flush=True)
            options.results.mkdir(parents=True, exist_ok=True)
            _kept(options.results, name, choice).write_text(json.dumps(comparison.as_json(), indent=1))
            if options.show:
                _show(options.show, runs)
            found.append(comparison)
    finally:
        trial.close()
    return found


def _kept(results: Path, name: str, choice: str) -> Path:
    return results / (re.sub(r"[^\w.]+", "-", f"{name} {choice}") + ".json")


def _show(number: int, runs: dict[str, NotebookRun]) -> None:
    """Print all that one cell gave in each run."""
    for name, run in runs.items():
        for cell in run.cells:
            if cell.number == number:
                print(f"--- {name}, {cell.number}: {cell.status} {cell.error}", *cell.words, sep="\n")
                print(cell.stdout, cell.stderr, cell.traceback, sep="\n")
                print(*(str(bundle)[:300] for bundle in cell.displays), sep="\n")


def _options() -> argparse.Namespace:
    kinds = "all, code, half:SEED, one:N; may be repeated"
    parser = argparse.ArgumentParser(prog="python -m tests.wild", description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="notebooks, scripts in cells, MyST texts")
    parser.add_argument(
        "--corpus", nargs="?", const="", metavar="PATTERN", help="of corpus.toml, by name or kind"
    )
    parser.add_argument("--choice", action="append", help=f"cells that get the line: {kinds}")
    parser.add_argument(
        "--edited", action="store_true", help="run once more with the middle one of these cells edited"
    )
    parser.add_argument("--missing", action="store_true", help="only those without a kept result")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found")
    parser.add_argument("--timeout", type=float, default=120, metavar="SECONDS", help="of one cell")
    parser.add_argument(
        "--longest",
        type=float,
        default=math.inf,
        metavar="SECONDS",
        help="leave out what takes longer plainly",
    )
    parser.add_argument("--show", type=int, metavar="CELL", help="print all that a cell gave in each run")
    parser.add_argument("--report", action="store_true", help="sum up the kept results and end")
    default = Path(tempfile.gettempdir()) / "mlpipe-wild" / "results"
    parser.add_argument(
        "--results", type=Path, default=default, metavar="FOLDER", help="where results are kept"
    )
    options = parser.parse_args()
    options.choice = options.choice or ["all"]
    return options


if __name__ == "__main__":
    sys.exit(main())
