"""Nothing out of date: in the notebook's variables, while runs are in progress, between folders."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.kernel import Kernel

Start = Callable[..., Kernel]


def status(kernel: Kernel, cell: str) -> str:
    return kernel.run(cell).check().status_of_step


def wait_for(path: Path, kernel: Kernel) -> None:
    """Wait in the kernel until a step has made a file."""
    code = (
        f"import os, time\nend = time.time() + 60\n"
        f"while not os.path.exists({str(path)!r}) and time.time() < end: time.sleep(0.01)"
    )
    kernel.run(code).check()
    assert path.exists()


def gate(name: str) -> str:
    """Return code that says that it has begun, and goes on once it may."""
    return (
        f"import os as _os, time as _time\nopen('{name}.begun', 'w').close()\n"
        f"while not _os.path.isfile('{name}.go'): _time.sleep(0.01)\n"
    )


def test_a_reader_sees_what_the_last_run_made(kernel: Kernel) -> None:
    kernel.run("%%parameters\np = 1").check()
    kernel.run("%%component a\nx = p * 10").check()
    kernel.run("%%component b\ny = x + 1").check()
    assert kernel.value("(x, y)") == (10, 11)
    kernel.run("%%parameters\np = 2").check()
    kernel.run("%pipeline run").check()
    assert kernel.value("(x, y)") == (20, 21)
    kernel.run("%%parameters\np = 3").check()
    kernel.run("%%component b\ny = x + 1").check()
    assert kernel.value("(x, y)") == (30, 31)


def test_a_reader_waits_for_a_value_that_is_made_anew(kernel: Kernel) -> None:
    kernel.run("%%component a\nx = 1").check()
    assert kernel.value("x") == 1
    kernel.run(f"%%component a --background\n{gate('a')}x = 2").check()
    wait_for(kernel.folder / "a.begun", kernel)
    reading = kernel.start("x")
    (kernel.folder / "a.go").touch()
    assert kernel.wait(reading).check().result == "2"


def test_a_helper_redefined_during_a_run_is_not_in_its_result(kernel: Kernel) -> None:
    kernel.run("def h():\n    return 1").check()
    cell = f"%%component a\n{gate('a')}x = h()"
    kernel.run(cell.replace("%%component a", "%%component a --background")).check()
    wait_for(kernel.folder / "a.begun", kernel)
    kernel.run("def h():\n    return 2").check()
    (kernel.folder / "a.go").touch()
    assert kernel.value("x") == 1
    # What ran is known by what it was made of.
    assert status(kernel, cell) == "succeeded"
    assert kernel.value("x") == 2
    kernel.run("def h():\n    return 1").check()
    assert status(kernel, cell) == "reused"
    assert kernel.value("x") == 1


def test_a_module_edited_during_a_run_is_not_in_its_result(kernel: Kernel) -> None:
    module = kernel.folder / "late.py"
    module.write_text("def f(): return 1")
    cell = f"%%component a\n{gate('a')}import late\nx = late.f()"
    kernel.run(cell.replace("%%component a", "%%component a --background")).check()
    wait_for(kernel.folder / "a.begun", kernel)
    module.write_text("def f(): return 2")
    (kernel.folder / "a.go").touch()
    assert kernel.value("x") == 1
    assert status(kernel, cell) == "succeeded"
    assert kernel.value("x") == 2
    module.write_text("def f(): return 1")
    assert status(kernel, cell) == "reused"
    assert kernel.value("x") == 1


def test_a_file_edited_after_it_was_read_runs_its_reader_again(kernel: Kernel) -> None:
    rows = kernel.folder / "rows.txt"
    rows.write_text("1")
    cell = f"%%component a\nx = open('rows.txt').read()\n{gate('a')}"
    kernel.run(cell.replace("%%component a", "%%component a --background")).check()
    wait_for(kernel.folder / "a.begun", kernel)
    rows.write_text("2")
    (kernel.folder / "a.go").touch()
    assert kernel.value("x") == "1"
    assert status(kernel, cell) == "succeeded"
    assert kernel.value("x") == "2"
    assert status(kernel, cell) == "reused"


def test_a_file_edited_with_its_time_kept_is_seen(kernel: Kernel) -> None:
    rows = kernel.folder / "rows.txt"
    rows.write_text("1")
    os.utime(rows, (1, 1))
    cell = "%%component a\nx = open('rows.txt').read()"
    assert [status(kernel, cell), status(kernel, cell)] == ["succeeded", "reused"]
    rows.write_text("2")
    os.utime(rows, (1, 1))
    assert status(kernel, cell) == "succeeded"
    assert kernel.value("x") == "2"


def test_results_for_other_parameters_stay_out_of_the_notebook(kernel: Kernel) -> None:
    kernel.run("%%parameters\np = 1").check()
    kernel.run("%%component a\nx = p * 10").check()
    assert kernel.value("(p, x)") == (1, 10)
    kernel.run("run = %pipeline run -p p=5").check()
    assert kernel.value("(run.wait()['x'], p, x)") == (50, 1, 10)
    assert status(kernel, "%%component b\ny = x + 1") == "succeeded"
    assert kernel.value("y") == 11


def test_two_kernels_that_do_the_same_work_at_once(start_kernel: Start) -> None:
    one, other = start_kernel(), start_kernel()
    cell = f"%%component a\n{gate('both')}x = list(range(100_000))"
    begun = [kernel.start(cell) for kernel in (one, other)]
    wait_for(one.folder / "both.begun", start_kernel(load=False))
    (one.folder / "both.go").touch()
    for kernel, cell_id in zip((one, other), begun, strict=True):
        kernel.wait(cell_id).check()
        assert kernel.value("(len(x), sum(x))") == (100_000, 4999950000)
    assert status(one, cell) == "reused"


def test_a_result_damaged_by_hand_is_made_anew(start_kernel: Start, tmp_path: Path) -> None:
    cells = ["import numpy as np", "%%component a\nx = np.arange(100_000)", "%%component b\ny = x + 1"]
    kernel = start_kernel()
    for cell in cells:
        kernel.run(cell).check()
    objects = [path for path in (tmp_path / ".mlpipe" / "objects").rglob("*") if path.is_file()]
    assert objects
    for path in objects:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.chmod(0o644)
        path.write_bytes(content)
    other = start_kernel()
    for cell in cells:
        other.run(cell).check()
    assert (
        other.run("int((y == np.arange(1, 100_001)).all()), int(x.sum())").check().result == "(1, 4999950000)"
    )


def test_a_record_changed_by_hand_is_no_record(start_kernel: Start, tmp_path: Path) -> None:
    kernel = start_kernel()
    kernel.run("%%component a\nx = 12345").check()
    for path in (tmp_path / ".mlpipe" / "records").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(path.read_bytes().replace(b"12345", b"54321"))
    assert status(start_kernel(), "%%component a\nx = 12345") == "succeeded"


def test_autoreload(kernel: Kernel) -> None:
    module = kernel.folder / "reloaded.py"
    module.write_text("def f():\n    return 1\n")
    kernel.run("%load_ext autoreload\n%autoreload 2").check()
    kernel.run("from reloaded import f\nimport reloaded\ndef h(): return reloaded.f() + f()").check()
    assert status(kernel, "%%component a\nx = h()") == "succeeded"
    module.write_text("def f():\n    return 10\n")
    assert status(kernel, "%%component a\nx = h()") == "succeeded"
    assert kernel.value("(x, h())") == (20, 20)
    assert status(kernel, "%%component a\nx = h()") == "reused"


def test_a_class_redefined_after_its_instances_were_loaded(kernel: Kernel) -> None:
    kernel.run("class A:\n    def get(self): return 1", cell_id="A").check()
    kernel.run("%%component a\no = A()", cell_id="a").check()
    kernel.run("%%component b\ny = o.get()", cell_id="b").check()
    assert kernel.value("(o.get(), y)") == (1, 1)
    kernel.run("class A:\n    def get(self): return 2", cell_id="A").check()
    # The step above is out of date, and runs first.
    kernel.run("%%component b\ny = o.get()", cell_id="b").check()
    assert kernel.value("(y, o.get())") == (2, 2)


@pytest.mark.parametrize(
    ("first", "second"),
    [("def f(): return 1", "def f(): return 5"), ("class f(int): k = 1", "class f(int): k = 5")],
)
def test_what_is_redefined_further_down_is_not_what_earlier_cells_read(
    kernel: Kernel, first: str, second: str
) -> None:
    """Also where cells are not named: nbclient and papermill run each of them once."""
    kernel.run(first).check()
    kernel.run("%%component a\nx = getattr(f, 'k', None) or f()").check()
    kernel.run(second).check()
    kernel.run("%%component b\ny = (x, getattr(f, 'k', None) or f())").check()
    assert kernel.value("(x, y)") == (1, (1, 5))


def test_folders_do_not_share_what_they_read(start_kernel: Start, tmp_path: Path) -> None:
    seen = []
    for name in ("one", "two", "three"):
        folder = tmp_path / name
        (folder / "pack").mkdir(parents=True)
        text = "same" if name != "two" else "other"
        (folder / "in.txt").write_text(text)
        (folder / "pack" / "in.txt").write_text(text)
        (folder / "pack" / "__init__.py").write_text(
            "from pathlib import Path\ndef read(): return (Path(__file__).parent / 'in.txt').read_text()"
        )
        kernel = start_kernel(folder, MLPIPE_STORE=str(tmp_path / "store"))
        statuses = [
            status(kernel, "%%component a\nx = open('in.txt').read()"),
            status(kernel, "%%component b\nimport pack\ny = pack.read()"),
            status(kernel, "%%component c\nimport os\nz = os.path.basename(os.getcwd())"),
            status(kernel, "%%component d\nu = 1"),
        ]
        seen.append((statuses, kernel.value("(x, y, z)")))
    assert seen[0] == (["succeeded"] * 4, ("same", "same", "one"))
    assert seen[1] == (["succeeded"] * 3 + ["reused"], ("other", "other", "two"))
    # What was read is as in the first folder.
    assert seen[2] == (["reused", "reused", "succeeded", "reused"], ("same", "same", "three"))


def test_the_import_path_decides_which_module_is_meant(kernel: Kernel) -> None:
    for name, value in (("first", 1), ("second", 2)):
        (kernel.folder / name).mkdir()
        (kernel.folder / name / "chosen.py").write_text(f"def f(): return {value}")
    kernel.run("import sys, os\nsys.path.insert(0, os.path.abspath('first'))").check()
    cell = "%%component a\nimport chosen\nx = chosen.f()"
    assert status(kernel, cell) == "succeeded"
    kernel.run("sys.path[0] = os.path.abspath('second')").check()
    assert status(kernel, cell) == "succeeded"
    assert kernel.value("x") == 2


def test_a_name_may_be_bound_that_a_step_has_not_made(kernel: Kernel) -> None:
    kernel.run("%%component a --no-run\nx = 1").check()
    kernel.run("x = 5").check()
    assert kernel.value("x") == 5


def test_what_a_table_of_tables_rests_on_is_in_the_key(kernel: Kernel) -> None:
    kernel.run("%%component a\nimport pandas as pd\nd = {'t': pd.DataFrame({'a': [1]})}").check()
    kernel.run("%%component b\nn = len(d['t'])").check()
    kernel.run("from jupyter_mlpipe.notebook.extension import current_session").check()
    decided = kernel.run("print(current_session().standing.plan().decided['b'].ingredients)").check()
    assert re.search(r"kind='package', name='pandas'", decided.printed)


def install(folder: Path, version: int) -> None:
    """Put a package where pip would put it, in place of an earlier version."""
    site = folder / "lib" / "site-packages"
    shutil.rmtree(site, ignore_errors=True)
    (site / "upgraded").mkdir(parents=True)
    (site / "upgraded" / "__init__.py").write_text(f"def f(): return {version}\n")
    info = site / f"upgraded-{version}.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: upgraded\nVersion: {version}.0\n")
    (info / "RECORD").write_text("upgraded/__init__.py,,\n")


def test_a_package_upgraded_while_the_kernel_runs(start_kernel: Start, tmp_path: Path) -> None:
    install(tmp_path, 1)
    path = {"PYTHONPATH": str(tmp_path / "lib" / "site-packages")}
    cell = "%%component a\nimport upgraded\nx = upgraded.f()"
    kernel = start_kernel(**path)
    assert status(kernel, cell) == "succeeded"
    # Once more, so that it is imported ahead.
    assert status(kernel, cell.replace("x =", "x = 10 *")) == "succeeded"
    install(tmp_path, 2)
    assert status(kernel, cell) == "succeeded"
    assert kernel.value("x") == 2
    fresh = start_kernel(**path)
    assert status(fresh, cell) == "reused"
    assert fresh.value("x") == 2
    install(tmp_path, 3)
    fresh = start_kernel(**path)
    assert status(fresh, cell) == "succeeded"
    assert fresh.value("x") == 3
