"""``--scratch``: what the step sees, what it leaves, and what is removed."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from jupyter_mlpipe.execution.process.declared import DeclaredPlace
from jupyter_mlpipe.keys.derive import place_ingredients
from jupyter_mlpipe.keys.places import place_digest
from jupyter_mlpipe.model.files import File, Folder, Place
from tests.support.steps import Steps


def _left() -> set[str]:
    return {name for name in os.listdir(tempfile.gettempdir()) if name.startswith("mlpipe-scratch-")}


def _declared(steps: Steps, *places: Place) -> dict[str, Any]:
    digested = [(place, place_ingredients([(place, place_digest(place))])[0].digest) for place in places]
    return {"places": tuple(DeclaredPlace(place, place, content) for place, content in digested)}


@pytest.fixture
def nested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A notebook's folder with files in it and beside it."""
    folder = tmp_path / "project" / "notebooks"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "a.txt").write_text("a")
    (folder / "near.txt").write_text("near")
    (folder.parent / "far.txt").write_text("far")
    monkeypatch.chdir(folder)
    return folder


def test_the_folder_is_empty_and_gone_afterwards_with_what_was_written(steps: Steps) -> None:
    (steps.folder / "there.txt").write_text("1")
    code = """
import os
seen, here = os.listdir(), os.getcwd()
open("made.txt", "w").write("2")
os.mkdir("sub")
os.chdir("sub")
"""
    ended = steps.run(code, outputs=("seen", "here"), scratch=True)
    assert steps.value(ended, "seen") == []
    here = steps.value(ended, "here")
    assert here.endswith(str(steps.folder))
    assert (ended.record.written, ended.record.files, ended.record.settings) == ((), {}, None)
    assert not (steps.folder / "made.txt").exists()
    for _ in range(1000):  # its exit handlers run after its last message
        if not os.path.exists(here):
            break
        steps.run("1")
    assert not os.path.exists(here)


@pytest.mark.parametrize("end", ["1 / 0", "import os; os._exit(3)"])
def test_it_is_removed_after_a_failure_too(steps: Steps, end: str) -> None:
    before = _left()
    steps.run(f"open('made.txt', 'w').write('2')\n{end}", scratch=True)
    for _ in range(1000):
        if _left() <= before:
            break
        steps.run("1")
    assert _left() <= before


def test_declared_files_are_where_they_say(steps: Steps, nested: Path) -> None:
    code = """
import os
seen = [open(path).read() for path in ("near.txt", "../far.txt", "src/a.txt")]
all = sorted(os.listdir())
"""
    places = _declared(steps, File("near.txt"), File("../far.txt"), Folder("src"), File("src/a.txt"))
    ended = steps.run(code, outputs=("seen", "all"), scratch=True, folder=str(nested), **places)
    assert steps.value(ended, "seen") == ["near", "far", "a"]
    assert steps.value(ended, "all") == ["near.txt", "src"]
    assert ended.record.files == {}


def test_a_file_that_it_gives_outlives_it(steps: Steps) -> None:
    code = """
import jupyter_mlpipe as mlpipe
open("report.txt", "w").write("good")
report = mlpipe.File("report.txt")
"""
    ended = steps.run(code, outputs=("report",), scratch=True)
    assert Path(steps.value(ended, "report")).read_text() == "good"


def test_what_is_not_declared_is_not_there_and_the_error_says_how_to_have_it(steps: Steps) -> None:
    (steps.folder / "data.csv").write_text("1")
    error = steps.run("open('data.csv')", scratch=True).error
    assert error["ename"] == "FileNotFoundError"
    assert "With --scratch a step runs in an empty folder" in "\n".join(error["traceback"])


def test_a_declared_folder_around_it_is_refused(steps: Steps, nested: Path) -> None:
    error = steps.run("1", scratch=True, folder=str(nested), **_declared(steps, Folder("."))).error
    assert error["ename"] == "PlaceError"
    assert "leave out --scratch" in error["evalue"]


def test_modules_of_the_notebooks_folder_are_imported_from_there(steps: Steps) -> None:
    (steps.folder / "beside_it.py").write_text("VALUE = 7\n")
    code = "import importlib\nx = importlib.import_module('beside_it').VALUE"
    ended = steps.run(code, outputs=("x",), scratch=True, sys_path=("", *sys.path))
    assert steps.value(ended, "x") == 7
    assert list(ended.record.files) == ["beside_it.py", "beside_it/__init__.py"]
