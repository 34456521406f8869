"""Settings change: the steps that they can affect run again, and random numbers go on as without us."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.store import Store
from tests.notebook.test_staleness import gate, wait_for
from tests.support.kernel import Kernel

Start = Callable[..., Kernel]

CHANGES = [
    (
        "pandas",
        "import pandas as pd",
        "pd.set_option('display.max_rows', {})",
        "repr(pd.Series(range(9)))",
        3,
        4,
    ),
    (
        "a helper as an option",
        "import pandas as pd",
        "def shown_as(x): return '<{}>'\npd.options.display.float_format = shown_as",
        "repr(pd.Series([1.5]))",
        3,
        4,
    ),
    ("numpy", "import numpy as np", "np.set_printoptions(precision={})", "repr(np.array([1.23456]))", 2, 3),
    ("np.seterr", "import numpy as np", "np.seterr(all='{}')", "np.geterr()['over']", "raise", "ignore"),
    (
        "style",
        "import matplotlib.pyplot as plt",
        "plt.rcdefaults(); plt.style.use('{}')",
        "plt.rcParams['axes.facecolor']",
        "ggplot",
        "bmh",
    ),
    (
        "sklearn",
        "import sklearn",
        "sklearn.set_config(display='{}')",
        "sklearn.get_config()['display']",
        "text",
        "diagram",
    ),
    ("decimal", "import decimal", "decimal.getcontext().prec = {}", "str(decimal.Decimal(1) / 3)", 4, 5),
    (
        "torch",
        "import torch",
        "torch.set_default_dtype(torch.{})",
        "str(torch.ones(1).dtype)",
        "float64",
        "float16",
    ),
    (
        "logging",
        "import logging",
        "logging.basicConfig(level='{}', force=True)",
        "logging.root.level",
        "INFO",
        "ERROR",
    ),
    (
        "warnings",
        "import warnings",
        "warnings.resetwarnings(); warnings.simplefilter('{}')",
        "warnings.filters[0][0]",
        "ignore",
        "always",
    ),
    ("environment", "import os", "os.environ['A_WORD'] = '{}'", "os.environ['A_WORD']", "one", "two"),
    (
        "any variable",
        "import os",
        "os.environ['A_WORD'] = '{}'",
        "dict(os.environ)['A_' + 'WORD']",
        "one",
        "two",
    ),
    (
        "locale",
        "import locale",
        "locale.setlocale(locale.LC_TIME, '{}')",
        "locale.setlocale(locale.LC_TIME)",
        "C.UTF-8",
        "POSIX",
    ),
    (
        "time zone",
        "import datetime, os, time",
        "os.environ['TZ'] = '{}'; time.tzset()",
        "datetime.datetime.fromtimestamp(0).hour",
        "Asia/Tokyo",
        "UTC",
    ),
    (
        "folder",
        "import os",
        "os.makedirs('{0}', exist_ok=True); os.chdir('{0}')",
        "os.path.basename(os.getcwd())",
        "a",
        "b",
    ),
]


def ran(kernel: Kernel, cell: str) -> bool:
    return kernel.run(cell).check().status_of_step == "succeeded"


def records(kernel: Kernel) -> dict[str, Record]:
    store = Store(Path(kernel.folder) / ".mlpipe")
    found = [record for key in list(store.keys()) if (record := store.get_record(key))]
    return {record.step: record for record in sorted(found, key=lambda r: r.created_at)}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change[0])
def test_a_changed_setting_runs_what_it_can_affect(kernel: Kernel, change: tuple[object, ...]) -> None:
    name, imports, setter, shown, first, second = change
    if name == "torch":
        pytest.importorskip("torch")
    cell = f"%%component shown\nseen = {shown}"
    other = "%%component other\ndone = 1 + 1"
    kernel.run(f"import os\nhome = os.getcwd()\n{imports}").check()
    assert ran(kernel, other)
    values = []
    for value, runs in ((first, True), (second, True), (first, False), (second, False)):
        kernel.run(f"os.chdir(home)\n{str(setter).format(value)}").check()
        assert ran(kernel, cell) is runs, value
        assert not ran(kernel, other)
        values.append(kernel.run("print(seen)").check().printed)
        assert values[-1] == kernel.run(f"print({shown})").check().printed
    assert values[:2] == values[2:]
    assert values[0] != values[1]


def test_code_may_call_as_deep_as_in_the_notebook(kernel: Kernel) -> None:
    kernel.run("import sys\ndef deep(n): return n and 1 + deep(n - 1)").check()
    plain = kernel.value("sys.getrecursionlimit()")
    cell = "%%component a\ntry: found = deep({})\nexcept RecursionError: found = 'too deep'"
    for limit in (plain, 5000):
        kernel.run(f"sys.setrecursionlimit({limit})").check()
        assert ran(kernel, cell.format(limit - 500))
        assert kernel.value("found") == limit - 500
    kernel.run(f"sys.setrecursionlimit({plain})").check()
    assert ran(kernel, cell.format(4500))
    assert kernel.value("found") == "too deep"


def test_a_setting_of_a_library_that_is_not_reached_changes_nothing(kernel: Kernel) -> None:
    kernel.run("import numpy as np, pandas as pd, matplotlib.pyplot as plt, decimal").check()
    cell = "%%component a\nx = repr(np.array([1.5]))"
    assert ran(kernel, cell)
    kernel.run("pd.set_option('display.max_rows', 3); plt.style.use('ggplot')").check()
    kernel.run("decimal.getcontext().prec = 3; np.random.seed(3)").check()
    assert not ran(kernel, cell)
    kernel.run("np.set_printoptions(precision=2)").check()
    assert ran(kernel, cell)


def test_what_is_set_for_a_while_leaves_nothing(kernel: Kernel) -> None:
    cell = """
import warnings, os, random
import decimal, matplotlib.pyplot as plt, numpy as np, pandas as pd, sklearn
with plt.style.context("ggplot"), pd.option_context("display.max_rows", 3), np.errstate(divide="raise"):
    with np.printoptions(precision=2), decimal.localcontext(), sklearn.config_context(display="text"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            figure = plt.plot([1, 2])
display(pd.DataFrame({"a": [1]}))
random.Random(3).random(), np.random.default_rng(3).random()"""
    kernel.run(f"%%component a{cell}").check()
    record = records(kernel)["a"]
    assert record.settings is None
    assert all(name.startswith("env MPL") for name in record.states)  # which matplotlib asks for


DRAWING = [
    "import random\nimport numpy as np",
    "np.random.seed(0); random.seed(0)",
    "%%component a\na = np.random.rand(), random.random()",
    "print(np.random.rand(), random.random())",
    "%%component b\nb = a, np.random.randn(), random.gauss(0, 1)",
    "print(a, b)",
    "print(np.random.randn(), random.gauss(0, 1))",
]


def printed(kernel: Kernel, cells: list[str], *, magic: bool = True) -> list[str]:
    texts = cells if magic else [re.sub("^%%component.*\n", "", cell) for cell in cells]
    return [kernel.run(text).check().printed for text in texts]


def test_random_numbers_go_on_from_cell_to_cell(start_kernel: Start) -> None:
    plain = printed(start_kernel(load=False), DRAWING, magic=False)
    kernel = start_kernel()
    assert printed(kernel, DRAWING) == plain
    # From the seed on all is as it was.
    assert printed(kernel, DRAWING[1:]) == plain[1:]
    other = start_kernel()
    assert printed(other, DRAWING) == plain
    other.run(DRAWING[1]).check()
    assert not ran(other, DRAWING[2])
    # Without seeding again, a cell draws what comes next.
    assert ran(other, DRAWING[2])
    other.run("np.random.seed(1)").check()
    result = other.run(DRAWING[2]).check()
    assert "setting" in result.receipt
    assert "changed" in result.receipt


def test_a_step_that_draws_unseeded_is_not_run_again_by_the_cells_below(kernel: Kernel) -> None:
    kernel.run("import numpy as np").check()
    kernel.run("%%component a\na = np.random.rand()").check()
    first = kernel.value("a")
    kernel.run("%%component b\nb = a + np.random.rand()").check()
    kernel.run("%%component c\nc = b").check()
    assert kernel.value("a") == first
    plan = "import jupyter_mlpipe as m\n[m.current().plan()[step].decision for step in 'abc']"
    assert kernel.run(plan).check().result == "['reuse', 'reuse', 'reuse']"
    assert kernel.value("b") == kernel.value("c")


def test_what_is_drawn_unseeded_is_drawn_anew_in_another_kernel(start_kernel: Start) -> None:
    cell = "%%component a\nimport numpy as np\na = np.random.rand()"
    assert ran(start_kernel(), cell)
    again = start_kernel().run(cell).check()
    assert again.status_of_step == "succeeded"
    assert "setting numpy.random changed" in again.receipt


def test_a_step_that_seeds_first_is_reused_whatever_the_state(start_kernel: Start) -> None:
    cell = (
        "%%component a\nimport numpy as np, random\nnp.random.seed(1)\nrandom.seed(2)\n"
        "a = np.random.rand(), random.random()"
    )
    assert ran(start_kernel(), cell)
    kernel = start_kernel()
    kernel.run("import numpy as np; np.random.seed(5)").check()
    assert not ran(kernel, cell)
    assert not ran(kernel, cell)
    # What comes next is what comes after the step's own draws.
    assert kernel.value("float(np.random.rand())") == pytest.approx(0.720324, abs=1e-6)


def test_what_a_library_draws_when_it_is_loaded_does_not_count(start_kernel: Start) -> None:
    cell = "%%component a\nimport rich.style\nfrom email import generator\na = 1"
    assert ran(start_kernel(), cell)
    assert not ran(start_kernel(), cell)


def test_drawing_before_the_seed_counts(kernel: Kernel) -> None:
    cell = "%%component a\na = np.random.rand()\nnp.random.seed(1)"
    kernel.run("import numpy as np; np.random.seed(5)").check()
    assert ran(kernel, cell)
    kernel.run("np.random.seed(5)").check()
    assert not ran(kernel, cell)
    kernel.run("np.random.seed(6)").check()
    assert ran(kernel, cell)


def test_draws_that_no_code_shows_are_seen(kernel: Kernel) -> None:
    kernel.run("import numpy as np\nfrom sklearn.model_selection import train_test_split").check()
    cell = "%%component a\na = [int(n) for n in train_test_split(list(range(50)))[1]]"
    values = []
    for seed in (1, 1, 2, 1):
        kernel.run(f"np.random.seed({seed})").check()
        values.append((ran(kernel, cell), kernel.value("a")))
    # A record is for one state, as it is for one content of the files that were read; the last ones are kept.
    assert [value[0] for value in values] == [True, False, True, False]
    assert values[0][1] == values[1][1] == values[3][1] != values[2][1]


def test_a_step_above_that_is_only_looked_up_sets_nothing_again(kernel: Kernel) -> None:
    kernel.run("import pandas as pd").check()
    kernel.run("%%component a\npd.set_option('display.max_rows', 5)\nx = 1").check()
    kernel.run("pd.set_option('display.max_rows', 6)").check()
    kernel.run("%%component b\ny = x, pd.get_option('display.max_rows')").check()
    assert kernel.value("y") == (1, 6)
    assert kernel.value("pd.get_option('display.max_rows')") == 6
    # Its own cell does, which sees what was set since.
    assert ran(kernel, "%%component a\npd.set_option('display.max_rows', 5)\nx = 1")
    assert kernel.value("pd.get_option('display.max_rows')") == 5


def test_a_step_that_sets_what_it_sees_is_reused_when_its_cell_is_run_again(kernel: Kernel) -> None:
    kernel.run("import pandas as pd, warnings, matplotlib.pyplot as plt, os").check()
    cell = (
        "%%component a\nprint(pd.get_option('display.max_rows'), os.environ.get('A_WORD'))\n"
        "pd.set_option('display.max_rows', 5)\nwarnings.simplefilter('ignore')\nplt.style.use('ggplot')\n"
        "os.environ['A_WORD'] = '1'"
    )
    assert ran(kernel, cell)
    for _ in range(2):
        again = kernel.run(cell).check()
        assert (again.status_of_step, again.printed) == ("reused", "60 None\n")
    kernel.run("pd.set_option('display.max_rows', 7)").check()
    assert kernel.run(cell).check().printed == "7 None\n"


def test_a_run_for_other_parameters_sets_nothing(kernel: Kernel) -> None:
    kernel.run("%%parameters\nrows = 5").check()
    kernel.run("import pandas as pd").check()
    kernel.run("%%component a\npd.set_option('display.max_rows', rows)\nx = rows").check()
    kernel.run("import jupyter_mlpipe as m\nm.current().run(params={'rows': 7}).wait()").check()
    assert kernel.value("pd.get_option('display.max_rows')") == 5


def test_what_a_step_in_the_background_sets_is_set_when_it_has_ended(kernel: Kernel) -> None:
    kernel.run("import pandas as pd").check()
    kernel.run(f"%%component a --background\n{gate('a')}pd.set_option('display.max_rows', 5)\nx = 1").check()
    wait_for(Path(kernel.folder) / "a.begun", kernel)
    # This one waits: what stands above may set something for it.
    kernel.run("%%component b --background\ny = pd.get_option('display.max_rows')").check()
    (Path(kernel.folder) / "a.go").touch()
    assert kernel.value("y") == 5
    assert kernel.value("pd.get_option('display.max_rows')") == 5


def test_steps_that_were_only_registered_see_what_those_above_set(start_kernel: Start) -> None:
    cells = [
        "import numpy as np, pandas as pd",
        "%%component a\nnp.random.seed(4)\npd.set_option('display.max_rows', 5)",
        "%%component b\nb = np.random.rand(), pd.get_option('display.max_rows')",
        "%%component c\nc = np.random.rand()",
    ]
    plain = printed(start_kernel(load=False), [*cells, "print(b, c)"], magic=False)
    for _ in range(2):
        kernel = start_kernel()
        kernel.run("%pipeline mode register").check()
        printed(kernel, cells)
        kernel.run("import jupyter_mlpipe as m\nm.current().run().wait()").check()
        assert printed(kernel, ["print(b, c)"]) == plain[-1:]


def test_a_step_on_another_seed_above_is_not_reused(start_kernel: Start) -> None:
    for seed in (1, 2):
        kernel = start_kernel()
        kernel.run("%pipeline mode register").check()
        kernel.run("import numpy as np").check()
        kernel.run(f"%%component a\nnp.random.seed({seed})").check()
        kernel.run("%%component b\nb = float(np.random.rand())").check()
        kernel.run("import jupyter_mlpipe as m\nrun = m.current().run().wait()").check()
        assert kernel.value("run.steps['b'].status") == "succeeded"
        assert kernel.value("b") == pytest.approx({1: 0.417022, 2: 0.435995}[seed], abs=1e-6)


def test_a_setting_that_a_module_makes_at_import_does_not_undo_a_later_one(kernel: Kernel) -> None:
    (Path(kernel.folder) / "setup_all.py").write_text(
        "import pandas\npandas.set_option('display.max_rows', 9)"
    )
    kernel.run("import setup_all, pandas as pd\npd.set_option('display.max_rows', 8)").check()
    kernel.run("%%component a\nsetup_all\nx = pd.get_option('display.max_rows')").check()
    assert kernel.value("x") == 8


def test_what_a_library_sets_when_it_is_loaded_is_no_setting_of_the_notebook(kernel: Kernel) -> None:
    kernel.run("%%component load\nimport pkg_resources\nx = 1").check()
    assert kernel.value("sum('PEP440' in str(f) for f in __import__('warnings').filters)") == 0
    kernel.run("%%component own\nimport warnings\nwarnings.filterwarnings('ignore', 'mine')").check()
    assert kernel.value("__import__('warnings').filters[0][1].pattern") == "mine"


def test_what_a_kernel_sets_when_it_starts_is_no_setting_of_the_notebook(kernel: Kernel) -> None:
    kernel.run("%%component own\ny = 1").check()
    reasons = kernel.run("%%component own\nimport time\ny = 1").check().facts["reasons"]
    assert [reason for reason in reasons if "setting" in reason] == []
    kernel.run("import warnings\nwarnings.simplefilter('ignore', UserWarning)").check()
    reasons = kernel.run("%%component own\nimport time\ny = 1").check().facts["reasons"]
    assert reasons == ["setting warnings added: ignore UserWarning"]


def test_options_of_a_library_count_where_a_step_reads_its_objects(kernel: Kernel) -> None:
    kernel.run("import matplotlib.pyplot as plt\nplt.rcParams['text.color'] = 'red'").check()
    kernel.run("%%component draw\nfig, ax = plt.subplots()\nplt.close(fig)\nn = [3]").check()
    write = "%%component write\ncolour = ax.text(0, 0, 'here').get_color()"
    count = "%%component count\ntotal = n[0] + 1"
    kernel.run(write).check()
    kernel.run(count).check()
    assert kernel.value("colour") == "red"
    kernel.run("plt.rcParams['text.color'] = 'blue'").check()
    assert ran(kernel, write)
    assert kernel.value("colour") == "blue"
    assert not ran(kernel, count)
