"""Whatever happens to the files of a store: the same notebook gives the same, and runs to its end."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from jupyter_mlpipe.store.cache import Cache
from jupyter_mlpipe.store.store import open_store
from tests.support.kernel import Kernel

Start = Callable[..., Kernel]

CELLS = [
    # What it shows, its value and its output are objects of their own.
    "%%component make\nimport numpy as np\nlarge = np.arange(50_000)\nprint('x' * 9000)\nlarge * 2",
    "%%component set\nimport pandas as pd\npd.options.display.max_columns = 3\n"
    "class Kept:\n    names = []\nKept.names += ['n' * 3000]\nprint('set')",
    "%%component write\nwith open('made.txt', 'w') as f:\n    f.write('y' * 5000)\nn = 5000",
    "%%component use\ntotal = int(large.sum()) + n\n"
    "print(pd.options.display.max_columns, len(Kept.names[0]))",
]
READ = (
    "total, int(large[-1]), int(_1[-1]), pd.options.display.max_columns, len(Kept.names[0]), "
    "len(open('made.txt').read())"
)


def run(start_kernel: Start, store: Path) -> tuple[list[str], list[tuple[str, str | None]]]:
    """Run the notebook in a new kernel; returns the state of each step and what each cell showed."""
    (store.parent / "made.txt").unlink(missing_ok=True)
    kernel = start_kernel(load=False, MLPIPE_STORE=str(store))
    kernel.run("%load_ext jupyter_mlpipe", store_history=False).check()
    results = [kernel.run(cell).check() for cell in CELLS]
    shown = [(result.printed, result.result) for result in results]
    shown.append(("", kernel.run(READ).check().result))
    kernel.close()
    return [result.status_of_step for result in results], shown


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def make_older(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(re.sub(rb'^\{"mlpipe_record":\d+', b'{"mlpipe_record":1', content))


# Each file of a folder in turn has one of these done to it.
DAMAGES: dict[str, tuple[str, list[Callable[[Path], None]]]] = {
    "objects flipped": ("objects", [flip]),
    "objects cut or gone": ("objects", [cut, Path.unlink]),
    "records": ("records", [flip, cut, Path.unlink, make_older]),
}


def test_damage_to_any_file_costs_time_and_nothing_else(start_kernel: Start, tmp_path: Path) -> None:
    whole, store = tmp_path / "whole", tmp_path / "store"
    states, expected = run(start_kernel, whole)
    assert states == ["succeeded"] * 4
    found = {}
    for name, (folder, acts) in DAMAGES.items():
        shutil.copytree(whole, store)
        files = sorted(path for path in (store / folder).rglob("*") if path.is_file())
        assert len(files) >= 4
        for path, act in zip(files, itertools.cycle(acts)):
            act(path)
        states, shown = run(start_kernel, store)
        # What was made again is whole.
        found[name] = states[0], shown == expected or shown, Cache(open_store(store)).verify().incomplete
        shutil.rmtree(store)
    assert found == dict.fromkeys(DAMAGES, ("succeeded", True, {}))
    assert run(start_kernel, whole) == (["reused"] * 4, expected)
