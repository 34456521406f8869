"""What one line on top of a cell costs: small cells of different kinds, in a kernel that is warm.

Run: ``python tests/benchmarks/bench_cost.py [rounds] [--kind KIND]``. Each cell runs plainly in one kernel
and, as a step that no store knows, in another; a client times both from sending to idle. Then once more with
timers around the parts, in the kernel and in the processes of the steps; these cost a little themselves.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from support import TimedKernel, kernel, ms, percentile, print_table

SETUP = [
    "import numpy as np\nimport pandas as pd\nimport matplotlib.pyplot as plt",
    "rate = 0.5\nwords = ['a', 'b', 'c']\ndef clean(value):\n    return value + 1",
    "df = pd.DataFrame({'a': range(100), 'b': [x % 7 for x in range(100)]})",
    "arr = np.arange(1000.0)\nlog = []",
]
KINDS = {
    "assignment": "x{i} = clean({i}) * rate",
    "text": "s{i} = ' '.join(words) + str({i})\nlengths{i} = {{word: len(word) for word in s{i}.split()}}",
    "function": "def f{i}(value, by={i}):\n    return clean(value) / by",
    "numpy": "y{i} = np.sqrt(arr) + {i}\nmean{i} = y{i}.mean()",
    "pandas": "g{i} = df.assign(c=df.a * {i}).groupby('b').c.mean()",
    "plot, not shown": "fig, ax = plt.subplots()\nax.plot(arr[:20] * {i})\nplt.close(fig)",
    "plot, shown": "fig, ax = plt.subplots()\nax.hist(arr[:100] % (2 + {i}), bins=25)\nax.set_title('{i}');",
    "print": "for word in words:\n    print(word, {i})",
    "table as result": "df.head({i} % 5 + 1)",
    "number as result": "len(words) + {i}",
    "list changed in place": "log.append({i})",
    "table changed in place": "df['n{i}'] = df.a + {i}",
    "array changed in place": "arr[{i}] = -1.0",
}
N_WARM = 2

KERNEL_PARTS = {
    "hooks around the cell": [
        "notebook.extension:Extension.before_request",
        "notebook.extension:Extension.after_request",
        "notebook.extension:Extension.before_cell",
        "notebook.extension:Extension.after_cell",
    ],
    "analysis": ["notebook.magics:PipelineMagics._component", "notebook.making:compile_cell"],
    "registration": ["notebook.components:Components.register", "notebook.steps.registry:Registry.tasks"],
    "closure and captured values": ["keys.closure:Closures.take"],
    "settings": [
        "notebook.steps.registry:Registry._given",
        "notebook.values.settings:SettingsOfSteps.take",
        "execution.runs.active:with_settings",
    ],
    "plan": ["execution.runs.runner:plan_steps", "execution.runs.active:decide"],
    "submission": [
        "execution.runs.active:make_spec",
        "execution.runs.runner:Runner.start",
        "execution.runs.fleet:Fleet.submit",
    ],
    "displays": [
        "notebook.show.cellview:CellView.begin",
        "notebook.show.cellview:CellView._show",
        "notebook.show.cellview:CellView._update",
    ],
    "binding of outputs": [
        "notebook.cellruns:CellRuns.run",
        "notebook.values.offers:Offers.offer",
        "notebook.session:Session.collect",
        "notebook.steps.results:Results.take",
    ],
    "learning": [
        "notebook.values.offers:Offers._learn",
        "execution.process.client:StepServer._preload_like",
    ],
    "waiting": ["notebook.show.cellview:CellView.wait"],
}
STEP_PARTS = {
    "in the step: set up": ["execution.process.step:StepProcess.run"],
    "in the step: inputs and captured values": ["execution.process.step:fill"],
    "in the step: settings": [
        "execution.process.step:make_scene",
        "execution.process.scene:Scene.begin",
        "execution.process.scene:Scene.end",
    ],
    "in the step: body": ["execution.process.step:StepProcess._run_body"],
    "in the step: displays": [
        "execution.process.shell:LazyShell.show_result",
        "execution.process.shell:LazyShell.end_cell",
    ],
    "in the step: finding changes": [
        "execution.process.outcome:GivenValues.__init__",
        "execution.process.outcome:GivenValues.store_outcome",
    ],
    "in the step: encoding and writing outputs": [
        "store.store:Store.put_value",
        "store.store:Store.put_values",
        "execution.process.recording:_store_result",
    ],
    "in the step: writing the record": ["store.store:Store.put_shown", "store.store:Store.put_record"],
}
IN_RUNNER = ("plan", "submission", "learning")
PROCESS = "process start, messages"


def make_cells(n_rounds: int, kinds: dict[str, str]) -> list[tuple[str, str]]:
    """Return (kind, body) of each cell."""
    return [
        (kind, body.format(i=round_ * len(kinds) + number))
        for round_ in range(n_rounds)
        for number, (kind, body) in enumerate(kinds.items())
    ]


def run_all(opened: TimedKernel, cells: list[tuple[str, str]], *, plain: bool) -> list[float]:
    bodies = [*SETUP, *(body for _, body in cells)]
    seconds = [opened.run(b if plain else f"%%component c{i}\n{b}") for i, b in enumerate(bodies)]
    return seconds[len(SETUP) :]


def time_parts(folder: Path, cells: list[tuple[str, str]], n_warm: int) -> dict[str, float]:
    """Return the mean seconds that a cell spent in each part."""
    file = folder / "steps.jsonl"
    with kernel(folder, folder / "parts") as opened:
        opened.run(f"import sys; sys.path.append({str(Path(__file__).parent)!r}); import timers")
        # Before the extension is loaded, which keeps references to some of these.
        opened.run(f"timers.install({KERNEL_PARTS!r}); timers.time_steps({STEP_PARTS!r}, {str(file)!r})")
        opened.run("del timers, sys\n%load_ext jupyter_mlpipe")
        run_all(opened, cells[:n_warm], plain=False)
        read = "print(__import__('json').dumps(__import__('timers').spent))"
        before = json.loads(opened.run_and_read(read)[1])
        n_before = len(file.read_text().splitlines())
        for i, (_, body) in enumerate(cells[n_warm:], len(SETUP) + n_warm):
            opened.run(f"%%component c{i}\n{body}")
        after = json.loads(opened.run_and_read(read)[1])
    n_cells = len(cells) - n_warm
    found: dict[str, float] = {part: (after[part] - before.get(part, 0)) / n_cells for part in after}
    steps = [json.loads(line)["spent"] for line in file.read_text().splitlines()[n_before:]]
    in_steps: dict[str, float] = defaultdict(float)
    for step in steps:
        for part, seconds in step.items():
            in_steps[part] += seconds / n_cells
    # While the cell waits, the runner's thread plans and sends, and the step runs.
    found[PROCESS] = found.pop("waiting") - sum(in_steps.values())
    return {part: found.get(part, 0.0) for part in (*KERNEL_PARTS, PROCESS) if part != "waiting"} | {
        part: in_steps[part] for part in STEP_PARTS
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="?", type=int, default=12)
    parser.add_argument("--kind", help="only this one")
    options = parser.parse_args()
    kinds = {kind: body for kind, body in KINDS.items() if options.kind in (None, kind)}
    cells = make_cells(options.rounds, kinds)
    n_warm = N_WARM * len(kinds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with kernel(folder, folder / "store") as opened:
            plain = run_all(opened, cells, plain=True)
        with kernel(folder, folder / "store") as opened:
            opened.run("%load_ext jupyter_mlpipe")
            ours = run_all(opened, cells, plain=False)
        parts = time_parts(folder, cells, n_warm)
    above = [a - b for a, b in zip(ours, plain, strict=True)][n_warm:]
    by_kind: dict[str, list[float]] = defaultdict(list)
    for (kind, _), seconds in zip(cells[n_warm:], above, strict=True):
        by_kind[kind].append(seconds)
    rows = [(kind, ms(statistics.median(found)), ms(max(found))) for kind, found in by_kind.items()]
    print(
        f"{len(above)} cells after {n_warm} to warm up; milliseconds above the same cell without our line\n"
    )
    print_table(
        ("all", "median", "95th percentile"), [("", ms(statistics.median(above)), ms(percentile(above, 95)))]
    )
    print_table(("kind", "median", "maximum"), rows)
    print("By part: milliseconds a cell, mean\n")
    print_table(("part", "ms"), [(part, ms(max(0.0, seconds))) for part, seconds in parts.items()])


if __name__ == "__main__":
    sys.exit(main())
