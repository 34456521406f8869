"""What is shown where a cell imports: warnings and tracebacks are those of a plain cell."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.kernel import Kernel

Start = Callable[..., Kernel]

MODULES = {
    "old": "import warnings\nwarnings.warn('use another', DeprecationWarning, stacklevel=2)\n",
    "careful": "import warnings\nwarnings.warn('careful', stacklevel=2)\n",
    "broken": "def load():\n    return {}['nothing']\nload()\n",
    "above": "import broken\n",
}


@pytest.fixture
def kernel(start_kernel: Start, tmp_path: Path) -> Kernel:
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    return start_kernel(tmp_path)


@pytest.mark.parametrize("line", ["", "%%component use\n"])
@pytest.mark.parametrize("warned", ["old", "careful"])
def test_a_module_warns_the_cell_that_imports_it(kernel: Kernel, line: str, warned: str) -> None:
    shown = kernel.run(f"{line}import {warned}").check().printed_error
    assert re.search(rf"{1 + bool(line)}: \w+Warning: (use another|careful)\n  import {warned}\n$", shown)
    assert "jupyter_mlpipe" not in shown


@pytest.mark.parametrize("line", ["", "%%component use\n"])
@pytest.mark.parametrize("imported", ["broken", "above"])
def test_an_error_in_a_module_shows_its_lines_and_the_cells(kernel: Kernel, line: str, imported: str) -> None:
    shown = kernel.run(f"{line}import {imported}")
    assert shown.error is not None
    assert shown.error["ename"] == "KeyError"
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown.traceback)
    named = re.findall(r"^(?:File|Cell) (?:.*/)?([^/:\[]*)", text, re.MULTILINE)
    assert named == ["In", *["above.py"] * (imported == "above"), "broken.py", "broken.py"]
