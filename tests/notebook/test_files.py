"""`File` and `Folder` in notebooks: declared, given by steps, on other machines; what is said of files."""

from __future__ import annotations

import shutil
import typing
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_mlpipe.errors import ContractError, ParameterError
from jupyter_mlpipe.model.component import Input
from jupyter_mlpipe.model.files import File, Folder
from jupyter_mlpipe.notebook.steps.parameters import Text, check_type, convert, declare
from tests.support.kernel import Kernel

MAKE = """%%component make
import os, jupyter_mlpipe as mlpipe
os.makedirs("out", exist_ok=True)
with open("out/report.txt", "w") as _file:
    _file.write("made")
os.chmod("out/report.txt", 0o755)
report = mlpipe.File("out/report.txt")
plots = mlpipe.Folder("out")"""
LOOK = """%%component look
import os
text = open(report).read(), (plots / "report.txt").read_text(), os.access(report, os.X_OK), report.name"""
SEEN = ("made", "made", True, "report.txt")
APPEND = """with open(report, "a") as _file:
    _file.write(" more")"""


def test_what_a_step_gives_is_there_whatever_becomes_of_it(
    start_kernel: Callable[..., Kernel], tmp_path: Path
) -> None:
    first = start_kernel()
    assert first.run(MAKE).check().status_of_step == "succeeded"
    (tmp_path / "out" / "report.txt").write_text("another")
    shutil.rmtree(tmp_path / "out")
    assert first.run(LOOK).check().status_of_step == "succeeded"
    assert first.value("text") == SEEN
    path = first.value("str(report)")
    # A copy is the notebook's own: what it does to it is seen by the cells below, and by nobody else.
    first.run(APPEND).check()
    first.run("%%component longer\nlength = os.path.getsize(report)").check()
    assert first.value("length") == 9
    first.close()

    second = start_kernel()
    assert [second.run(cell).check().status_of_step for cell in (MAKE, LOOK)] == ["reused", "reused"]
    assert second.value("text") == SEEN
    assert second.value("open(report).read()") == "made"
    assert second.value("str(report)") != path
    assert (tmp_path / "out" / "report.txt").read_text() == "made"


def test_a_large_file_is_not_read_again_in_a_fresh_kernel(start_kernel: Callable[..., Kernel]) -> None:
    path = typing.__file__  # written long ago
    size = f"%%component size(path: File = {path!r})\nimport os\nn = os.path.getsize(path)"
    first = start_kernel()
    assert first.run(size).check().status_of_step == "succeeded"
    first.close()
    second = start_kernel()
    second.run(
        "import sys\nopened = set()\n"
        "sys.addaudithook(lambda event, found: event == 'open' and opened.add(str(found[0])))"
    ).check()
    assert second.run(size).check().status_of_step == "reused"
    assert second.value(f"{path!r} in opened") is False


def test_a_step_that_changes_a_copy_gives_another_file(kernel: Kernel) -> None:
    kernel.run(MAKE).check()
    kernel.run(f"%%component more\n{APPEND}").check()
    assert kernel.value("open(report).read()") == "made more"
    assert kernel.run(f"%%component more\n{APPEND}").check().status_of_step == "reused"
    kernel.run(
        "%%component first(report=make.report) -> text\nwith open(report) as _file:\n    text = _file.read()"
    ).check()
    assert kernel.value("text") == "made"
    refused = kernel.run(f"%%component bound(report=make.report) -> n\n{APPEND}\nn = 1")
    assert "changes its input 'report' in place" in refused.traceback


def test_a_declared_file_from_another_machine(kernel: Kernel) -> None:
    kernel.run(
        "import fsspec, jupyter_mlpipe as mlpipe\nfs = fsspec.filesystem('memory')\n"
        "fs.pipe({'/b/raw.csv': b'1', '/b/in/more.csv': b'2'})\n"
        "raw, held = mlpipe.File('memory://b/raw.csv'), [mlpipe.Folder('memory://b')]"
    ).check()
    read = "%%component read\nx = open(raw).read(), (held[0] / 'in' / 'more.csv').read_text()"
    given = "%%component given(p: File = 'memory://b/raw.csv') -> y\ny = open(p).read()"
    assert [kernel.run(cell).check().status_of_step for cell in (read, given, read, given)] == [
        *["succeeded"] * 2,
        *["reused"] * 2,
    ]
    assert kernel.value("(x, y)") == (("1", "2"), "1")
    kernel.run("fs.pipe('/b/raw.csv', b'3')").check()
    assert "file memory://b/raw.csv changed" in kernel.run(read).check().receipt
    assert "file memory://b/raw.csv changed" in kernel.run(given).check().receipt
    assert kernel.value("(x, y)") == (("3", "2"), "3")


def test_a_file_that_changes_while_the_step_runs_is_read_again(kernel: Kernel, tmp_path: Path) -> None:
    (tmp_path / "raw.txt").write_text("1")
    cell = (
        "%%component read(p: File = 'raw.txt') -> x\nimport subprocess\nx = open(p).read()\n"
        "subprocess.run('echo 2 > $(echo raw).txt', shell=True)"
    )
    assert kernel.run(cell).check().status_of_step == "succeeded"
    (tmp_path / "raw.txt").write_text("1")
    result = kernel.run(cell).check()
    assert result.status_of_step == "succeeded"
    assert "file raw.txt changed while it was read" in result.receipt


def test_how_files_are_declared_is_said_once(kernel: Kernel, tmp_path: Path) -> None:
    (tmp_path / "raw.txt").write_text("1")
    (tmp_path / "more.txt").write_text("2")
    declared = kernel.run("%%component a(p: File = 'raw.txt') -> x\nx = open(p).read()").check()
    assert "declare it" not in declared.receipt
    told = kernel.run("%%component b\ny = open('raw.txt').read()").check()
    assert 'reads raw.txt: declare it as b(path: File = "raw.txt"), and open path' in told.receipt
    again = kernel.run("%%component b\ny = open('raw.txt').read()").check()
    other = kernel.run("%%component c\nz = open('more.txt').read()").check()
    assert "declare it" not in again.receipt + other.receipt


def test_a_file_that_a_running_step_makes_is_waited_for(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run("import time, jupyter_mlpipe as mlpipe\nraw = mlpipe.File('late.txt')").check()
    kernel.run("%%component late --background\ntime.sleep(1)\nopen('late.txt', 'w').write('here')").check()
    kernel.run("%%component read\nx = open(raw).read()").check()
    assert kernel.value("x") == "here"


def declared(name: str, annotation: str | None, default: str | None) -> Input:
    return Input(name, annotation=annotation, default=default)


@pytest.mark.parametrize(
    ("annotation", "default", "given", "value"),
    [
        ("Annotated[File, 'the rows']", "'raw.csv'", "2024", File("2024")),
        ("File", "'raw.csv'", "other.csv", File("other.csv")),
        ("File", "'raw.csv'", "2024", File("2024")),
        ("Folder", "'data'", "s3://b/data", Folder("s3://b/data")),
        ("Annotated[File, 'the rows']", "'raw.csv'", "other.csv", File("other.csv")),
        ("File | None", "None", "other.csv", File("other.csv")),
        ("File | None", "'raw.csv'", "none", None),
        (None, "File('raw.csv')", "2024", File("2024")),
    ],
)
def test_a_path_given_on_the_command_line_is_a_file(
    annotation: str | None, default: str, given: str, value: object
) -> None:
    parameter = declare(declared("path", annotation, default), {"File": File} if not annotation else {})
    found = convert(parameter, Text(given))
    assert (type(found), found) == (type(value), value)


def test_a_default_becomes_a_file_and_a_number_does_not() -> None:
    assert repr(declare(declared("p", "File", "'raw.csv'"), {}).value) == "File('raw.csv')"
    assert declare(declared("x", "float", "1"), {}).value == 1
    with pytest.raises(ParameterError, match="expected a path, found a int"):
        declare(declared("p", "File", "3"), {})
    with pytest.raises(ParameterError, match="expected a path, found a Folder"):
        convert(declare(declared("p", "File", "'raw.csv'"), {}), Folder("data"))


def test_text_where_a_file_is_declared_is_told_apart() -> None:
    check_type("load", declared("raw", "File", None), File("raw.csv"), {})
    with pytest.raises(ContractError, match=r"raw = mlpipe.File\('raw.csv'\)"):
        check_type("load", declared("raw", "File", None), "raw.csv", {})


def test_names_of_the_notebook_go_before_ours() -> None:
    assert declare(declared("p", "File", "3"), {"File": int}).value == 3


def test_going_back_to_earlier_content_of_a_file_runs_nothing(
    start_kernel: Callable[..., Kernel], tmp_path: Path
) -> None:
    read = "%%component read\ntext = open('in.txt').read()"
    kernel = start_kernel()
    statuses, texts = [], []
    for text in ("one", "two", "one", "two", "three", "four", "one"):
        (tmp_path / "in.txt").write_text(text)
        statuses.append(kernel.run(read).check().status_of_step)
        texts.append(kernel.value("text"))
    assert texts == ["one", "two", "one", "two", "three", "four", "one"]
    assert statuses == [*["succeeded"] * 2, *["reused"] * 2, *["succeeded"] * 2, "reused"]
    # Four are kept. The fifth takes the place of the oldest one.
    (tmp_path / "in.txt").write_text("five")
    assert kernel.run(read).check().receipt.count("in.txt changed") == 1
    (tmp_path / "in.txt").write_text("two")
    assert kernel.run(read).check().status_of_step == "reused"
    kernel.close()
    (tmp_path / "in.txt").write_text("one")
    kernel = start_kernel()
    assert kernel.run(read).check().status_of_step == "succeeded"
    assert kernel.value("text") == "one"


def test_a_forced_run_replaces_what_holds_for_the_file_as_it_is(kernel: Kernel, tmp_path: Path) -> None:
    read = "%%component read\nimport time\nkept = open('in.txt').read(), time.time_ns()"
    found = {}
    for text in ("one", "two"):
        (tmp_path / "in.txt").write_text(text)
        kernel.run(read).check()
        found[text] = kernel.value("kept")
    kernel.run("run = %pipeline run read --force read\nrun.wait()").check()
    kernel.run(read).check()
    forced = kernel.value("kept")
    assert forced[0] == "two"
    assert forced != found["two"]
    for text, kept in {"one": found["one"], "two": forced}.items():
        (tmp_path / "in.txt").write_text(text)
        assert kernel.run(read).check().status_of_step == "reused"
        assert kernel.value("kept") == kept
