"""What registering a component costs: a cell in a real kernel in mode "register", less an empty cell.

Run: ``python tests/benchmarks/bench_register.py``. A client times from sending the cell to the kernel being
idle again, with all hooks and displays. Each case is a new text each time: nothing is known of it.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from support import TimedKernel, kernel, ms, percentile, print_table

ROUNDS = 25
LIBRARIES = "import numpy as np\nimport pandas as pd\nfrom sklearn.linear_model import LogisticRegression\n"
HELPERS = LIBRARIES + "".join(
    f"def helper{i}(table, by={i}):\n"
    f'    found = table[table["value"] > by].groupby("key").mean()\n'
    f"    return {f'helper{i - 1}(found)' if i else 'pd.concat([found, found])'}\n"
    for i in range(10)
)
LONG = """\
table = pd.DataFrame({{"key": np.arange(100) % 7, "value": np.linspace(0, {n}, 100)}})
table["late"] = table["value"] > 3
columns = [name for name in table.columns if name != "late"]
found = {{}}
for key, group in table.groupby("key"):
    if len(group) < 3:
        continue
    total = 0.0
    for value in group["value"]:
        total += value if value > 0 else -value
    found[key] = total / len(group)
try:
    best = max(found, key=found.get)
except ValueError:
    best = None
with np.errstate(all="ignore"):
    ratio = table["value"] / table["value"].max()
table = table.assign(ratio=ratio)
wide = table.pivot_table(index="key", columns="late", values="value", aggfunc="mean")
wide = wide.fillna(0).rename(columns=str)
train = table.sample(frac=0.8, random_state=7)
test = table.drop(train.index)
scale = {{name: (train[name].mean(), train[name].std()) for name in ("value", "ratio")}}
def scaled(frame):
    return frame.assign(**{{n: (frame[n] - m) / s for n, (m, s) in scale.items()}})
train, test = scaled(train), scaled(test)
model = LogisticRegression(C={n} + 1.0)
model.fit(train[["value", "ratio"]], train["late"])
score = model.score(test[["value", "ratio"]], test["late"])
summary = f"{{score:.3f}} of {{len(test)}} with {{best}}"
"""


def measure(opened: TimedKernel, cell: Callable[[int], str]) -> tuple[list[float], list[float]]:
    """Return the seconds of empty cells and of the case's, taken by turns."""
    empty, ours = [], []
    for i in range(ROUNDS):
        empty.append(opened.run("pass"))
        ours.append(opened.run(cell(i)))
    return empty, ours


def main() -> None:
    def fill(opened: TimedKernel) -> None:
        for i in range(99):
            opened.run(f"%%component filler{i}\ny{i} = {f'y{i - 1}' if i else '0'} + 1")

    cases: list[tuple[str, str, Callable[[TimedKernel], None], Callable[[int], str]]] = [
        ("a line", "", lambda _: None, lambda i: f"%%component small\nx = {i}"),
        (
            "30 lines, pandas and scikit-learn",
            LIBRARIES,
            lambda _: None,
            lambda i: f"%%component long\n{LONG.format(n=i)}",
        ),
        (
            "ten helpers, pandas and scikit-learn",
            HELPERS,
            lambda _: None,
            lambda i: f"%%component helped\nx = helper9({i})",
        ),
        ("the 100th component in a row", "", fill, lambda i: f"%%component last\nx = y98 + {i}"),
    ]
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, setup, prepare, cell in cases:
            with kernel(folder, folder / "store") as opened:
                opened.run("%load_ext jupyter_mlpipe")
                opened.run("%pipeline mode register")
                opened.run(setup)
                prepare(opened)
                first = opened.run(cell(ROUNDS))
                empty, ours = measure(opened, cell)
            base = statistics.median(empty)
            above = [each - base for each in ours]
            rows.append(
                (label, ms(base), ms(first - base), ms(statistics.median(above)), ms(percentile(above, 95)))
            )
    print(f"Milliseconds; median of {ROUNDS} registrations of ever new texts, less an empty cell's\n")
    print_table(("cell", "an empty cell", "first", "median", "95th percentile"), rows)


if __name__ == "__main__":
    main()
