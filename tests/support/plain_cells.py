"""Short notebooks, cell by cell, that must come out the same with ``%%component`` on their cells.

``# %%`` begins a cell, ``# %% plain`` one that never gets the line.
"""

from __future__ import annotations

NOTEBOOKS: dict[str, str] = {
    "printed text": r"""
# %%
import sys
print("one")
print("two", end="")
print("three", file=sys.stderr)
sys.stdout.write("four\n");
# %%
print("ünïcode ✓ 日本", "\ttab", "a" * 3000)
""",
    "displays": r"""
# %%
from IPython.display import display, HTML, Markdown, Latex, JSON, SVG
display(HTML("<b>x</b>"), Markdown("*y*"))
display({"text/plain": "plain", "text/html": "<i>z</i>"}, raw=True)
display(Latex("$x$"), JSON({"a": [1, 2]}), metadata={"k": {"v": 1}})
display(1, "two", [3])
HTML("<p>last</p>")
""",
    "last expressions": r"""
# %%
None
# %%
"text with 'quotes'\nand lines"
# %%
42
# %%
1.5
# %%
[1, "a", None, {"k": (1, 2)}]
# %%
{"b": 1, "a": [1, 2, 3], 3: {4, 5}}
# %%
list(range(1200))
# %%
{f"key number {i}": "some text here" for i in range(12)}
# %%
b"bytes"
# %%
int
# %%
len
# %%
...
# %%
True
# %%
lambda: 1
# %%
x = 3
x; x + 1
""",
    "tables and arrays": r"""
# %% plain
import numpy as np, pandas as pd
# %%
df = pd.DataFrame({"a": [1, 2, 3], "b": list("xyz"), "c": pd.date_range("2024-01-01", periods=3)})
df
# %%
df["a"]
# %%
df.describe()
# %%
np.arange(12).reshape(3, 4)
# %%
np.float64(1.25)
# %%
df.groupby("b")["a"].sum()
# %%
df.style.hide(axis="index").set_uuid("u")
# %%
df.info()
# %%
df.dtypes
# %%
df.index, df.columns
""",
    "an object with its own html": r"""
# %%
class Card:
    def __init__(self, text):
        self.text = text
    def _repr_html_(self):
        return f"<b>{self.text}</b>"
    def __repr__(self):
        return f"Card({self.text!r})"
Card("a")
# %%
card = Card("b")
card
# %% plain
card
# %% plain
isinstance(card, Card), card.text
# %%
isinstance(card, Card), Card("c")
""",
    "a semicolon hides the result": r"""
# %%
1 + 1;
# %%
1 + 1;  # a comment; with one
# %%
"a;b"
# %%
x = 1; x
# %%
print("x"); 5;
""",
    "figures": r"""
# %% plain
import matplotlib.pyplot as plt
# %%
plt.plot([1, 2, 3])
# %%
plt.plot([1, 2, 3])
plt.show()
# %%
plt.plot([1, 2, 3]);
# %%
for k in range(2):
    plt.figure(figsize=(2, 2))
    plt.plot([k, 1])
    print("after", k)
# %%
for k in range(2):
    plt.figure(figsize=(2, 2))
    plt.plot([k, 1])
    plt.show()
    print("after", k)
# %%
figure, axes = plt.subplots(1, 2, figsize=(3, 2))
axes[0].bar([1, 2], [3, 4])
figure
# %%
plt.figure(figsize=(2, 2))
plt.title("t")
"done"
""",
    "a figure built over two cells": r"""
# %% plain
import matplotlib.pyplot as plt
# %%
figure, axes = plt.subplots(figsize=(2, 2))
axes.plot([1, 2])
plt.close(figure)
# %%
figure.axes[0].set_title("later")
figure
""",
    "warnings": r"""
# %%
import warnings
warnings.warn("careful")
warnings.warn("older", DeprecationWarning)
# %%
for _ in range(3):
    warnings.warn("once")
1
""",
    "logging": r"""
# %%
import logging
logging.warning("to stderr")
logging.getLogger("mine").error("an error %s", 1)
logging.info("not shown")
""",
    "progress bars": r"""
# %%
from tqdm import tqdm
import sys
for _ in tqdm(range(3), bar_format="{desc}{n}/{total}", file=sys.stdout, mininterval=0):
    pass
print("end")
""",
    "cleared and updated output": r"""
# %%
from IPython.display import clear_output, display, update_display
print("gone")
clear_output()
print("kept")
# %%
print("gone later")
clear_output(wait=True)
print("kept too")
# %%
handle = display("first", display_id="an-id")
update_display("second", display_id="an-id")
print("x")
# %%
from IPython.display import DisplayHandle
h = DisplayHandle("other")
h.display("1")
h.update("2")
""",
    "built-in errors": r"""
# %%
print("before")
1 / 0
# %%
{}["missing"]
# %%
int("x")
# %%
[].nothing
# %%
open("no such file")
# %%
assert 1 == 2, "not equal"
# %%
assert False
# %%
raise StopIteration
# %%
raise ValueError("a", 2)
# %%
import no_such_module_xyz
# %%
from os import no_such_name_xyz
# %%
b"\xff".decode()
# %%
raise RuntimeError("with unicode ✓")
""",
    "ends of programs": r"""
# %%
print("a")
raise SystemExit
# %%
raise SystemExit("with text")
# %%
import sys
x = 1
sys.exit(3)
# %%
x
""",
    "errors of one's own": r"""
# %% plain
class PlainError(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code
# %%
class StepError(ValueError):
    pass
raise StepError("mine")
# %%
raise PlainError(3, "theirs")
# %%
try:
    {}["k"]
except KeyError as error:
    raise PlainError(4, "with a cause") from error
# %%
class Odd(Exception):
    def __str__(self):
        return "odd text"
raise Odd
""",
    "changes in place before an error": r"""
# %% plain
def make(model):
    def step(x):
        model[0] += x
        return model[0]
    return step
def call(function):
    return function(2)
# %%
model = [1]
train = make(model)
writer = Missing()
# %%
losses = []
for i in range(3):
    losses.append(call(train))
    writer.add(i)
# %%
print(model, losses)
# %%
train(1)
print(model)
{}["k"]
# %%
print(model)
call(train)
# %% plain
print(model)
model.append("plain")
# %%
call(train)
model.missing
# %%
print(model, call(train))
# %%
kept, again = {"a": []}, None
again = kept["a"]
# %%
getattr(kept["a"], "append")(1)
raise ValueError
# %%
kept, again
""",
    "shared objects mentioned in a text": r"""
# %%
first = [1]
second = {"a": first}
# %% plain
"first, second"
# %% plain
first.append(2)
second
""",
    "a script makes anew what a function holds": r"""
# %% plain
from pathlib import Path
Path("held.py").write_text(
    "model = [0]\ndef hold(m):\n    def step(): m[0] += 1\n    return step\nfunction = hold(model)\n"
)
Path("again.py").write_text("model = [10]\nfunction = hold(model)\n")
# %%
%run -i held.py
# %%
kept = {"a": model}
# %%
%run -i again.py
# %%
model[0] = kept["a"][0]
# %%
function()
print(model, kept)
""",
    "scripts run once": r"""
# %% plain
from pathlib import Path
import random
random.seed(3)
log = []
Path("draws.py").write_text("log.append(random.random())\nn_drawn = len(log)\n")
# %%
%run -i draws.py
# %%
random.random()
# %%
print(n_drawn, log)
# %% plain
random.seed(4)
# %%
print(n_drawn, random.random())
# %% plain
Path("draws.py").write_text("log.append('other')\nn_drawn = 0\n")
# %%
print(n_drawn, len(log))
""",
    "syntax errors": r"""
# %%
x = = 1
# %%
def f(:
    pass
# %%
if True:
print("x")
# %%
return 5
# %%
print("never closed
""",
    "assignments of every kind": r"""
# %%
if (n := 10) > 5: print(n)
a, *b, (c, d) = 1, 2, 3, (4, 5)
e = f = 6
g: int = 7
h: "list[int]"
(i := 3)
for j, k in enumerate("ab"): pass
with open("w.txt", "w") as _l: l = _l.write("x")
try: raise KeyError("m")
except KeyError as m: pass
import os.path as o, json
from math import pi as p, e as euler
q = [r for r in range(3)]
s = {t: u for t, u in zip("ab", [1, 2])}
match [1, 2, 3]:
    case [v, *w]: pass
class Y: z = 1
x, = [9]
aa = bb = []
aa += [1]
# %%
a += 1
b.append(9)
q[0] = "changed"
del c
d
""",
    "scopes": r"""
# %%
factor = 3
def scale(x):
    return x * factor
total = 0
def bump():
    global total, made
    total += 1
    made = "by a function"
    return total
bump(); bump()
[scale(v) for v in range(3)], total, made
# %%
def outer():
    k = 0
    def inner():
        nonlocal k
        k += 1
        return k
    inner()
    return inner()
outer(), (lambda y=factor: y)()
# %%
factor = 5
scale(1)
# %% plain
scale(2), bump()
# %%
scale(2), total
""",
    "classes": r"""
# %%
class Base:
    kind = "base"
    def hello(self):
        return f"{self.kind} of {type(self).__name__}"
class Child(Base):
    kind = "child"
    def hello(self):
        return super().hello() + "!"
    @property
    def size(self): return 3
    @staticmethod
    def make(): return Child()
    @classmethod
    def named(cls): return cls.__name__
child = Child.make()
print(child.hello(), child.size, Child.named(), Child.__module__)
# %%
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple
@dataclass
class Point:
    x: int
    y: list = field(default_factory=list)
class Color(Enum):
    RED = 1
class Pair(NamedTuple):
    a: int
    b: int = 2
p, c, n = Point(1, [2]), Color.RED, Pair(1)
p
# %% plain
p, c, n, p == Point(1, [2]), c is Color.RED, isinstance(n, Pair), child.hello(), isinstance(child, Base)
# %%
p.y.append(3)
print(p, c, n, c is Color.RED, isinstance(child, Base))
# %% plain
p
""",
    "what a class holds itself": r"""
# %%
class Account:
    def __init__(self, n):
        self.n = n
    def add(self, n):
        self.n += n
# %% plain
account = Account(1)
class Other(Account):
    kind = "other"
other = Other(2)
# %%
account.add(2)
other.add(3)
# %%
# Python 3.13 adds a line number, at another place in a class that was made again.
print([n for c in (Account, Other) for n in vars(c) if n != "__firstlineno__"], account.n, other.n)
# %% plain
# Python 3.13 adds a line number, at another place in a class that was made again.
print([n for c in (Account, Other) for n in vars(c) if n != "__firstlineno__"], account.n, other.n)
""",
    "classes that calls make": r"""
# %%
from collections import namedtuple
from enum import Enum
Pair = namedtuple("Pair", "a b")
Color = Enum("Color", "RED BLUE")
Other = type("Other", (), {"v": 1})
pair, color = Pair(1, 2), Color.RED
# %% plain
pair, color, type(pair) is Pair, color is Color.RED, Pair(3, 4), Other.v
# %%
more = Pair(5, pair.a)
print(type(more) is type(pair), color is Color.RED, more, Other().v)
# %% plain
more, type(more) is Pair
""",
    "decorators and generators": r"""
# %%
import functools, contextlib, itertools
def twice(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(function(*args, **kwargs))
    return wrapper
@twice
def add(x, /, *, by=1):
    "Adds."
    return x + by
@functools.lru_cache
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
@contextlib.contextmanager
def tagged(name):
    print("<", name); yield name; print(">", name)
def count():
    yield from range(3)
with tagged("t") as t:
    print(add(1), fib(20), list(count()), sum(x for x in count()))
# %%
with tagged("u"):
    print(add(5, by=2), fib(10))
# %% plain
add(1), fib(5), list(count()), add.__doc__, add.__name__
""",
    "await": r"""
# %%
import asyncio
await asyncio.sleep(0)
async def double(x):
    await asyncio.sleep(0)
    return 2 * x
y = await double(4)
async def numbers():
    for i in range(3): yield i
z = [i async for i in numbers()]
y
# %%
await asyncio.gather(*(double(i) for i in range(3)))
# %% plain
await double(5)
""",
    "imports of a step, later": r"""
# %%
import math
import os.path
import numpy as np
from collections import Counter as C, defaultdict
from math import *
root = sqrt(16)
# %%
math.pi, np.arange(2), C("aab"), os.path.join("a", "b"), floor(2.5)
# %% plain
math.pi, np.arange(2), C("aab"), os.path.join("a", "b")
# %% plain
sqrt(4), defaultdict(int)["x"]
""",
    "imports that ask where they are": r"""
# %%
import pandas as pd
frame = pd.DataFrame({f"column {i}": [i] * 3 for i in range(9)})
# %% plain
print(pd.options.display.max_columns)
print(frame)
# %%
print(frame, pd.options.display.max_columns)
""",
    "imports of what may not be there": r"""
# %%
try:
    import no_such_module_xyz as gone
except ImportError:
    gone = None
try:
    from math import no_such_name as root
except ImportError:
    from math import sqrt as root
there = gone is not None
# %% plain
gone, there, root(4)
# %%
print(gone, root(9))
""",
    "a function before what it reads": r"""
# %%
made = 1
def later():
    return not_there_yet + made
# %% plain
not_there_yet = 5
# %%
later()
# %% plain
later()
""",
    "names that are bound on some paths only": r"""
# %%
flag = False
# %%
if flag: x = 2
# %%
print("so far")
y = x + 1
# %%
try:
    y = x
except NameError:
    y = 0
# %% plain
y
# %%
def draw():
    census.plot()
# %%
print("then")
draw()
# %% plain
x
# %%
flag = True
# %%
if flag: x = 2
# %%
x + 1
# %%
flag = False
# %%
if flag: x = 2
# %%
x + 2
# %% plain
x
""",
    "names bound again and again": r"""
# %%
x = 1
# %%
x = x + 1
# %%
x = x * 10
x
# %% plain
x = x + 1
# %%
x = x + 1
x
# %%
x += 5
# %% plain
x
# %%
y = x; x = "other"; y
# %% plain
x, y
""",
    "changes in place": r"""
# %% plain
import numpy as np, pandas as pd
# %%
items, table, array, frame = [1], {"a": 1}, np.zeros(4), pd.DataFrame({"a": [1, 2, 3]})
seen = set()
# %%
items.append(2)
items.extend([5, 4])
items.sort()
seen.add(3)
# %%
table.update(b=2)
table["c"] = 3
table.setdefault("d", []).append(1)
# %%
array[1:3] = 7
array += 1
# %%
frame["b"] = frame["a"] * 2
frame.loc[0, "a"] = 100
frame
# %%
frame.drop(columns="b", inplace=True)
frame.rename(columns={"a": "z"}, inplace=True)
# %%
frame.columns = ["q"]
del table["a"]
items.pop()
# %% plain
items, table, array, frame, seen
# %%
def push(list_, value):
    list_.append(value)
push(items, 99)
alias = items
alias.append(100)
# %% plain
items, alias
""",
    "values of the notebook changed in place": r"""
# %% plain
items = [1]; table = {}
import numpy as np
array = np.zeros(2)
# %%
items.append(2)
table["k"] = 1
array[0] = 5
# %% plain
items, table, array
# %%
items.append(3)
# %% plain
items
""",
    "changes in place in a loop": r"""
# %% plain
rows = [{"a": 1}, {"a": 2}]
table = {"k": [1], "l": [2]}
lists, more = [[1], [2]], [[3], [4]]
numbers = [1, 2]
# %%
for row in rows:
    row["b"] = row["a"]
# %%
for name, values in table.items():
    values.append(name)
for values in table.values():
    values.append(0)
# %%
for i, one in enumerate(lists):
    one.append(i)
for one, other in zip(lists, reversed(more)):
    other.extend(one)
# %%
for number in numbers:
    number += 1
# %% plain
rows, table, lists, more, numbers
""",
    "an estimator of another cell": r"""
# %% plain
import numpy as np
from sklearn.linear_model import LinearRegression
X = np.arange(6.0).reshape(-1, 1); y = 2 * X.ravel() + 1
# %%
model = LinearRegression()
# %%
model.fit(X, y)
# %%
model.predict(np.array([[10.0]])).round(6)
# %% plain
model.coef_.round(6), type(model).__name__
""",
    "an estimator of a plain cell": r"""
# %% plain
import numpy as np
from sklearn.linear_model import LinearRegression
X = np.arange(6.0).reshape(-1, 1); y = 2 * X.ravel() + 1
model = LinearRegression()
# %%
model.fit(X, y)
# %% plain
model.coef_.round(6)
""",
    "random generators passed on": r"""
# %% plain
import random
import numpy as np
# %%
rng = np.random.default_rng(3)
own = random.Random(4)
# %%
a = rng.random(2); b = own.random()
# %%
c = rng.random(2); d = own.random()
# %% plain
a.round(6), b, c.round(6), d, rng.random(1).round(6)
""",
    "random state seeded in the cell": r"""
# %%
import random
import numpy as np
random.seed(1); np.random.seed(2)
a = random.random(), np.random.rand()
a
""",
    "results by number": r"""
# %%
40 + 2
# %% plain
_
# %%
"text"
# %% plain
_
""",
    "shell commands and magics": r"""
# %%
!echo out
!echo err >&2
# %%
files = !printf 'a\nb\n'
files
# %%
name = "world"
!echo hello {name} $name
# %%
%timeit -n1 -r1 -q pass
# %%
%env MLPIPE_TEST_VARIABLE=five
# %%
%cd -q .
""",
    "folders on the import path": r"""
# %%
import sys
len(sys.path)
# %% plain
import sys
len(sys.path), [path for path in sys.path if "scratch" in path]
# %%
len(sys.path), [path for path in sys.path if "scratch" in path]
""",
    "environment and folder set in plain cells": r"""
# %% plain
import os
os.environ["MLPIPE_TEST_WORD"] = "from the notebook"
# %%
os.environ["MLPIPE_TEST_WORD"], os.environ.get("MLPIPE_TEST_NOTHING")
# %% plain
os.environ["MLPIPE_TEST_WORD"] = "changed"
# %%
os.getenv("MLPIPE_TEST_WORD")
# %% plain
os.makedirs("below", exist_ok=True); os.chdir("below")
# %%
os.path.basename(os.getcwd())
# %%
with open("note.txt", "w") as _f:
    _f.write("written here")
# %% plain
open("note.txt").read()
# %%
open("note.txt").read()
# %%
import pandas as pd
pd.DataFrame({"a": [1]}).to_csv("t.csv", index=False)
# %%
pd.read_csv("t.csv")
# %% plain
os.path.exists("../note.txt")
""",
    "files left open": r"""
# %%
_stream = open("left.txt", "w")
_stream.write("text")
# %%
len("x")
""",
    "help": r"""
# %%
def documented(a, b=2):
    "What it does."
help(documented)
""",
    "odd cells": r"""
# %%
# only a comment
# %%
import json
# %%
text = '''
%% not a magic
#| not a header
%timeit no
!no
'''
text
# %%
very_long = ["""
    + ", ".join(str(i) for i in range(3000))
    + r"""]
len(very_long)
# %%
pass
# %%
'''A docstring only.'''
# %%
x = \
    5
x
# %%
if True:
	y = "tabs"
y
# %%

z = 1

# trailing comment
# %% plain
text, z
""",
    "definitions only": r"""
# %%
def area(width, height=2):
    return width * height
def double(x):
    return 2 * area(x)
# %%
area(3), double(1)
# %% plain
area(4), double(2)
""",
    "classes of a plain cell": r"""
# %% plain
class Base:
    pass
class Child(Base):
    pass
# %%
child = Child()
# %%
isinstance(child, Base), isinstance(Child(), Base), type(child) is Child
# %% plain
isinstance(child, Base), type(child) is Child
""",
    "a loop variable and other leftovers": r"""
# %%
for i in range(3):
    square = i ** 2
# %%
for i in range(5):
    pass
# %% plain
i, square
# %%
i, square
""",
    "lambdas and partials": r"""
# %%
import functools, operator
double = lambda v: 2 * v
add3 = functools.partial(operator.add, 3)
compose = lambda f, g: lambda v: f(g(v))
both = compose(double, add3)
both(1)
# %% plain
double(4), add3(4), both(2)
# %%
double(5), both(5)
""",
    "a deleted name": r"""
# %%
x = 1; y = 2
# %%
del x
# %% plain
"x" in globals(), y
# %% plain
x
""",
    "display of many kinds": r"""
# %% plain
import pandas as pd, numpy as np
# %%
pd.set_option("display.max_rows", 4)
pd.DataFrame({"a": range(10)})
# %%
np.set_printoptions(precision=2)
np.array([1.23456])
# %%
from fractions import Fraction
from decimal import Decimal
from datetime import date, timedelta
from pathlib import Path
Fraction(1, 3), Decimal("1.1"), date(2024, 1, 1), timedelta(1), Path("a/b"), complex(1, 2), range(3), slice(1)
""",
    "names in the text of a formula": r"""
# %%
import inspect
import math
import pandas as pd
df = pd.DataFrame({"x": [1.0, 2.0, 4.0], "y": [1.0, 2.0, 3.0]})
scale = 2.0
def twice(v): return v * scale
def fit(formula):
    # As libraries of formulas do: what it names is looked up where the function was called.
    around = inspect.currentframe().f_back.f_globals
    return eval(formula.partition("~")[2], around)
# %%
fit("y ~ math.log(2) + twice(3)")
# %%
limit = 1.5
df.query("x > @limit").shape, eval("len(df) + limit")
""",
    "names in texts that a class evaluates": r"""
# %%
import pandas as pd
# %%
class display:
    def __init__(self, *texts):
        self.texts = texts
    def __repr__(self):
        return "\n".join(f"{text}: {eval(text)!r}" for text in self.texts)
def shown(text):
    return repr(display(text, "len(y)"))
# %%
x, y, limit = [1], [2, 3], 5
# %%
display("x", "y", "pd.Series(x + y).sum()")
# %%
shown("limit")
""",
    "images of files": r"""
# %%
import numpy as np
from PIL import Image
frames = [Image.fromarray(np.full((8, 8), 40 * i, np.uint8)) for i in range(4)]
frames[0].save("x.gif", save_all=True, append_images=frames[1:], duration=50, loop=0)
Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save("x.png", dpi=(72, 72))
Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save("x.jpg", quality=50, comment=b"hi")
# %%
gif, png, jpg = (Image.open(f"x.{kind}") for kind in ("gif", "png", "jpg"))
# %%
gif.format, gif.n_frames, gif.is_animated, gif.info, gif.filename, gif.tell(), gif.mode
# %%
jpg.format, jpg.info, jpg.filename, jpg.quantization, jpg.bits, dict(jpg.getexif()), jpg.get_format_mimetype()
# %%
png.format, png.info, png.filename, png.size, png.text
# %%
gif.seek(2)
gif.tell(), np.asarray(gif.convert("L"))[0, 0]
# %%
gif.tell(), np.asarray(gif.convert("L"))[0, 0]
# %%
png.putpixel((0, 0), (1, 2, 3))
small = jpg.resize((4, 4))
# %%
png.getpixel((0, 0)), png.format, small.format, type(small).__name__
# %%
with Image.open("x.png") as image:
    array = np.asarray(image)
# %%
image.size, image.format, image.filename
""",
    "magics that delete and bind names": r"""
# %%
x, y, zz = [1], 2, 3
# %%
%store x
# %%
%xdel y
# %%
y
# %%
%reset_selective -f zz
# %%
zz
# %%
del x
# %%
%store -r x
# %%
x.append(2)
x
# %%
large = list(range(9)); n = len(large)
%xdel large
# %%
large
# %%
n
""",
    "names that a cell may take away, and does not": r"""
# %% plain
kept, gone, raised, last = [1], [2], [3], [4]
limit = 1
def shift(x): return x + 1
class Small: pass
# %%
if limit > 5:
    del kept
if limit < 5:
    del gone
for n in range(0):
    del last
# %%
print(kept, last, "gone" in globals())
# %%
try:
    del kept
    1 / 0
    del shift
except ZeroDivisionError:
    pass
# %%
print("kept" in globals(), shift(1))
# %%
del shift
raise KeyError(limit)
del Small, raised
# %%
print(raised, Small.__name__, "shift" in globals())
# %%
def fail():
    raise ValueError(last)
fail()
del last
# %% plain
print(last, raised, limit)
""",
    "what a cell binds unseen before it fails": r"""
# %%
rows = [1]
# %%
for k in range(3):
    exec(f"row{k} = [k]")
    rows.append(k)
    globals()["rows"] = [7]
    1 / 0
# %%
print(row0, rows, k)
# %%
exec("more = row0 + rows")
raise KeyboardInterrupt
# %% plain
print(more, row0, rows)
""",
}
