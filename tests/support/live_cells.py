"""Short notebooks whose cells make, and read, what cannot leave its process; as in `plain_cells`."""

from __future__ import annotations

NOTEBOOKS: dict[str, str] = {
    "a generator, and random numbers": r"""
# %%
import random
random.seed(3)
# %%
def draws():
    for i in range(5):
        print("drawing", i)
        yield i * random.random()
drawn = draws()
before = random.random()
print("made")
# %%
next(drawn)
# %%
second = next(drawn)
second
# %%
print(next(drawn), before, random.random())
# %%
list(drawn)
# %%
next(drawn)
# %%
drawn
""",
    "generators that read names bound later": r"""
# %%
factor = 2
scaled = (factor * i for i in range(3))
def rows():
    for i in range(3):
        yield shift(i) * factor
def shift(i):
    return i + offset
offset = 1
shifted = rows()
# %%
next(shifted)
# %%
factor, offset = 10, 5
# %%
print(list(scaled), list(shifted))
""",
    "tasks of the kernel's loop": r"""
# %%
import asyncio
async def work(seconds):
    await asyncio.sleep(seconds)
    return 5
# %%
task = asyncio.create_task(work(0.01), name="five")
task.done()
# %% plain
print(await task)
# %%
print(task.done(), task.result())
""",
    "the last error": r"""
# %%
def f(x):
    return 1 / x
f(0)
# %%
import sys
print(sys.last_type.__name__, sys.last_value, isinstance(sys.last_value, ZeroDivisionError))
# %%
%tb
# %%
{}["x"]
# %%
print(repr(str(sys.last_value)), isinstance(sys.last_value, KeyError))
""",
    "what errors hold": r"""
# %%
class Box:
    def __repr__(self): return "Box"
boxes = {}
# %%
boxes[Box()]
# %%
import sys, traceback
print(sys.last_value.args, type(sys.last_value.args[0]) is Box, type(sys.last_value))
# %%
raise ValueError({"a": [1]}, Box())
# %%
print(sys.last_value.args, [frame.name for frame in traceback.extract_tb(sys.last_traceback)])
# %% plain
%tb
# %%
undefined_thing
# %%
print(sys.last_value.name, sys.last_value.__traceback__ is sys.last_traceback)
# %%
[].missing
# %%
print(sys.last_value.name, sys.last_value)
# %%
open("no-such")
# %%
print(sys.last_value.filename, sys.last_value.errno)
# %%
import json
json.loads("{")
# %%
print(sys.last_value.pos, sys.last_value.doc)
# %%
def fail(): raise LookupError(sys.last_value.pos)
fail()
# %%
print([frame.name for frame in traceback.extract_tb(sys.last_traceback)])
# %%
class Own(Exception):
    def __init__(self, a, b): super().__init__(f"{a} and {b}"); self.a = a
raise Own(1, 2)
# %% plain
print(sys.last_value, type(sys.last_value).__name__)
""",
    "temporary files": r"""
# %%
import os, tempfile
folder = tempfile.TemporaryDirectory()
path = os.path.join(folder.name, "text")
with open(path, "w") as file:
    file.write("abc")
# %%
print(open(path).read(), os.listdir(folder.name))
# %%
folder.cleanup()
# %%
os.path.exists(path)
# %%
kept = tempfile.NamedTemporaryFile("w+", suffix=".txt")
kept.write("def")
kept.flush()
# %%
print(open(kept.name).read())
# %%
kept.seek(0)
kept.read()
# %%
kept.close()
os.path.exists(kept.name)
# %% plain
del folder, path, kept, file
""",
    "an open file": r"""
# %%
with open("lines.txt", "w") as lines:
    lines.write("abc\ndef\n")
# %%
lines.closed
# %%
file = open("lines.txt")
# %%
for line in file:
    print(line)
# %%
file.seek(1)
rest = file.read()
# %%
rest
# %%
file.close()
# %%
file.closed, file.name
""",
    "files inside of other values": r"""
# %%
import contextlib
with open("lines.txt", "w") as lines:
    print("one", "two", "three", sep="\n", file=lines)
stack = contextlib.ExitStack()
held = {"file": stack.enter_context(open("lines.txt"))}
# %%
held["file"].readline()
# %%
print(held["file"].readline())
# %%
stack.close()
held["file"].closed
""",
    "a plot of bokeh": r"""
# %%
from bokeh.plotting import figure
plot = figure()
drawn = plot.line([1, 2], [3, 4])
# %%
plot.title.text = "lines"
plot.title.text, len(plot.renderers)
# %%
print(drawn.data_source.data, plot.renderers[0] is drawn)
# %% plain
del plot, drawn
""",
    "a reader of a file": r"""
# %%
import csv
with open("table.csv", "w") as file:
    file.write("a,b\n1,2\n3,4\n")
# %%
found = csv.reader(open("table.csv"))
# %%
header = next(found)
header
# %%
rows = list(found)
# %%
rows, len(rows)
""",
    "a file as memory": r"""
# %%
import numpy as np
mapped = np.memmap("numbers", dtype="f8", mode="w+", shape=(4, 5))
mapped
# %%
section = mapped[:2]
# %%
section[:] = np.arange(10.0).reshape(2, 5)
mapped.flush()
# %%
mapped
# %%
mapped.sum()
""",
    "a connection, and what is changed through it": r"""
# %% plain
import os
if os.path.exists("base.db"):
    os.remove("base.db")
# %%
import sqlite3
base = sqlite3.connect("base.db")
base.execute("create table t (a int)")
# %%
base.execute("insert into t values (3)")
base.commit()
# %%
cursor = base.execute("select * from t")
# %%
cursor.fetchall()
# %%
base.close()
""",
    "a lock that functions read": r"""
# %%
import threading
lock = threading.Lock()
count = 5
# %%
with lock:
    count += 1
count
# %%
def counted():
    with lock:
        return count
# %%
counted()
# %%
lock.locked()
""",
    "scripts that are run": r"""
# %% plain
from pathlib import Path
Path("prepare.py").write_text("x = half.Fraction(3)\\nmodel = [x * size]\\n")
Path("train.py").write_text("model.append(x * 2)\\ny = len(model)\\n")
# %%
import fractions as half
size = 2
import no_such_module
# %%
%run -i prepare.py
# %%
model, x
# %%
for i in range(2):
    model.append(x)
model
# %%
%run -i train.py
# %%
print(model, y)
""",
    "settings set since": r"""
# %%
import pandas as pd
pd.options.display.precision = 2
numbers = (n / 3 for n in range(9))
# %%
pd.options.display.precision = 4
# %%
pd.Series([next(numbers), next(numbers)])
# %%
pd.Series(list(numbers))
""",
    "made of what was changed since": r"""
# %%
items = [1, 2, 3]
# %%
pairs = zip(items, iter("abc"))
doubled = (2 * item for item in items)
total = sum(items)
# %%
items = ["other"]
# %%
total = 0
# %%
list(doubled), total, items
# %%
doubled, total = "both", 7
# %%
doubled, total
""",
    "definitions that count what is made": r"""
# %%
class Box:
    count = 0
    seen = []
    kind = "plain"
    def __init__(self, items):
        self.items = items
        type(self).count += 1
        self.seen.append(len(items))
def made(*items, calls=[]):
    calls.append(items)
    made.last = items
    return Box([*items])
first = made(1)
# %%
second = made(1, 2)
maker = made
rows = (n * 2 for n in second.items)
# %%
Box.kind = "late"
third = made(1, 2, 3)
# %%
next(rows)
# %% plain
print(type(first) is Box, type(second) is Box, type(third) is Box, isinstance(second, Box), maker is made)
print(Box.count, Box.seen, Box.kind, made.last, made.__defaults__, second.kind, second.seen is Box.seen)
# %%
print(list(rows), type(second) is Box, Box.count, made.last, made.__defaults__)
""",
}
