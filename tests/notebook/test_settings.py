"""Settings travel both ways: what a step sets the notebook has, and what the notebook has set a step sees.

Each row is run as plain cells, as components, and as components in another kernel that reuses all.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.kernel import Kernel, Result

Start = Callable[..., Kernel]


@dataclass(frozen=True)
class Row:
    """A cell that sets something, and an expression that shows it."""

    name: str
    setter: str
    probe: str
    imports: str = ""


ROWS = [
    Row(
        "pandas option",
        "pd.set_option('display.max_rows', 3)",
        "repr(pd.Series(range(9)))",
        "import pandas as pd",
    ),
    Row(
        "pandas option that is a function",
        "pd.options.display.float_format = lambda x: f'<{x:.1f}>'",
        "repr(pd.Series([1.25]))",
        "import pandas as pd",
    ),
    Row(
        "numpy printing",
        "np.set_printoptions(precision=2)",
        "repr(np.array([1.23456]))",
        "import numpy as np",
    ),
    Row("numpy errors", "_ = np.seterr(divide='raise')", "np.geterr()['divide']", "import numpy as np"),
    Row(
        "rcParams",
        "plt.rcParams['lines.linewidth'] = 7",
        "plt.Line2D([0], [0]).get_linewidth()",
        "import matplotlib.pyplot as plt",
    ),
    Row(
        "a style",
        "plt.style.use('ggplot')",
        "plt.rcParams['axes.facecolor']",
        "import matplotlib.pyplot as plt",
    ),
    Row(
        "a backend that shows nothing",
        "matplotlib.use('svg')",
        "(plt.get_backend(), len(plt.figure().axes))",
        "import matplotlib, matplotlib.pyplot as plt",
    ),
    Row(
        "the collector of cycles",
        "gc.disable(); gc.set_threshold(500, 5)",
        "(gc.isenabled(), gc.get_threshold()[:2])",
        "import gc",
    ),
    Row("interactive figures", "_ = plt.ion()", "plt.isinteractive()", "import matplotlib.pyplot as plt"),
    Row(
        "a colormap",
        "plt.colormaps.register(matplotlib.colors.ListedColormap(['red', 'blue'], name='two'));"
        " plt.rcParams['image.cmap'] = 'two'",
        "(plt.get_cmap()(0), plt.colormaps['two'](1.0))",
        "import matplotlib, matplotlib.pyplot as plt",
    ),
    Row(
        "a theme of seaborn",
        "sns.set_theme(style='dark', palette='pastel')",
        "(plt.rcParams['axes.facecolor'], plt.rcParams['axes.prop_cycle'].by_key()['color'][0],"
        " matplotlib.colors.to_hex('b'))",
        "import matplotlib, matplotlib.pyplot as plt, seaborn as sns",
    ),
    Row(
        "scikit-learn",
        "sklearn.set_config(transform_output='pandas')",
        "sklearn.get_config()['transform_output']",
        "import sklearn",
    ),
    Row("decimal", "decimal.getcontext().prec = 5", "str(decimal.Decimal(1) / 3)", "import decimal"),
    Row(
        "torch",
        "torch.set_default_dtype(torch.float64); torch.set_printoptions(precision=2)",
        "str(torch.tensor([1.23456]))",
        "import torch",
    ),
    Row("an environment variable", "os.environ['A_WORD'] = 'said'", "os.environ.get('A_WORD')", "import os"),
    Row(
        "an environment variable that is removed",
        "del os.environ['A_GIVEN']",
        "os.environ.get('A_GIVEN')",
        "import os",
    ),
    Row(
        "the import path",
        "sys.path.insert(0, '/tmp/first'); sys.path.append('/tmp/last')",
        "(sys.path[0], sys.path[-1])",
        "import sys",
    ),
    Row(
        "logging",
        "logging.basicConfig(level='INFO', format='%(message)s!'); logging.getLogger('a').setLevel('ERROR')",
        "(logging.root.level, logging.root.handlers[0].formatter._fmt, logging.getLogger('a').level)",
        "import logging",
    ),
    Row(
        "warnings", "warnings.simplefilter('error', UserWarning)", "warnings.filters[0][0]", "import warnings"
    ),
    Row("all warnings", "warnings.filterwarnings('ignore')", "warnings.filters[0][:2]", "import warnings"),
    Row(
        "locale",
        "_ = locale.setlocale(locale.LC_NUMERIC, 'C.UTF-8')",
        "locale.setlocale(locale.LC_NUMERIC)",
        "import locale",
    ),
    Row(
        "the time zone",
        "os.environ['TZ'] = 'Asia/Tokyo'; time.tzset()",
        "time.localtime(0).tm_hour",
        "import os, time",
    ),
    Row(
        "limits of the interpreter",
        "sys.setrecursionlimit(4321); sys.set_int_max_str_digits(0); _ = csv.field_size_limit(9876)",
        "(sys.getrecursionlimit(), sys.get_int_max_str_digits(), csv.field_size_limit())",
        "import csv, sys",
    ),
    Row("Python's random numbers", "random.seed(3)", "random.random()", "import random"),
    Row(
        "NumPy's random numbers",
        "np.random.seed(3)",
        "(np.random.rand(), np.random.randn())",
        "import numpy as np",
    ),
    Row("torch's random numbers", "_ = torch.manual_seed(3)", "torch.rand(2).tolist()", "import torch"),
    Row("the folder", "os.chdir('inside')", "os.path.basename(os.getcwd())", "import os"),
]

# Torch and seaborn are tried where they are installed.
ROWS = [
    r
    for r in ROWS
    if all(importlib.util.find_spec(top) for top in re.findall(r"(?:import|,) (\w+)", r.imports))
]


def cells(row: Row, number: int, *, magic: bool, imports_in_cell: bool) -> list[str]:
    """Set, show in a plain cell, show in a component, show again."""
    inside = f"{row.imports}\n" if imports_in_cell else ""
    found = [
        f"%%component set{number}\n{inside}{row.setter}\ndone{number} = 1",
        f"{inside}print({row.probe})",
        f"%%component see{number}\n{inside}seen{number} = {row.probe}",
        f"print(seen{number})",
        f"{inside}print({row.probe})",
    ]
    if not imports_in_cell:
        found.insert(0, row.imports)
    return found if magic else [re.sub("^%%component.*\n", "", cell) for cell in found]


def run_all(kernel: Kernel, texts: list[str]) -> list[Result]:
    return [kernel.run(text) for text in texts]


@dataclass
class Tried:
    plain: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)


def shown(results: list[Result]) -> list[str]:
    return [result.printed if result.status == "ok" else result.traceback for result in results]


@pytest.fixture(scope="module", params=[False, True], ids=["imported above", "imported in the cells"])
def tried(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tried]:
    folder = tmp_path_factory.mktemp("settings")
    (folder / "inside").mkdir()
    found = {row.name: Tried() for row in ROWS}
    for place in ("plain", "fresh", "again"):
        kernel = Kernel(folder, {"A_GIVEN": "1"})
        try:
            if place != "plain":
                kernel.run("%load_ext jupyter_mlpipe").check()
            for number, row in enumerate(ROWS):
                texts = cells(row, number, magic=place != "plain", imports_in_cell=request.param)
                results = run_all(kernel, texts)
                setattr(found[row.name], place, shown(results))
                if place == "again":
                    steps = [r for r, text in zip(results, texts, strict=True) if text.startswith("%%comp")]
                    found[row.name].statuses = [r.receipt for r in steps if r.status == "ok"]
        finally:
            kernel.close()
    return found


@pytest.mark.parametrize("name", [row.name for row in ROWS])
def test_what_a_step_sets_is_set_in_the_notebook(tried: dict[str, Tried], name: str) -> None:
    assert tried[name].fresh == tried[name].plain


@pytest.mark.parametrize("name", [row.name for row in ROWS])
def test_what_a_step_sets_is_set_when_it_is_reused(tried: dict[str, Tried], name: str) -> None:
    assert tried[name].again == tried[name].plain
    assert [re.search("reused|ran", status) and "reused" in status for status in tried[name].statuses] == [
        True,
        True,
    ], tried[name].statuses


def test_a_module_registers_its_colormaps_wherever_it_is_imported(
    start_kernel: Start, tmp_path: Path
) -> None:
    (tmp_path / "maps.py").write_text(
        "import matplotlib\nfrom matplotlib.colors import ListedColormap\n"
        "matplotlib.colormaps.register(ListedColormap(['red', 'blue'], name='two'))\n"
    )
    cells = (
        "import maps, matplotlib.pyplot as plt",
        "first = plt.colormaps['two'](0)",
        "again = maps and plt.colormaps['two'](0)",
        "plt.colormaps.register(plt.colormaps['viridis'], name='two')",
    )
    for status in ("succeeded", "reused"):
        kernel = start_kernel()
        *results, refused = (kernel.run(f"%%component c{n}\n{cell}") for n, cell in enumerate(cells))
        for result in results:
            assert (result.check().status_of_step, result.printed_error) == (status, "")
        # It is there: as without our line, another one is not put in its place.
        assert refused.error is not None
        assert refused.error["ename"] == "ValueError"


def test_what_cells_register_with_python_is_there(kernel: Kernel):
    """By a name only, or with what nothing takes back: codecs and abstract classes."""
    kernel.run("import codecs, numbers\ncodecs.register_error('dot', lambda e: ('.', e.end))").check()
    kernel.run(
        "def find(name):\n    if name == 'own':\n"
        "        return codecs.CodecInfo(lambda s, e='': (b'own ' + s.encode(), len(s)), None, name='own')\n"
        "codecs.register(find)\nclass A: pass"
    ).check()
    step = (
        "%%component s\nimport numbers\n"
        "y = '\u00e4'.encode('ascii', 'dot'), 'a'.encode('own'), isinstance(A(), numbers.Number)"
    )
    kernel.run(step).check()
    assert kernel.run("y").result == "(b'.', b'own a', False)"
    kernel.run("numbers.Number.register(A)").check()
    assert kernel.run(step).check().status_of_step == "succeeded"
    assert kernel.run("y").result == "(b'.', b'own a', True)"
    assert kernel.run(step).check().status_of_step == "reused"
