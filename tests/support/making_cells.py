"""Short notebooks whose definitions are more than their source says; the form is that of `plain_cells`."""

from __future__ import annotations

NOTEBOOKS: dict[str, str] = {
    "functions that a loop makes": r"""
# %%
by_number = []
for i in range(3):
    def times(x, i=i): return x * i
    by_number.append(times)
# %%
print([f(2) for f in by_number], i)
# %%
i = 7
print(times(2), by_number[0](2))
# %% plain
print(times(2), [f(2) for f in by_number], i)
""",
    "definitions of which one of two branches makes": r"""
# %%
x = 5
if x > 3:
    def size(): return "large"
    class Box: kind = "large"
else:
    def size(): return "small"
    class Box: kind = "small"
try:
    def way(): return "tried"
    raise ValueError
except ValueError:
    pass
else:
    def way(): return "went well"
try:
    import nowhere_at_all
    def load(): return "fast"
except ImportError:
    def load(): return "slow"
# %%
print(size(), way(), load(), Box.kind, Box)
# %% plain
print(size(), way(), load(), Box.kind, isinstance(Box(), Box))
""",
    "definitions that a branch leaves as they were": r"""
# %%
def size(): return "of before"
def way(): return "of before"
import math as numbers
# %%
small = True
if not small:
    def size(): return "large"
    def more(): return "more"
for number in []:
    def way(): return "looped"
if small:
    import cmath as other
    import statistics as numbers
else:
    import math as other
# %%
print(size(), way(), other.__name__, numbers.__name__)
# %%
try:
    more()
except NameError as error:
    print(error)
# %%
def again(): return size() + way()
print(way())
if small:
    def way(): return "anew"
def size(): return "first"
if not small:
    def size(): return "second"
print(again(), way())
# %%
print(again(), size(), way(), other.sqrt(4))
# %% plain
print(again(), size(), way(), other.sqrt(4), numbers.__name__)
""",
    "what definitions were told when they were made": r"""
# %% plain
open("told.py", "w").write("SCALE = 7\ndef scaled(x): return x * SCALE\n")
import os, random, told
random.seed(3)
unit = "m"
def in_unit(): return "in " + unit
# %%
def by_module(x=told.SCALE): return x
def by_variable(x=os.environ.get("TOLD", "none")): return x
def by_helper(x=in_unit()): return x
def by_chance(x=random.randrange(10**9)): return x
class Told:
    scaled = told.scaled(1)
    evaluated = eval("unit + unit")
# %% plain
told.SCALE, unit = 100, "km"
os.environ["TOLD"] = "something"
# %%
print(by_module(), by_variable(), by_helper(), by_chance(), Told.scaled, Told.evaluated, told.scaled(1))
# %% plain
print(by_module(), by_variable(), by_helper(), by_chance(), Told.scaled, Told.evaluated, told.scaled(1))
print(random.random())
del os.environ["TOLD"]
""",
    "a local module that is told of definitions": r"""
# %% plain
open("hears.py", "w").write('''HANDLERS, PLUGINS = [], []
def register(f):
    HANDLERS.append(f.__name__)
    return f
class Plugin:
    def __init_subclass__(cls):
        PLUGINS.append(cls.__name__)
''')
import hears
# %%
@hears.register
def handler(x): return x
class Csv(hears.Plugin): pass
# %%
print(handler(1), Csv.__name__, hears.HANDLERS, hears.PLUGINS)
# %% plain
print(handler(1), Csv.__name__, hears.HANDLERS, hears.PLUGINS)
""",
    "definitions made of what their own name stood for": r"""
# %%
REGISTERED = []
def registered(function):
    REGISTERED.append(function.__name__)
    def inner(*given): return function(*given) + 1
    return inner
def rate(x): return 100
law = lambda x: x
class Box: size = 1
# %%
def rate(x, before=rate): return before(x) + 1
law = lambda x, law=law: law(x) + 5
class Box(Box):
    size = Box.size + 1
@registered
def plain(x): return x
# %%
print(rate(1), law(1), Box.size, Box.__mro__[1].size, plain(1), REGISTERED)
# %%
@registered
def rate(x, before=rate): return before(x) + 1
# %%
print(rate(1), REGISTERED)
# %% plain
print(rate(1), law(1), Box.size, plain(1), REGISTERED)
""",
    "imports that no code comes to": r"""
# %%
import math as numbers
import math as others
from math import sqrt
# %%
small = 1 > 2
if small:
    import statistics as numbers
    from cmath import sqrt
if False:
    import statistics as others
for _ in range(2):
    import statistics as middle
# %%
print(numbers.__name__, others.__name__, middle.__name__, sqrt(4))
# %% plain
print(numbers.__name__, others.__name__, middle.__name__, sqrt(4))
""",
    "objects of classes beside which others were made of values": r"""
# %%
rate = 2
class Box:
    size = rate
class Wide(Box): pass
box, wide = Box(), Wide()
for i in range(3):
    def times(x, i=i): return x * i
if rate > 1:
    class Kind: name = "high"
else:
    class Kind: name = "low"
kind = Kind()
class Plain:
    def twice(self, x): return 2 * x
plain = Plain()
# %%
print(plain.twice(3))
# %%
rate = 50
# %%
print(rate, box.size, wide.size, kind.name, isinstance(wide, type(box)))
# %% plain
print(rate, box.size, wide.size, kind.name, isinstance(wide, Box), plain.twice(4))
""",
}
