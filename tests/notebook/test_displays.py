"""What a cell shows, and what IPython keeps of it, with our line on top: as without, fresh and reused."""

from __future__ import annotations

import pytest

from tests.support.as_plain import Start, assert_same_as_plain

NOTEBOOKS: dict[str, str] = {
    "results by number": r"""
# %%
40 + 2
# %% plain
_ + 1
# %%
"text"
# %% plain
_, __, Out[2], _2, _4, len(Out), 3 in Out
# %%
_, Out[3], _4
# %%
import numpy as np
np.arange(30000)
# %% plain
(_ * 2)[2]
# %%
_ * 2
# %% plain
_ + Out[7][3]
# %%
{1: 2};
# %% plain
_
# %%
iter("ab")
# %%
_i3, In[3]
# %%
big = np.ones(20000)
big
# %% plain
_ is big, Out[max(Out)].shape
# %%
items = [1]
items
# %%
_ + [2]
# %%
items.append(3)
# %% plain
_, items
""",
    "magics of IPython": r"""
# %%
%%time
y = 3
z = y + 1
z
# %%
%time y2 = 3
y2
# %%
%%capture out
print("hidden"); a = 5
a
# %% plain
print(a, z, out.stdout, type(out).__name__)
# %%
out.show()
# %%
%%bash
echo hi; echo err >&2
# %%
%%bash --out text
echo hi
# %% plain
text
# %%
%%sh
echo hi2
# %%
%%writefile /dev/null
k = 3
m = k + 1
# %%
%%html
<b>x</b>
# %%
%%latex
$x$
# %%
%%markdown
*x*
# %%
%%javascript
1
# %%
%%svg
<svg></svg>
# %%
%%timeit -n1 -r1 -q
y + 1
# %%
%%prun -q
w = y + 1
# %%
%timeit -n1 -r1 -q y
# %%
_t = %timeit -n1 -r1 -q -o y
type(_t).__name__
# %%
x = %env HOME
x
# %%
%precision 2
# %% plain
3.14159
# %%
3.14159
# %%
%load_ext autoreload
%autoreload 2
# %%
%who_ls int str
# %%
%%script bash
echo x
# %%
%%python3
print(1)
# %%
%xmode Minimal
# %%
1/0
# %%
%nosuch 1
# %%
%%nosuchmagic
1
# %%
%%time

1/0
# %%
%%capture
1/0
# %%
%mkdir -p sub
%cd -q sub
# %%
import os
os.path.basename(os.getcwd())
# %%
%env MLP_X=5
%cd -q ..
# %%
os.environ["MLP_X"]
# %%
%%time
%%capture q
print(1); b = 1
# %%
%%time
import json as js
def f(): return js.dumps(1)
# %%
f(), js.dumps(2)
# %% plain
f(), js.dumps(2), q.stdout
""",
    "what magics bind": r"""
# %%
import time
t = 0
print(1); print(2)
# %% plain
def helper(): return later_bound
# %%
try:
    helper()
except NameError as e:
    print("caught", e)
# %% plain
later_bound = 4
# %%
helper()
# %%
%%time
with open("a.txt", "w") as _f: _n = _f.write("x")
# %%
%%time
for i in range(3): pass
total = i
# %% plain
i, total
# %%
%time for j in range(3): pass
# %% plain
j
# %%
def g():
    %time w = 3
    return w
g()
# %%
%time print("hi")
# %%
x = !echo a
%time y = x[0] + "b"
y
# %%
if True:
    %time z = 1
# %% plain
z
# %%
%%capture cap --no-stderr
import sys
print("o"); print("e", file=sys.stderr)
# %% plain
cap.stdout, cap.stderr
# %%
%%capture
print("gone")
val = 3
# %% plain
val
# %%
%%bash --out o --err e
echo o; echo e >&2
# %% plain
o, e
# %%
%%script false
# %%
%%bash
exit 3
# %%
%reload_ext autoreload
%matplotlib inline
import matplotlib.pyplot as plt
fig, ax = plt.subplots(figsize=(1, 1))
# %%
%%HTML
<i>x</i>
""",
    "a script": r"""
# %% plain
_n = open("script.py", "w").write('''
import json as js
ka = 3
items = [1]
def fa(): return ka + len(js.dumps(1))
class Ka: pass
print("script")
''')
# %%
%run script.py
ka + fa()
# %%
fa() + ka
# %%
items.append(2)
obj = Ka()
# %% plain
items, isinstance(obj, Ka), fa()
# %%
js.dumps(2), isinstance(obj, Ka)
# %% plain
del Ka, obj
""",
    "wide tables": r"""
# %%
import pandas as pd
# %%
df = pd.DataFrame({f"column number {i}": range(3) for i in range(8)})
print(df)
df
# %%
df.T.to_string() == str(df.T), repr(df)[:200], pd.get_option("display.max_columns")
# %%
pd.Categorical(["a", "b"] * 30)
# %%
print(pd.DataFrame({i: [10 ** 9] for i in range(40)}))
# %% plain
df
""",
    "figures handed on": r"""
# %%
import matplotlib.pyplot as plt
fig = plt.figure(figsize=(1, 1))
fig.add_subplot()
plt.close(fig)
# %%
display(fig); 1
# %%
from IPython.display import display as show
show(fig, {"a": 1})
# %%
fig
# %% plain
fig
# %%
from matplotlib.figure import Figure
bare = Figure(figsize=(1, 1))
# %%
print(type(bare).__name__)
""",
    "names that IPython has too": r"""
# %%
class display(object):
    def __init__(self, *args):
        self.args = args
    def __repr__(self):
        return "own " + ", ".join(self.args)
# %%
display("a")
# %% plain
display("b")
# %% plain
def open(path): return "opened " + path
def quit(): return "no"
exit = 5
# %%
open("x"), quit(), exit
# %%
def open(path): return "again " + path
# %%
open("x")
# %% plain
open("y")
# %% plain
from IPython.display import display
del open, quit, exit
# %%
display("c")
open("made.txt", "w").close()
""",
    "lists of names": r"""
# %%
import math as m, json
from os import path
def f(): return g()
def g(): return m.pi
class C: pass
value = 3
# %% plain
sorted(n for n in globals() if n in ("m", "json", "path", "f", "g", "C", "value", "other"))
# %%
import string
def other(): return f()
# %% plain
sorted(set(dir()) & {"m", "json", "path", "f", "g", "C", "value", "other", "string"})
# %%
import textwrap
late = 5
# %% plain
%who
# %%
def last(): return late
# %% plain
%who_ls function
# %% plain
"last" in vars(), globals()["other"]()
""",
    "help in the pager": r"""
# %%
def documented(a, b=2):
    "What it does."
# %%
documented?
# %%
import json
json.dumps?
# %%
json.dumps??
print("after")
# %%
len?
x = 1
x
# %% plain
x
# %% plain
"text"
# %%
if x:
    json.dumps?
print("below")
# %%
n_written = open("short.py", "w").write("y = 2")
%pycat short.py
# %%
len(In), In[5][:3], type(In).__name__
# %%
count = 3
def g(): return count
count
%who_ls int
# %%
late = g() + 1
%who
""",
    "settings of inline figures": r"""
# %%
%matplotlib inline
%config InlineBackend.figure_format = 'jpg'
import matplotlib.pyplot as plt
plt.figure(figsize=(1,1)); plt.plot([1,2]);
# %% plain
plt.figure(figsize=(1,1)); plt.plot([1,2]);
# %%
plt.close('all'); plt.figure(figsize=(1,1)); plt.plot([1,2]);
# %% plain
%config InlineBackend.print_figure_kwargs={'bbox_inches':None}
# %%
plt.figure(figsize=(1,1)); plt.plot([1,2]); plt.show()
""",
    "which expressions are shown": r"""
# %%
%%capture out
print("hidden"); a = 5
a
# %%
out.show()
# %% plain
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.ast_node_interactivity = "all"
# %%
1
2 ; 3
for i in [1]:
    i
x = 5
4
# %%
1
2;
# %%
import asyncio
1
await asyncio.sleep(0)
2
# %%
%%time
1
2
# %% plain
_, Out
# %% plain
InteractiveShell.ast_node_interactivity = "last_expr_or_assign"
# %%
1
x = 6
# %% plain
InteractiveShell.ast_node_interactivity = "none"
# %%
1
""",
    "which expressions are shown, as a component says": r"""
# %%
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.ast_node_interactivity = "all"
# %%
1
2
# %% plain
3
4
# %%
get_ipython().ast_node_interactivity = "last_expr"
# %%
5
6
# %% plain
7
8
""",
    "figures in the mode in which none is shown": r"""
# %% plain
%matplotlib inline
# %%
import matplotlib.pyplot as plt
with plt.ioff():
    fig, ax = plt.subplots()
    ax.plot([1, 2])
# %% plain
plt.close("all"); del fig, ax
# %%
plt.plot([1, 2])
""",
    "errors half way": r"""
# %%
print("first")
a = 1
b = nosuch + 1
# %% plain
a
# %%
a, items = 2, [1]
# %%
items.append(2)
c = a + 1
1/0
# %% plain
items, c
# %% plain
df = {"a": 1}
keep = 7
# %%
raise ValueError("x")
keep = 8
df = 3
# %% plain
keep, df
# %%
df["b"] = 2
df = dict(df, c=nothere)
# %% plain
df
# %%
if False:
    never_there
try:
    neverr
except NameError as e:
    print(e)
# %%
def g(x):
    return x * made_up
print("so far")
r = g(2)
""",
    "a function alone": r"""
# %%
def later(v=1): return v + unknown_one
# %%
later()
# %% plain
unknown_one = 2
# %%
later()
# %% plain
later(5), later.__name__
""",
    "names bound unseen": r"""
# %%
exec("q=4")
# %%
globals()["k"] = 1
for name in ["u", "v"]:
    globals()[name] = name * 2
# %% plain
q, k, u, v
# %%
q + k
# %%
with open("zz.txt", "w") as _f: n = f.write("zz")
n
# %%
# comment
# %%

# %%
'doc'
# %%
import os, sys
# %%
from dataclasses import make_dataclass
P = make_dataclass("P", ["x"])
pp = P(1)
# %% plain
pp, P(2), isinstance(pp, P)
# %%
P(3), isinstance(pp, P)
# %%
from math import *
# %%
pi
# %% plain
floor(2.5)
# %%
x = 3
if x > 5: y = 1
# %% plain
y = 7
# %%
if x > 5: y = 1
# %% plain
y
# %%
vars()["w1"] = 1
locals()["w2"] = 2
# %%
w1 + w2
# %%
def setter():
    globals()["via"] = 5
setter()
# %%
via
# %%
get_ipython().user_ns["un"] = 6
# %%
un
# %%
get_ipython().run_line_magic("pwd", "")[:1]
# %% plain
del P
""",
    "displays of libraries": r"""
# %%
from rich import print as rich_print
rich_print("[bold]hi[/bold]", {"a": 1})
# %%
import plotly.express as px
chart = px.scatter(x=[1], y=[2])
chart
# %% plain
type(_).__name__
# %%
chart.show()
# %%
from PIL import Image
Image.new("RGB", (3, 3), "red")
# %%
from IPython.display import display
handle = display("first", display_id="some")
# %% plain
handle.update("second")
# %%
class Prints:
    def __repr__(self):
        print("printing")
        return "P!"
Prints()
# %%
class Bundle:
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": "m", "text/html": "<b>m</b>"}
Bundle()
# %%
class Displays:
    def _ipython_display_(self):
        print("displays itself")
Displays()
# %% plain
type(_).__name__
# %%
print("a\rb\rc"); print("x", end=""); print("y", end="\r")
""",
    "how types are shown": r"""
# %%
from fractions import Fraction
get_ipython().display_formatter.formatters["text/html"].for_type(
    Fraction, lambda f: f"<b>{f.numerator}</b>/{f.denominator}"
);
# %%
Fraction(1, 2)
# %% plain
Fraction(1, 3)
# %%
get_ipython().display_formatter.formatters["text/html"].pop(Fraction, None)
Fraction(1, 4)
# %%
Fraction(1, 5)
""",
    "kinds of one's own": r"""
# %%
from IPython.core.formatters import BaseFormatter
from traitlets import ObjectName, Unicode
class Notes(BaseFormatter):
    format_type = Unicode("application/x-notes")
    print_method = ObjectName("_repr_notes_")
    _return_type = str
shell = get_ipython().display_formatter
shell.formatters["application/x-notes"] = Notes(parent=shell)
shell.formatters["application/x-notes"].for_type(float, str);
# %%
1.5
# %% plain
2.5
# %%
class Song:
    def _repr_notes_(self): return "do re mi"
Song()
# %%
del get_ipython().display_formatter.formatters["application/x-notes"]
3.5
# %%
4.5
""",
    "names of magics": r"""
# %%
def hist(values): return sum(values)
def who(): return "me"
ls = [1, 2]
# %%
hist([1, 2])
# %% plain
who()
# %%
ls
# %% plain
ls[0]
# %%
ls.count(1)
""",
    "types of Python's own": r"""
# %%
y = iter([1, 2])
type(y)
# %%
type(next), type({}.items()), type(None), type(...)
# %% plain
_, __
""",
    "values that cannot be shown": r"""
# %%
class Broken:
    def __repr__(self): return unknown_name
    def _repr_html_(self): return 1 / 0
class Partly:
    def _repr_html_(self): return 1 / 0
# %%
Partly()
# %%
Broken()
# %%
from IPython.display import display
display(Partly()); display(Broken())
print("goes on")
# %% plain
type(_).__name__
""",
}

_NEEDS = {"displays of libraries": ("rich", "plotly", "PIL")}


@pytest.mark.parametrize("title", NOTEBOOKS)
def test_a_cell_shows_what_it_shows_without_our_line(title: str, start_kernel: Start) -> None:
    for library in _NEEDS.get(title, ()):
        pytest.importorskip(library)
    assert_same_as_plain(NOTEBOOKS[title], start_kernel)


def test_a_name_that_is_not_there_is_told_with_what_may_be_meant(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("model_of_mine = 1").check()
    made = "%%component made --timeout 1h\n_hidden = 1\nstream = open('x.txt', 'w')\nn = 1"
    kernel.run(made).check()
    assert "Did you mean 'model_of_mine'?" in kernel.run("%%component a\nmodel_of_min").traceback
    assert "'made' bound '_hidden'" in kernel.run("%%component b\n_hidden").traceback
    plain = kernel.run("_hidden")
    assert "'made' bound '_hidden'" in plain.outputs[-1]["data"]["text/plain"]
    for cell in ("%%component c\nstream", "stream"):
        told = kernel.run(cell)
        assert "'stream' of step 'made'" in told.traceback
        assert told.error is not None
        assert told.error["ename"] == "NameError"


def test_a_change_of_a_library_is_told(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("import fractions\nclass Own: pass").check()
    changed = kernel.run("%%component a\nfractions.Fraction.own = 1\nn = fractions.Fraction(1).own").check()
    assert "fractions.Fraction.own changes a library in this step's process only" in changed.receipt
    here = "%%component b\nimport textwrap\ntextwrap.own = 2\nm = textwrap.own"
    assert "textwrap.own changes" in kernel.run(here).check().receipt
    unchanged = kernel.run("%%component c\no = Own()\no.x = fractions.Fraction(1)\no.x").check()
    assert "changes a library" not in unchanged.receipt
    kernel.run("%%component d --here\nfractions.Fraction.own = 1").check()
    assert kernel.run("fractions.Fraction(2).own").check().result == "1"


@pytest.mark.parametrize("code", ["3", "'a word'", "", "0"])
def test_asking_to_exit_says_what_was_asked(code: str, start_kernel: Start) -> None:
    kernel = start_kernel()
    cell = f"import sys\nsys.exit({code})"
    plain, ours = kernel.run(cell).error, kernel.run(f"%%component a\n{cell}").error
    assert plain is not None
    assert ours is not None
    assert (ours["ename"], ours["evalue"]) == (plain["ename"], plain["evalue"])


def test_a_closed_file_is_left_out_without_a_word(start_kernel: Start) -> None:
    kernel = start_kernel()
    made = kernel.run(
        "%%component a\nwith open('a.txt', 'w') as f:\n    n = f.write('x')\nopen_one = open('a.txt')"
    )
    assert "f is not kept" not in made.check().receipt
    assert "open_one is not kept" in made.receipt
    assert kernel.run("f.closed, f.name").check().result == "(True, 'a.txt')"


def test_what_cannot_live_in_a_step_moves_or_says_so(start_kernel: Start) -> None:
    pytest.importorskip("ipywidgets")
    kernel = start_kernel()
    slider = kernel.run("%%component a\nimport ipywidgets\nipywidgets.IntSlider()").check()
    assert slider.result == "IntSlider(value=0)"
    assert "runs in the kernel itself: it makes widgets" in slider.receipt
    assert any("application/vnd.jupyter.widget-view+json" in o.get("data", {}) for o in slider.own)
    hidden = kernel.run("%%component h\nprint(type(__import__('ipywidgets').IntSlider()).__name__)")
    assert hidden.check().printed == "IntSlider\n"
    assert "%%parameters" in kernel.run("%%component b\ninput()").traceback
    assert "not all names of the notebook" in kernel.run("%%component d\nlen(globals())").check().receipt
    group = kernel.run("%%component c\nraise ExceptionGroup('g', [ValueError('inner')])")
    assert "ValueError: inner" in group.traceback


def test_tasks_that_a_step_leaves_are_mentioned(start_kernel: Start) -> None:
    for kernel in (start_kernel(), start_kernel()):
        kernel.run("import asyncio")
        awaited = kernel.run(
            "%%component a\nt = asyncio.ensure_future(asyncio.sleep(0, 1))\nx = await t"
        ).check()
        assert "stopped" not in awaited.receipt
        left = kernel.run("%%component b\nu = asyncio.create_task(asyncio.sleep(9))\nawait asyncio.sleep(0)")
        assert "tasks that had not ended with the cell's code were stopped" in left.check().receipt


def test_an_error_that_is_kept_says_that_its_traceback_is_not(start_kernel: Start) -> None:
    cell = (
        "%%component a\ntry:\n    1 / 0\nexcept ZeroDivisionError as e:\n    kept = e\nmade = ValueError(1)"
    )
    for kernel in (start_kernel(), start_kernel()):
        receipt = kernel.run(cell).check().receipt
        assert "kept comes back without its traceback" in receipt
        assert "made comes back" not in receipt


def test_a_cell_may_run_in_the_kernel(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("%%component made\nrows = [1, 2]").check()
    live = "%%component live --here\nimport threading\nlock = threading.Lock()\nrows.append(3)\nlen(rows)"
    assert kernel.run(live).check().result == "3"
    assert kernel.run("type(lock).__name__, rows, _").check().result == "('lock', [1, 2, 3], 3)"
    assert kernel.run("%%component below\nrows").check().result == "[1, 2, 3]"
    failed = kernel.run("%%component live --here\nx = 1\n1/0")
    assert failed.error is not None
    assert failed.error["ename"] == "ZeroDivisionError"
    assert "line 3" in failed.traceback or "----> 3 1/0" in failed.traceback  # as IPython 7 says it
    assert "jupyter_mlpipe" not in failed.traceback
    assert kernel.run("x").check().result == "1"
    assert "line 2" in kernel.run("%%component live --here\nx = = 1").traceback
    assert "awaits" in kernel.run("%%component live --here\nawait 1").printed_error


def test_a_bar_that_is_no_widget_in_a_step_is_mentioned_once(start_kernel: Start) -> None:
    pytest.importorskip("tqdm")
    pytest.importorskip("ipywidgets")
    kernel = start_kernel()
    kernel.run("from tqdm.auto import tqdm").check()
    first = kernel.run("%%component one\nfor i in tqdm(range(3)): pass").check()
    second = kernel.run("%%component two\nfor i in tqdm(range(3)): pass").check()
    assert "bars of tqdm.auto are widgets in the kernel only" in first.receipt
    assert "widgets" not in second.receipt


def test_figures_that_plain_cells_left_open_are_mentioned_once(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("%matplotlib inline\nimport matplotlib.pyplot as plt").check()
    word = "does not know the figures that earlier cells have left open"
    assert word not in kernel.run("%%component none\nplt.plot([1])").check().receipt
    kernel.run("plt.ioff(); plt.subplots(); plt.ion()").check()
    assert word not in kernel.run("%%component other\nsum([1])").check().receipt
    assert word in kernel.run("%%component first\nplt.plot([2])").check().receipt
    assert word not in kernel.run("%%component second\nplt.plot([3])").check().receipt


def test_a_warning_that_an_earlier_step_gave_is_mentioned(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("%%component make\nimport numpy as np, pandas as pd\nzeros = pd.Series([0.0])").check()
    first = kernel.run("%%component one\na = np.log(zeros)").check()
    second = kernel.run("%%component two\nb = np.log(zeros)").check()
    for result in (first, second):
        assert "divide by zero" in result.printed_error
    assert "as an earlier cell did" not in first.receipt
    assert "warns as an earlier cell did" in second.receipt
    assert "as an earlier cell did" not in kernel.run("%%component one\na = np.log(zeros)").check().receipt


def test_what_a_step_wrote_is_looked_at_though_it_ended_before_its_cell_showed_it(
    start_kernel: Start,
) -> None:
    kernel = start_kernel()
    kernel.run("""from jupyter_mlpipe.notebook.show.cellview import CellView
begin = CellView.begin
def begin_late(view, run):
    assert run.wait(30)
    begin(view, run)
CellView.begin = begin_late""").check()
    code = "import sys\n_ = sys.stderr.write('a.py:1: UserWarning: odd\\n')"
    first = kernel.run(f"%%component one\n{code}").check()
    assert "as an earlier cell did" not in first.receipt
    assert "warns as an earlier cell did" in kernel.run(f"%%component two\n{code}").check().receipt


def test_a_tensor_that_loses_how_it_was_computed_is_told_once(kernel):
    pytest.importorskip("torch")
    kernel.run("import torch\nweights = torch.ones(2, requires_grad=True)").check()
    first = kernel.run("%%component forward\nloss = (weights * 2).sum()\nparts = [loss]").check()
    assert "loss, parts come back detached (no grad_fn)" in first.receipt
    assert "detached" not in kernel.run("%%component again\nloss = (weights * 3).sum()").check().receipt
    assert "detached" not in kernel.run("%%component leaf\nw = torch.ones(2)").check().receipt


def test_widgets_of_a_local_module_live_in_the_kernel(kernel):
    pytest.importorskip("ipywidgets")
    module = (
        "def plain(): return 1\ndef slider():\n    from ipywidgets import IntSlider\n    return IntSlider()\n"
    )
    kernel.run(f"from pathlib import Path\n_ = Path('sliders.py').write_text({module!r})").check()
    kernel.run("import sliders").check()
    shown = kernel.run("%%component a\nsliders.slider()").check()
    assert "runs in the kernel itself: it makes widgets" in shown.receipt
    assert any("application/vnd.jupyter.widget-view+json" in o.get("data", {}) for o in shown.outputs)
    assert "kernel itself" not in kernel.run("%%component b\nsliders.plain()").check().receipt
