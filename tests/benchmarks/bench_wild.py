"""Whole notebooks in the habits of real ones: plain, with our line on every cell, reused, one cell edited.

Run: ``python tests/benchmarks/bench_wild.py [PATTERN]`` for the notebooks of ``tests/wild/notebooks`` whose
names the pattern finds, or with ``--corpus PATTERN`` for notebooks of others; ``tests/wild/corpus.py`` says
where these come from. All is timed but the kernel's start: loading the extension, the cluster, each cell.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "tests" / "wild" / "notebooks"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pattern", nargs="?", default="", help="of our own notebooks")
    parser.add_argument("--corpus", metavar="PATTERN", help="notebooks of others, by name or kind")
    options = parser.parse_args()
    if options.corpus is None:
        found = [p for p in sorted(NOTEBOOKS.iterdir()) if re.search(options.pattern, p.stem)]
        chosen = [str(path) for path in found if path.is_file()]
    else:
        chosen = ["--corpus", options.corpus]
    with tempfile.TemporaryDirectory() as folder:
        wild = [sys.executable, "-m", "tests.wild", "--results", folder]
        # What differs is no matter of this benchmark: it is told, and the tables show it.
        subprocess.run([*wild, "--edited", *chosen], cwd=ROOT, stdout=sys.stderr, check=False)
        done = subprocess.run([*wild, "--report"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    print(done.stdout.replace(f"{NOTEBOOKS}/", ""))


if __name__ == "__main__":
    main()
