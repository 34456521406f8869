"""The change matrix: what must change a key, and what must not."""

import importlib.util
import linecache
import subprocess
import sys
import textwrap
import types

import pytest

from jupyter_mlpipe.keys.closure import ModuleSource
from jupyter_mlpipe.keys.derive import explain
from jupyter_mlpipe.keys.payload import load_closure
from jupyter_mlpipe.keys.values import digest_value

# (name, the cells before, the cells after, the step's code)
CHANGES = [
    ("rows that were one", "d = [[0]] * 2", "d = [[0] for _ in range(2)]", "out = d"),
    ("own code", "x = 1", "x = 1", ("out = x", "out = x + 0")),
    ("helper", "def f(): return 1", "def f(): return 2", "out = f()"),
    (
        "helper two deep",
        "def g(): return 1\ndef f(): return g()",
        "def g(): return 2\ndef f(): return g()",
        "out = f()",
    ),
    (
        "mutual recursion",
        "def a(n): return n and b(n - 1)\ndef b(n): return n and a(n - 1)",
        "def a(n): return n and b(n - 1)\ndef b(n): return n and a(n - 2)",
        "out = a(3)",
    ),
    ("method", "class A:\n  def f(self): return 1", "class A:\n  def f(self): return 2", "out = A().f()"),
    (
        "method of an instance",
        "class A:\n  def f(self): return 1\na = A()",
        "class A:\n  def f(self): return 2\na = A()",
        "out = a.f()",
    ),
    (
        "base class",
        "class A:\n  k = 1\nclass B(A): pass",
        "class A:\n  k = 2\nclass B(A): pass",
        "out = B.k",
    ),
    (
        "nested class",
        "class A:\n  class B:\n    k = 1",
        "class A:\n  class B:\n    k = 2",
        "out = A.B.k",
    ),
    (
        "property",
        "class A:\n  @property\n  def p(self): return 1",
        "class A:\n  @property\n  def p(self): return 2",
        "out = A().p",
    ),
    (
        "static method",
        "class A:\n  @staticmethod\n  def p(): return 1",
        "class A:\n  @staticmethod\n  def p(): return 2",
        "out = A.p()",
    ),
    (
        "class method",
        "class A:\n  @classmethod\n  def p(cls): return 1",
        "class A:\n  @classmethod\n  def p(cls): return 2",
        "out = A.p()",
    ),
    (
        "global read by a method",
        "K = 1\nclass A:\n  def f(self): return K",
        "K = 2\nclass A:\n  def f(self): return K",
        "out = A().f()",
    ),
    (
        "metaclass",
        "class M(type):\n  def k(cls): return 1\nclass A(metaclass=M): pass",
        "class M(type):\n  def k(cls): return 2\nclass A(metaclass=M): pass",
        "out = A.k()",
    ),
    (
        "decorator",
        "def d(f):\n  def w(): return f() + 1\n  return w\n@d\ndef f(): return 1",
        "def d(f):\n  def w(): return f() + 2\n  return w\n@d\ndef f(): return 1",
        "out = f()",
    ),
    (
        "decorated function",
        "import functools\ndef d(f):\n  @functools.wraps(f)\n  def w(): return f() + 1\n  return w\n"
        "@d\ndef f(): return 1",
        "import functools\ndef d(f):\n  @functools.wraps(f)\n  def w(): return f() + 1\n  return w\n"
        "@d\ndef f(): return 2",
        "out = f()",
    ),
    (
        "closure",
        "def m(k):\n  def f(): return k\n  return f\nf = m(1)",
        "def m(k):\n  def f(): return k\n  return f\nf = m(2)",
        "out = f()",
    ),
    (
        "function in a closure",
        "def m(k):\n  return lambda: k()\nf = m(lambda: 1)",
        "def m(k):\n  return lambda: k()\nf = m(lambda: 2)",
        "out = f()",
    ),
    ("default", "k = 1\ndef f(a=k): return a", "k = 2\ndef f(a=k): return a", "out = f()"),
    ("keyword default", "k = 1\ndef f(*, a=k): return a", "k = 2\ndef f(*, a=k): return a", "out = f()"),
    ("default's type", "k = 1\ndef f(a=k): return a", "k = 1.0\ndef f(a=k): return a", "out = f()"),
    ("function attribute", "def f(): return f.k\nf.k = 1", "def f(): return f.k\nf.k = 2", "out = f()"),
    ("lambda in a dict", "d = {'f': lambda: 1}", "d = {'f': lambda: 2}", "out = d['f']()"),
    (
        "one lambda of two on a line",
        "f, g = lambda: 1, lambda: 3",
        "f, g = lambda: 2, lambda: 3",
        "out = f()",
    ),
    (
        "helper read by a lambda in a list",
        "def h(): return 1\nd = [lambda: h()]",
        "def h(): return 2\nd = [lambda: h()]",
        "out = d[0]()",
    ),
    (
        "partial's argument",
        "import functools\ndef h(a): return a\nf = functools.partial(h, 1)",
        "import functools\ndef h(a): return a\nf = functools.partial(h, 2)",
        "out = f()",
    ),
    (
        "partial's function",
        "import functools\ndef h(a): return a\nf = functools.partial(h, 1)",
        "import functools\ndef h(a): return -a\nf = functools.partial(h, 1)",
        "out = f()",
    ),
    (
        "lru_cache",
        "import functools\n@functools.lru_cache\ndef f(n): return n and f(n - 1)",
        "import functools\n@functools.lru_cache\ndef f(n): return n and f(n - 2)",
        "out = f(3)",
    ),
    (
        "bound method",
        "class A:\n  k = 1\n  def f(self): return self.k\nf = A().f",
        "class A:\n  k = 2\n  def f(self): return self.k\nf = A().f",
        "out = f()",
    ),
    ("global of a helper", "K = 1\ndef f(): return K", "K = 2\ndef f(): return K", "out = f()"),
    (
        "global of an inner function",
        "K = 1\ndef f(): return (lambda: K)()",
        "K = 2\ndef f(): return (lambda: K)()",
        "out = f()",
    ),
    (
        "other function of the same name",
        "from math import sin as f",
        "from math import cos as f",
        "out = f(1)",
    ),
    ("enum", "import enum\nclass E(enum.Enum): A = 1", "import enum\nclass E(enum.Enum): A = 2", "out = E.A"),
    (
        "dataclass default",
        "from dataclasses import dataclass\n@dataclass\nclass P:\n  x: int = 1",
        "from dataclasses import dataclass\n@dataclass\nclass P:\n  x: int = 2",
        "out = P()",
    ),
    (
        "dataclass order of fields",
        "from dataclasses import dataclass\n@dataclass\nclass P:\n  x: int = 1\n  y: int = 1",
        "from dataclasses import dataclass\n@dataclass\nclass P:\n  y: int = 1\n  x: int = 1",
        "out = P()",
    ),
    (
        "named tuple",
        "from collections import namedtuple\nP = namedtuple('P', 'x y')",
        "from collections import namedtuple\nP = namedtuple('P', 'y x')",
        "out = P(1, 2)",
    ),
    ("value", "k = [1, {'a': 2}]", "k = [1, {'a': 3}]", "out = k"),
    ("value's type", "k = 1", "k = True", "out = k"),
    ("quiet end", "x = 1", "x = 1", ("x", "x;")),
    ("generator helper", "def f(): yield 1", "def f(): yield 2", "out = list(f())"),
    ("async helper", "async def f(): return 1", "async def f(): return 2", "out = f()"),
    ("class attribute", "class A:\n  k = [1]", "class A:\n  k = [1]\nA.k.append(2)", "out = A.k"),
    ("slot", "class A:\n  __slots__ = ('a',)", "class A:\n  __slots__ = ('b',)", "out = A()"),
    (
        "registered function",
        "import functools\n@functools.singledispatch\ndef f(x): return 1\nf.register(int, lambda x: 2)",
        "import functools\n@functools.singledispatch\ndef f(x): return 1\nf.register(int, lambda x: 3)",
        "out = f(1)",
    ),
    (
        "pydantic default",
        "from pydantic import BaseModel\nclass C(BaseModel):\n  a: int = 1",
        "from pydantic import BaseModel\nclass C(BaseModel):\n  a: int = 2",
        "out = C()",
    ),
    (
        "pydantic validator",
        "import pydantic\nclass C(pydantic.BaseModel):\n  a: int = 1\n"
        "  @pydantic.field_validator('a')\n  def check(cls, v): return v",
        "import pydantic\nclass C(pydantic.BaseModel):\n  a: int = 1\n"
        "  @pydantic.field_validator('a')\n  def check(cls, v): return v + 1",
        "out = C(a=2)",
    ),
    (
        "field of a structure",
        "import ctypes\nclass P(ctypes.Structure):\n  _fields_ = [('x', ctypes.c_int * 2)]",
        "import ctypes\nclass P(ctypes.Structure):\n  _fields_ = [('x', ctypes.c_int * 3)]",
        "out = P()",
    ),
    (
        "annotation that is a text",
        "import typing\nclass A:\n  k = 1\ndef f(x: 'A'): pass",
        "import typing\nclass A:\n  k = 2\ndef f(x: 'A'): pass",
        "out = typing.get_type_hints(f)",
    ),
    (
        "field with a text inside",
        "import typing\nclass A:\n  k = 1\nclass B:\n  a: typing.List['A']",
        "import typing\nclass A:\n  k = 2\nclass B:\n  a: typing.List['A']",
        "out = B",
    ),
    ("annotation in the step", "class A:\n  k = 1", "class A:\n  k = 2", "class B:\n  a: 'list[A]'"),
    ("wrapped import", "import math as m", "import cmath as m", "out = m.sin(1)"),
]


def cases(table):
    return [pytest.param(*rest, id=name) for name, *rest in table]


@pytest.mark.parametrize(("before", "after", "code"), cases(CHANGES))
@pytest.mark.parametrize("source", ["with source", "without source"])
def test_a_change_of_what_is_reached_changes_the_key(new_notebook, before, after, code, source):
    code, changed = code if isinstance(code, tuple) else (code, code)
    keys = []
    for cells, text in ((before, code), (after, changed), (before, code)):
        notebook = new_notebook()
        (notebook.run if source == "with source" else notebook.run_without_source)(cells)
        keys.append(notebook.key(text))
    assert keys[0] != keys[1]
    assert keys[0] == keys[2]


SAME = [
    ("comments", "def f(): return 1", "# why\ndef f():\n    # how\n    return 1", "out = f()"),
    ("docstring", "def f():\n  'a'\n  return 1", "def f():\n  return 1", "out = f()"),
    ("docstring of a class", "class A:\n  'a'\n  k = 1", "class A:\n  k = 1", "out = A"),
    ("position", "def f(): return 1", "x = 1\n\n\ndef f(): return 1", "out = f()"),
    ("dict built another way", "d = {'a': 1, 'b': 2}", "d = dict(a=1)\nd['b'] = 2", "out = d"),
    ("shared and equal", "a = (1,)\nd = [a, a]", "d = [(1,), tuple([1])]", "out = d"),
    ("set order", "s = {'a', 'b', 'c'}", "s = {'c', 'b', 'a'}", "out = s"),
    ("what is not reached", "def g(): return 1\nx = 1", "def g(): return 2\nx = 1", "out = x"),
    (
        "a pickled instance",
        "class A:\n  k = 1\na = A()",
        "import pickle\nclass A:\n  k = 1\na = A()\nassert a.__reduce_ex__(4)",
        "out = a",
    ),
    (
        "cache content",
        "import functools\n@functools.lru_cache\ndef f(n): return n",
        "import functools\n@functools.lru_cache\ndef f(n): return n\nf(1)",
        "out = f(2)",
    ),
    (
        "forward reference that was evaluated",
        "import typing\nclass A: pass\nclass B:\n  a: typing.List['A']",
        "import typing\nclass A: pass\nclass B:\n  a: typing.List['A']\ntyping.get_type_hints(B)",
        "out = B",
    ),
    (
        "another cell",
        "def f(): return g()\ndef g(): return 1",
        "def g(): return 1\ndef f(): return g()",
        "f()",
    ),
]


@pytest.mark.parametrize(("before", "after", "code"), cases(SAME))
def test_what_does_not_matter_keeps_the_key(new_notebook, before, after, code):
    assert new_notebook(before).key(code) == new_notebook(after).key(code)


def test_bytecode_tells_docstrings_positions_and_file_names_apart_from_code(new_notebook):
    keys = {
        new_notebook().run_without_source(text).key("out = f()")
        for text in ("def f():\n  'a'\n  return 1", "x = 1\n\ndef f():\n    return 1")
    }
    assert len(keys) == 1


def test_a_source_that_was_edited_since_does_not_stand_for_the_live_function(folder, new_notebook):
    notebook = new_notebook("def f(): return 1")
    before = notebook.key("out = f()")
    name = notebook.namespace["f"].__code__.co_filename
    linecache.cache[name] = (1, None, ["def f(): return 2\n"], name)
    assert notebook.key("out = f()") != before  # by instructions
    assert notebook.closure("out = f()").ingredients[1].detail == ""


LOCAL = [
    ("constant", {"mod.py": "K = 1"}, {"mod.py": "K = 2"}, "from mod import K\nout = K"),
    (
        "function",
        {"mod.py": "def f(): return 1"},
        {"mod.py": "def f(): return 2"},
        "import mod\nout = mod.f()",
    ),
    (
        "re-export",
        {"mod.py": "from low import f", "low.py": "def f(): return 1"},
        {"mod.py": "from low import f", "low.py": "def f(): return 2"},
        "from mod import f\nout = f()",
    ),
    (
        "relative import",
        {"pkg/__init__.py": "", "pkg/a.py": "from .b import f", "pkg/b.py": "f = 1"},
        {"pkg/__init__.py": "", "pkg/a.py": "from .b import f", "pkg/b.py": "f = 2"},
        "from pkg.a import f\nout = f",
    ),
    (
        "relative import of a module",
        {"pkg/__init__.py": "", "pkg/a.py": "from . import b", "pkg/b.py": "f = 1"},
        {"pkg/__init__.py": "", "pkg/a.py": "from . import b", "pkg/b.py": "f = 2"},
        "import pkg.a\nout = pkg.a.b.f",
    ),
    (
        "parent package",
        {"pkg/__init__.py": "print(1)", "pkg/a.py": "f = 1"},
        {"pkg/__init__.py": "print(2)", "pkg/a.py": "f = 1"},
        "from pkg.a import f\nout = f",
    ),
    (
        "import inside a function",
        {"mod.py": "def f():\n    import low\n    return low.K", "low.py": "K = 1"},
        {"mod.py": "def f():\n    import low\n    return low.K", "low.py": "K = 2"},
        "from mod import f\nout = f()",
    ),
    (
        "star",
        {"mod.py": "from low import *", "low.py": "K = 1"},
        {"mod.py": "from low import *", "low.py": "K = 2"},
        "from mod import *\nout = K",
    ),
    (
        "import by call",
        {"mod.py": "import importlib\nlow = importlib.import_module('low')", "low.py": "K = 1"},
        {"mod.py": "import importlib\nlow = importlib.import_module('low')", "low.py": "K = 2"},
        "import mod\nout = mod.low.K",
    ),
    (
        "namespace package",
        {"space/mod.py": "K = 1"},
        {"space/mod.py": "K = 2"},
        "from space.mod import K\nout = K",
    ),
    ("appears", {}, {"maybe.py": "K = 1"}, "try:\n    import maybe\nexcept ImportError:\n    pass\nout = 1"),
]


@pytest.mark.parametrize(("before", "after", "code"), cases(LOCAL))
def test_a_change_of_a_local_module_changes_the_key(folder, notebook, before, after, code):
    keys = []
    for files in (before, after):
        for name, text in files.items():
            folder.write(name, text)
        keys.append(notebook.key(code, reads=()))
    assert keys[0] != keys[1]


def test_an_edited_module_counts_as_it_is_on_disk_whatever_was_imported(folder, notebook):
    folder.write("mod.py", "def f(): return 1")
    notebook.run("from mod import f")
    before = notebook.closure("out = f()")
    folder.write("mod.py", "def f(): return 2  # edited")
    after = notebook.closure("out = f()")
    assert notebook.namespace["f"]() == 1
    assert [(r.kind, r.name) for r in explain(before.ingredients, after.ingredients)] == [("helper", "mod.f")]
    source = "def f(): return 2  # edited"
    assert after.modules == {"mod": ModuleSource(source, str(folder.path / "mod.py"), False)}
    assert after.imports == {"f": ("mod", "f")}


def test_comments_in_a_local_module_do_not_count(folder, notebook):
    folder.write("mod.py", "K = 1")
    before = notebook.key("import mod\nout = mod.K")
    folder.write("mod.py", "# why\nK = 1")
    assert notebook.key("import mod\nout = mod.K") == before


def test_modules_that_instances_and_helpers_use_are_followed(folder, notebook):
    folder.write("shapes.py", "class Box: pass")
    folder.write("low.py", "K = 1")
    notebook.run("from shapes import Box\nbox = Box()\ndef f():\n    from low import K\n    return K")
    closure = notebook.closure("out = f(), box")
    assert set(closure.modules) == {"shapes", "low"}


def test_a_closure_made_by_a_local_module_lives_in_that_module_again(folder, notebook):
    folder.write("mod.py", "K = 2\ndef scale(by):\n    def f(x): return x * by * K\n    return f")
    notebook.run("from mod import scale\nf = scale(3)")
    closure = notebook.closure("out = f(1)")
    loaded = load_closure(closure.payload, {})
    assert loaded["f"](1) == 6
    assert loaded["f"].__globals__ is vars(sys.modules["mod"])


def test_a_module_without_a_file_makes_the_step_not_reusable(notebook, monkeypatch):
    monkeypatch.setitem(sys.modules, "made_up", types.ModuleType("made_up"))
    closure = notebook.closure("import made_up\nout = made_up.K")
    assert [problem.name for problem in closure.problems] == ["made_up"]
    assert [reason.name for reason in closure.unshippable] == ["made_up"]


@pytest.mark.parametrize("is_known", [True, False], ids=["in sys.modules", "nowhere"])
def test_a_module_loaded_from_a_path_is_what_its_file_says(folder, notebook, monkeypatch, is_known):
    folder.write("elsewhere/by_path.py", "K = 1")
    spec = importlib.util.spec_from_file_location("by_path", folder.path / "elsewhere" / "by_path.py")
    module = notebook.namespace["m"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not is_known:
        (problem,) = notebook.closure("out = m.K").problems
        assert "sys.modules['by_path'] = m" in problem.detail
        return
    monkeypatch.setitem(sys.modules, "by_path", module)
    folder.write("by_path.py", "K = 7")  # which an import would have found
    before = notebook.key("out = m.K")
    assert notebook.closure("out = m.K").modules["by_path"].source == "K = 1"
    folder.write("elsewhere/by_path.py", "K = 2")
    assert notebook.key("out = m.K") != before


def test_names_are_sorted_by_where_they_come_from(notebook):
    notebook.run("import json as j\nfrom math import sin\nK = 3\ndef f(x): return sin(x) + K + len(df)")
    closure = notebook.closure("out = f(1) + j.x + nothing + print", provided=("df", "unread"))
    assert closure.provided_reads == ("df",)
    assert closure.imports == {"j": ("json", None), "sin": ("math", "sin")}
    assert closure.names == ("f", "K")
    assert closure.unresolved == ("nothing",)
    parts = [(i.kind, i.name, i.detail) for i in closure.ingredients if i.kind in ("helper", "value")]
    assert parts == [
        ("helper", "f", "def f(x): return sin(x) + K + len(df)"),
        ("helper", "j", "json"),
        ("helper", "sin", "math.sin"),
        ("value", "K", "3"),
    ]
    assert "def f(x)" in "".join(closure.sources.values())


def test_provided_names_are_not_captured_even_where_the_notebook_has_them(notebook):
    notebook.run("df = [1]")
    closure = notebook.closure("out = df", provided=("df",))
    assert closure.names == ()
    assert closure.provided_reads == ("df",)


def test_submodules_used_through_their_parent_are_imported_too(notebook):
    notebook.run("import xml.dom.minidom")
    closure = notebook.closure("out = xml.dom.minidom.parseString('<a/>')")
    assert closure.imports["xml.dom.minidom"] == ("xml.dom.minidom", None)


def test_what_ipython_gives_is_not_captured(notebook):
    notebook.run("from IPython.display import display\nget_ipython = exit = quit = display\nIn = Out = {}")
    closure = notebook.closure("display(get_ipython())\nout = In")
    assert closure.names == ()
    assert closure.unresolved == ("In",)


def test_what_the_notebook_calls_like_something_of_ipython_is_captured(notebook):
    notebook.run("get_ipython = None\ndef display(x): return x\nexit = 3\nfrom os import open")
    closure = notebook.closure("display(open(exit))")
    assert closure.names == ("display", "exit")
    assert closure.imports["open"] == ("posix", "open")


def test_what_cannot_be_digested_is_a_problem_and_never_the_same_twice(notebook):
    notebook.run("import threading\nLOCK = threading.Lock()\ndef f(): return LOCK")
    first, second = notebook.closure("out = f()"), notebook.closure("out = f()")
    assert first.ingredients != second.ingredients
    (problem,) = first.problems
    assert (problem.kind, problem.name) == ("unhashable", "LOCK")
    assert "_thread.lock" in problem.detail
    assert "Make it where it is used" in problem.detail
    assert [reason.name for reason in first.unshippable] == ["LOCK"]
    assert first.names == ("f",)


@pytest.mark.parametrize(
    ("cells", "code", "may_set"),
    [
        ("import numpy as np", "out = np.random.rand(3)", True),
        ("import numpy as np", "np.random.seed(1)", True),
        ("import numpy as np", "out = np.random.default_rng(1).random()", False),
        ("from numpy.random import rand", "out = rand(3)", True),
        ("import random", "out = random.random()", True),
        ("import random", "out = random.Random(1).random()", False),
        ("import random\ndef f(): return random.random()", "out = f()", True),
        ("x = 1", "import random\nout = random.random()", True),
        ("import os", "os.environ['A'] = '1'", True),
        ("import os", "out = os.path.join('a', 'b')", False),
        ("import sys", "sys.path.append('a')", True),
        ("import pandas as pd", "pd.set_option('display.max_rows', 3)", True),
        ("import pandas as pd", "pd.options.display.max_rows = 3", True),
        ("import pandas as pd", "out = pd.DataFrame({'a': [1]})", False),
    ],
)
def test_code_that_may_set_something_for_the_cells_below_is_known(notebook, cells, code, may_set):
    notebook.run(cells)
    closure = notebook.closure(code)
    assert (closure.may_set, closure.problems) == (may_set, ())


@pytest.mark.parametrize("code", ["out = os.environ[name]", "out = dict(os.environ)"])
def test_where_any_variable_may_be_read_all_count(notebook, monkeypatch, code):
    notebook.run("import os")
    keys = set()
    for value in ("1", "2", "1"):
        monkeypatch.setenv("UNHEARD_OF", value)
        keys.add(notebook.key(code, provided=("name",)))
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ("import os", "out = os.environ['MLPIPE_TEST']"),
        ("import os", "out = os.environ.get('MLPIPE_TEST', '')"),
        ("import os", "out = os.getenv('MLPIPE_TEST')"),
        ("from os import environ", "out = environ['MLPIPE_TEST']"),
        ("from os import getenv", "out = getenv('MLPIPE_TEST')"),
        ("import os\ndef f(): return os.getenv('MLPIPE_TEST')", "out = f()"),
        ("x = 1", "import os\nout = 'MLPIPE_TEST' in os.environ"),
        # One name stands for two things.
        (
            "def f():\n    def g():\n        import sys as m\n        return m\n"
            "    import os as m\n    return m.getenv('MLPIPE_TEST')",
            "out = f()",
        ),
        (
            "def f():\n    import os as m\n    def g():\n        import sys as m\n        return m\n"
            "    return m.getenv('MLPIPE_TEST')",
            "out = f()",
        ),
    ],
)
def test_environment_variables_that_are_read_count(notebook, monkeypatch, cells, code):
    notebook.run(cells)
    monkeypatch.setenv("MLPIPE_TEST", "1")
    before = notebook.ingredients(notebook.closure(code))
    monkeypatch.setenv("MLPIPE_TEST", "2")
    (reason,) = explain(before, notebook.ingredients(notebook.closure(code)))
    assert (reason.kind, reason.name) == ("setting", "env MLPIPE_TEST")


def test_a_local_module_that_reads_the_environment_counts(folder, notebook, monkeypatch):
    folder.write("mod.py", "import os\nK = os.environ.get('MLPIPE_TEST')")
    monkeypatch.setenv("MLPIPE_TEST", "1")
    before = notebook.key("import mod\nout = mod.K")
    monkeypatch.setenv("MLPIPE_TEST", "2")
    assert notebook.key("import mod\nout = mod.K") != before


SCRIPT = """
import sys, linecache
import numpy as np
import pandas as pd
from jupyter_mlpipe.keys.closure import take_closure
from jupyter_mlpipe.keys.modules import LocalModules
from jupyter_mlpipe.model.component import Component

text = '''
import abc, contextlib, enum, functools, dataclasses, typing
import pydantic
class Settings(pydantic.BaseModel):
    rate: float = 0.1
    names: list[str] = pydantic.Field(default_factory=lambda: ["a"])
    @pydantic.field_validator("rate")
    def check(cls, value): return value
settings = Settings()
@functools.singledispatch
def shown(x): return 1
@shown.register
def _shown_int(x: int): return 2
shown(1)
@contextlib.contextmanager
def opened(): yield 1
class Base(abc.ABC):
    @abc.abstractmethod
    def f(self): ...
class Derived(Base):
    def f(self): return super().f()
T = typing.TypeVar("T")
class Box(typing.Generic[T]):
    def get(self, x: T) -> T: return x
class Row(typing.NamedTuple):
    a: int = 1
@np.vectorize
def vectorised(x): return x + 1
class Colour(enum.Enum):
    RED = "r"
@dataclasses.dataclass
class Point:
    x: int = 1
    tags: frozenset = frozenset({"a", "b", "c"})
def helper(x, kinds={"u", "v", "w"}):
    return x in {"p", "q", "r"} and other(x)
def other(x):
    return helper(x)
def make(k):
    return lambda x: x + k
add = make(2)
table = pd.DataFrame({"a": [1.5, None], "b": ["x", "y"]}, index=pd.Index(["i", "j"]))
values = {"p": Point(), "c": Colour.RED, "t": (np.arange(3), {"x", "y", "z"})}
'''
name = f"<cell {sys.argv[1]}>"
linecache.cache[name] = (len(text), None, text.splitlines(True), name)
exec(compile(text, name, "exec"))
code = "out = helper(1), add(2), table, values, Colour.RED, len"
names = "helper add table values Colour len settings shown opened Derived Box Row vectorised".split()
component = Component("s", code, code, reads=tuple(names))
closure = take_closure(component, globals(), (), modules=LocalModules())
assert not closure.problems + closure.unshippable, (closure.problems, closure.unshippable)
for part in closure.ingredients:
    print(part.kind, part.name, part.digest)
"""


def test_another_process_and_hash_seed_give_the_same_ingredients(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    outputs = []
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, str(script), seed],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert outputs[0].count("\n") >= 20


PACKAGE_SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from jupyter_mlpipe.keys.closure import take_closure
from jupyter_mlpipe.keys.modules import LocalModules
from jupyter_mlpipe.model.component import Component
closure = take_closure(Component("s", "", "import fancy_thing"), globals(), (), modules=LocalModules())
print(dict(closure.packages), closure.preload, dict(closure.modules))
"""


def test_packages_count_by_version_of_their_distribution(tmp_path):
    installed = tmp_path / "site-packages"
    (installed / "fancy_thing").mkdir(parents=True)
    (installed / "fancy_thing" / "__init__.py").write_text("")

    def seen(version: str) -> str:
        for old in installed.glob("*.dist-info"):
            for file in old.iterdir():
                file.unlink()
            old.rmdir()
        info = installed / f"Fancy_Dist-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: Fancy_Dist\nVersion: {version}\n")
        (info / "RECORD").write_text("fancy_thing/__init__.py,,\n")
        command = [sys.executable, "-c", textwrap.dedent(PACKAGE_SCRIPT), str(installed)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert seen("3.1.0") == "{'fancy-dist': '3.1.0'} ('fancy_thing',) {}"
    assert seen("3.1.1") == "{'fancy-dist': '3.1.1'} ('fancy_thing',) {}"


def test_code_without_a_source_has_a_digest() -> None:
    def digest_of(code: str) -> str:
        namespace: dict[str, object] = {}
        exec(code, namespace)
        return digest_value(namespace["f"])

    assert digest_of("def f(x): return dict(x, a=1)") == digest_of("def f(x):  return dict(x, a=1)")
    assert digest_of("def f(x): return dict(x, a=1)") != digest_of("def f(x): return dict(x, b=1)")


@pytest.mark.parametrize(
    ("code", "draws"),
    [
        ("frame.plot()", True),
        ("frame.hist('x')", True),
        ("qqplot(residuals)", True),
        ("RocCurveDisplay.from_estimator(model, x, y)", True),
        ("helper(frame)", True),
        ("tools.show(frame)", True),
        ("history = model.fit(x)", False),
        ("display(frame.describe())", False),
    ],
)
def test_what_draws_counts_as_matplotlib_whatever_library_it_asks(folder, notebook, code, draws):
    folder.write("tools.py", "def show(frame): frame.plot()")
    notebook.run("import tools\ndef helper(frame): return frame.boxplot()")
    closure = notebook.closure(code, ("frame", "model", "x", "y", "residuals"))
    assert ("matplotlib" in closure.packages) == draws
    assert ("matplotlib" in closure.affected.providers) == draws


def test_annotations_count_where_python_does_not_evaluate_them(notebook):
    code = "def f(x: int): return x.__annotations__\nout = f(f)"
    assert notebook.key(code, postponed=True) != notebook.key(code)
