"""What a step is recorded to have left on disk."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import pytest
from blake3 import blake3

from jupyter_mlpipe.execution.process.files import ABSENT, CHANGED, MISSING, THERE
from jupyter_mlpipe.store.files import Limits
from jupyter_mlpipe.store.records import Record
from tests.support.steps import Steps


@pytest.fixture(autouse=True)
def _nothing_there(steps: Steps) -> None:
    for path in steps.folder.iterdir():
        if path.name == ".store":
            continue
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def written(record: Record) -> dict[str, str]:
    return {entry.path: entry.kind for entry in record.written}


def kept(record: Record) -> dict[str, bytes | None]:
    """Return by path what is kept of files, as far as it is small; None where nothing is."""
    files = [entry for entry in record.written if entry.kind == "file"]
    return {entry.path: None if entry.blob is None else entry.blob.inline for entry in files}


def test_what_is_too_large_is_known_by_its_digest(steps: Steps) -> None:
    code = "open('big.bin', 'wb').write(b'x' * 2000)\nopen('small.bin', 'wb').write(b'y')"
    record = steps.run(code, file_limits=Limits(file_bytes=1000)).record
    assert kept(record) == {"big.bin": None, "small.bin": b"y"}
    assert record.written[0].digest == blake3(b"x" * 2000).hexdigest()


def test_a_step_keeps_so_much_and_no_more(steps: Steps) -> None:
    code = "for name in 'abc':\n    open(name, 'wb').write(b'x' * 400)"
    record = steps.run(code, file_limits=Limits(step_bytes=1000)).record
    assert kept(record) == {"a": b"x" * 400, "b": b"x" * 400, "c": None}


def test_what_was_there_before_counts_where_the_code_adds_to_it(steps: Steps) -> None:
    (steps.folder / "old.txt").write_text("1")
    (steps.folder / "anew.txt").write_text("1")
    code = """
modes = {"old.txt": "a", "made.txt": "a", "both.bin": "wb", "anew.txt": "w", "only.txt": "x"}
for name, mode in modes.items():
    with open(name, mode) as f:
        f.write(b"2" if "b" in mode else "2")
"""
    record = steps.run(code).record
    expected = {"old.txt": blake3(b"1").hexdigest(), "made.txt": MISSING, "only.txt": ABSENT}
    assert dict(record.files) == expected
    assert kept(record) == {
        "old.txt": b"12",
        "made.txt": b"2",
        "both.bin": b"2",
        "anew.txt": b"2",
        "only.txt": b"2",
    }


def test_a_file_opened_for_both_and_left_alone_is_only_read(steps: Steps) -> None:
    (steps.folder / "a.txt").write_text("1")
    record = steps.run("with open('a.txt', 'r+') as f:\n    f.read()").record
    assert dict(record.files) == {"a.txt": blake3(b"1").hexdigest()}
    assert record.written == ()


def test_a_file_that_is_only_touched(steps: Steps) -> None:
    (steps.folder / "old.txt").write_text("1")
    record = steps.run("from pathlib import Path\nPath('old.txt').touch()\nPath('made.txt').touch()").record
    assert dict(record.files) == {"old.txt": blake3(b"1").hexdigest()}
    assert [(entry.path, entry.careful) for entry in record.written] == [("made.txt", True)]


def test_a_file_that_cannot_be_opened_is_not_written(steps: Steps) -> None:
    (steps.folder / "folder").mkdir()
    code = (
        "for name in ('folder', 'none/a.txt'):\n"
        "    try:\n        open(name, 'w')\n    except OSError:\n        pass"
    )
    assert steps.run(code).record.written == ()


def test_moves_and_removals(steps: Steps) -> None:
    for name in ("a", "b", "c"):
        (steps.folder / f"{name}.txt").write_text(name)
    code = """
import os, shutil
from pathlib import Path
os.rename("a.txt", "moved.txt")
os.remove("b.txt")
Path("c.txt").unlink(missing_ok=True)
os.makedirs("out/deep")
shutil.rmtree("out/deep")
with open("brief.txt", "w") as f:
    f.write("x")
os.remove("brief.txt")
"""
    record = steps.run(code).record
    assert written(record) == {
        "a.txt": "removed",
        "b.txt": "removed",
        "c.txt": "removed",
        "out": "folder",
        "moved.txt": "file",
    }
    assert dict(record.files) == {
        "a.txt": blake3(b"a").hexdigest(),
        "b.txt": blake3(b"b").hexdigest(),
        "out": ABSENT,
    }
    assert {e.path: e.digest for e in record.written if e.kind == "removed"} == {
        f"{name}.txt": blake3(name.encode()).hexdigest() for name in ("a", "b", "c")
    }


def test_a_file_removed_and_made_again(steps: Steps) -> None:
    (steps.folder / "a.txt").write_text("1")
    record = steps.run("import os\nos.remove('a.txt')\nopen('a.txt', 'w').write('2')").record
    assert kept(record) == {"a.txt": b"2"}
    assert dict(record.files) == {"a.txt": THERE}


def test_links(steps: Steps) -> None:
    (steps.folder / "real.txt").write_text("1")
    (steps.folder / "link.txt").symlink_to("real.txt")
    record = steps.run("import os\nos.symlink('real.txt', 'made')\nopen('link.txt', 'w').write('2')").record
    assert written(record) == {"made": "link", "link.txt": "file"}
    assert kept(record) == {"link.txt": b"2"}


@pytest.mark.parametrize(
    "code",
    [
        "import pyarrow as pa, pyarrow.parquet as pq\npq.write_table(pa.table({'a': [1]}), 'made.bin')",
        "import pyarrow as pa, pyarrow.parquet as pq\nto = 'made.bin'\n"
        "pq.write_table(pa.table({'a': [1]}), to)",
        "import subprocess\nsubprocess.run(['cp', 'given.txt', 'made.bin'])",
        "import os\nos.system('cp given.txt made.bin')",
        "import multiprocessing as m\ndef f(name):\n    open(name, 'w').write('1')\n"
        "p = m.get_context('fork').Process(target=f, args=('made.bin',))\np.start()\np.join()",
    ],
)
def test_what_others_write_for_the_step_is_kept_where_it_is_named(steps: Steps, code: str) -> None:
    (steps.folder / "given.txt").write_text("1")
    record = steps.run(code).record
    assert written(record) == {"made.bin": "file"}
    assert record.written[0].blob is not None


def test_what_a_program_made_under_another_name_is_only_compared(steps: Steps) -> None:
    code = 'import subprocess, sys\nsubprocess.run([sys.executable, \'-c\', \'open("ma" "de.bin", "w")\'])'
    record = steps.run(code).record
    assert kept(record) == {"made.bin": None}


def test_files_of_others_are_not_the_step_s(steps: Steps) -> None:
    """A notebook that is saved, somebody's notes, a log: they change while a step runs."""
    names = ("notes.md", "this.ipynb", "server.log")
    for name in names:
        (steps.folder / name).write_text("1")

    def change() -> None:
        end = time.monotonic() + 30
        while not (steps.folder / "begun").exists() and time.monotonic() < end:
            time.sleep(0.01)
        for name in names:
            (steps.folder / name).write_text("22")
        (steps.folder / "go").touch()

    thread = threading.Thread(target=change)
    thread.start()
    waits = "import os, time\nopen('begun', 'w').close()\nwhile not os.access('go', 0):\n    time.sleep(0.01)"
    record = steps.run(f"{waits}\nwith open('mine.txt', 'w') as f:\n    f.write('x')").record
    thread.join()
    assert kept(record) == {"begun": b"", "mine.txt": b"x", "go": b""}


def test_a_file_that_others_change_while_the_step_has_it_matches_nothing(steps: Steps) -> None:
    (steps.folder / "rows.txt").write_text("1")
    code = "import pyarrow.csv as ac\nx = 'rows.txt'\nopen('made', 'w').close()\nimport ctypes\n" + (
        "c = ctypes.CDLL(None)\nf = c.open(b'rows.txt', 1)\nc.write(f, b'2', 1)\nc.close(f)"
    )
    record = steps.run(code).record
    assert dict(record.files) == {"rows.txt": CHANGED}
    assert written(record) == {"made": "file"}


def test_temporary_files_count_only_where_the_code_names_them(steps: Steps) -> None:
    named = f"/tmp/mlpipe-test-{os.getpid()}.txt"
    code = (
        f"import tempfile\nopen({named!r}, 'w').write('x')\n"
        "f = tempfile.NamedTemporaryFile(delete=False)\nf.close()"
    )
    try:
        record = steps.run(code + "\nimport os\nos.remove(f.name)\ndel f").record
        assert written(record) == {named: "file"}
    finally:
        Path(named).unlink()


def test_what_an_open_file_holds_back_is_written_out(steps: Steps) -> None:
    assert kept(steps.run("f = open('a.txt', 'w')\nn = f.write('x')").record) == {"a.txt": b"x"}
