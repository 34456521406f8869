"""What the closure walk of a component costs that reaches 200 functions.

Run: ``python tests/benchmarks/bench_closure.py [functions]``. In one process and without a kernel: the first
walk, one with one function edited, and with nothing changed, as each cell that runs asks. A local module
is read by the first walk, functions of the notebook as soon as their cell has run, which is timed apart.
"""

from __future__ import annotations

import importlib
import linecache
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from support import ms, print_table

from jupyter_mlpipe.cells.names import analyse
from jupyter_mlpipe.keys.closure import Closure, Closures
from jupyter_mlpipe.keys.collector import paused_collector
from jupyter_mlpipe.keys.helpers import read_ahead
from jupyter_mlpipe.keys.modules import LocalModules
from jupyter_mlpipe.keys.witness import Scope
from jupyter_mlpipe.model.component import Component

ROUNDS = 15
NAMESPACE = vars(sys.modules["__main__"])


def function(i: int, salt: int) -> str:
    """Return a function of eight lines that calls two others."""
    below = [f"work{j}(rows, by)" for j in (2 * i + 1, 2 * i + 2) if j < n_functions()]
    return (
        f"def work{i}(rows, by={i}):\n"
        f'    """Do what number {i} does."""\n'
        f"    found = [row * {salt} for row in rows if row > by]\n"
        f"    if len(found) < {i}:\n"
        f'        raise ValueError(f"too few: {{len(found)}}")\n'
        f"    total = sum(found, start={i}.5)\n"
        f"    rest = [{', '.join(below)}]\n"
        f"    return total, rest, json.dumps(found)\n\n\n"
    )


def n_functions() -> int:
    return int(sys.argv[1]) if len(sys.argv) > 1 else 200


reading: list[float] = []


def define(text: str, name: str) -> None:
    """Run a cell as a kernel does, with a text by which it is known, and have it read as the session does."""
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(text, name, "exec"), NAMESPACE)
    defined = [definition.name for definition in analyse(text).definitions]
    started = time.perf_counter()
    for each in defined:
        read_ahead(NAMESPACE[each])
    reading.append(time.perf_counter() - started)


def in_notebook(n_rounds: int) -> Iterator[tuple[str, Callable[[], None]]]:
    """Give code and what edits one function, each time with texts that are new."""
    for i in range(n_rounds):
        cells = [function(number, i) for number in range(n_functions())]
        for number, cell in enumerate(["import json", *cells]):
            define(cell, f"<cell {i} {number}>")
        edited = cells[-1].replace("total, rest", "rest, total")
        yield "out = work0([1, 2])", lambda text=edited, i=i: define(text, f"<edited {i}>")  # type: ignore[misc]


def in_module(n_rounds: int, folder: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Give the same for one module beside the notebook."""
    sys.path.insert(0, str(folder))
    for i in range(n_rounds):
        text = "import json\n\n\n" + "".join(function(number, i) for number in range(n_functions()))
        path = folder / f"tools{i}.py"
        write(path, text, 1)
        importlib.invalidate_caches()
        edited = text.replace("total, rest", "rest, total", 1)
        yield f"import tools{i}\nout = tools{i}.work0([1, 2])", lambda p=path, t=edited: write(p, t, 2)  # type: ignore[misc]


def write(path: Path, text: str, moment: int) -> None:
    """Write a file that looks as if that had been long ago, as most files do."""
    path.write_text(text)
    os.utime(path, (moment, moment))


def measure(rounds: Iterator[tuple[str, Callable[[], None]]]) -> tuple[int, list[list[float]]]:
    """Return how many functions count, and the seconds of each kind of walk."""
    times: list[list[float]] = []
    n_counted = 0
    closures, modules = Closures(), LocalModules()
    scope = Scope(NAMESPACE, (), {})

    def take(code: str) -> tuple[float, Closure]:
        component = Component("step", code, code, reads=("work0",) if "import" not in code else ())
        started = time.perf_counter()
        with paused_collector():  # as whoever places a component has it
            closure = closures.take(component, scope, modules)
        return time.perf_counter() - started, closure

    for code, edit in rounds:
        first, closure = take(code)
        again, _ = take(code)
        edit()
        edited, changed = take(code)
        assert changed.ingredients != closure.ingredients
        n_counted = sum(part.kind == "helper" and "work" in part.name for part in closure.ingredients)
        times.append([first, edited, again])
    return n_counted, [list(column) for column in zip(*times, strict=True)]


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for label, rounds in [
            ("functions of the notebook, a cell each", in_notebook(ROUNDS)),
            ("functions of a local module", in_module(ROUNDS, Path(folder))),
        ]:
            n_counted, times = measure(rounds)
            shown = (f"{ms(statistics.median(each))} ({ms(min(each))})" for each in times)
            read = ms(statistics.median(reading)) if reading else ""
            reading.clear()
            rows.append((f"{n_counted} {label}", read, *shown))
    print(f"Milliseconds, median (minimum) of {ROUNDS}\n")
    print_table(
        (
            "a component that reaches",
            "reading, a cell",
            "first walk",
            "one of them edited",
            "nothing changed",
        ),
        rows,
    )


if __name__ == "__main__":
    main()
