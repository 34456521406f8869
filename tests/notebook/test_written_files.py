"""Files that steps write: there after reuse as after running, and as the cell would have them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.kernel import Kernel

Start = Callable[..., Kernel]


class Notebooks:
    """Kernels over one store, each in a folder that is made when it is asked for."""

    def __init__(self, root: Path, start: Start) -> None:
        self._root = root
        self._start = start

    def __call__(self, folder: str = "one") -> Kernel:
        path = self._root / folder
        path.mkdir(exist_ok=True)
        return self._start(path, MLPIPE_STORE=str(self._root / "store"))


@pytest.fixture
def notebooks(tmp_path: Path, start_kernel: Start) -> Notebooks:
    return Notebooks(tmp_path, start_kernel)


def status(kernel: Kernel, cell: str) -> str:
    return kernel.run(cell).check().status_of_step


WRITERS = {
    "to_csv": ("import pandas as pd\npd.DataFrame({'a': [1]}).to_csv('made.csv')", ["made.csv"]),
    "to_parquet": ("import pandas as pd\npd.DataFrame({'a': [1]}).to_parquet('made.pq')", ["made.pq"]),
    "write_table": (
        "import pyarrow as pa, pyarrow.parquet as pq\npq.write_table(pa.table({'a': [1]}), 'made.parquet')",
        ["made.parquet"],
    ),
    "savefig": ("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.savefig('fig.png')", ["fig.png"]),
    "open": ("with open('a.txt', 'w') as f:\n    f.write('one')", ["a.txt"]),
    "write_text": ("from pathlib import Path\nPath('b.txt').write_text('two')", ["b.txt"]),
    "os_replace": (
        "import os, tempfile\nfd, name = tempfile.mkstemp(dir='.')\nos.write(fd, b'x')\nos.close(fd)\n"
        "os.replace(name, 'c.txt')\ndel name",
        ["c.txt"],
    ),
    "np_save": ("import numpy as np\nnp.save('d.npy', np.arange(5000))", ["d.npy"]),
    "writefile": ("%%writefile w.py\nx = 1", ["w.py"]),
    "shell": ("!echo hi > e.txt", ["e.txt"]),
    "subprocess": (
        "import subprocess\nsubprocess.run('echo hi > f.txt', shell=True, check=True)",
        ["f.txt"],
    ),
    "folder": (
        "import os\nos.makedirs('out/deep', exist_ok=True)\nos.makedirs('empty', exist_ok=True)\n"
        "for i in range(3):\n    open(f'out/deep/{i}.txt', 'w').write(str(i))",
        ["out/deep/0.txt", "out/deep/2.txt", "empty"],
    ),
    "copy": (
        "import shutil\nopen('g.txt', 'w').write('x')\nshutil.copy('g.txt', 'h.txt')\n"
        "shutil.move('g.txt', 'i.txt')",
        ["h.txt", "i.txt"],
    ),
    "dump": ("import json\nwith open('j.json', 'w') as f:\n    json.dump([1], f)", ["j.json"]),
    "not_closed": ("f = open('k.txt', 'w')\nf.write('x' * 10)", ["k.txt"]),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_reused_step_leaves_its_files(notebooks: Notebooks, writer: str) -> None:
    code, made = WRITERS[writer]
    cell = f"%%component write\n{code}\ndone = 1"
    first = notebooks()
    assert status(first, cell) == "succeeded"
    left = {name: content(first.folder / name) for name in made}
    assert None not in left.values()

    # In another folder, where nothing is.
    second = notebooks("two")
    assert status(second, cell) == "reused"
    assert {name: content(second.folder / name) for name in made} == left
    assert names_in(second.folder) == names_in(first.folder)

    # Removed, and changed.
    for name in made:
        path = second.folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert status(second, cell) == "reused"
    assert {name: content(second.folder / name) for name in made} == left
    for name in made:
        if (path := second.folder / name).is_file():
            path.write_text("changed")
    assert status(second, cell) == "reused"
    assert {name: content(second.folder / name) for name in made} == left


def content(path: Path) -> bytes | None:
    if path.is_dir():
        return b"folder"
    return path.read_bytes() if path.exists() else None


def names_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_plain_cell_reads_what_the_reused_cell_left(notebooks: Notebooks) -> None:
    kernel = notebooks()
    cell = "%%component write\nopen('a.txt', 'w').write('step')\ndone = 1"
    kernel.run(cell).check()
    kernel.run("open('a.txt', 'w').write('plain')").check()
    assert kernel.value("open('a.txt').read()") == "plain"
    assert status(kernel, cell) == "reused"
    assert kernel.value("open('a.txt').read()") == "step"


def test_planning_and_loading_write_nothing(notebooks: Notebooks) -> None:
    kernel = notebooks()
    cell = "%%component write\nopen('a.txt', 'w').write('step')\nx = 1"
    kernel.run(cell).check()
    path = kernel.folder / "a.txt"
    path.unlink()
    again = notebooks()
    again.run("%pipeline mode register").check()
    again.run(cell).check()
    assert "reuse" in str(again.run("%pipeline plan").check().facts)
    assert not path.exists()
    assert again.value("x") == 1
    assert not path.exists()
    again.run("run = %pipeline run\n_ = run.wait()").check()
    assert path.read_text() == "step"


def test_cells_below_leave_the_files_of_those_above(notebooks: Notebooks) -> None:
    kernel = notebooks()
    kernel.run("%%component write\nopen('a.txt', 'w').write('step')\nx = 1").check()
    (kernel.folder / "a.txt").write_text("mine")
    kernel.run("%%component below\ny = x + 1").check()
    assert (kernel.folder / "a.txt").read_text() == "mine"


def test_adding_to_a_file_runs_each_time(notebooks: Notebooks) -> None:
    kernel = notebooks()
    cell = "%%component log\nwith open('log.txt', 'a') as f:\n    f.write('x')\ny = 1"
    assert status(kernel, cell) == "succeeded"
    assert (kernel.folder / "log.txt").read_text() == "x"
    # Looking the step up for a cell below it is not running it.
    assert status(kernel, "%%component below\nz = y + 1") == "succeeded"
    assert (kernel.folder / "log.txt").read_text() == "x"
    assert status(kernel, cell) == "succeeded"
    assert (kernel.folder / "log.txt").read_text() == "xx"
    other = notebooks("two")
    (other.folder / "log.txt").write_text("x")
    assert status(other, cell) == "reused"
    assert (other.folder / "log.txt").read_text() == "xx"


def test_a_file_that_must_not_be_there(notebooks: Notebooks) -> None:
    kernel = notebooks()
    cell = "%%component new\nwith open('a.txt', 'x') as f:\n    f.write('x')\ny = 1"
    assert status(kernel, cell) == "succeeded"
    again = kernel.run(cell)
    assert again.error is not None
    assert again.error["ename"] == "FileExistsError"
    assert status(notebooks("two"), cell) == "reused"


def test_a_file_that_is_read_and_written(notebooks: Notebooks) -> None:
    kernel = notebooks()
    path = kernel.folder / "n.txt"
    path.write_text("1")
    cell = (
        "%%component count\nn = int(open('n.txt').read()) + 1\n"
        "with open('n.txt', 'w') as f:\n    f.write(str(n))"
    )
    assert [status(kernel, cell), path.read_text()] == ["succeeded", "2"]
    assert [status(kernel, cell), path.read_text()] == ["succeeded", "3"]
    path.write_text("2")
    assert [status(kernel, cell), path.read_text()] == ["reused", "3"]


def test_a_database(notebooks: Notebooks) -> None:
    cell = (
        "%%component fill\nimport sqlite3\nd = sqlite3.connect('rows.db')\nd.execute('create table t (a)')\n"
        "d.commit()\nd.close()\ny = 1"
    )
    kernel = notebooks()
    assert status(kernel, cell) == "succeeded"
    assert kernel.run(cell).error is not None  # the table is there already
    other = notebooks("two")
    assert status(other, cell) == "reused"
    other.run("import sqlite3\nsqlite3.connect('rows.db').execute('select * from t').fetchall()").check()


def test_what_is_removed(notebooks: Notebooks) -> None:
    one, two = notebooks(), notebooks("two")
    for kernel in (one, two):
        (kernel.folder / "a.txt").write_text("old")
    cell = "%%component tidy\nimport os\nos.remove('a.txt')\ny = 1"
    assert status(one, cell) == "succeeded"
    assert status(two, cell) == "reused"
    assert not (two.folder / "a.txt").exists()
    # What somebody has made since is not what was removed then: the code decides.
    (two.folder / "a.txt").write_text("mine")
    assert status(two, cell) == "succeeded"
    assert not (two.folder / "a.txt").exists()
    assert two.run(cell).error is not None  # as a plain cell


def test_a_folder_that_is_removed(notebooks: Notebooks) -> None:
    one, two = notebooks(), notebooks("two")
    for kernel in (one, two):
        (kernel.folder / "old" / "deep").mkdir(parents=True)
        (kernel.folder / "old" / "deep" / "a.txt").write_text("old")
    cell = "%%component tidy\nimport shutil\nshutil.rmtree('old', ignore_errors=True)\ny = 1"
    assert status(one, cell) == "succeeded"
    assert status(two, cell) == "reused"
    assert not (two.folder / "old").exists()
    assert status(two, cell) == "reused"
    (two.folder / "old").mkdir()
    (two.folder / "old" / "mine.txt").write_text("mine")
    assert status(two, cell) == "succeeded"


def test_a_file_that_the_code_asks_for_is_never_replaced(notebooks: Notebooks) -> None:
    cell = (
        "%%component cached\nimport os\nif not os.path.exists('cache.txt'):\n"
        "    open('cache.txt', 'w').write('1')\nx = open('cache.txt').read()"
    )
    kernel = notebooks()
    assert status(kernel, cell) == "succeeded"
    assert status(kernel, cell) == "reused"
    (kernel.folder / "cache.txt").write_text("2")
    assert status(kernel, cell) == "succeeded"
    assert kernel.value("x") == "2"


def test_two_steps_that_write_one_file(notebooks: Notebooks) -> None:
    cells = [f"%%component c{n}\nwith open('a.txt', 'w') as f:\n    f.write('{n}')\nx{n} = 1" for n in (1, 2)]
    kernel = notebooks()
    path = kernel.folder / "a.txt"
    assert [status(kernel, cell) for cell in cells] == ["succeeded"] * 2
    assert status(kernel, cells[0]) == "reused"
    assert path.read_text() == "1"
    assert status(kernel, cells[1]) == "reused"
    assert path.read_text() == "2"
    path.unlink()
    kernel.run("run = %pipeline run\n_ = run.wait()").check()
    assert kernel.value("{n: s.status for n, s in run.steps.items()}") == {"c1": "reused", "c2": "reused"}
    assert path.read_text() == "2"


WRITE = "%%component write\nwith open('rows.txt', 'w') as f:\n    f.write('{}')\ndone = {}"
READ = "%%component read\nwith open('rows.txt') as f:\n    rows = f.read()"


def test_a_step_that_reads_what_another_wrote(notebooks: Notebooks) -> None:
    kernel = notebooks()
    assert status(kernel, WRITE.format(1, 1)) == "succeeded"
    assert status(kernel, READ) == "succeeded"
    other = notebooks("two")
    assert status(other, WRITE.format(1, 1)) == "reused"
    assert status(other, READ) == "reused"
    assert status(other, WRITE.format(2, 1)) == "succeeded"
    assert status(other, READ) == "succeeded"
    assert other.value("rows") == "2"


def test_a_reader_waits_for_the_step_that_wrote_its_file(notebooks: Notebooks) -> None:
    kernel = notebooks()
    kernel.run(WRITE.format(1, 1)).check()
    kernel.run(READ).check()
    slow = WRITE.replace("\nwith", "\nimport time\ntime.sleep(0.5)\nwith").format(2, 1)
    kernel.run("%pipeline mode register").check()
    kernel.run(slow).check()
    decisions = {step["name"]: step["decision"] for step in plan(kernel)}
    assert decisions == {"write": "run", "read": "undecided"}
    kernel.run("run = %pipeline run\n_ = run.wait()").check()
    assert kernel.value("run['rows']") == "2"


def test_a_plan_knows_what_reuse_will_have_made(notebooks: Notebooks) -> None:
    kernel = notebooks()
    kernel.run(WRITE.format(1, 1)).check()
    kernel.run(READ).check()
    other = notebooks("two")
    other.run("%pipeline mode register").check()
    other.run(WRITE.format(1, 1)).check()
    other.run(READ).check()
    assert {step["name"]: step["decision"] for step in plan(other)} == {"write": "reuse", "read": "reuse"}
    assert not (other.folder / "rows.txt").exists()
    other.run("run = %pipeline run\n_ = run.wait()").check()
    assert other.value("{n: s.status for n, s in run.steps.items()}") == {"write": "reused", "read": "reused"}


def plan(kernel: Kernel) -> list[dict[str, str]]:
    found: list[dict[str, str]] = kernel.value(
        "[{'name': n, 'decision': p.decision}"
        " for n, p in __import__('jupyter_mlpipe').current().plan().items()]"
    )
    return found


def test_what_cannot_be_written_is_told(notebooks: Notebooks) -> None:
    cell = "%%component write\nopen('out/a.txt', 'w').write('x')\ny = 1"
    one, two = notebooks(), notebooks("two")
    (one.folder / "out").mkdir()
    assert status(one, cell) == "succeeded"
    (two.folder / "out").write_text("a file, where a folder is needed")
    failed = two.run(cell)
    assert failed.error is not None
    assert "out/a.txt" in failed.error["evalue"]
    assert "as the step left it" in failed.error["evalue"]
    (two.folder / "out").unlink()
    assert status(two, cell) == "reused"
    assert (two.folder / "out" / "a.txt").read_text() == "x"


def test_content_that_the_store_has_lost_is_made_again(notebooks: Notebooks) -> None:
    cell = "%%component write\nopen('a.txt', 'w').write('x' * 100_000)\ny = 1"
    one, two = notebooks(), notebooks("two")
    assert status(one, cell) == "succeeded"
    objects = [path for path in (one.folder.parent / "store" / "objects").rglob("*") if path.is_file()]
    (found,) = [path for path in objects if path.stat().st_size == 100_000]
    found.write_bytes(b"y" * 100_000)
    assert status(two, cell) == "succeeded"
    assert (two.folder / "a.txt").read_text() == "x" * 100_000


def test_the_mode_is_kept(notebooks: Notebooks) -> None:
    cell = "%%component write\nimport os\nopen('run.sh', 'w').write('x')\nos.chmod('run.sh', 0o755)\ny = 1"
    one, two = notebooks(), notebooks("two")
    assert status(one, cell) == "succeeded"
    assert status(two, cell) == "reused"
    path = two.folder / "run.sh"
    assert path.stat().st_mode & 0o777 == 0o755
    path.chmod(0o600)
    assert status(two, cell) == "reused"
    assert path.stat().st_mode & 0o777 == 0o755


def test_what_is_not_kept_is_told_and_made_again(notebooks: Notebooks) -> None:
    cell = (
        "%%component write\nimport subprocess, sys\n"
        'done = subprocess.run([sys.executable, \'-c\', \'open("ma" "de.bin", "w")\']).returncode'
    )
    kernel = notebooks()
    assert "made.bin is on disk only" in kernel.run(cell).check().receipt
    assert status(kernel, cell) == "reused"
    (kernel.folder / "made.bin").unlink()
    again = kernel.run(cell).check()
    assert again.status_of_step == "succeeded"
    assert "file made.bin which it wrote, is no longer there" in again.receipt
    assert (kernel.folder / "made.bin").exists()


def test_a_step_in_the_kernel_itself_leaves_its_files_too(notebooks: Notebooks) -> None:
    cell = "%%component write --here\nwith open('a.txt', 'w') as _f:\n    n = _f.write('x')"
    assert status(notebooks(), cell) == "succeeded"
    other = notebooks("two")
    assert status(other, cell) == "reused"
    assert (other.folder / "a.txt").read_text() == "x"


def test_a_cell_stands_as_it_ran_where_one_further_down_writes_what_it_read(notebooks: Notebooks) -> None:
    kernel = notebooks()
    path = kernel.folder / "n.txt"
    path.write_text("1")
    read = "%%component read\nn = int(open('n.txt').read())"
    add = "%%component add\nwith open('n.txt', 'w') as f:\n    f.write(str(n + 1))\nmore = n + 1"
    for cell in (read, add):
        kernel.run(cell).check()
    assert kernel.run("%%component below\n(n, more)").check().result == "(1, 2)"
    kernel.run(add).check()
    assert [kernel.value("(n, more)"), path.read_text()] == [(1, 2), "2"]
    # Its own cell reads what is there.
    kernel.run(read).check()
    assert kernel.value("n") == 2


def test_a_file_that_somebody_else_writes_is_read_anew_for_the_cells_below(notebooks: Notebooks) -> None:
    kernel = notebooks()
    path = kernel.folder / "n.txt"
    path.write_text("1")
    kernel.run("%%component read\nn = int(open('n.txt').read())").check()
    kernel.run("%%component add\nwith open('n.txt', 'w') as f:\n    f.write('2')").check()
    path.write_text("5")
    assert kernel.run("%%component below\nn").check().result == "5"


def test_a_file_that_a_cell_above_writes_anew_is_read_anew_for_the_cells_below(notebooks: Notebooks) -> None:
    kernel = notebooks()
    for cell in (WRITE.format(1, 1), READ, WRITE.format(2, 1)):
        kernel.run(cell).check()
    assert kernel.run("%%component below\nrows").check().result == "'2'"
