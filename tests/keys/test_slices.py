"""What counts of a local module: which edits change a key, and which do not."""

# ruff: noqa: E501 - a module on one line is easier to compare with its neighbours

from __future__ import annotations

import pytest

from jupyter_mlpipe.keys.derive import explain
from jupyter_mlpipe.model.component import Options

OTHER = "def other(x): return x + 1\n"
USE = "import mod\nout = mod.f(1)"

# (name, the module, the module after, the step's code)
SAME = [
    ("another function", "def f(x): return x\n" + OTHER, "def f(x): return x\ndef other(x): return 2", USE),
    ("a function more", "def f(x): return x\n", "def g(x): return x\ndef f(x): return x\n", USE),
    ("a function less", "def f(x): return x\n" + OTHER, "def f(x): return x\n", USE),
    ("another constant", "K = 1\ndef f(x): return x", "K = 2\ndef f(x): return x", USE),
    ("another typed constant", "K: int = 1\ndef f(x): return x", "K: int = 2\ndef f(x): return x", USE),
    ("another class", "class A:\n  x = 1\ndef f(x): return x", "class A:\n  x = 2\ndef f(x): return x", USE),
    (
        "the order of functions",
        "def f(x): return g(x)\ndef other(): pass\ndef g(x): return x",
        "def other(): pass\ndef f(x): return g(x)\ndef g(x): return x",
        USE,
    ),
    (
        "the default of another function",
        "def f(x): return x\ndef g(x=1): return x",
        "def f(x): return x\ndef g(x=2): return x",
        USE,
    ),
    (
        "a function with a type that is known",
        "import pandas as pd\ndef f(x: pd.Series): return x",
        "import pandas as pd\ndef f(x: pd.Series): return x\ndef g(y: pd.Series) -> pd.Series: return y",
        USE,
    ),
    (
        "an annotation that is a text",
        "from __future__ import annotations\ndef f(x): return x\ndef g(y: int): return y",
        "from __future__ import annotations\ndef f(x): return x\ndef g(y: dict[str, int]): return y",
        USE,
    ),
    (
        "the method of another dataclass",
        "import dataclasses\n@dataclasses.dataclass\nclass A:\n  n: int = 1\n  def get(self): return 1\ndef f(x): return x",
        "import dataclasses\n@dataclasses.dataclass\nclass A:\n  n: int = 1\n  def get(self): return 2\ndef f(x): return x",
        USE,
    ),
    (
        "another function behind lru_cache",
        "import functools\n@functools.lru_cache\ndef g(x): return 1\ndef f(x): return x",
        "import functools\n@functools.lru_cache\ndef g(x): return 2\ndef f(x): return x",
        USE,
    ),
    (
        "what only another function imports",
        "def f(x): return x\ndef g(x):\n  return x",
        "def f(x): return x\ndef g(x):\n  import low, numpy\n  return low.K",
        USE,
    ),
    (
        "an environment variable that only another function reads",
        "import os\ndef f(x): return x\ndef g(x): return x",
        "import os\ndef f(x): return x\ndef g(x): return os.environ['HOME']",
        USE,
    ),
    (
        "a script's own part",
        "def f(x): return x\nif __name__ == '__main__':\n  print(1)",
        "def f(x): return x\nif __name__ == '__main__':\n  print(2)",
        USE,
    ),
    (
        "another function that looks at code",
        "def f(x): return x\ndef g():\n  import inspect\n  return 1",
        "def f(x): return x\ndef g():\n  import inspect\n  return 2",
        USE,
    ),
    (
        "by another import",
        "def f(x): return x\n" + OTHER,
        "def f(x): return x\n",
        "from mod import f\nout = f(1)",
    ),
    (
        "under an alias",
        "def f(x): return x\n" + OTHER,
        "def f(x): return x\n",
        "import mod as m\nout = m.f(1)",
    ),
    (
        "in a function of the cell",
        "def f(x): return x\n" + OTHER,
        "def f(x): return x\n",
        "def h():\n  from mod import f\n  return f(1)\nout = h()",
    ),
    (
        "a class's attribute",
        "class A:\n  K = 1\n" + OTHER,
        "class A:\n  K = 1\n",
        "import mod\nout = mod.A.K",
    ),
    (
        "a call in the module",
        "import logging\nlog = logging.getLogger(__name__)\ndef f(x): return x\n" + OTHER,
        "import logging\nlog = logging.getLogger(__name__)\ndef f(x): return x\n",
        USE,
    ),
    (
        "an underscored name of the same spelling in a text",
        "def f(x): return 'the other one'\n" + OTHER,
        "def f(x): return 'the other one'\ndef other(x): return 3",
        USE,
    ),
]


def cases(table):
    return [pytest.param(*case[1:], id=case[0]) for case in table]


@pytest.fixture
def keys_of(folder, notebook):
    def find(before: str, after: str, code: str) -> tuple[str, str]:
        folder.write("low.py", "K = 1\ndef g(x): return x")
        keys = []
        for text in (before, after):
            folder.write("mod.py", text)
            keys.append(notebook.key(code, reads=()))
        return keys[0], keys[1]

    return find


@pytest.mark.parametrize(("before", "after", "code"), cases(SAME))
def test_what_is_not_reached_does_not_count(keys_of, before, after, code):
    first, second = keys_of(before, after, code)
    assert first == second


# Each pair differs in something that the step can see, in `other` where no other name is given.
OTHER_2 = "def other(x): return x + 2\n"
WAYS_TO_OTHER = [
    ("a call", "def f(x): return other(x)", USE),
    ("two calls deep", "def f(x): return g(x)\ndef g(x): return [other(y) for y in [x]]", USE),
    ("a function in a function", "def f(x):\n  def g(): return other(x)\n  return g()", USE),
    ("a lambda", "def f(x): return (lambda: other(x))()", USE),
    ("a default", "def f(x, g=other): return g(x)", USE),
    ("a method", "class A:\n  def get(self): return other(1)\ndef f(x): return A().get()", USE),
    (
        "a method of a base",
        "class A:\n  def get(self): return other(1)\nclass B(A): pass\ndef f(x): return B().get()",
        USE,
    ),
    ("a class's attribute", "class A:\n  g = other\ndef f(x): return A.g(x)", USE),
    ("a property", "class A:\n  @property\n  def x(self): return other(1)\ndef f(x): return A().x", USE),
    ("a decorator", "def deco(g): return lambda x: other(x)\n@deco\ndef f(x): return 1", USE),
    ("a table of functions", "T = {'a': other}\ndef f(x): return T['a'](x)", USE),
    ("a call when it is imported", "K = other(1)\ndef f(x): return K", USE),
    ("a call that only other names see", "print(other(1))\ndef f(x): return x", USE),
    ("a branch", "if True:\n  K = other(1)\ndef f(x): return x", USE),
    ("a loop", "for i in range(2): other(i)\ndef f(x): return x", USE),
    ("an alias", "g = other\ndef f(x): return g(x)", USE),
    ("a rebinding", "def f(x): return x\ndef g(): pass\nf = other", USE),
    ("a name bound twice", "def f(x): return g\ng = 1\ng = other(1)", USE),
    ("a global statement", "def f(x):\n  global other\n  return other(x)", USE),
    ("globals()", "def f(x): return globals()['ot' + 'her'](x)", USE),
    ("globals() of a function", "def f(x): return f.__globals__['ot' + 'her'](x)", USE),
    ("eval", "def f(x): return eval('ot' + 'her(1)')", USE),
    ("exec at the top", "exec('def f(x): return ot' + 'her(x)')", USE),
    ("vars()", "def f(x): return vars()\n", USE),
    ("sys.modules", "import sys\ndef f(x): return getattr(sys.modules[__name__], 'ot' + 'her')(x)", USE),
    ("a module that imports itself", "def f(x):\n  import mod\n  return getattr(mod, 'ot' + 'her')(x)", USE),
    ("a frame", "import sys\ndef f(x): return sys._getframe().f_globals['ot' + 'her'](x)", USE),
    ("inspect", "import inspect\ndef f(x): return inspect.getsource(inspect.getmodule(f))", USE),
    ("inspect under an alias", "import inspect as i\ndef f(x): return i.stack()", USE),
    ("its file", "def f(x): return open(__file__).read()", USE),
    ("the line of a record", "def f(x): return '%(lineno)d'", USE),
    ("a module's __getattr__", "def __getattr__(name): return other(1)\ndef f(x): return x", USE),
    (
        "a metaclass",
        "class M(type):\n  def __init__(cls, *a): other(1)\nclass A(metaclass=M): pass\ndef f(x): return x",
        USE,
    ),
    (
        "__init_subclass__",
        "class A:\n  def __init_subclass__(cls): other(1)\nclass B(A): pass\ndef f(x): return x",
        USE,
    ),
    (
        "an enum",
        "import enum\nclass E(enum.Enum):\n  A = 1\n  def _missing_(cls): return other(1)\ndef f(x): return x",
        USE,
    ),
    ("a text that is an annotation", "def f(x: 'other'): return f.__annotations__", USE),
    (
        "a name that a class hides",
        "def _A__g(x): return other(x)\nclass A:\n  def get(self): return __g(1)\ndef f(x): return A().get()",
        USE,
    ),
    ("a query", "def f(x): return x.query('a > @other')", USE),
    ("the module as a value", "def f(x): return x", "import mod\nout = vars(mod)"),
    ("the module in a list", "def f(x): return x", "import mod\nm = [mod]\nout = m[0].other(1)"),
    ("the module under another name", "def f(x): return x", "import mod\nm = mod\nout = m.f(1)"),
    ("a name by getattr", "def f(x): return x", "import mod\nout = getattr(mod, 'ot' + 'her')"),
    ("a name that is set", "def f(x): return x", "import mod\nmod.K = 2\nout = mod.f(1)"),
    ("a star", "def f(x): return x", "from mod import *\nout = f(1)"),
    ("a dict of names", "def f(x): return x", "import mod\nout = mod.__dict__['ot' + 'her'](1)"),
    (
        "an import by name",
        "def f(x): return x",
        "import importlib\nout = importlib.import_module('mod').f(1)",
    ),
    ("inspect in the cell", "def f(x): return x", "import mod, inspect\nout = inspect.getsource(mod.f)"),
    ("the cell's eval", "def f(x): return x", "import mod\nout = mod.f(1), eval('mod.ot' + 'her')"),
    (
        "a global of the cell",
        "def f(x): return x",
        "def h():\n  global mod\n  import mod\nh()\nout = mod.f(1)",
    ),
]


@pytest.mark.parametrize(("module", "code"), cases(WAYS_TO_OTHER))
def test_whatever_may_reach_a_name_makes_it_count(keys_of, module, code):
    first, second = keys_of(f"{OTHER}{module}\n", f"{OTHER_2}{module}\n", code)
    assert first != second


DIFFERENT = [
    ("a statement more", "def f(x): return x", "def f(x): return x\nprint(1)", USE),
    ("a registration", "def f(x): return x\nR = []", "def f(x): return x\nR = []\nR.append(1)", USE),
    (
        "a registration by a decorator",
        "R = []\ndef add(g):\n  R.append(g)\ndef f(x): return len(R)",
        "R = []\ndef add(g):\n  R.append(g)\n@add\ndef g(x): pass\ndef f(x): return len(R)",
        USE,
    ),
    ("a builtin's name", "def f(x): return sum([x])", "def f(x): return sum([x])\ndef sum(x): return 3", USE),
    ("an assertion", "def f(x): return x\nK = 1", "def f(x): return x\nK = 1\nassert K == 2", USE),
    ("a name that is removed", "def f(x): return K\nK = 1", "def f(x): return K\nK = 1\ndel K", USE),
    (
        "a call before its function",
        "def f(x): return K\ndef g(): return 1\nK = g()",
        "def f(x): return K\nK = g()\ndef g(): return 1",
        USE,
    ),
    (
        "another value at another time",
        "K = 1\ndef g(): return K\nL = g()\nK = 2\ndef f(x): return L",
        "K = 1\ndef g(): return K\nK = 2\nL = g()\ndef f(x): return L",
        USE,
    ),
    ("a default that fails", "def f(x): return x", "def f(x): return x\ndef g(x=nothing): pass", USE),
    (
        "a field that fails",
        "import dataclasses\n@dataclasses.dataclass\nclass A:\n  a: int\n  b: int\ndef f(x): return x",
        "import dataclasses\n@dataclasses.dataclass\nclass A:\n  a: int = 1\n  b: int\ndef f(x): return x",
        USE,
    ),
    (
        "an annotation that may fail",
        "def f(x): return x",
        "import os\ndef f(x): return x\ndef g(y: os.nothing): pass",
        USE,
    ),
    ("an import at its top", "def f(x): return x", "import low\ndef f(x): return x", USE),
    (
        "another import by one name",
        "from low import g\ndef f(x): return g(x)",
        "from low import K as g\ndef f(x): return g(x)",
        USE,
    ),
    ("a name that is no longer there", "def f(x): return x", "def g(x): return x", USE),
    (
        "a subclass",
        "class A: pass\ndef f(x): return A.__subclasses__()",
        "class A: pass\nclass B(A): pass\ndef f(x): return A.__subclasses__()",
        USE,
    ),
]


@pytest.mark.parametrize(("before", "after", "code"), cases(DIFFERENT))
def test_what_an_import_does_counts(keys_of, before, after, code):
    first, second = keys_of(before, after, code)
    assert first != second


@pytest.fixture
def package(folder, notebook):
    """Write a package of three modules; return the key of code after one of its files was rewritten."""
    files = {
        "pkg/__init__.py": "from .a import clean\nfrom .b import train\nfrom . import c",
        "pkg/a.py": "from . import c\nfrom .c import LOW\ndef clean(x): return c.low(x) + LOW\ndef other(x): return 1",
        "pkg/b.py": "from .c import low\ndef train(x): return low(x)",
        "pkg/c.py": "LOW = 1\ndef low(x): return x\ndef unread(x): return 1",
    }
    for name, text in files.items():
        folder.write(name, text)

    def rewrite(code: str, name: str, before: str, after: str) -> tuple[str, str]:
        assert before in files[name]
        first = notebook.key(code, reads=())
        folder.write(name, files[name].replace(before, after))
        second = notebook.key(code, reads=())
        folder.write(name, files[name])
        return first, second

    return rewrite


@pytest.mark.parametrize(
    "code",
    [
        "from pkg import clean\nout = clean(1)",
        "import pkg\nout = pkg.clean(1)",
        "import pkg.a\nout = pkg.a.clean(1)",
        "import pkg.a as p\nout = p.clean(1)",
        "from pkg.a import clean as c\nout = c(1)",
        "from pkg import a\nout = a.clean(1)",
    ],
)
def test_names_are_followed_through_packages(package, code):
    for name, before, after, counts in [
        ("pkg/a.py", "def clean(x): return", "def clean(x): return 1 +", True),
        ("pkg/c.py", "LOW = 1", "LOW = 2", True),
        ("pkg/c.py", "def low(x): return x", "def low(x): return -x", True),
        ("pkg/c.py", "def unread(x): return 1", "def unread(x): return 2", False),
        ("pkg/a.py", "def other(x): return 1", "def other(x): return 2", False),
        ("pkg/b.py", "def train(x): return", "def train(x): return 1 +", False),
        # It is imported, and then it is not there.
        ("pkg/b.py", "def train", "def fit", True),
        ("pkg/b.py", "def train", "print(1)\ndef train", True),
    ]:
        first, second = package(code, name, before, after)
        assert (first != second) == counts, (name, after)


def test_values_and_helpers_count_what_they_reach(folder, notebook):
    lines = {
        "A": "class A:\n  def get(self): return K",
        "K": "K = 1",
        "L": "L = 1",
        "f": "def f(x): return x",
        "g": "def g(x): return L",
        "make": "def make(n):\n  def inner(x): return f(x) + n\n  return inner",
    }
    folder.write("mod.py", "\n".join(lines.values()))
    notebook.run("import mod, functools\nfrom mod import f, make\na = [mod.A()]\np = functools.partial(f, 1)")
    notebook.run("def h():\n  return mod.g(1)\nm = mod\ndef everything():\n  return m\nmade = make(2)")
    reached = {
        "out = a[0].get()": {"A", "K"},
        "out = p()": {"f"},
        "out = h()": {"L", "g"},
        "out = everything()": {*lines},
        "out = made(1)": {"f"},
        # What the cell imports is read by a helper of the notebook.
        "from mod import L\nimport mod\nout = h()": {"L", "g"},
    }
    for code, names in reached.items():
        folder.write("mod.py", "\n".join(lines.values()))
        before = notebook.key(code)
        counted = set()
        for name, line in lines.items():
            edited = {**lines, name: line.replace("return", "return 1 +").replace("= 1", "= 2")}
            folder.write("mod.py", "\n".join(edited.values()))
            if notebook.key(code) != before:
                counted.add(name)
        assert counted == names, code


def test_a_module_that_counts_as_a_whole_may_look_into_others(folder, notebook):
    folder.write("low.py", "def look():\n  import sys\n  return sys._getframe(1).f_globals['mod'].other(1)")
    keys = []
    for text in (OTHER, OTHER_2):
        folder.write("mod.py", text + "def f(x): return x")
        keys.append(notebook.key("import mod, low\nm = low\nout = mod.f(1), m.look()", reads=()))
    assert keys[0] != keys[1]


def test_a_helper_uses_what_the_cell_imports(folder, notebook):
    notebook.run("def h(): return mod.other(1)")
    keys = []
    for text in (OTHER, OTHER_2):
        folder.write("mod.py", text + "def f(x): return x")
        keys.append(notebook.key("import mod\nout = mod.f(1), h()", reads=("h",)))
    assert keys[0] != keys[1]


def test_a_step_in_the_kernel_counts_modules_as_wholes(folder, notebook):
    folder.write("mod.py", "def f(x): return x")
    before = notebook.key(USE, reads=(), options=Options(here=True))
    folder.write("mod.py", "def f(x): return x\n" + OTHER)
    assert notebook.key(USE, reads=(), options=Options(here=True)) != before


def test_the_reason_names_what_changed_in_the_module(folder, notebook):
    folder.write(
        "mod.py",
        "import os\nclass A:\n  def get(self): return 1\n  k = 1\ndef f(x): return A().get()\nprint(1)",
    )
    before = notebook.closure(USE, reads=()).ingredients
    folder.write(
        "mod.py",
        "import os\nclass A:\n  def get(self): return 2\n  k = 1\ndef f(x): return A().get() + x\nprint(2)",
    )
    reasons = explain(before, notebook.closure(USE, reads=()).ingredients)
    assert [str(reason) for reason in reasons] == [
        "helper mod changed: its statements",
        "helper mod.A changed: get()",
        "helper mod.f changed",
    ]
    assert reasons[2].diff.splitlines()[1:] == [
        "-def f(x): return A().get()",
        "+def f(x): return A().get() + x",
    ]


def test_a_step_is_sent_the_whole_module_and_what_of_it_does_not_count(folder, notebook):
    folder.write(
        "mod.py", "import low\nK = 1\ndef f(x): return K\ndef other(x): return unread()\ndef unread(): pass"
    )
    folder.write("low.py", "K = 1")
    folder.write("later.py", "K = 1")
    closure = notebook.closure("import mod\nout = mod.f(1)", reads=())
    assert closure.modules["mod"].uncounted == {"low", "other", "unread"}
    assert closure.modules["low"].uncounted == {"K"}
    assert "def other" in closure.modules["mod"].source
    assert notebook.closure("import mod\nout = [mod]", reads=()).modules["mod"].uncounted == frozenset()
