"""What a cell is by its text, what it would be called, and its text with and without our line."""

from __future__ import annotations

import pytest

from jupyter_mlpipe.cells import deeds
from jupyter_mlpipe.cells.adopt import Seen, advise
from jupyter_mlpipe.cells.judge import Above, judge
from jupyter_mlpipe.cells.lines import is_about_pipeline, put_line, take_line, take_load_line


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("df = load(path)", "load_df"),
        ("df = pd.read_csv('x.csv')", "read_df"),
        ("df = df.dropna().groupby('a').agg('sum')", "group_df"),
        ("train, test = train_test_split(df)", "split"),
        ("model = Forest(n=3).fit(X, y)", "fit_model"),
        ("model.fit(X, y)", "fit_model"),
        ("df['ratio'] = df.a.apply(f)", "apply_df"),
        ("n = len(rows)\nbest = max(rows)\nprint(best)", "best"),
        ("split = split(rows)", "split"),
        ("X = prepare(rows)", "prepare_x"),
        ("größe = total(rows)", "größe"),
        ("a_very_long_name_of_a_table_of_everything = f(1)", "a_very_long_name_of_a_table_of"),
    ],
)
def test_a_name_says_what_the_cell_does(cell: str, name: str) -> None:
    (said,) = advise([Seen(cell)])
    assert said.line == f"%%component {name}"


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (
            ["import numpy as np\nnp.random.seed(1)\n%matplotlib inline"],
            "has only magics and commands, imp",
        ),
        (["import seaborn as sns", "sns.set_theme(style='dark')"], "has only settings"),
        (["try:\n    import cupy\nexcept ImportError:\n    cupy = None"], "has only imports"),
        (["# nothing yet"], "has only comments"),
        (["del df"], "has only del"),
        (["a, b = 1, [2, 3]\nc: float = a / 2"], "has only plain values"),
        (["df.to_csv('out.csv')"], "changes something outside (to_csv)"),
        (
            ["import os\nos.makedirs('x', exist_ok=True)\nn = count(x)"],
            "changes something outside (os.",
        ),
        (["with Path('x').open('w') as f:\n    n = f.write('y')"], "changes something outside (open"),
        (["from tqdm.notebook import tqdm", "for i in tqdm(x):\n    total = f(i)"], "uses widgets (tqdm)"),
        (["name = input('who? ')"], "uses input()"),
        (["%time df = load()"], "uses %time, which hides what it binds; take it out first"),
        (["%%time\ndf = load()"], "stands under the cell magic %%time; take that line out first"),
        (["conn = sqlite3.connect('x')", "rows = conn.execute('y').fetchall()"], "reads conn (a connection)"),
        (["%%bash\nls"], "stands under the cell magic %%bash"),
        (["df = = 3"], "is not Python"),
        (["import matplotlib.pyplot as plt", "fig, ax = plt.subplots()\nax.plot(x)"], "only shows something"),
        (["df.plot()"], "only shows something"),
        (["for c in df:\n    print(c)"], "only shows something"),
        (["check(df)\nNone"], "binds nothing"),
    ],
)
def test_a_cell_to_leave_says_why(cells: list[str], why: str) -> None:
    above = Above()
    judged = [judge(cell, above) for cell in cells][-1]
    assert judged.kind != "computes"
    assert judged.why.startswith(why)


def test_a_text_that_is_only_read_is_no_change_outside() -> None:
    for cell in ("text = open('x').read()", "line = df.to_csv()", "s = t.replace('a', 'b')"):
        assert judge(cell, Above()).kind == "computes", cell


@pytest.mark.parametrize(
    ("cell", "plain"),
    [
        ("%%component a(df) -> b --cpus 2\nx = 1\n", "x = 1\n"),
        ("%%component a", ""),
        ("\n\n  %%component a\n\nx", "\n\n  \nx"),
        ("%%parameters\nx = 1", "x = 1"),
        ("#| component: a\n#|   --cpus 2\n# text\nx", "# text\nx"),
        ("\n# | component: a\nx", "\n# | component: a\nx"),
        ("\n#| component: a\nx", "\nx"),
        ("%%componentry\nx", "%%componentry\nx"),
        ("x = '''\n%%component a\n'''", "x = '''\n%%component a\n'''"),
    ],
)
def test_a_line_is_taken_out_and_nothing_else(cell: str, plain: str) -> None:
    assert take_line(cell) == plain


@pytest.mark.parametrize("cell", ["x", "", "\nx\r\ny", "x\x0cy\n", "#| echo: false\nx", "%%time\nx"])
def test_a_line_put_in_and_taken_out_leaves_the_text(cell: str) -> None:
    assert take_line(put_line(cell, "%%component a")) == cell


def test_a_load_line_is_taken_out_of_a_cell() -> None:
    assert take_load_line("%load_ext jupyter_mlpipe\nimport os") == "import os"
    assert take_load_line("import os\n%load_ext autoreload") == "import os\n%load_ext autoreload"


def test_cells_about_the_pipeline_are_known() -> None:
    assert is_about_pipeline("%load_ext jupyter_mlpipe")
    assert is_about_pipeline("run = %pipeline run\n")
    assert not is_about_pipeline("%pipeline plan\nx = 1")
    assert not is_about_pipeline("")


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("con = connect('base.db')\ncon.execute('create table t (a)')", ["con"]),
        ("con = connect('base.db')\ncon.execute('create table t (a)')\ncon.close()", []),
        ("con = connect('base.db')\nrows = read_sql('t', con)", []),
        ("log = open('log', 'a')\nlog.write('x')", ["log"]),
        ("log = open('log', 'w')\nlog.write('x')", []),
        ("log = open('log')\nother.write('x')", []),
    ],
)
def test_what_must_not_be_made_twice(code: str, names: list[str]) -> None:
    assert list(deeds.changed_through(code)) == names


@pytest.mark.parametrize(
    ("code", "makes"),
    [
        ("from ipywidgets import interact\ninteract(f)", True),
        ("import ipywidgets as w\nw.IntSlider()", True),
        ("slider = widgets.IntSlider()", True),
        ("import ipywidgets", False),
        ("from ipywidgets import interact", False),
        ("text = 'ipywidgets'", False),
        ("for i in tqdm(range(3)): pass", False),
    ],
)
def test_what_makes_widgets(code: str, makes: bool) -> None:
    imports = {"widgets": "ipywidgets", "tqdm": "tqdm.notebook"}
    assert deeds.makes_widgets(code, imports) is makes


@pytest.mark.parametrize(
    ("code", "starts"),
    [
        ("task = asyncio.create_task(work())", True),
        ("tasks = [asyncio.ensure_future(work()) for _ in range(3)]", True),
        ("async def main():\n    asyncio.create_task(work())", False),
        ("async def main():\n    asyncio.create_task(work())\nasyncio.run(main())", False),
        ("print('create_task')", False),
    ],
)
def test_what_starts_tasks(code: str, starts: bool) -> None:
    assert deeds.starts_tasks(code) is starts
