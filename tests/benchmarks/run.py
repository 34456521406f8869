"""Run all benchmarks and print their tables as Markdown.

Run: ``python tests/benchmarks/run.py [name]...``, such as ``chain import``; all by default. They time one
another where they run at once, so they run one by one; leave the machine alone meanwhile.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

BENCHMARKS = {
    "flights": "The flights notebook, from the command line",
    "import": "Importing the package, loading the extension",
    "register": "Registering a component",
    "closure": "The closure walk over 200 functions",
    "cells": "Run All over 100 cells",
    "cost": "What one line on top of a cell costs",
    "wild": "Whole notebooks",
    "chain": "A chain of 100 tiny steps",
    "shared": "A chain of 100 tiny steps in a shared store",
    "lines": "Live output",
    "chain_executor": "The executor alone",
    "parallel": "Independent steps",
    "reuse": "Planning alone",
    "scale": "Thousands of steps",
    "passing": "A large table through the store",
    "codecs": "Large values, one by one",
    "handover": "A large table from step to step",
    "cold": "A table loaded, filtered and aggregated, all new",
    "marks": "Knowing what is stale",
    "graph": "The graph, in the kernel and in the browser",
    "matrix": "What an edit runs again, here and elsewhere",
}


def main(names: list[str]) -> None:
    folder = Path(__file__).parent
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    print(f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}\n", flush=True)
    failed = []
    for name in names or BENCHMARKS:
        print(f"### {BENCHMARKS[name]}\n", flush=True)
        script = folder / f"bench_{name}.py"
        # Progress and warnings go to stderr: they are no part of the tables.
        done = subprocess.run([sys.executable, str(script)], env=kept, stdout=subprocess.PIPE, text=True)
        print(done.stdout, flush=True)
        if done.returncode:
            failed.append(name)
    if failed:
        raise SystemExit(f"These failed: {', '.join(failed)}")


if __name__ == "__main__":
    main(sys.argv[1:])
