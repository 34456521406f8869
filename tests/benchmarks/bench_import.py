"""What importing the package and loading the extension cost, in new processes.

Run: ``python tests/benchmarks/bench_import.py``. Medians, each beside IPython alone in the same round.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support import environment, ms, print_table

ROUNDS = 11
SHELL = "from IPython.core.interactiveshell import InteractiveShell as S; shell = S.instance(); "
CASES = {
    "import IPython": "import IPython",
    "import IPython, jupyter_mlpipe": "import IPython, jupyter_mlpipe",
    "a shell": SHELL,
    "a shell, %load_ext jupyter_mlpipe": SHELL + "shell.run_line_magic('load_ext', 'jupyter_mlpipe')",
}


def measure(code: str, folder: Path) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder, env=environment(folder / "store"))
    return time.perf_counter() - started


def main() -> None:
    seconds: dict[str, list[float]] = {name: [] for name in CASES}
    with tempfile.TemporaryDirectory() as folder:
        for round_ in range(ROUNDS + 1):
            for name, code in CASES.items():
                found = measure(code, Path(folder))
                if round_:  # the first compiles and warms the page cache
                    seconds[name].append(found)
    middle = {name: statistics.median(found) for name, found in seconds.items()}
    rows = []
    for without, with_us in zip(list(CASES)[::2], list(CASES)[1::2], strict=True):
        differences = [b - a for a, b in zip(seconds[without], seconds[with_us], strict=True)]
        rows.append((without, ms(middle[without]), ""))
        rows.append((with_us, ms(middle[with_us]), f"+{ms(max(0.0, statistics.median(differences)))}"))
    print(f"Milliseconds of a whole new process, median of {ROUNDS}\n")
    print_table(("", "process", "ours"), rows)


if __name__ == "__main__":
    main()
