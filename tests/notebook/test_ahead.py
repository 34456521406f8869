"""What a cell imports is imported in the kernel while its step runs."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_mlpipe.execution.runs.ahead import QUIET
from jupyter_mlpipe.model.component import Definition
from jupyter_mlpipe.notebook.values.ahead import import_ahead
from tests.support.kernel import Kernel

Start = Callable[..., Kernel]

CELL = "%%component load\nimport pandas as pd\nimport tools\nn = len(pd.DataFrame({'a': [1, 2]}))"
HAS = "import sys\n[m for m in ('pan' 'das', 'too' 'ls') if m in sys.modules]"
# What a kernel gives to steps of what is set, and how much of that an import has changed.
SETS = """
import importlib, sys
import decimal, locale, logging, warnings
from jupyter_mlpipe.keys.given import PROVIDERS
own = [p for p in PROVIDERS.values() if p.module.partition(".")[0] in sys.stdlib_module_names and p.loaded]
before = {p.name: p.state() for p in own}
importlib.import_module(sys.argv[1])
changes = {p.name: p.differ(before[p.name], p.state()) for p in own}
changes |= {p.name: p.changed() for p in PROVIDERS.values() if p not in own and p.loaded}
print({name: changed for name, changed in changes.items() if any(changed.values())})
"""


def test_only_a_step_that_runs_has_its_libraries_imported(start_kernel: Start, tmp_path: Path) -> None:
    (tmp_path / "tools.py").write_text("")
    seen = []
    for _ in range(2):
        kernel = start_kernel(tmp_path, MLPIPE_STORE=str(tmp_path / "store"))
        seen.append((kernel.run(CELL).check().status_of_step, kernel.run(HAS).check().result))
    assert seen == [("succeeded", "['pandas']"), ("reused", "[]")]


@pytest.mark.parametrize("name", sorted(QUIET))
def test_these_libraries_set_nothing_when_they_are_loaded(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run([sys.executable, "-c", SETS, name], capture_output=True, text=True, check=True)
    assert done.stdout == "{}\n"


def with_library(start_kernel: Start, tmp_path: Path, text: str) -> Kernel:
    """Start a kernel that has a library by the name of one that may be imported ahead."""
    place = tmp_path / "lib" / "site-packages"
    metadata = place / "skimage-9.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: skimage\nVersion: 9.0\n")
    (metadata / "RECORD").write_text("skimage.py,,\n")
    (place / "skimage.py").write_text(text)
    return start_kernel(tmp_path, PYTHONPATH=str(place))


@pytest.mark.parametrize("line", ["os.environ['AHEAD'] = '1'", "%env AHEAD=1", "prepare()"])
def test_what_a_cell_puts_into_the_environment_is_there_when_it_imports(
    start_kernel: Start, tmp_path: Path, line: str
) -> None:
    kernel = with_library(start_kernel, tmp_path, "import os\nFOUND = os.environ.get('AHEAD')\n")
    kernel.run("import os\ndef prepare():\n    os.environ['AHEAD'] = '1'").check()
    cell = f"%%component load\nimport os\n{line}\nimport skimage\nskimage.FOUND"
    assert kernel.run(cell).check().result == "'1'"
    assert kernel.run("skimage.FOUND").check().result == "'1'"


def test_what_a_library_warns_its_importer_of_is_shown(start_kernel: Start, tmp_path: Path) -> None:
    text = "import warnings\nwarnings.warn('old', DeprecationWarning, stacklevel=2)\n"
    kernel = with_library(start_kernel, tmp_path, text)
    assert "DeprecationWarning: old" in kernel.run("%%component load\nimport skimage").check().printed_error


def test_what_it_imports_prints_and_fails_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ahead_loud.py").write_text("import sys\nprint('loud')\nprint('oh', file=sys.stderr)\n")
    (tmp_path / "ahead_broken.py").write_text("raise RuntimeError('broken')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    sources = ["import ahead_broken", "from ahead_loud import nothing", "import ahead_missing"]
    definitions = [Definition(f"name{i}", "import", source, 1) for i, source in enumerate(sources)]
    import_ahead(definitions, {"ahead_loud", "ahead_broken", "ahead_missing"})
    assert "ahead_loud" in sys.modules
    assert "ahead_broken" not in sys.modules
    assert capsys.readouterr() == ("", "")
    monkeypatch.delitem(sys.modules, "ahead_loud")


def test_what_seaborn_needs_is_imported_and_itself_is_not() -> None:
    code = (
        "import sys\nfrom jupyter_mlpipe.model.component import Definition\n"
        "from jupyter_mlpipe.execution.runs.ahead import QUIET\n"
        "from jupyter_mlpipe.notebook.values.ahead import import_ahead\n"
        "import_ahead([Definition('sns', 'import', 'import seaborn as sns', 1)], QUIET)\n"
        "print([name for name in ('pandas', 'scipy.stats', 'seaborn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = [n for n in ("pandas", "scipy") if importlib.util.find_spec(n) is not None]
    assert done.stdout == f"{[n.replace('scipy', 'scipy.stats') for n in found]}\n"
