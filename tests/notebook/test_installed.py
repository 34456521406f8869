"""Packages and programs that a step rests on though its code imports none of them, from kernel to kernel.

Packages that code imports: PACKAGES in tests/notebook/test_change_matrix.py.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.kernel import Kernel

_NAME = "mlpipe_probe"
READERS = {
    "a script": "import sys\n!{sys.executable} say.py",
    "a Python": "import subprocess, sys\n"
    f"print(subprocess.check_output([sys.executable, '-c', 'import {_NAME}; print({_NAME}.V)']))",
    "a program in Python": "!./say",
    "which version there is": f"from importlib.metadata import version\nprint(version('{_NAME}'))",
    "which there are": "import importlib.metadata as m\n"
    f"print([d.version for d in m.distributions() if d.metadata['Name'] == '{_NAME}'])",
    "in a function": f"print(version_of(['{_NAME}'][0]))",
    "where a module is": "import importlib.util, os\n"
    f"print(os.listdir(os.path.dirname(importlib.util.find_spec('{_NAME}').origin) + '/..'))",
    "a module of a name that is made up": "import importlib\n"
    f"print(importlib.import_module('{_NAME[:3]}' + '{_NAME[3:]}').V)",
}
OTHERS = {
    "a program that is none": "!echo 1",
    "another version": "from importlib.metadata import version\nprint(len(version('ipykernel')) > 1)",
    "none": "print(1)",
}
_FIRST = "import importlib.metadata\ndef version_of(name):\n    return importlib.metadata.version(name)"


def install(folder: Path, version: str) -> None:
    for old in folder.glob(f"{_NAME}*"):
        shutil.rmtree(old)
    about = folder / f"{_NAME}-{version}.dist-info"
    about.mkdir(parents=True)
    (folder / _NAME).mkdir()
    (folder / _NAME / "__init__.py").write_text(f"V = '{version}'\n")
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {_NAME}\nVersion: {version}\n")
    (about / "RECORD").write_text(f"{_NAME}/__init__.py,,\n")


def run(folder: Path, cells: dict[str, str], **environment: str) -> dict[str, tuple[str, str]]:
    """Run all cells in a fresh kernel; return what each printed and what became of its step."""
    kernel = Kernel(folder, {"MLPIPE_STORE": str(folder / "store"), **environment})
    found = {}
    try:
        kernel.run("%load_ext jupyter_mlpipe").check()
        kernel.run(_FIRST).check()
        for number, (name, cell) in enumerate(cells.items()):
            result = kernel.run(f"%%component s{number}\n{cell}").check()
            found[name] = result.printed, result.status_of_step
    finally:
        kernel.close()
    return found


def test_an_upgrade_runs_what_may_have_imported_the_package(tmp_path: Path) -> None:
    place = tmp_path / "lib" / "site-packages"
    say = f"import {_NAME}; print({_NAME}.V)\n"
    (tmp_path / "say.py").write_text(say)
    (tmp_path / "say").write_text(f"#!{sys.executable}\n{say}")
    (tmp_path / "say").chmod(0o755)
    cells = READERS | OTHERS
    install(place, "1.5")
    first = run(tmp_path, cells, PYTHONPATH=str(place))
    assert {status for _, status in first.values()} == {"succeeded"}
    assert [name for name in READERS if "1.5" not in first[name][0]] == []
    again = run(tmp_path, cells, PYTHONPATH=str(place))
    assert again == {name: (printed, "reused") for name, (printed, _) in first.items()}
    install(place, "1.6")
    other = run(tmp_path, cells, PYTHONPATH=str(place))
    assert {name: status for name, (_, status) in other.items()} == {
        **dict.fromkeys(READERS, "succeeded"),
        **dict.fromkeys(OTHERS, "reused"),
    }
    assert [name for name in READERS if "1.6" not in other[name][0]] == []


@pytest.mark.parametrize("how", ["put before it", "the path"])
def test_another_program_of_the_same_name_counts(tmp_path: Path, how: str) -> None:
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder in folders:
        folder.mkdir()

    def make(folder: Path) -> None:
        (folder / "say-it").write_text(f"#!/bin/sh\necho {folder.name}\n")
        (folder / "say-it").chmod(0o755)

    def path(*of: Path) -> str:
        return os.pathsep.join([*map(str, of), os.environ["PATH"]])

    make(folders[1])
    make(folders[2])
    cells = {
        "a line for the shell": "!say-it",
        "a process": "import subprocess\nprint(subprocess.check_output(['say-it']))",
        "which": "import shutil\nprint(shutil.which('say-it'))",
    }
    before, after = path(*folders), path(*folders) if how == "put before it" else path(folders[2], *folders)
    for status in ("succeeded", "reused"):
        found = run(tmp_path, cells, PATH=before)
        assert {name: was for name, (_, was) in found.items()} == dict.fromkeys(cells, status)
    if how == "put before it":
        make(folders[0])
    found = run(tmp_path, cells, PATH=after)
    assert {name: was for name, (_, was) in found.items()} == dict.fromkeys(cells, "succeeded")
    expected = "one" if how == "put before it" else "three"
    assert [name for name, (printed, _) in found.items() if expected not in printed] == []
