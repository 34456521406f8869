"""Which files a step is seen to read, and their digests."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow.csv as pac
import pytest
from blake3 import blake3

from jupyter_mlpipe.execution.process.files import ABSENT, MISSING, digest_as_before, file_digest
from jupyter_mlpipe.execution.process.opens import Opens
from jupyter_mlpipe.execution.process.paths import Paths
from jupyter_mlpipe.execution.process.seen import Seen
from jupyter_mlpipe.execution.process.sightings import Sightings
from tests.support.steps import Steps


def test_digest_follows_content(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"a,b\n")
    first = file_digest(str(path))
    assert first == blake3(b"a,b\n").hexdigest()
    path.write_bytes(b"a,c\n")
    assert file_digest(str(path)) == blake3(b"a,c\n").hexdigest()
    path.write_bytes(b"")
    assert file_digest(str(path)) == blake3(b"").hexdigest()
    path.unlink()
    assert file_digest(str(path)) == MISSING


def test_digest_of_a_settled_file_is_taken_once(tmp_path: Path) -> None:
    path = tmp_path / "old.bin"
    path.write_bytes(b"x")
    os.utime(path, (1, 1))
    assert file_digest(str(path)) == file_digest(str(path)) == blake3(b"x").hexdigest()


def test_files_read_are_recorded_and_those_written_are_not(steps: Steps) -> None:
    rows = steps.folder / "rows.csv"
    rows.write_text("a\n1\n")
    code = """
import pandas as pd
frame = pd.read_csv("rows.csv")
open("made.txt", "w").write("x")
text = open("made.txt").read()
"""
    ended = steps.run(code)
    assert dict(ended.record.files) == {"rows.csv": blake3(b"a\n1\n").hexdigest()}


def test_a_file_looked_for_in_vain_is_recorded_as_missing(steps: Steps) -> None:
    code = "try:\n    open('settings.toml')\nexcept OSError:\n    pass"
    assert dict(steps.run(code).record.files) == {"settings.toml": MISSING}


def test_databases_are_seen(steps: Steps) -> None:
    path = steps.folder / "rows.db"
    with sqlite3.connect(path) as database:
        database.execute("create table t (a)")
    database.close()
    code = (
        "import sqlite3\nd = sqlite3.connect('rows.db')\nd.execute('select * from t').fetchall()\nd.close()"
    )
    assert list(steps.run(code).record.files) == ["rows.db"]


def test_rows_that_a_database_has_in_its_log_count(steps: Steps) -> None:
    path = steps.folder / "log.db"
    code = "import sqlite3\nd = sqlite3.connect('log.db')\nd.execute('select * from t').fetchall()\nd.close()"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("pragma journal_mode=wal")
        database.execute("create table t (a)")
        before = dict(steps.run(code).record.files)
        assert set(before) == {"log.db", "log.db-wal"}
        database.execute("insert into t values (1)")
        database.commit()
        changed = [name for name, digest in before.items() if file_digest(str(steps.folder / name)) != digest]
    assert changed == ["log.db-wal"]


def test_libraries_and_system_files_are_not_recorded(steps: Steps) -> None:
    code = """
import json.tool, numpy, matplotlib.pyplot as plt, zoneinfo, tempfile
plt.plot([1])
open("/etc/hostname").close() if __import__("os").path.exists("/etc/hostname") else None
open("/proc/self/stat").close()
with tempfile.NamedTemporaryFile("w+") as file:
    file.write("x"); file.flush()
    open(file.name).read()
"""
    assert dict(steps.run(code).record.files) == {}


def test_files_that_only_c_code_opens_count_where_they_are_named(steps: Steps) -> None:
    (steps.folder / "data").mkdir()
    for month in (1, 2):
        (steps.folder / "data" / f"{month}.csv").write_text("a\n1\n")
    (steps.folder / "rows.csv").write_text("a\n1\n")
    (steps.folder / "other.csv").write_text("a\n1\n")
    code = """
import pyarrow.csv as ac
where = {"rows": ["rows.csv"]}
tables = [ac.read_csv(where["rows"][0])] + [ac.read_csv(f"data/{month}.csv") for month in (1, 2)]
ac.write_csv(tables[0], "made.csv")
"""
    assert list(steps.run(code).record.files) == ["data/", "data/1.csv", "data/2.csv", "rows.csv"]


def test_a_folder_that_the_step_writes_to_is_no_input(steps: Steps) -> None:
    (steps.folder / "figures").mkdir()
    (steps.folder / "figures" / "of-another-step.txt").write_text("x")
    code = "for name in 'ab':\n    open(f'figures/{name}.txt', 'w').write(name)"
    assert dict(steps.run(code).record.files) == {}


def test_folders_that_are_listed_are_recorded_by_their_names(steps: Steps) -> None:
    (steps.folder / "listed").mkdir()
    (steps.folder / "listed" / "a.csv").write_text("1")
    (steps.folder / "listed" / ".hidden").write_text("1")
    ended = steps.run("import glob\nfound = glob.glob('liste?/*.csv')[0].count('a')")
    files = dict(ended.record.files)
    assert set(files) == {"./", "listed/"}
    folder = str(steps.folder / "listed")
    assert digest_as_before(folder, files["listed/"]) == files["listed/"]
    (steps.folder / "listed" / ".ipynb_checkpoints").mkdir()
    assert digest_as_before(folder, files["listed/"]) == files["listed/"]
    (steps.folder / "listed" / "b.csv").write_text("1")
    assert digest_as_before(folder, files["listed/"]) != files["listed/"]


def test_files_on_command_lines_are_recorded(steps: Steps) -> None:
    for name in ("one.txt", "two.txt", "three.txt"):
        (steps.folder / name).write_text(name)
    code = """
import os, subprocess
subprocess.run(["cat", "one.txt"])
subprocess.run("cat < two.txt > made.txt", shell=True)
os.system("cat 'three.txt'")
"""
    assert list(steps.run(code).record.files) == ["one.txt", "three.txt", "two.txt"]


def test_a_file_that_changed_after_it_was_read_matches_nothing(steps: Steps) -> None:
    (steps.folder / "rows.txt").write_text("1")
    code = "import subprocess\nx = open('rows.txt').read()\nsubprocess.run('echo 2 >> rows.txt', shell=True)"
    files = dict(steps.run(code).record.files)
    assert files["rows.txt"] != digest_as_before(str(steps.folder / "rows.txt"), files["rows.txt"])


def test_a_file_asked_for_in_vain_is_recorded_as_missing(steps: Steps) -> None:
    code = "import os\nfrom pathlib import Path\nx = os.path.exists('a.txt') or Path('b.txt').exists()"
    assert dict(steps.run(code).record.files) == {"a.txt": ABSENT, "b.txt": ABSENT}


def test_of_very_many_files_asked_for_their_names_count_and_those_that_were_opened(steps: Steps) -> None:
    """However the folder is named, or the rest of them would have to be looked at."""
    (steps.folder / "many").mkdir()
    for number in range(1500):
        (steps.folder / "many" / f"{number}.txt").touch()
    code = """
import ctypes, os
x = sum(os.path.exists(f"many/{i}.txt") for i in range(1500))
libc = ctypes.CDLL(None)
there = libc.open("/".join(["many", "7.txt"]).encode(), 0)
del libc
"""
    files = dict(steps.run(code).record.files)
    assert files["many/"].startswith("names ")
    assert files.keys() <= {"many/", "many", "many/7.txt"}
    assert "many" in files or "many/7.txt" in files  # as the system tells what is opened, or does not


def test_a_path_written_out_in_full_stays_as_it_is(steps: Steps) -> None:
    path = steps.folder / "rows.txt"
    path.write_text("1")
    assert list(steps.run(f"x = open({str(path)!r}).read()").record.files) == [str(path)]


def test_a_step_may_remove_the_folder_that_it_is_in(steps: Steps) -> None:
    code = """
import os, shutil
os.makedirs("gone/below")
os.chdir("gone/below")
shutil.rmtree("../../gone")
"""
    assert steps.run(code).record
    assert not (steps.folder / "gone").exists()


def test_files_that_only_c_code_opens_count_where_the_system_tells(steps: Steps) -> None:
    opens = Opens()
    opens.watch([str(steps.folder)])
    for name in ("rows", "other"):
        (steps.folder / f"{name}.txt").write_text(name)
    if not any(opens.take()):
        pytest.skip("this system does not tell what a process opens")
    code = """
import ctypes, subprocess
libc = ctypes.CDLL(None)
held = ctypes.create_string_buffer(9)
there = libc.open(("ro" + "ws.t" + "xt").encode(), 0)
x = libc.read(there, held, 8), held.value
del libc, held, there
"""
    assert dict(steps.run(code).record.files) == {"rows.txt": blake3(b"rows").hexdigest()}


def test_files_that_programs_open_which_a_step_starts_count(steps: Steps, tmp_path: Path) -> None:
    """They find their files themselves; what others open meanwhile is none of the step's business."""
    opens = Opens()
    opens.watch([str(steps.folder)])
    beyond = tmp_path / "beyond"
    beyond.mkdir()
    (steps.folder / "linked").symlink_to(beyond)
    for place in (steps.folder / "rows.txt", steps.folder / "other.txt", beyond / "rows.txt"):
        place.write_text(place.name)
    if not any(opens.take()):
        pytest.skip("this system does not tell what a process opens")
    (steps.folder / "program.py").write_text("for f in ('', 'linked/'): open(f + 'ro' + 'ws.txt')")
    others = f"while true; do : < {steps.folder}/other.txt; done"
    with subprocess.Popen(["bash", "-c", others]) as other:
        code = "import subprocess, sys\nx = subprocess.run([sys.executable, 'program.py']).returncode"
        files = dict(steps.run(code).record.files)
        other.kill()
    assert {path for path in files if path.endswith(".txt")} == {"rows.txt", "linked/rows.txt"}
    assert files["rows.txt"] == blake3(b"rows.txt").hexdigest()


def test_where_links_lead_and_who_may_what_is_recorded_beside_the_content(steps: Steps) -> None:
    (steps.folder / "one").write_text("1")
    (steps.folder / "link").symlink_to("one")
    code = "import os\np = 'li' + 'nk'\nx = len(os.readlink(p)), os.access(p, os.R_OK), open(p).read()"
    files = dict(steps.run(code).record.files)
    assert list(files) == ["link"]
    digest = files["link"]
    assert digest_as_before(str(steps.folder / "link"), digest) == digest
    (steps.folder / "two").write_text("1")
    (steps.folder / "link").unlink()
    (steps.folder / "link").symlink_to("two")
    assert digest_as_before(str(steps.folder / "link"), digest) != digest


@pytest.mark.parametrize("read", [pl.read_csv, pac.read_csv])
def test_a_file_counts_whose_path_a_library_makes_one_in_full(
    steps: Steps, tmp_path: Path, read: Callable[[str], object]
) -> None:
    """It opens it in Rust or C++ next; its path stands nowhere."""
    path = tmp_path / "rows.csv"
    path.write_text("a\n1\n")
    seen = Seen(Paths(str(steps.folder)))
    sightings = Sightings(seen)
    sightings.start()
    try:
        read(str(path))
    finally:
        sightings.stop()
    assert str(path) in seen.mentioned


def test_what_a_forked_process_tells_the_next_one_does_not_tell_again(steps: Steps, tmp_path: Path) -> None:
    """Or the epochs of a training, each with workers of its own, would fill the memory."""
    if not hasattr(os, "memfd_create"):
        pytest.skip("no file in memory here")
    (tmp_path / "rows.txt").write_text("rows")
    code = f"""
import os
def told():
    held = [f"/proc/self/fd/{{n}}" for n in os.listdir("/proc/self/fd")]
    return [os.stat(path).st_size for path in held if "memfd:seen" in os.path.realpath(path)]
def read_in_child():
    if not os.fork():
        open({str(tmp_path)!r} + "/ro" + "ws.txt").read()
        os._exit(0)
    os.wait()
    return told()
first, second = read_in_child(), read_in_child()
assert 0 < second[0] - first[0] < first[0] / 2, (first, second)  # that it is there, only
del first, second
"""
    assert os.path.relpath(tmp_path / "rows.txt", steps.folder) in [
        os.path.relpath(os.path.join(steps.folder, path), steps.folder)
        for path in steps.run(code).record.files
    ]


def test_a_forked_process_that_is_killed_while_it_tells_costs_the_reuse_and_nothing_else(
    steps: Steps, tmp_path: Path
) -> None:
    if not hasattr(os, "memfd_create"):
        pytest.skip("no file in memory here")
    (tmp_path / "rows.txt").write_text("rows")
    code = f"""
import os, signal
def in_child(is_killed):
    if not os.fork():
        if is_killed:
            for n in map(int, os.listdir("/proc/self/fd")):
                if "memfd:seen" in os.path.realpath(f"/proc/self/fd/{{n}}"):
                    os.write(n, b'["read", "/half a pa')
                    os.kill(os.getpid(), signal.SIGKILL)
        open({str(tmp_path)!r} + "/ro" + "ws.txt").read()
        os._exit(0)
    return os.wait()[1]
x = [in_child(is_killed) for is_killed in (KILLED, False)]
"""
    whole = steps.run(code.replace("KILLED", "False")).record
    torn = steps.run(code.replace("KILLED", "True"))
    assert steps.value(torn, "x") == [9, 0]
    read = blake3(b"rows").hexdigest()  # what the later one told counts
    assert read in whole.files.values()
    assert read in torn.record.files.values()
    assert not whole.live
    assert [*torn.record.live] == [""]
    assert "killed" in torn.record.live[""]
