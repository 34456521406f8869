"""Short notebooks whose cells change what other names share; the form is that of `plain_cells`."""

from __future__ import annotations

NOTEBOOKS: dict[str, str] = {
    "a helper changes its argument": r"""
# %% plain
def add(rows, row):
    rows.append(row)
    return len(rows)
def grow(frame):
    frame["twice"] = frame["a"] * 2
import pandas as pd
# %%
rows = ["a"]
df = pd.DataFrame({"a": [1, 2]})
n = 0
# %%
n = add(rows, "b")
grow(df)
# %%
print(rows, n, list(df))
df["more"] = len(rows)
# %%
add(rows, "c"); grow(df)
# %%
rows, list(df), df.sum().tolist()
""",
    "a helper changes globals": r"""
# %% plain
count, log = 0, []
def note(text):
    global count
    count += 1
    log.append(text)
# %%
note("one")
# %%
note("two")
# %%
print(count, log)
note("three")
# %%
count, log
""",
    "names of one object": r"""
# %%
a = [1, 2]
b = a
d = {"list": a}
c = list(a)
# %%
a.append(3)
# %%
print(a, b, c, d)
b += [4]
# %%
d["list"].append(5)
# %%
a is b, a is d["list"], a, c
# %%
b.clear()
# %%
a, b, d
""",
    "figures built up": r"""
# %%
import numpy as np
import matplotlib.pyplot as plt
# %%
fig, ax = plt.subplots(figsize=(3, 2))
plt.close(fig)
# %%
x = np.linspace(0, 1, 5)
ax.plot(x, x ** 2, label="square")
ax.set_title("one");
# %%
ax.legend()
len(fig.axes), ax.figure is fig, fig.axes[0] is ax, len(ax.lines)
# %%
fig.suptitle("all");
# %%
print(ax.figure is fig, fig._suptitle.get_text(), ax.get_title(), len(fig.axes[0].lines))
# %%
fig
""",
    "an optimizer and its model": r"""
# %%
class Model:
    def __init__(self):
        self.weights = [1.0, 2.0]
class Optimizer:
    def __init__(self, weights):
        self.weights = weights
    def advance(self):
        self.weights[:] = [w / 2 for w in self.weights]
# %%
model = Model()
# %%
optimizer = Optimizer(model.weights)
# %%
for _ in range(3):
    optimizer.advance()
# %%
print(model.weights, model.weights is optimizer.weights)
# %%
optimizer.advance()
# %%
model.weights
""",
    "an estimator in a pipeline": r"""
# %%
import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
X = np.arange(10.0).reshape(-1, 1); y = X[:, 0] * 2
# %%
scaler = StandardScaler(); model = LinearRegression()
pipe = make_pipeline(scaler, model)
# %%
pipe.fit(X, y)
# %%
print(model.coef_.round(3), scaler.mean_, pipe.named_steps["linearregression"] is model)
# %%
def train(estimator):
    estimator.fit(X, y + 1)
other = LinearRegression()
train(other)
# %%
other.intercept_.round(3), sorted(vars(other))
""",
    "arrays and views": r"""
# %%
import numpy as np
x = np.zeros(6)
head = x[:3]
y = x
z = x.copy()
# %%
head += 1
# %%
print(x, y, z)
y[5] = 9
# %%
def fill(array): array[1] = -1
fill(x)
# %%
x, head, y, z, head.base is x, x.base, x.flags.owndata, head.base.shape
""",
    "frames under another name": r"""
# %%
import pandas as pd
df = pd.DataFrame({"a": [3, 1, 2], "b": list("xyz")})
other = df
part = df[df.a > 1]
column = df["a"]
# %%
other["c"] = 1
other.sort_values("a", inplace=True)
# %%
print(list(df), df.a.tolist(), len(part), column.tolist())
df.drop(columns="b", inplace=True)
# %%
list(other), other is df
# %%
def rename(frame): frame.columns = [c.upper() for c in frame.columns]
rename(df)
# %%
other
""",
    "a generator of random numbers": r"""
# %%
import random
import numpy as np
rng = np.random.default_rng(0)
dice = random.Random(1)
def draw(): return round(float(rng.random()), 6)
# %%
first = draw()
# %%
second = draw(); roll = dice.randint(1, 6)
# %%
print(first, second, roll, dice.randint(1, 6))
# %%
rng.integers(0, 100, 3), draw()
""",
    "objects inside of objects": r"""
# %% plain
class Node:
    def __init__(self, name): self.name, self.children, self.parent = name, [], None
    def add(self, child): self.children.append(child); child.parent = self; return child
# %%
root = Node("root")
leaf = root.add(Node("leaf"))
# %%
leaf.add(Node("below"))
# %%
print([c.name for c in root.children[0].children], leaf.parent is root, isinstance(leaf, Node))
root.name = "top"
# %%
leaf.parent.name, leaf.children[0].parent is leaf
# %%
def visit(node): node.seen = True
visit(leaf)
# %%
hasattr(root.children[0], "seen"), hasattr(root, "seen")
""",
    "what nobody changes": r"""
# %%
import pandas as pd
words = {"a": 1}
table = pd.DataFrame({"a": [1, 2]})
def size(x): return len(x)
# %%
n = size(words) + size(table)
# %%
m = size(words) + len(table.describe())
# %%
n, m, words
""",
    "a name bound for another purpose": r"""
# %%
i, tmp = 3, [1]
# %%
x = i * 10 + len(tmp)
# %%
i, tmp = "other", None
# %%
y = x + 1
# %%
tmp = [i, y]
# %%
z = (x, y, tmp)
# %%
x, y, z, i
""",
    "a value changed after it was read": r"""
# %% plain
rows = [1]
def grow(): rows.append(len(rows))
# %%
n = len(rows)
# %%
grow()
# %%
m = n + 100
# %%
grow()
n, m, rows
""",
    "what cannot be known again": r"""
# %% plain
ticks = iter(range(100))
# %%
import itertools, time
now = time.time_ns() and len(str(next(itertools.count(5))))
stamp = object()
# %%
seen = now + 1
# %%
seen += 1
# %%
now, seen
""",
    "a helper that draws from a module of another cell": r"""
# %%
import random
random.seed(1)
# %%
def throw(n): return [random.randint(1, 6) for _ in range(n)]
# %%
throw(5)
# %%
throw(2), random.random()
""",
    "a queue and deques": r"""
# %%
from collections import deque, defaultdict, Counter
import heapq
heap, seen = [5, 3, 8], defaultdict(list)
heapq.heapify(heap)
todo = deque([1, 2, 3], maxlen=3)
# %%
def push(x): heapq.heappush(heap, x); seen[x % 2].append(x)
for x in (1, 4): push(x)
# %%
smallest = heapq.heappop(heap)
todo.rotate(1)
# %%
push(7)
print(smallest, heap, dict(seen), todo)
# %%
counts = Counter("abca"); views = [counts]
# %%
views[0].update("aaa")
# %%
counts
""",
    "a function that becomes a value": r"""
# %%
w = 2
def model(x): return x + w
import math as loss
class rate: pass
# %%
first = model(1)
# %%
model = 5
loss = [1]
rate = 0.1
# %%
print(model, loss, rate)
# %%
model, first, loss, rate
# %%
def model(x): return x * 10
# %%
model(3)
# %%
model = lambda x: x * 100
# %%
model(3)
""",
    "a value that becomes a function": r"""
# %%
f, g, h, np = 1, [2], 3, 4
# %%
total = f + g[0] + h + np
# %%
def f(x): return x + 1
class g: n = 7
import math as h
import numpy as np
# %%
print(f(1), g.n, h.pi, np.arange(2))
# %%
f(2), g.n, h.e, total, np.ones(1)
# %%
def f(x): return x + 2
def g(): return f(0)
# %%
f(2), g()
# %%
def f(x): return x + 3
# %%
print(f(2), g())
# %%
f(2), g()
""",
    "functions that read names bound later": r"""
# %%
import math
rate, rounds, weight = 0.5, 3, 1.0
def loss_fn(a, b): return (a - b) ** 2
def model(x): return x * weight
for _ in range(rounds):
    loss = loss_fn(model(2.0), 1.0)
    weight -= rate * loss
# %%
loss
# %%
class Linear:
    def __call__(self, x): return x * 3
def make_loss(): return lambda a, b: abs(a - b)
model = Linear()
loss_fn = make_loss()
for _ in range(rounds):
    loss = loss_fn(model(2.0), 1.0) * rate
# %%
loss, loss_fn(1, 3), model(1)
# %%
print(loss, weight, model(1))
""",
    "annotations of definitions": r"""
# %%
import dataclasses, typing
@dataclasses.dataclass
class Version: major: int; minor: "int" = 0
def f(a: int, b: typing.Optional[str] = None) -> float: ...
# %%
print(Version.__annotations__, Version.__doc__, [x.type for x in dataclasses.fields(Version)])
print(f.__annotations__, typing.get_type_hints(Version))
""",
    "a name that a loop may leave unbound": r"""
# %%
rounds, rate, data = 2, 0.5, [1.0, 2.0]
# %%
weight = 1.0
def loss_fn(a, b): return (a - b) ** 2
def model(x): return x * weight
step = 0.1
for epoch in range(rounds):
    for x in data:
        loss = loss_fn(model(x), 1.0)
        weight -= step * loss
    print(f"{epoch}: {loss:.3f}")
# %%
print(model(2.0))
# %%
model = max
loss_fn = pow
for epoch in range(rounds):
    for x in data:
        loss = loss_fn(model(x, 2), 2) * step
    print(f"{epoch}: {loss:.3f}")
# %%
print(loss, model(1, 2))
# %%
weight, loss, epoch, x
""",
    "cells that fail midway": r"""
# %%
def size(x): return len(x)
data, extra = [1, 2], "old"
# %%
before = 1
import math
def early(): return "early"
class size: pass
1 / 0; import textwrap as wrap
data = [3]
late = 2
def extra(): return "late"
def later(): return 1
# %%
before, math.pi, early(), size.__name__
# %%
data, extra
# %%
print(late)
# %%
later()
# %%
wrap.dedent(" x")
# %%
late = len(data) + before
# %%
late
""",
    "what failed cells had done by then": r"""
# %%
import random
import numpy as np
import pandas as pd
data = pd.DataFrame({"a": [1, 2], "b": [2, 3]})
random.seed(1); np.random.seed(1)
# %%
drawn = random.random() + np.random.rand()
np.set_printoptions(precision=2)
data.index = data.pop("a")
data = data.no_such_method()
# %%
data = data.reset_index()
data.columns.name = "item"
data
# %%
total = data.sum()
# %%
total, drawn
# %%
random.random(), np.random.rand(), np.array([1.23456])
""",
    "attributes set on frames": r"""
# %%
import pandas as pd
data = pd.DataFrame({"a": [1, 2]})
column = data["a"]
# %%
data.limit = 1
column.unit = "m"
# %%
data.limit, column.unit, data
# %%
data.limit += 1
# %%
data.limit, [data.limit, column.unit]
""",
    "functions that keep count": r"""
# %%
def counter(start):
    n = start
    def tick():
        nonlocal n
        n += 1
        return n
    return tick
tick, tock = counter(10), counter(20)
# %%
tick()
# %%
a = tick() + tock()
# %%
tick(), tock(), a
# %%
b = tick()
# %%
print(a, b, tick())
""",
    "definitions that replace one another": r"""
# %%
w = 2
def model(x): return x + w
# %%
n = model(1)
def grow(v, acc=[]): acc.append(v); return acc
# %%
def model(x): return grow(x)[-1] * 10
# %%
m = model(n)
# %%
model = [model(1)]
# %%
print(model, m, n)
# %%
del model
# %%
try: model
except NameError as e: print(e)
# %%
import numpy as np
def total(x): return np.sum(x)
# %%
np = 3
# %%
try: print(total([1, 2]))
except AttributeError as e: print(e)
# %%
import numpy as np
# %%
print(total([1, 2]))
# %%
def early(): return later_on() + 1
# %%
def later_on(): return 5
# %%
print(early())
# %%
def later_on(): return 6
# %%
early()
""",
    "functions that share a variable": r"""
# %%
def make():
    n = 0
    def inc():
        nonlocal n
        n += 1
        return n
    def get(): return n
    return inc, get
inc, get = make()
# %%
inc(); inc()
# %%
get()
# %%
inc()
# %%
print(get(), inc(), get())
# %%
fs = [inc, get]
# %%
fs[0]()
# %%
inc(), get(), fs[1]()
# %%
class Stack:
    def __init__(self): self.items = []
    def push(self, x): self.items.append(x); return self
s = Stack()
push = s.push
# %%
push(1)
# %%
s.items, push(2).items
# %%
s.items
""",
    "imports after a line that fails": r"""
# %%
e = 5
1 / 0
from math import *
import json
# %%
sqrt(4)
# %%
json.dumps(1)
# %%
e
# %%
from math import *
floor(2.5)
# %%
sqrt(e), e
""",
    "imports in the place of builtins": r"""
# %%
from codecs import open
from math import pow
from functools import reduce as sum, partial as exit
# %%
open.__module__, pow(2, 3)
# %%
sum(lambda a, b: a * b, [1, 2, 3]), exit.__name__
# %%
print(open.__module__, exit.__name__)
# %%
def exit(): return "mine"
# %%
exit()
# %%
exit()
""",
    "functions that read values": r"""
# %%
base, rate = 2.0, 3.0
law = lambda year: base + rate * year
laws = [law, lambda year: rate * year, lambda year: law(year) + 1]
# %%
law(1)
# %%
laws[1](1), laws[2](1)
# %%
from functools import partial
later = partial(law, 4)
# %%
later()
# %%
class Model:
    def __init__(self, grow): self.grow = grow
    def __call__(self): return self.grow(2)
model = Model(lambda n: n * rate)
# %%
model()
# %%
rate = 5.0
# %%
later(), law(1), laws[1](1), laws[2](1), model()
# %%
again = [lambda n: 1 if n < 1 else n * again[0](n - 1)]
# %%
again[0](3)
""",
    "objects that draw from the global state": r"""
# %%
import numpy as np
from sklearn.utils import check_random_state
np.random.seed(17)
class Dice:
    def __init__(self): self.state = check_random_state(None)
    def roll(self): return int(self.state.randint(1000))
# %%
one = Dice()
# %%
other = Dice()
# %%
first = one.roll()
# %%
second = other.roll()
# %%
np.random.randint(1000), one.state is other.state
# %%
first, second, one.roll(), one.state is np.random.mtrand._rand
""",
    "functions of scipy": r"""
# %%
import multiprocessing
from scipy.special import psi
bent = lambda m: psi(m) + 1
# %%
bent(2.0), [psi, multiprocessing.cpu_count][0](2.0)
# %%
kept = {"f": psi}
# %%
kept["f"] is psi, kept["f"](1.0)
""",
    "what several failed cells left": r"""
# %%
x = 1
# %%
x = [5]
1 / 0
# %%
x = 2 / 0
# %%
x
# %%
x.append(6); y = x / 0
# %% plain
x
# %%
x
""",
    "an array in a list and a view of it": r"""
# %%
import numpy as np
arrays = [np.zeros(3), np.ones(2)]
view = arrays[0][1:]
inside = {"first": arrays[1]}
# %%
view[0] = 5
inside["first"] += 1
# %%
arrays, view, inside
""",
    "how arrays lie in memory": r"""
# %%
import numpy as np
turned = np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2)
repeated = np.broadcast_to(np.arange(3), (4, 3))
fixed = np.arange(3)
fixed.flags.writeable = False
thin, left, backwards = np.arange(10.0)[::2], np.arange(12).reshape(3, 4)[:, :2], np.arange(5)[::-1]
# %%
turned.strides, repeated.strides, [a.flags.writeable for a in (turned, repeated, fixed)]
# %%
print(*((a.strides, a.flags.c_contiguous, a.base is None) for a in (thin, left, backwards)))
# %%
fixed[0] = 1
# %%
repeated[0, 0] = 1
# %%
turned[0, 0, 0] = thin[0] = left[1, 1] = backwards[-1] = 1
# %%
turned, repeated, fixed, thin, left, backwards
""",
    "what shares with something that shares": r"""
# %% plain
class Box:
    def __init__(self, items):
        self.items = items
# %%
rows = [1]
box = Box([5])
other = box
d = {"rows": rows}
# %%
d["box"] = other
# %%
rows.append(2)
# %%
box.items.append(6)
d["rows"] is rows, d["box"] is box, box is other
# %%
d["box"].items, d["rows"], other.items
""",
    "another name of a function whose own is bound anew": r"""
# %%
import functools
def f(x):
    return x + 1
def g(x):
    return x * 10
h, k = f, g
calls = [f, g]
# %%
f = functools.partial(g, 2)
# %%
def g(x):
    return -x
# %%
h(1), k(1), f(), g(1)
# %%
[call(3) for call in calls]
""",
    "a partial that holds what is changed later": r"""
# %%
import functools
def push(rows, value):
    rows.append(value)
    return rows
a, b = [1], [2]
# %%
add = functools.partial(push, a)
# %%
a.append(2)
# %%
add(3)
# %%
a, add.args
# %%
c = add(4); b.append(c)
# %%
a is c, a, b
""",
    "a definition under a name that shared": r"""
# %%
rows, n = [2], 0
def count():
    return 0
# %%
count = rows.append
# %%
count(3)
# %%
n = len(rows)
def count():
    return len(rows)
# %%
sorted(name for name in globals() if name in ("count", "rows", "n"))
# %%
count(), rows, n
""",
    "what a failed cell bound is among the names": r"""
# %%
rows = [1]
# %%
rows = rows + [2]
missing
# %%
sorted(name for name in globals() if name == "rows")
# %%
rows
""",
    "what definitions read when they were made": r"""
# %%
rate, steps = 2, [1]
# %%
def grow(value, by=rate):
    return value * by
class Plan:
    rate = rate
    steps = list(steps)
double = lambda value, by=rate: value * by
n = 1
# %%
rate = 5
steps.append(2)
# %%
print(grow(1), Plan.rate, Plan.steps, double(1))
# %%
m = grow(10) + double(100) + Plan().rate
# %%
rate = 7
def grow(value, by=rate):
    return value * by
rate = 8
# %%
grow(1), rate, m
# %%
n = grow(10)
# %%
n, double(1), isinstance(Plan(), Plan)
""",
    "definitions registered under the name of earlier ones": r"""
# %% plain
kept = {}
def register(made):
    kept[made.__name__] = made
    return made
@register
def double(x): return x * 2
# %%
first = kept["double"](2)
# %%
@register
def double(x): return x * 3
# %%
print(kept["double"](2), kept["double"] is double, first)
# %% plain
print(kept["double"](2), kept["double"] is double)
# %%
@register
class Rate:
    n = 1
rates = [Rate()]
# %%
@register
class Rate:
    n = 2
rates.append(Rate())
# %%
print([rate.n for rate in rates], kept["Rate"].n, kept["Rate"] is Rate, type(rates[1]) is Rate)
# %% plain
print([rate.n for rate in rates], kept["Rate"].n, kept["Rate"] is Rate, type(rates[1]) is Rate)
""",
    "arrays that only read, or mask, the memory of others": r"""
# %%
import numpy as np
whole = np.arange(6.0)
part = whole[1:]
part.flags.writeable = False
repeated = np.broadcast_to(whole, (2, 6))
masked = np.ma.MaskedArray(whole, mask=[0, 1, 0, 0, 0, 0], fill_value=-1)
held = [part, {"repeated": repeated}]
# %%
whole[2] = 7
# %%
print(part, repeated, masked, held)
# %%
masked[3] = 8
masked[4] = np.ma.masked
# %% plain
whole[0] = 99
print(whole, part, repeated, masked, held, part.flags.writeable, repeated.strides, masked.fill_value)
# %%
whole[5] = 55
print(part[-1], repeated[1, 5], masked.sum(), held[0][-1], masked.hardmask, masked.sharedmask)
# %%
alone = np.arange(3)
alone.flags.writeable = False
values = np.ma.masked_invalid([1.0, np.nan, 3.0])
tail = values[1:]
# %%
tail[1] = 5
# %% plain
print(alone, values, tail)
""",
}
