"""What each edit runs again, and whether the result is right: here, in joblib.Memory and in Hamilton's cache.

Run: ``python tests/benchmarks/bench_matrix.py``. For each edit in `edits` the flow runs in one process, its
edited form in another one with another hash seed. Right is what the edited form gives where nothing is kept.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from edits import EDITS, Edit, written
from support import kernel, print_table

Found = dict[str, tuple[str, list[str]]]
HERE = Path(__file__).parent
RUN = """\
_run = mlpipe.current().run(targets=["last{n}"]).wait()
_ran = [name for name in ("first", "last") if _run.steps[f"{{name}}{n}"].status == "succeeded"]
print(json.dumps([repr(_run["result{n}"]) if _run.status == "succeeded" else _run.status, _ran]))"""


def write_files(folder: Path, version: int) -> None:
    """Write the files of all edits as they are in one version; those of packages alone."""
    for number, edit in enumerate(EDITS):
        for name in edit.files:
            other = folder / written(name, 3 - version, number)
            other.unlink(missing_ok=True)
        for name, text in edit.files.items():
            path = folder / written(name, version, number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(written(text, version, number))
        for name in edit.files:
            other = folder / written(name, 3 - version, number)
            if other.parent.is_dir() and not any(other.parent.iterdir()):
                other.parent.rmdir()


def set_environment(version: int, folder: Path) -> None:
    """Set what the processes to come inherit."""
    os.environ["PYTHONHASHSEED"] = str(version)
    os.environ["PYTHONPATH"] = str(folder / "site-packages")
    for number, edit in enumerate(EDITS):
        for name, text in edit.environment.items():
            os.environ[written(name, version, number)] = written(text, version, number)


def run_ours(folder: Path, version: int, store: Path) -> Found:
    """Run one version of all edits in a kernel of its own."""
    found: Found = {}
    with kernel(folder, store) as opened:
        opened.run("%load_ext jupyter_mlpipe\n%pipeline mode register")
        opened.run("import json, os\nimport jupyter_mlpipe as mlpipe\nhome = os.getcwd()")
        for number, edit in enumerate(EDITS):
            for cell in cells_of(edit):
                opened.run(written(cell, version, number))
            printed = opened.run_and_read(RUN.format(n=number))[1]
            result, ran = json.loads(printed.splitlines()[-1])
            found[edit.name] = (result, ran)
            opened.run("os.chdir(home)\nif 'np' in globals(): np.set_printoptions(precision=8)")
    return found


def cells_of(edit: Edit) -> list[str]:
    first = edit.first.replace("rows", "rows§")
    last = edit.last.replace("rows", "rows§").replace("result", "result§")
    return [edit.before, edit.setup, f"%%component first§\n{first}", f"%%component last§\n{last}"]


def run_peer(tool: str) -> Callable[[Path, int, Path], Found]:
    def run(folder: Path, version: int, store: Path) -> Found:
        command = [sys.executable, str(HERE / "peer_flow.py"), tool, str(version), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        return {
            name: (result, ran) for name, (result, ran) in json.loads(done.stdout.splitlines()[-1]).items()
        }

    return run


def judge(edit: Edit, wanted: str, result: str, ran: list[str]) -> str:
    """Say in a word what became of an edit."""
    if ran == ["failed"]:
        return "fails"
    if result != wanted:
        return "STALE"
    more = [name for name in ran if name not in edit.runs.split()]
    return f"too much: {', '.join(more)}" if more else "right"


def main() -> None:
    tools = {
        "jupyter-mlpipe": run_ours,
        "joblib.Memory": run_peer("joblib"),
        "Hamilton": run_peer("hamilton"),
    }
    verdicts: dict[str, dict[str, str]] = {}
    for tool, run in tools.items():
        found = []
        with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as empty:
            folder = Path(name)
            for version in (1, 2):
                write_files(folder, version)
                set_environment(version, folder)
                found.append(run(folder, version, folder / "store"))
            if tool == "jupyter-mlpipe":
                # With an empty store: what is right, whoever is asked.
                fresh = run(folder, 2, Path(empty) / "store")
        verdicts[tool] = {edit.name: judge(edit, fresh[edit.name][0], *found[1][edit.name]) for edit in EDITS}
    rows = [(edit.name, edit.runs or "nothing", *(v[edit.name] for v in verdicts.values())) for edit in EDITS]
    print_table(("edit", "has to run", *tools), rows)
    counts = [
        (word, *(sum(text.startswith(word) for text in v.values()) for v in verdicts.values()))
        for word in ("right", "STALE", "too much", "fails")
    ]
    print_table((f"of {len(EDITS)} edits", *tools), counts)


if __name__ == "__main__":
    main()
