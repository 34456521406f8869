"""What a change makes run again, and what it must not: one table, two kernels.

The first version of every notebook runs in one kernel, the second in a fresh one with another hash
seed and the same store. Values are those that a kernel without components gives.

What has to run again, and where that is tested: own code and salt: CODE; helpers, methods, decorators, closures,
defaults, containers, `functools`: HELPERS; docstrings and comments where they are read: TEXTS; names wherever they stand: NAMES; outputs, definitions and changes of other
cells: OTHER_CELLS; local modules: MODULES, PATCHES (name by name: tests/keys/test_slices.py, at random:
test_slices_properties.py); values: VALUES (more kinds: tests/keys/test_values.py, test_closure.py); parameters:
PARAMETERS; files and folders: FILES, tests/support/file_rows.py and asked_rows.py; options: OPTIONS; versions of packages: PACKAGES,
test_staleness.py, tests/keys/test_closure.py; what hides: tests/support/hidden_rows.py. What is to be reused: REUSED and FILE_ROWS; for another notebook, user
and folder, and what has no digest: test_outside_the_key.py. The encoding by properties: tests/keys/test_canonical.py.
"""

# ruff: noqa: E501 - a notebook on one line is easier to compare with its neighbours

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.asked_rows import ASKED_ROWS
from tests.support.file_rows import FILE_ROWS
from tests.support.hidden_rows import HIDDEN_ROWS
from tests.support.kernel import Kernel
from tests.support.matrix import Outcome, Row, as_value, expected, run_version

_ENUM = "import enum\nclass Color§(enum.Enum):\n    RED = {}\n    BLUE = 5\n---\n"


def reads_value(value: str) -> str:
    """Return cells whose component reads a notebook value."""
    return (
        f"import numpy as np, pandas as pd, datetime, re\nv§ = {value}\n---\n%%component s§\ny§ = repr(v§)\n"
    )


def calls(helpers: str, call: str = "h§()") -> str:
    """Return cells whose component calls helpers."""
    return f"{helpers}\n---\n%%component s§\ny§ = {call}\n"


CODE = [
    Row("its own code", "%%component s§\ny§ = «1|2»", ran="s§"),
    Row("an operator", "%%component s§\ny§ = 7 «//|%» 2", ran="s§"),
    Row(
        "the order of statements", "%%component s§\na = 1\n«a += 1\na *= 3|a *= 3\na += 1»\ny§ = a", ran="s§"
    ),
    Row("a constant of another type", "%%component s§\ny§ = «1|1.0»", ran="s§"),
    Row("a constant that is equal", "%%component s§\ny§ = «True|1»", ran="s§"),
    Row("the sign of zero", "%%component s§\ny§ = «0.0|-0.0»", ran="s§"),
    Row("an f-string's format", "%%component s§\ny§ = f'{3.14159:.«2|3»f}'", ran="s§"),
    Row("a keyword", "%%component s§\ny§ = sorted([1, 2], reverse=«True|False»)", ran="s§"),
    Row("indentation", "%%component s§\ny§ = 0\nfor i in range(3):\n    y§ += 1\n«    |»y§ += 10", ran="s§"),
    Row("a string that is no docstring", "%%component s§\ny§ = «'a'|'b'»", ran="s§"),
    Row("a shell command", "%%component s§\ny§ = !echo «1|2»\ny§ = list(y§)", ran="s§"),
    Row("a semicolon after the last value", "%%component s§\ny§ = 1\ny§«;|»", ran="s§"),
    Row("names of outputs", "%%component s§ -> «y§|z§»\ny§ = z§ = 1", ran="s§", shows="«y§|z§»"),
    Row(
        "the order of a function's outputs",
        "%%component s§ -> «y§, z§|z§, y§»\ndef make§():\n    return 1, 2\n---\n"
        "# plain\n«y§, z§|z§, y§» = make§()",
        ran="s§",
        shows="(y§, z§)",
    ),
    Row(
        "a function's body",
        "%%component s§ -> y§\ndef make§(k=2):\n    return k * «1|3»\n---\n# plain\ny§ = make§()",
        ran="s§",
    ),
    Row(
        "a function's default",
        "%%component s§ -> y§\ndef make§(k=«2|3»):\n    return k\n---\n# plain\ny§ = make§()",
        ran="s§",
    ),
    Row("the salt", "%%component s§ --salt «a|b»\ny§ = 1", ran="s§"),
]

HELPERS = [
    Row("a helper", calls("def h§(): return «1|2»"), ran="s§"),
    Row("a helper's helper", calls("def g§(): return «1|2»\ndef h§(): return g§()"), ran="s§"),
    Row(
        "a helper at depth three",
        calls("def f§(): return «1|2»\ndef g§(): return f§()\ndef h§(): return g§()"),
        ran="s§",
    ),
    Row(
        "a helper that calls itself",
        calls("def h§(n=3): return «1|2» if n == 0 else n + h§(n - 1)"),
        ran="s§",
    ),
    Row(
        "helpers that call each other",
        calls("def g§(n): return «1|2» if n <= 0 else h§(n - 1)\ndef h§(n=4): return g§(n - 1) + 1"),
        ran="s§",
    ),
    Row("a method", calls("class A§:\n    def get(self): return «1|2»", "A§().get()"), ran="s§"),
    Row(
        "a base class",
        calls("class B§:\n    def get(self): return «1|2»\nclass A§(B§): pass", "A§().get()"),
        ran="s§",
    ),
    Row("a property", calls("class A§:\n    @property\n    def x(self): return «1|2»", "A§().x"), ran="s§"),
    Row(
        "a classmethod",
        calls("class A§:\n    @classmethod\n    def x(cls): return «1|2»", "A§.x()"),
        ran="s§",
    ),
    Row(
        "a staticmethod", calls("class A§:\n    @staticmethod\n    def x(): return «1|2»", "A§.x()"), ran="s§"
    ),
    Row("a class attribute", calls("class A§:\n    x = «1|2»", "A§.x"), ran="s§"),
    Row("a class attribute set later", calls("class A§:\n    x = 1\nA§.x = «1|2»", "A§.x"), ran="s§"),
    Row(
        "a method set later",
        calls("class A§:\n    pass\ndef g§(self): return «1|2»\nA§.x = g§", "A§().x()"),
        ran="s§",
    ),
    Row(
        "a metaclass",
        calls("class M§(type):\n    def x(cls): return «1|2»\nclass A§(metaclass=M§): pass", "A§.x()"),
        ran="s§",
    ),
    Row("a special method", calls("class A§:\n    def __add__(self, o): return «1|2»", "A§() + 1"), ran="s§"),
    Row(
        "a descriptor",
        calls("class D§:\n    def __get__(self, o, k): return «1|2»\nclass A§:\n    x = D§()", "A§().x"),
        ran="s§",
    ),
    Row(
        "an inner class",
        calls("class A§:\n    class B:\n        def x(self): return «1|2»", "A§.B().x()"),
        ran="s§",
    ),
    Row(
        "a decorator",
        calls("def d§(f): return lambda: f() + «1|2»\n@d§\ndef h§(): return 1"),
        ran="s§",
    ),
    Row(
        "a decorator's argument",
        calls(
            "def d§(n):\n    def deco(f):\n        return lambda: f() + n\n    return deco\n@d§(«1|2»)\ndef h§(): return 1"
        ),
        ran="s§",
    ),
    Row(
        "which decorator",
        calls(
            "def a§(f): return lambda: f() + 1\ndef b§(f): return lambda: f() + 2\n@«a|b»§\ndef h§(): return 1"
        ),
        ran="s§",
    ),
    Row(
        "a wrapped function",
        calls(
            "import functools\ndef d§(f):\n    @functools.wraps(f)\n    def w(): return f()\n    return w\n"
            "@d§\ndef h§(): return «1|2»"
        ),
        ran="s§",
    ),
    Row(
        "a closure's variable",
        calls("def make§(n):\n    def h(): return n\n    return h\nh§ = make§(«1|2»)"),
        ran="s§",
    ),
    Row(
        "a closure's mutable variable",
        calls(
            "def make§():\n    seen = []\n    def h(n=None):\n        if n is not None: seen.append(n)\n"
            "        return list(seen)\n    return h\nh§ = make§()\n_ = h§(«1|2»)"
        ),
        ran="s§",
    ),
    Row("a default argument", calls("def h§(n=«1|2»): return n"), ran="s§"),
    Row("a keyword-only default", calls("def h§(*, n=«1|2»): return n"), ran="s§"),
    Row("a default that is a function", calls("def g§(): return «1|2»\ndef h§(n=g§): return n()"), ran="s§"),
    Row(
        "a default that changed in place",
        calls("def h§(n=[]): return list(n)\nh§.__defaults__[0].append(«1|2»)"),
        ran="s§",
    ),
    Row("a function's attribute", calls("def h§(): return h§.n\nh§.n = «1|2»"), ran="s§"),
    Row("a lambda in a dict", calls("t§ = {'a': lambda: «1|2», 'b': lambda: 3}", "t§['a']()"), ran="s§"),
    Row(
        "a lambda in a list in a dict", calls("t§ = {'a': [lambda x: x + «1|2»]}", "t§['a'][0](1)"), ran="s§"
    ),
    Row(
        "two lambdas that swap places on one line",
        calls("t§ = [«lambda: 1, lambda: 2|lambda: 2, lambda: 1»]", "t§[0]()"),
        ran="s§",
    ),
    Row(
        "a partial's argument",
        calls("import functools\ndef g§(n): return n\nh§ = functools.partial(g§, «1|2»)"),
        ran="s§",
    ),
    Row(
        "a partial's function",
        calls("import functools\ndef g§(n): return n + «1|2»\nh§ = functools.partial(g§, 1)"),
        ran="s§",
    ),
    Row(
        "a partial of a builtin", calls("import functools\nh§ = functools.partial(«min|max», 1, 2)"), ran="s§"
    ),
    Row(
        "a function behind lru_cache",
        calls("import functools\n@functools.lru_cache\ndef h§(): return «1|2»"),
        ran="s§",
    ),
    Row(
        "what lru_cache wraps reads",
        calls("import functools\nk§ = «1|2»\n@functools.cache\ndef h§(): return k§"),
        ran="s§",
    ),
    Row(
        "a case of singledispatch",
        calls(
            "import functools\n@functools.singledispatch\ndef h§(x): return 0\n@h§.register\ndef _(x: int): return «1|2»",
            "h§(3)",
        ),
        ran="s§",
    ),
    Row(
        "a bound method",
        calls(
            "class A§:\n    def __init__(self, n): self.n = n\n    def x(self): return self.n\nh§ = A§(«1|2»).x"
        ),
        ran="s§",
    ),
    Row("a callable object", calls("class A§:\n    def __call__(self): return «1|2»\nh§ = A§()"), ran="s§"),
    Row("a generator function", calls("def h§():\n    yield «1|2»", "list(h§())"), ran="s§"),
    Row("an alias of a helper", calls("def a§(): return 1\ndef b§(): return 2\nh§ = «a|b»§"), ran="s§"),
    Row(
        "an alias of a library's function", calls("import math\nh§ = math.«floor|ceil»", "h§(1.5)"), ran="s§"
    ),
    Row("a module's alias", calls("import «math|cmath» as m§", "m§.sqrt(4)"), ran="s§"),
    Row("a name imported elsewhere", calls("from math import «floor|ceil» as f§", "f§(1.5)"), ran="s§"),
    Row("a global that a helper reads", calls("k§ = «1|2»\ndef h§(): return k§"), ran="s§"),
    Row(
        "a global that an inner function reads",
        calls("k§ = «1|2»\ndef h§(): return [(lambda: k§)() for _ in 'a']"),
        ran="s§",
    ),
    Row(
        "a global that a method reads",
        calls("k§ = «1|2»\nclass A§:\n    def x(self): return k§", "A§().x()"),
        ran="s§",
    ),
    Row("a global in a class body", calls("k§ = «1|2»\nclass A§:\n    x = k§", "A§.x"), ran="s§"),
    Row("a global that a default reads", calls("k§ = «1|2»\ndef h§(n=k§): return n"), ran="s§"),
    Row("a helper made by exec", calls("exec('def h§(): return «1|2»')"), ran="s§"),
    Row("a helper's global by globals()", calls("k§ = «1|2»\ndef h§(): return globals()['k§']"), ran="s§"),
    Row(
        "a name in a query",
        "import pandas as pd\nk§ = «1|2»\n---\n%%component s§\n"
        "y§ = pd.DataFrame({'a': [1, 2, 3]}).query('a > @k§')['a'].tolist()",
        ran="s§",
    ),
    Row(
        "a name in a helper's query",
        "import pandas as pd\nk§ = «1|2»\ndef h§(d): return d.query('a > @k§')['a'].tolist()\n---\n%%component s§\n"
        "y§ = h§(pd.DataFrame({'a': [1, 2, 3]}))",
        ran="s§",
    ),
    Row(
        "an output in a query",
        "import pandas as pd\n---\n%%component a§\nk§ = «1|2»\n---\n%%component s§\n"
        "y§ = pd.DataFrame({'a': [1, 2, 3]}).query('a > @k§')['a'].tolist()",
        ran="a§ s§",
    ),
    Row(
        "a parameter in an evaluated text",
        "%%parameters\nk§ = «1|2»\n---\n%%component s§\ny§ = eval('k§ + 1')",
        ran="s§",
    ),
    Row("a helper's text for eval", calls("k§ = «1|2»\ndef h§(): return eval('k§')"), ran="s§"),
    Row(
        "an operator of a captured enum",
        calls("import enum\nclass E§(enum.Enum):\n    A = 1\n    def x(self): return «1|2»", "E§.A.x()"),
        ran="s§",
    ),
    Row(
        "a member of an enum",
        calls("import enum\nclass E§(enum.Enum):\n    A = «1|2»", "E§.A.value"),
        ran="s§",
    ),
    Row(
        "a field's default",
        calls("import dataclasses\n@dataclasses.dataclass\nclass D§:\n    n: int = «1|2»", "D§().n"),
        ran="s§",
    ),
    Row(
        "a field's default factory",
        calls(
            "import dataclasses\n@dataclasses.dataclass\nclass D§:\n    n: list = dataclasses.field(default_factory=lambda: [«1|2»])",
            "D§().n",
        ),
        ran="s§",
    ),
    Row(
        "a named tuple's defaults",
        calls(
            "import collections\nP§ = collections.namedtuple('P§', 'a b', defaults=[«1|2»])", "tuple(P§(0))"
        ),
        ran="s§",
    ),
    Row(
        "a context manager",
        calls(
            "import contextlib\n@contextlib.contextmanager\ndef c§():\n    yield «1|2»\ndef h§():\n    with c§() as n: return n"
        ),
        ran="s§",
    ),
    Row(
        "a default of typing",
        calls("import typing\nclass T§(typing.NamedTuple):\n    a: int = «1|2»", "T§().a"),
        ran="s§",
    ),
]

TEXTS = [
    Row("a docstring that is read", calls("def h§(): '«one|two»'", "h§.__doc__"), ran="s§"),
    Row(
        "a docstring that a helper reads",
        calls("class A§: '«one|two»'\ndef h§(): return A§.__doc__"),
        ran="s§",
    ),
    Row(
        "a docstring of a local module that is read",
        "import lm§\n---\n%%component s§\ny§ = lm§.g()",
        ran="s§",
        files={"lm§.py": "def f(): '«one|two»'\ndef g(): return f.__doc__"},
    ),
    Row(
        "a comment that is read",
        calls("import inspect\ndef h§():\n    return 1  # «one|two»", "inspect.getsource(h§)"),
        ran="s§",
    ),
    Row(
        "a comment of a local module that is read",
        calls("import inspect, lm§\ndef h§(): return inspect.getsource(lm§.f)"),
        ran="s§",
        files={"lm§.py": "def f():\n    return 1  # «one|two»"},
    ),
    Row(
        "a docstring that a library's metaclass reads",
        calls(
            "import pydantic\nclass A§(pydantic.BaseModel):\n    '«one|two»'\n    a: int",
            "A§.model_json_schema()['description']",
        ),
        ran="s§",
    ),
    Row("a docstring that nobody reads", calls("class A§:\n    '«one|two»'\n    x = 1", "A§.x"), reused="s§"),
]

NAMES = [
    Row(f"a name {place}", f"import types\nk§ = «1|2»\n---\n%%component s§\n{code}", ran="s§")
    for place, code in [
        ("in a lambda of the cell", "f = lambda: k§\ny§ = f()"),
        ("in a function of the cell", "def f():\n    def g(): return k§\n    return g()\ny§ = f()"),
        ("in a comprehension", "y§ = [k§ for _ in 'a']"),
        ("in a comprehension's condition", "y§ = [i for i in range(3) if i == k§]"),
        ("in a comprehension's source", "y§ = [i for i in range(k§)]"),
        ("in a generator in a function", "def f():\n    return list(k§ for _ in 'a')\ny§ = f()"),
        ("in a class of the cell", "class A:\n    x = k§\ny§ = A.x"),
        ("in a method of the cell", "class A:\n    def x(self): return k§\ny§ = A().x()"),
        ("in a default of the cell", "def f(n=k§): return n\ny§ = f()"),
        ("in an f-string", "y§ = f'{k§}'"),
        ("in an f-string's format", "y§ = f'{1.2345:.{k§}f}'"),
        ("as a slice", "y§ = 'abc'[k§:]"),
        ("as a keyword", "y§ = dict(a=k§)"),
        ("in a star", "k§ = (k§,)\ny§ = [*k§]"),
        ("in an augmented assignment", "y§ = 1\ny§ += k§"),
        ("that is itself augmented", "k§ += 1\ny§ = k§"),
        ("in a walrus", "y§ = [z := k§, z]"),
        (
            "in a match",
            "c = types.SimpleNamespace(n=k§)\nmatch 1:\n    case c.n: y§ = 'yes'\n    case _: y§ = 'no'",
        ),
        ("in an except clause", "try:\n    1 / 0\nexcept (ZeroDivisionError, *((),) * 0):\n    y§ = k§"),
        ("in a with", "import contextlib\nwith contextlib.nullcontext(k§) as n:\n    y§ = n"),
        ("declared global", "def f():\n    global k§\n    k§ += 1\n    return k§\ny§ = f()"),
        ("deleted after its use", "y§ = k§\ndel k§"),
        ("read only if it is there", "try:\n    y§ = k§\nexcept NameError:\n    y§ = 0"),
        ("bound on one branch only", "if not k§:\n    k§ = 5\ny§ = k§"),
        ("in an annotation", "y§: 'int' = k§"),
        ("awaited", "async def f(): return k§\ny§ = await f()"),
        ("in an assertion", "y§ = 0\ntry:\n    assert k§ == 1\nexcept AssertionError:\n    y§ = 1"),
        ("given to a shell", "y§ = !echo {k§}\ny§ = list(y§)"),
        ("given to a shell by a dollar", "y§ = !echo $k§\ny§ = list(y§)"),
    ]
]
NAMES += [
    Row(
        "an output given to a shell",
        "%%component a§\nk§ = «1|2»\n---\n%%component s§\ny§ = !echo {k§ + 1}\ny§ = list(y§)",
        ran="a§ s§",
    ),
    Row(
        "a name that a helper gives to a shell",
        "k§ = «1|2»\ndef h§():\n    x = !echo {k§}\n    return list(x)\n---\n%%component s§\ny§ = h§()",
        ran="s§",
    ),
    Row("a timed statement", "k§ = «1|2»\n---\n%%component s§\ny§ = %time k§ * 10", ran="s§"),
    Row(
        "a builtin's name",
        "def sorted(x): return x + [«1|2»]\n---\n%%component s§\ny§ = sorted([3])\n---\ndel sorted",
        ran="s§",
    ),
    Row(
        "a builtin's name as a value",
        "input = [«1|2»]\n---\n%%component s§\ny§ = input[0]\n---\ndel input",
        ran="s§",
    ),
    Row(
        "a builtin's name in a helper",
        "def max(x): return «1|2»\ndef h§(): return max([5])\n---\n%%component s§\ny§ = h§()\n---\ndel max",
        ran="s§",
    ),
    Row(
        "a builtin's name as an output",
        "%%component a§\nfilter = [«1|2»]\n---\n%%component s§\ny§ = filter[0]\n---\ndel filter",
        ran="a§ s§",
    ),
    Row(
        "a parameter changed in place",
        "%%parameters\np§ = [1]\n---\np§.append(«1|2»)\n---\n%%component s§\ny§ = list(p§)",
        ran="s§",
    ),
    Row(
        "a parameter changed in place through another name",
        "%%parameters\np§ = [1]\n---\nq§ = p§\nq§.append(«1|2»)\n---\n%%component s§\ny§ = list(p§)",
        ran="s§",
    ),
]

OTHER_CELLS = [
    Row(
        "a helper reads a component's output",
        "%%component a§\nk§ = «1|2»\n---\ndef h§(): return k§\n---\n%%component s§\ny§ = h§()",
        ran="a§ s§",
    ),
    Row(
        "a helper's helper reads a component's output",
        "%%component a§\nk§ = «1|2»\n---\ndef g§(): return k§\ndef h§(): return g§()\n---\n%%component s§\ny§ = h§()",
        ran="a§ s§",
    ),
    Row(
        "a method reads a component's output",
        "%%component a§\nk§ = «1|2»\n---\nclass A§:\n    def x(self): return k§\n---\n%%component s§\ny§ = A§().x()",
        ran="a§ s§",
    ),
    Row(
        "a definition in another component's cell",
        "%%component a§\ndef h§(): return «1|2»\nk§ = 5\n---\n%%component s§\ny§ = h§()",
        ran="a§ s§",
    ),
    Row(
        "a definition in another component's cell, through a helper",
        "%%component a§\ndef g§(): return «1|2»\nk§ = 5\n---\ndef h§(): return g§()\n---\n%%component s§\ny§ = h§()",
        ran="a§ s§",
    ),
    Row(
        "an import in another component's cell",
        "%%component a§\nfrom math import «floor|ceil» as r§\nk§ = 5\n---\n%%component s§\ny§ = r§(1.5)",
        ran="a§ s§",
    ),
    Row(
        "the method of a class whose instance flows between steps",
        "class A§:\n    def __init__(self): self.n = 1\n    def x(self): return «1|2»\n---\n"
        "%%component a§\no§ = A§()\n---\n%%component s§\ny§ = o§.x()",
        ran="a§ s§",
    ),
    Row(
        "the method of a class that a producer's cell defines",
        "%%component a§\nclass A§:\n    def x(self): return «1|2»\no§ = A§()\n---\n%%component s§\ny§ = o§.x()",
        ran="a§ s§",
    ),
    Row(
        "what a method of an instance that flows between steps reads",
        "k§ = «1|2»\nclass A§:\n    def x(self): return k§\n---\n"
        "%%component a§\no§ = A§()\n---\n%%component s§\ny§ = o§.x()",
        ran="a§ s§",
    ),
    Row(
        "a helper that a method of an instance in a list calls",
        "def g§(): return «1|2»\nclass A§:\n    def x(self): return g§()\n---\n"
        "%%component a§\no§ = [A§()]\n---\n%%component s§\ny§ = o§[0].x()",
        ran="a§ s§",
    ),
    Row(
        "a function that flows between steps",
        "%%component a§\nf§ = lambda x: x + «1|2»\n---\n%%component s§\ny§ = f§(1)",
        ran="a§ s§",
    ),
    Row(
        "a closure's variable that flows between steps",
        "def make§(n):\n    def h(): return n\n    return h\n---\n%%component a§\nf§ = make§(«1|2»)\n---\n%%component s§\ny§ = f§()",
        ran="a§ s§",
    ),
    Row(
        "what a function that flows between steps reads",
        "k§ = «1|2»\n---\n%%component a§\nf§ = lambda x: x + k§\n---\n%%component s§\ny§ = f§(1)",
        ran="a§ s§",
    ),
    Row(
        "which module a function that flows between steps reads",
        "import «math|cmath» as m§\n---\n%%component a§\nf§ = [lambda x: m§.sqrt(x)]\n---\n%%component s§\ny§ = f§[0](4)",
        ran="a§ s§",
    ),
    Row(
        "a local module that a method of an instance that flows between steps reads",
        "import lm§\nclass A§:\n    def x(self): return lm§.f()\n---\n"
        "%%component a§\no§ = [A§()]\n---\n%%component s§\ny§ = o§[0].x()",
        ran="a§ s§",
        files={"lm§.py": "from inner§ import f", "inner§.py": "def f(): return «1|2»"},
    ),
    Row(
        "a local module's class in a list that flows between steps",
        "import lm§\n---\n%%component a§\no§ = [lm§.A()]\n---\n%%component s§\ny§ = o§[0].x()",
        ran="a§ s§",
        files={"lm§.py": "class A:\n    def x(self): return «1|2»"},
    ),
    Row(
        "a helper of a base class of an instance that flows between steps",
        "def g§(): return «1|2»\nclass B§:\n    def x(self): return g§()\nclass A§(B§): pass\n---\n"
        "%%component a§\no§ = {'a': A§()}\n---\n%%component s§\ny§ = o§['a'].x()",
        ran="a§ s§",
    ),
    Row(
        "another producer by df=load.df",
        "%%component a§ -> d§\nd§ = 1\n---\n%%component b§ -> d§\nd§ = 2\n---\n"
        "# ours\n%%component s§(d§=«a|b»§.d§) -> y§\ny§ = d§ * 10\n---\n# plain\ny§ = «10|20»",
        ran="s§",
        reused="a§ b§",
        shows="y§",
    ),
    Row(
        "a chain of names",
        "%%component a§\nd§ = [3, 1, 2]\n---\n%%component b§\nd§ = sorted(d§, reverse=«True|False»)\n---\n%%component s§\ny§ = d§[0]",
        ran="b§ s§",
        reused="a§",
    ),
    Row(
        "a change in place above",
        "%%component a§\nd§ = {}\n---\n%%component b§\nd§['k'] = «1|2»\n---\n%%component s§\ny§ = dict(d§)",
        ran="b§ s§",
        reused="a§",
    ),
    Row(
        "a plain cell's change of an output",
        "%%component a§\nd§ = {}\n---\nd§['k'] = «1|2»\n---\n%%component s§\ny§ = dict(d§)",
        ran="s§",
        reused="a§",
    ),
    Row(
        "a plain cell's change of an output through a helper",
        "%%component a§\nd§ = {}\n---\ndef put§(d): d['k'] = «1|2»\nput§(d§)\n---\n%%component s§\ny§ = dict(d§)",
        ran="s§",
        reused="a§",
    ),
    Row(
        "a plain cell's change of an output through another name",
        "%%component a§\nd§ = {}\n---\ne§ = d§\n---\ne§['k'] = «1|2»\n---\n%%component s§\ny§ = dict(d§)",
        ran="s§",
        reused="a§",
    ),
    Row(
        "a table's column changed by a plain cell through another name",
        "import pandas as pd\n---\n%%component a§\nd§ = pd.DataFrame({'a': [1]})\n---\ne§ = d§\n---\ne§['b'] = «1|2»\n---\n"
        "%%component s§\ny§ = d§.to_dict()",
        ran="s§",
        reused="a§",
    ),
    Row(
        "a helper that is given a table",
        "import pandas as pd\ndef h§(d): return d['a'].sum().item() + «1|2»\n---\n%%component a§\n"
        "d§ = pd.DataFrame({'a': [1, 2]})\n---\n%%component s§\ny§ = h§(d§)",
        ran="s§",
        reused="a§",
    ),
    Row(
        "a table that is only looked at in between",
        "import pandas as pd\ndef look(d): return d.describe()\n---\n%%component a§\n"
        "d§ = pd.DataFrame({'a': [1, 2]})\n---\ne§ = d§\nlook(e§); e§.head()\n---\n%%component s§\ny§ = d§['a'].sum().item()",
        reused="a§ s§",
    ),
    Row(
        "a model that is only used in between",
        "from sklearn.tree import DecisionTreeClassifier\n---\n%%component a§\n"
        "m§ = DecisionTreeClassifier(random_state=0).fit([[0], [1]], [0, 1])\n---\np§ = m§.predict([[1]])\n---\n"
        "%%component s§\ny§ = m§.predict([[0]]).tolist()",
        reused="a§ s§",
    ),
    Row(
        "a notebook value changed in place between cells",
        "d§ = [1]\n---\n%%component a§\nu§ = sum(d§)\n---\nd§.append(«1|2»)\n---\n%%component s§\ny§ = sum(d§)",
        ran="s§",
        reused="a§",
    ),
]

MODULES = [
    Row(
        "a local module imported at the top",
        "import lm§\n---\n%%component s§\ny§ = lm§.f()",
        ran="s§",
        files={"lm§.py": "def f(): return «1|2»"},
    ),
    Row(
        "a local module imported in a helper",
        calls("def h§():\n    import lm§\n    return lm§.f()"),
        ran="s§",
        files={"lm§.py": "def f(): return «1|2»"},
    ),
    Row(
        "a local module imported in the cell",
        "%%component s§\nimport lm§\ny§ = lm§.f()",
        ran="s§",
        files={"lm§.py": "def f(): return «1|2»"},
    ),
    Row(
        "a folder of a folder of modules without __init__",
        "%%component s§\nimport ns§.sub.m as q\ny§ = q.X",
        ran="s§",
        files={"ns§/sub/m.py": "X = «1|2»"},
    ),
    Row(
        "another module in a folder of a folder without __init__",
        "%%component s§\nimport ns§.sub.m as q\ny§ = q.X",
        reused="s§",
        files={"ns§/sub/m.py": "X = 1", "ns§/sub/other.py": "X = «1|2»"},
    ),
    Row(
        "a relative import in a package",
        "from pk§.a import f as f§\n---\n%%component s§\ny§ = f§()",
        ran="s§",
        files={
            "pk§/__init__.py": "",
            "pk§/a.py": "from .b import g\ndef f(): return g()",
            "pk§/b.py": "def g(): return «1|2»",
        },
    ),
    Row(
        "a package's __init__",
        "from pk§.a import f as f§\n---\n%%component s§\ny§ = f§()",
        ran="s§",
        files={"pk§/__init__.py": "K = «1|2»", "pk§/a.py": "from . import K\ndef f(): return K"},
    ),
    Row(
        "a local module's alias",
        "import lm§ as q§\n---\n%%component s§\ny§ = q§.f()",
        ran="s§",
        files={"lm§.py": "def f(): return «1|2»"},
    ),
    Row(
        "a star import",
        "from lm§ import *\n---\n%%component s§\ny§ = f§()",
        ran="s§",
        files={"lm§.py": "def f§(): return «1|2»"},
    ),
    Row(
        "a star import in the cell",
        "%%component s§\nfrom lm§ import *\ny§ = f§()",
        ran="s§",
        files={"lm§.py": "def f§(): return «1|2»"},
    ),
    Row(
        "a local module's constant",
        "from lm§ import K as k§\n---\n%%component s§\ny§ = k§",
        ran="s§",
        files={"lm§.py": "K = «1|2»"},
    ),
    Row(
        "a re-export",
        "from lm§ import f as f§\n---\n%%component s§\ny§ = f§()",
        ran="s§",
        files={"lm§.py": "from inner§ import f", "inner§.py": "def f(): return «1|2»"},
    ),
    Row(
        "a class of a local module",
        "from lm§ import A as A§\n---\n%%component s§\ny§ = A§().x()",
        ran="s§",
        files={"lm§.py": "class A:\n    def x(self): return «1|2»"},
    ),
    Row(
        "an instance of a local module's class",
        "import lm§\no§ = lm§.A()\n---\n%%component s§\ny§ = o§.x()",
        ran="s§",
        files={"lm§.py": "class A:\n    def x(self): return «1|2»"},
    ),
    Row(
        "a decorator of a local module",
        "from lm§ import d as d§\n@d§\ndef h§(): return 1\n---\n%%component s§\ny§ = h§()",
        ran="s§",
        files={"lm§.py": "def d(f): return lambda: f() + «1|2»"},
    ),
    Row(
        "a base class in a local module",
        "import lm§\nclass A§(lm§.B): pass\n---\n%%component s§\ny§ = A§().x()",
        ran="s§",
        files={"lm§.py": "class B:\n    def x(self): return «1|2»"},
    ),
    Row(
        "an instance of a local module's class that flows between steps",
        "%%component a§\nimport lm§\no§ = lm§.A()\n---\n%%component s§\ny§ = o§.x()",
        ran="a§ s§",
        files={"lm§.py": "class A:\n    def x(self): return «1|2»"},
    ),
    Row(
        "a module imported by its name",
        "%%component s§\nimport importlib\ny§ = importlib.import_module('lm§').f()",
        ran="s§",
        files={"lm§.py": "def f(): return «1|2»"},
    ),
    Row(
        "a module imported by a name from a variable",
        "n§ = 'lm§'\n---\n%%component s§\nimport importlib\ny§ = importlib.import_module(n§).f()",
        ran="s§",
        files={"lm§.py": "def f(): return «1|2»"},
    ),
    Row(
        "another function of a local module",
        "from lm§ import f as f§\nimport lm§\n---\n%%component a§\nx§ = f§()\n---\n%%component s§\ny§ = lm§.g()",
        ran="s§",
        reused="a§",
        files={"lm§.py": "def f(): return 1\ndef g(): return «1|2»"},
    ),
    Row(
        "what a function of a local module reads there",
        "from lm§ import f as f§\n---\n%%component s§\ny§ = f§()",
        ran="s§",
        files={"lm§.py": "K = «1|2»\ndef g(): return K\ndef f(): return g()"},
    ),
    Row(
        "another function of a package's module",
        "import pk§\n---\n%%component s§\ny§ = pk§.f()",
        reused="s§",
        files={
            "pk§/__init__.py": "from .a import f\nfrom .b import g",
            "pk§/a.py": "from . import b\ndef f(): return b.h()",
            "pk§/b.py": "import logging\nlog = logging.getLogger(__name__)\ndef h(): return 1\ndef g(): return «1|2»",
        },
    ),
    Row(
        "a statement of a local module that changes what a function reads",
        "from lm§ import f as f§\n---\n%%component s§\ny§ = f§()",
        ran="s§",
        files={"lm§.py": "T = []\ndef f(): return list(T)\n«|T.append(1)»"},
    ),
    Row(
        "a function of a local module found by its name",
        "import lm§\n---\n%%component s§\nimport importlib\n"
        "y§ = lm§.f(), getattr(importlib.import_module('l' + 'm§'), 'g')()",
        ran="s§",
        files={"lm§.py": "def f(): return 1\ndef g(): return «1|2»"},
    ),
    Row(
        "a function of a local module in a pickle",
        "import lm§\nopen('g§.pickle', 'wb').write(b'clm§\\ng\\n.')\n---\n%%component s§\n"
        "import pandas as pd\ny§ = lm§.f(), pd.read_pickle('g§.pickle')()",
        ran="s§",
        files={"lm§.py": "def f(): return 1\ndef g(): return «1|2»"},
    ),
    Row(
        "a module that only a name from a variable imports",
        "import lm§\n---\n%%component s§\ny§ = lm§.f()",
        ran="s§",
        files={
            "lm§.py": "def f(): return __import__('i' + 'n§').K\ndef g(): import in§",
            "in§.py": "K = «1|2»",
        },
    ),
    Row(
        "another dataclass of a local module",
        "from lm§ import A as A§\n---\n%%component s§\ny§ = A§().x()",
        reused="s§",
        files={
            "lm§.py": "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass A:\n"
            "    n: int = 1\n    def x(self): return self.n\ndef g(): return «1|2»"
        },
    ),
    *(
        Row(
            f"a file beside a local module, found by {how}",
            "import pk§\n---\n%%component s§\ny§ = pk§.f()",
            ran="s§",
            files={"pk§/__init__.py": f"{imports}\ndef f(): return {code}", "pk§/d.txt": "«1|2»"},
        )
        for how, imports, code in [
            (
                "importlib",
                "import importlib.resources as r",
                "r.files(__name__).joinpath('d.txt').read_text()",
            ),
            ("pkgutil", "import pkgutil", "pkgutil.get_data(__name__, 'd.txt').decode()"),
            ("__file__", "from pathlib import Path", "Path(__file__).with_name('d.txt').read_text()"),
        ]
    ),
    Row(
        "a script run by %run",
        "%%component s§\n%run -n sc§.py\ny§ = locals()['k§']",
        ran="s§",
        files={"sc§.py": "k§ = «1|2»"},
    ),
    Row(
        "a script run as a child",
        "%%component s§\n!python sc§.py > out§.txt\ny§ = open('out§.txt').read()",
        ran="s§",
        files={"sc§.py": "print(«1|2»)"},
    ),
]

VALUES = [
    *(
        Row(f"a value: {name}", reads_value(f"«{before}|{after}»"), ran="s§")
        for name, before, after in [
            ("another number", "1", "2"),
            ("int and float", "1", "1.0"),
            ("int and bool", "1", "True"),
            ("int and text", "1", "'1'"),
            ("text and bytes", "'1'", "b'1'"),
            ("None and text", "None", "'None'"),
            ("the sign of zero", "0.0", "-0.0"),
            ("zero in a list", "[0.0]", "[-0.0]"),
            ("list and tuple", "[1]", "(1,)"),
            ("a comma in a text", "['a,b']", "['a', 'b']"),
            ("nested", "{'a': [1, {'b': (2, 3)}]}", "{'a': [1, {'b': (2, 4)}]}"),
            ("deep", "[[[[[[[[[1]]]]]]]]]", "[[[[[[[[[2]]]]]]]]]"),
            ("the order of a dict", "{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}"),
            ("a key's type", "{1: 0}", "{'1': 0}"),
            ("a set's member", "{'a', 'b'}", "{'a', 'c'}"),
            ("set and frozenset", "{1}", "frozenset({1})"),
            ("a big number", "10**40", "10**40 + 1"),
            ("nan", "float('nan')", "float('inf')"),
            ("an array's element", "np.array([1, 2])", "np.array([1, 3])"),
            ("an array's shape", "np.zeros((2, 3))", "np.zeros((3, 2))"),
            ("an array's dtype", "np.array([1, 2], dtype='i4')", "np.array([1, 2], dtype='i8')"),
            ("an array's byte order", "np.array([1], dtype='<i4')", "np.array([16777216], dtype='>i4')"),
            ("an array of objects", "np.array([1, 'a'], dtype=object)", "np.array([1, 'b'], dtype=object)"),
            ("a number of numpy's", "np.float32(1)", "np.float64(1)"),
            ("a masked array", "np.ma.array([1, 2], mask=[0, 1])", "np.ma.array([1, 2], mask=[1, 0])"),
            ("a record array", "np.array([(1, 2.0)], dtype='i4,f8')", "np.array([(1, 3.0)], dtype='i4,f8')"),
            ("a table's value", "pd.DataFrame({'a': [1, 2]})", "pd.DataFrame({'a': [1, 3]})"),
            ("a table's name", "pd.DataFrame({'a': [1]})", "pd.DataFrame({'b': [1]})"),
            ("a table's dtype", "pd.DataFrame({'a': [1]}).dtypes", "pd.DataFrame({'a': [1.0]}).dtypes"),
            (
                "a column's dtype",
                "pd.DataFrame({'a': [1]}, dtype='i4')",
                "pd.DataFrame({'a': [1]}, dtype='f8')",
            ),
            ("a table's index", "pd.DataFrame({'a': [1]}, index=[0])", "pd.DataFrame({'a': [1]}, index=[1])"),
            (
                "a table's index name",
                "pd.Series([1], pd.Index([0], name='i'))",
                "pd.Series([1], pd.Index([0], name='j'))",
            ),
            (
                "a table's order of columns",
                "pd.DataFrame({'a': [1], 'b': [2]})",
                "pd.DataFrame({'b': [2], 'a': [1]})",
            ),
            (
                "a category",
                "pd.Series(['a'], dtype='category')",
                "pd.Series(['a'], dtype=pd.CategoricalDtype(['a', 'b']))",
            ),
            ("missing or not", "pd.Series([1, None], dtype='Int64')", "pd.Series([1, 0], dtype='Int64')"),
            ("a time stamp", "pd.Timestamp('2024-01-01')", "pd.Timestamp('2024-01-02')"),
            (
                "a time zone",
                "pd.Timestamp('2024-01-01', tz='UTC')",
                "pd.Timestamp('2024-01-01', tz='Europe/Paris')",
            ),
            ("a date", "datetime.date(2024, 1, 1)", "datetime.datetime(2024, 1, 1)"),
            ("a duration", "datetime.timedelta(1)", "datetime.timedelta(2)"),
            ("a pattern", "re.compile('a')", "re.compile('b')"),
            ("a pattern's flags", "re.compile('a')", "re.compile('a', re.I)"),
            ("a slice", "slice(1)", "slice(2)"),
            ("a range", "range(3)", "range(4)"),
            ("a type", "int", "float"),
        ]
    ),
    Row(
        "a member of an enum as a value",
        _ENUM.format("1") + "v§ = Color§.«RED|BLUE»\n---\n%%component s§\ny§ = v§.name",
        ran="s§",
    ),
    Row(
        "the value of an enum's member",
        _ENUM.format("«1|2»") + "v§ = Color§.RED\n---\n%%component s§\ny§ = v§.value",
        ran="s§",
    ),
    Row(
        "a dataclass",
        "import dataclasses\n@dataclasses.dataclass\nclass D§:\n    n: int\nv§ = D§(«1|2»)\n---\n%%component s§\ny§ = v§.n",
        ran="s§",
    ),
    Row(
        "a plain object",
        "class A§: pass\nv§ = A§()\nv§.n = [«1|2»]\n---\n%%component s§\ny§ = v§.n",
        ran="s§",
    ),
    Row(
        "a slotted object",
        "class A§:\n    __slots__ = ('n',)\nv§ = A§()\nv§.n = «1|2»\n---\n%%component s§\ny§ = v§.n",
        ran="s§",
    ),
    Row(
        "the method of a captured object's class",
        "class A§:\n    def x(self): return «1|2»\nv§ = A§()\n---\n%%component s§\ny§ = v§.x()",
        ran="s§",
    ),
    Row(
        "the class of a list's members",
        "class A§:\n    def x(self): return «1|2»\nv§ = [A§()]\n---\n%%component s§\ny§ = v§[0].x()",
        ran="s§",
    ),
    Row(
        "a fitted model",
        "from sklearn.linear_model import LinearRegression\nimport numpy as np\n"
        "v§ = LinearRegression().fit(np.array([[1.0], [2.0]]), [«1.0|3.0», 2.0])\n---\n%%component s§\ny§ = v§.coef_.round(6).tolist()",
        ran="s§",
    ),
    Row(
        "a fitted model that flows between steps",
        "from sklearn.tree import DecisionTreeClassifier\n---\n%%component a§\n"
        "m§ = DecisionTreeClassifier(random_state=0).fit([[0], [1]], [«0|1», 1])\n---\n%%component s§\ny§ = m§.predict([[0]]).tolist()",
        ran="a§ s§",
    ),
]

_PATCHED = "K = 0\nT = {'a': 0}\nL = []\nclass C:\n    k = 0\ndef f(): return (K, T['a'], L, C.k)\ndef g(): return f()"

PATCHES = [
    *(
        Row(
            f"{what} of a local module that a cell sets",
            f"import lm§\n{change}\n---\n%%component s§\ny§ = lm§.g()",
            ran="s§",
            files={"lm§.py": _PATCHED},
        )
        for what, change in [
            ("a constant", "lm§.K = «1|2»"),
            ("a constant by its name", "setattr(lm§, 'K', «1|2»)"),
            ("an item", "lm§.T['a'] = «1|2»"),
            ("a list", "lm§.L.append(«1|2»)"),
            ("a class's attribute", "lm§.C.k = «1|2»"),
            ("a class's attribute, the class imported", "from lm§ import C as C§\nC§.k = «1|2»"),
            ("a function", "lm§.f = lambda: «1|2»"),
            ("a function by a helper", "def h§(): return «1|2»\nlm§.f = h§"),
        ]
    ),
    Row(
        "a constant of a local module that another one reads",
        "import lm§, ln§\nlm§.K = «1|2»\n---\n%%component s§\ny§ = ln§.f()",
        ran="s§",
        files={"lm§.py": "K = 0", "ln§.py": "import lm§\ndef f(): return lm§.K"},
    ),
    Row(
        "a function of a library that a cell replaces",
        "import statistics\no§ = statistics.mean\nstatistics.mean = lambda v: «1|2»\n---\n%%component s§\nimport statistics\ny§ = statistics.mean([5])\n---\nstatistics.mean = o§",
        ran="s§",
    ),
    Row(
        "a method that a cell gives to a library's class",
        "import pandas as pd\npd.DataFrame.top§ = lambda self: «1|2»\n---\n%%component s§\ny§ = pd.DataFrame().top§()\n---\ndel pd.DataFrame.top§",
        ran="s§",
    ),
    Row(
        "a function of a local module that another one replaces",
        "import lm§, ln§\n---\n%%component s§\ny§ = lm§.f()",
        ran="s§",
        files={"lm§.py": "def f(): return 0", "ln§.py": "import lm§\ndef f(): return «1|2»\nlm§.f = f"},
    ),
    Row(
        "a method that a local module gives to a library's class",
        "import pandas as pd, ln§\n---\n%%component s§\ny§ = pd.DataFrame().tot§()\n---\ndel pd.DataFrame.tot§",
        ran="s§",
        files={"ln§.py": "import pandas as pd\npd.DataFrame.tot§ = lambda self: «1|2»"},
    ),
    Row(
        "a function of a library that one of a local module replaces",
        "import statistics, ln§\nf§ = statistics.mode\nln§.setup(«1|2»)\n---\n"
        "%%component s§\ny§ = statistics.mode([5])\n---\nstatistics.mode = f§",
        ran="s§",
        files={"ln§.py": "import statistics\ndef setup(k):\n    statistics.mode = lambda x: k"},
    ),
    Row(
        "an attribute that a local module gives to its own class",
        "import lm§\n---\n%%component s§\ny§ = lm§.C.k",
        ran="s§",
        files={"lm§.py": "class C: pass\nC.k = «1|2»"},
    ),
    *(
        Row(
            f"a helper of what a cell puts into {what}",
            f"import pandas as pd, lm§\n{made}\n---\n%%component s§\ny§ = {shown}\n---\n{after}",
            ran="s§",
            files={"lm§.py": "def f(): return 0"},
        )
        for what, made, shown, after in [
            ("a local module", "def g§(): return «1|2»\ndef h§(): return g§()\nlm§.f = h§", "lm§.f()", ""),
            ("a local module, a value", "g§ = «1|2»\nlm§.f = lambda: g§", "lm§.f()", ""),
            (
                "a library",
                "def g§(): return «1|2»\npd.Series.get§ = lambda self: g§()",
                "pd.Series([1]).get§()",
                "del pd.Series.get§",
            ),
            (
                "an option",
                "def g§(x): return '«1|2»'\npd.set_option('display.float_format', lambda x: g§(x))",
                "repr(pd.Series([1.5]))",
                "pd.reset_option('display.float_format')",
            ),
        ]
    ),
    Row(
        "what a cell sets in a module that is not reached",
        "import lm§\nlm§.K = «1|2»\n---\n%%component s§\ny§ = 1",
        reused="s§",
        files={"lm§.py": "K = 0"},
    ),
    Row(
        "what a cell sets and puts back",
        "import lm§\no§ = lm§.f\n«1|lm§.f = 2\nlm§.f = o§»\n---\n%%component s§\ny§ = lm§.f()",
        reused="s§",
        files={"lm§.py": "def f(): return 1"},
    ),
]

SEEN_OF_CLASSES = [
    Row(
        "a class that only its base knows",
        "class B§: pass\ndef all§(): return [c.v for c in B§.__subclasses__()]\n---\n"
        "class K§(B§):\n    v = «1|2»\n---\n%%component s§\ny§ = all§()",
        ran="s§",
    ),
    Row(
        "a class that only its base knows, in a local module",
        "import lm§\nclass K§(lm§.B):\n    v = «1|2»\n---\n%%component s§\ny§ = lm§.all()",
        ran="s§",
        files={"lm§.py": "class B: pass\ndef all(): return [c.v for c in B.__subclasses__()]"},
    ),
    Row(
        "a class that an abstract one is told of",
        "import abc\nclass P§(abc.ABC): pass\nclass A§: pass\n«P§.register(A§)|»\n---\n"
        "%%component s§\ny§ = isinstance(A§(), P§)",
        ran="s§",
    ),
    Row(
        "another class made from a base",
        "class B§: pass\nclass K§(B§): pass\n«|class L§(B§): pass»\n---\n"
        "%%component s§\ny§ = len(B§.__subclasses__())",
        ran="s§",
    ),
    Row(
        "the order of a class's attributes, which is seen",
        "class C§:\n    «a = 1\n    b = 2|b = 2\n    a = 1»\n---\n%%component s§\n"
        "y§ = [name for name in vars(C§) if len(name) == 1]",
        ran="s§",
    ),
    Row(
        "the order of a class's attributes, which is not seen",
        "class C§:\n    «a = 1\n    b = 2|b = 2\n    a = 1»\n---\n%%component s§\ny§ = C§.a",
        reused="s§",
    ),
]

_KEEPS = """
_T = 0
_L = []
class C:
    k = 0
class Settings:
    def __init__(self): self.values = {}
    def load(self, values): self.values.update(values)
settings = Settings()
def use(t):
    global _T
    _T = t
def add(x): _L.append(x)
def of_class(k): C.k = k
def g(): return _T, _L, C.k, settings.values
"""
_TOLD = [
    ("a global", "lm§.use(«1|2»)"),
    ("a list", "lm§.add(«1|2»)"),
    ("a class", "lm§.of_class(«1|2»)"),
    ("an object", "lm§.settings.load({'a': «1|2»})"),
]
_KEEPERS = """
import abc, array, collections, contextvars, functools, itertools, random, threading, types
import numpy as np, pandas as pd
class Slots: __slots__ = ("x",)
class Nested:
    def __init__(self): self.inner = Slots()
T = {
    "nested": {"k": {}}, "deque": collections.deque(), "counter": collections.Counter(),
    "default": collections.defaultdict(list), "array": array.array("i", [0]), "numpy": np.zeros(2),
    "random": random.Random(0), "numbers": itertools.count(), "iterator": iter(range(9)), "bytes": bytearray(2),
}
nested, deque, counter, default, array_, numpy_, random_, numbers, iterator, bytes_ = T.values()
table = Table = pd.DataFrame({"a": [0]})
large = np.zeros(200_000)
def fill(x): large[7] = x
space, slots, objects, nest = types.SimpleNamespace(x=0), Slots(), [Nested()], Nested()
local, context = threading.local(), contextvars.ContextVar("c", default=0)
squares = (i * i for i in range(99))
def make():
    seen, n = [], 0
    def tick():
        nonlocal n
        n += 1
        return n
    return seen.append, lambda: list(seen), tick
put, got, tick = make()
def told(x=None, seen=[]):
    if x: seen.append(x)
    return list(seen)
class Base(abc.ABC): pass
class Chosen:
    @functools.singledispatchmethod
    def f(self, x): return 0
"""
_FILLED = "from lm§ import D as D§\nD§['a'] = «1|2»"
_MADE_ONCE = """
import sqlite3
_cache, _base = {}, None
def square(x):
    if x not in _cache: _cache[x] = x * x
    return _cache[x]
def base():
    global _base
    if _base is None: _base = sqlite3.connect(':memory:')
    return _base
"""

KEPT = [
    *(
        Row(
            f"what {what} of a local module is told",
            f"import lm§\n{call}\n---\n%%component s§\ny§ = lm§.g()",
            ran="s§",
            files={"lm§.py": _KEEPS},
        )
        for what, call in _TOLD
    ),
    *(
        Row(
            f"what {what} of a local module is told by a step",
            f"import lm§\n---\n%%component p§\n{call}\nw§ = 1\n---\n%%component s§\ny§ = lm§.g()",
            ran="p§ s§",
            files={"lm§.py": _KEEPS},
        )
        for what, call in _TOLD
    ),
    *(
        Row(
            f"a constant of a local module that {who} sets",
            f"import lm§, ln§\n{change}\n---\n%%component s§\ny§ = lm§.f()",
            ran="s§",
            files={"lm§.py": "K = 0\ndef f(): return K", "ln§.py": "import lm§\ndef use(v): lm§.K = v"},
        )
        for who, change in [
            ("another one", "ln§.use(«1|2»)"),
            ("a loop", "for n§, v§ in {'K': «1|2»}.items(): setattr(lm§, n§, v§)"),
            ("a helper", "def use§(v): lm§.K = v\nuse§(«1|2»)"),
        ]
    ),
    *(
        Row(
            f"what {what} of a local module holds",
            f"import lm§, ln§\n{call}\n---\n%%component s§\ny§ = {shown}",
            ran="s§",
            files={"lm§.py": _KEEPERS, "ln§.py": "def use(owner, name, x): setattr(owner, name, x)"},
        )
        for what, call, shown in [
            ("a dict in a dict", "lm§.nested['k']['x'] = «1|2»", "lm§.nested"),
            ("a deque", "lm§.deque.append(«1|2»)", "list(lm§.deque)"),
            ("a counter", "lm§.counter['«a|b»'] += 1", "dict(lm§.counter)"),
            ("a dict with defaults", "lm§.default['k'].append(«1|2»)", "dict(lm§.default)"),
            ("an array of Python's own", "lm§.array_[0] = «1|2»", "list(lm§.array_)"),
            ("an array", "lm§.numpy_[0] = «1|2»", "lm§.numpy_.tolist()"),
            ("a large array", "lm§.fill(«1|2»)", "float(lm§.large[7])"),
            ("a table", "lm§.table.loc[0, 'a'] = «1|2»", "lm§.table.a.tolist()"),
            ("a table that is named as a class is", "lm§.Table.loc[0, 'a'] = «1|2»", "lm§.Table.a.tolist()"),
            ("a generator of random numbers", "lm§.random_.seed(«1|2»)", "lm§.random_.random()"),
            ("a counting iterator", "for _ in range(«1|2»): next(lm§.numbers)", "next(lm§.numbers)"),
            ("an iterator", "for _ in range(«1|2»): next(lm§.iterator)", "next(lm§.iterator)"),
            ("a generator", "for _ in range(«1|2»): next(lm§.squares)", "next(lm§.squares)"),
            ("a bytearray", "lm§.bytes_[0] = «1|2»", "bytes(lm§.bytes_)"),
            ("a namespace", "ln§.use(lm§.space, 'x', «1|2»)", "lm§.space.x"),
            ("an object with slots", "ln§.use(lm§.slots, 'x', «1|2»)", "lm§.slots.x"),
            ("an object in an object", "ln§.use(lm§.nest.inner, 'x', «1|2»)", "lm§.nest.inner.x"),
            ("an object in a list", "ln§.use(lm§.objects[0], 'x', «1|2»)", "lm§.objects[0].x"),
            ("a variable of a thread", "ln§.use(lm§.local, 'x', «1|2»)", "lm§.local.x"),
            ("a variable of a context", "lm§.context.set(«1|2»)", "lm§.context.get()"),
            ("a closure", "lm§.put(«1|2»)", "lm§.got()"),
            ("a closure's number", "for _ in range(«1|2»): lm§.tick()", "lm§.tick()"),
            ("a function's default", "lm§.told(«1|2»)", "lm§.told()"),
            ("a function's attribute", "ln§.use(lm§.told, 'x', «1|2»)", "lm§.told.x"),
            (
                "a method that chooses",
                "@lm§.Chosen.f.register(int)\ndef _(self, x): return «1|2»",
                "lm§.Chosen().f(5)",
            ),
            (
                "an abstract class",
                "class A§: pass\n«lm§.Base.register(A§)|»",
                "isinstance(A§(), lm§.Base)",
            ),
        ]
    ),
    Row(
        "what a local module is told is not reached",
        "import lm§\nlm§.use(«1|2»)\n---\n%%component s§\ny§ = lm§.total()",
        reused="s§",
        files={"lm§.py": _KEEPS + "def total(): return sum(_L)"},
    ),
    Row(
        "what a local module is told and told back",
        "import lm§\nlm§.use(«1|2»)\nlm§.use(0)\n---\n%%component s§\ny§ = lm§.g()",
        reused="s§",
        files={"lm§.py": _KEEPS},
    ),
    Row(
        "what another cell fills in a local module",
        f"{_FILLED}\n---\n%%component s§\nfrom ln§ import f\ny§ = f()",
        ran="s§",
        files={"lm§.py": "D = {}", "ln§.py": "from lm§ import D\ndef f(): return D['a']"},
    ),
    Row(
        "what a cell registers with a local module",
        "import lm§\n@lm§.register\ndef t§(): return «1|2»\n---\n%%component s§\ny§ = lm§.run()",
        ran="s§",
        files={
            "lm§.py": "_R = {}\ndef register(f):\n    _R[f.__name__] = f\n    return f\n"
            "def run(): return [f() for f in _R.values()]"
        },
    ),
    Row(
        "an accessor that a cell registers with a local module",
        "import lm§\n@lm§.register('own')\nclass A§:\n    def __init__(self, owner): self.n = «1|2»\n---\n%%component s§\ny§ = lm§.Owner().own.n",
        ran="s§",
        files={
            "lm§.py": "class Owner: pass\nclass Accessor:\n    def __init__(self, made): self.made = made\n"
            "    def __get__(self, owner, kind): return self.made(owner)\n"
            "def register(name):\n    def add(made):\n        setattr(Owner, name, Accessor(made))\n        return made\n    return add"
        },
    ),
    Row(
        "what a cell registers with a local function",
        "import lm§\n@lm§.h.register\ndef _h§(x: int): return «1|2»\n---\n%%component s§\ny§ = lm§.h(5)",
        ran="s§",
        files={"lm§.py": "import functools\n@functools.singledispatch\ndef h(x): return 0"},
    ),
    Row(
        "what a local module makes when it is first asked for",
        "import lm§\n_ = lm§.square(«2|3»), lm§.base()\n---\n%%component s§\n"
        "y§ = lm§.square(4), lm§.base().execute('select 1').fetchall()",
        reused="s§",
        files={"lm§.py": _MADE_ONCE},
    ),
]


def package(name: str, version: str, requires: str = "") -> dict[str, str]:
    """Return the files of an installed package whose version tells, and nothing else of it."""
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"
    return {
        f"lib§/site-packages/{name}/__init__.py": "def f(): return 1",
        f"lib§/site-packages/{name}.dist-info/METADATA": about,
        f"lib§/site-packages/{name}.dist-info/RECORD": f"{name}/__init__.py,,\n",
    }


_SITE = "import sys\nsys.path.insert(0, 'lib§/site-packages')\n---\n"
PACKAGES = [
    Row(
        "a package's version",
        _SITE + "%%component s§\nimport dist§\ny§ = dist§.f()",
        ran="s§",
        files=package("dist§", "«1|2».0"),
    ),
    Row(
        "a package's version, through a helper",
        _SITE
        + "import dist§ as d§\ndef g§(): return d§.f()\ndef h§(): return g§()\n---\n%%component s§\ny§ = h§()",
        ran="s§",
        files=package("dist§", "«1|2».0"),
    ),
    Row(
        "the version of what a package requires",
        _SITE + "%%component s§\nimport dist§\ny§ = dist§.f()",
        ran="s§",
        files=package("dist§", "1.0", "Requires-Dist: base§\n") | package("base§", "«1|2».0"),
    ),
    Row(
        "the version of a package that is not reached",
        _SITE + "import dist§, other§\n---\n%%component s§\ny§ = dist§.f()",
        reused="s§",
        files=package("dist§", "1.0") | package("other§", "«1|2».0"),
    ),
]
PARAMETERS = [
    Row("a parameter", "%%parameters\np§ = «1|2»\n---\n%%component s§\ny§ = p§", ran="s§"),
    Row("a parameter's type", "%%parameters\np§ = «1|1.0»\n---\n%%component s§\ny§ = p§", ran="s§"),
    Row(
        "a parameter with an annotation",
        "%%parameters\np§: float = «1.5|2.5»\n---\n%%component s§\ny§ = p§",
        ran="s§",
    ),
    Row(
        "a parameter that a helper reads",
        "%%parameters\np§ = «1|2»\n---\ndef h§(): return p§\n---\n%%component s§\ny§ = h§()",
        ran="s§",
    ),
    Row(
        "a signature's default",
        "# plain\np§ = «1|2»\n---\n%%component s§(p§=«1|2») -> y§\ny§ = p§ * 10",
        ran="s§",
    ),
    Row(
        "a signature's default by a notebook value",
        "k§ = «1|2»\n---\n# plain\np§ = k§\n---\n%%component s§(p§=k§) -> y§\ny§ = p§ * 10",
        ran="s§",
    ),
    Row(
        "a parameter given for a run",
        "# ours\nimport jupyter_mlpipe as mlpipe\n---\n%%parameters\np§ = 1\n---\n# ours\n%%component s§ --no-run\ny§ = p§\n---\n"
        "# ours\nrun§ = mlpipe.current().run(targets=['s§'], params={'p§': «5|6»}).wait()\n"
        "print('status s§', run§.steps['s§'].status)\ny§ = run§['y§']\n---\n# plain\ny§ = «5|6»",
        ran="s§",
    ),
    Row(
        "a parameter bound anew by a plain cell",
        "%%parameters\np§ = 1\n---\np§ = «5|6»\n---\n%%component s§\ny§ = p§",
        ran="s§",
    ),
]

FILES = [
    Row(
        "a file read by open",
        "%%component s§\ny§ = open('in§.txt').read()",
        ran="s§",
        files={"in§.txt": "«1|2»"},
    ),
    Row(
        "a file read by a helper",
        calls("def h§(): return open('in§.txt').read()"),
        ran="s§",
        files={"in§.txt": "«1|2»"},
    ),
    Row(
        "a file read by pathlib",
        "%%component s§\nfrom pathlib import Path\ny§ = Path('in§.txt').read_text()",
        ran="s§",
        files={"in§.txt": "«1|2»"},
    ),
    Row(
        "a table read by pandas",
        "import pandas as pd\n---\n%%component s§\ny§ = pd.read_csv('in§.csv').to_dict()",
        ran="s§",
        files={"in§.csv": "a\n«1|2»\n"},
    ),
    Row(
        "a file that a module reads",
        "%%component s§\nimport lm§\ny§ = lm§.f()",
        ran="s§",
        files={"lm§.py": "def f(): return open('in§.txt').read()", "in§.txt": "«1|2»"},
    ),
    Row(
        "a table read by pyarrow",
        "%%component s§\nimport pyarrow.csv as ac\ny§ = ac.read_csv('in§.csv').to_pydict()",
        ran="s§",
        files={"in§.csv": "a\n«1|2»\n"},
    ),
    Row(
        "a table read by pyarrow, its path a value",
        "p§ = 'in§.csv'\n---\n%%component s§\nimport pyarrow.csv as ac\ny§ = ac.read_csv(p§).to_pydict()",
        ran="s§",
        files={"in§.csv": "a\n«1|2»\n"},
    ),
    Row(
        "a table read by pyarrow, its path a parameter",
        "%%parameters\np§ = 'in§.csv'\n---\n%%component s§\nimport pyarrow.csv as ac\ny§ = ac.read_csv(p§).to_pydict()",
        ran="s§",
        files={"in§.csv": "a\n«1|2»\n"},
    ),
    Row(
        "a table read by pyarrow, its path in a helper",
        "F§ = {'d': ['in§.csv']}\ndef h§():\n    import pyarrow.csv as ac\n    return ac.read_csv(F§['d'][0]).to_pydict()\n---\n%%component s§\ny§ = h§()",
        ran="s§",
        files={"in§.csv": "a\n«1|2»\n"},
    ),
    Row(
        "a table read by pyarrow, its path put together",
        "from pathlib import Path\nD§ = Path('dir§')\n---\n%%component s§\nimport pyarrow.csv as ac\ny§ = ac.read_csv(D§ / 'in§.csv').to_pydict()",
        ran="s§",
        files={"dir§/in§.csv": "a\n«1|2»\n"},
    ),
    Row(
        "a folder of tables read by pyarrow",
        "%%component s§\nimport pyarrow.dataset as ds\ny§ = ds.dataset('dir§', format='csv').to_table().to_pydict()",
        ran="s§",
        files={"dir§/in.csv": "a\n«1|2»\n"},
    ),
    Row(
        "a file's list",
        "%%component s§\nimport os\ny§ = sorted(os.listdir('dir§'))",
        ran="s§",
        files={"dir§/«a|b».txt": "x"},
    ),
    Row(
        "files found by glob",
        "%%component s§\nfrom pathlib import Path\ny§ = sorted(p.read_text() for p in Path('dir§').glob('*.txt'))",
        ran="s§",
        files={"dir§/«a|b».txt": "«1|2»"},
    ),
    Row(
        "a file read by a child",
        "%%component s§\ny§ = !cat in§.txt\ny§ = list(y§)",
        ran="s§",
        files={"in§.txt": "«1|2»\n"},
    ),
    Row(
        "a file that was missing",
        "%%component s§\nimport os\ny§ = os.path.exists('in§.txt')",
        ran="s§",
        files={"«other|in»§.txt": "x"},
    ),
    Row("a file touched", "%%component s§\ny§ = open('in§.txt').read()", reused="s§", files={"in§.txt": "1"}),
    Row(
        "a file that it wrote before reading",
        "%%component s§\nopen('out§.txt', 'w').write('1')\ny§ = open('out§.txt').read()",
        reused="s§",
    ),
    Row(
        "an environment variable",
        "%%component s§\nimport os\ny§ = os.environ['V§']",
        ran="s§",
        environment={"V§": "«1|2»"},
    ),
    Row(
        "an environment variable by getenv",
        "import os\n---\n%%component s§\ny§ = os.getenv('V§')",
        ran="s§",
        environment={"V§": "«1|2»"},
    ),
    Row(
        "an environment variable in a path that is put together",
        "%%component s§\nimport os\ny§ = os.path.expandvars('$V' + '§')",
        ran="s§",
        environment={"V§": "«1|2»"},
    ),
    Row(
        "an environment variable in paths of a helper",
        "from os.path import expandvars as x§\ndef h§(): return list(map(x§, ['$V' + '§']))\n---\n%%component s§\ny§ = h§()",
        ran="s§",
        environment={"V§": "«1|2»"},
    ),
    Row(
        "an environment variable by getenv under another name",
        "from os import getenv as g§\ndef h§(): return g§('V§')\n---\n%%component s§\ny§ = h§()",
        ran="s§",
        environment={"V§": "«1|2»"},
    ),
    Row(
        "an environment variable in a helper",
        "from os import environ as E§\ndef h§(): return E§.get('V§')\n---\n%%component s§\ny§ = h§()",
        ran="s§",
        environment={"V§": "«1|2»"},
    ),
    Row(
        "an environment variable in a local module",
        "%%component s§\nfrom lm§ import f\ny§ = f()",
        ran="s§",
        files={"lm§.py": "import os\ndef f(): return os.environ['V§']"},
        environment={"V§": "«1|2»"},
    ),
    Row(
        "an environment variable for a child, set by a cell",
        "import os\nos.environ['V§'] = '«1|2»'\n---\n%%component s§\nimport subprocess\n"
        "y§ = subprocess.run(['sh', 'echo§.sh'], capture_output=True, text=True).stdout\n---\ndel os.environ['V§']",
        ran="s§",
        files={"echo§.sh": "echo $V§"},
    ),
    Row(
        "an environment variable for a child",
        "%%component s§\ny§ = !echo $V§\ny§ = list(y§)",
        ran="s§",
        environment={"V§": "«1|2»"},
    ),
]

_FOLDER = "import os\nfrom pathlib import Path\nPath('d§').mkdir(exist_ok=True)\n"
_LINK = (
    "for n in '12': Path('d§', n).write_text('same')\n"
    "if os.path.lexists('d§/l'): os.remove('d§/l')\nos.symlink('«1|2»', 'd§/l')"
)


def asks(name: str, before: str, code: str, *, ran: str = "s§", reused: str = "") -> Row:
    """Return a row whose step asks the file system by names that its code does not show."""
    cells = f"{_FOLDER}{before}\n---\n%%component s§\nimport os, shutil\nfrom pathlib import Path\n{code}"
    return Row(name, cells, ran=ran, reused=reused)


ASKED = [
    asks("where a link leads", _LINK, "y§ = os.readlink('d§/' + chr(108))"),
    asks("where a path leads", _LINK, "y§ = os.path.basename(os.path.realpath('d§/' + chr(108)))"),
    asks(
        "where a path leads that is read",
        _LINK,
        "p = Path('d§', chr(108))\ny§ = p.resolve().name + p.read_text()",
    ),
    asks("whether two paths are one", _LINK, "y§ = Path('d§', chr(108)).samefile('d§/1')"),
    asks(
        "what a link leads to is there",
        "if os.path.lexists('d§/l'): os.remove('d§/l')\nos.symlink('t', 'd§/l')\nif «0|1»: Path('d§/t').touch()",
        "y§ = Path('d§', chr(108)).exists()",
    ),
    asks(
        "who may run a file",
        "Path('d§/a').touch()\nos.chmod('d§/a', 0o«644|755»)",
        "y§ = os.access('d§/' + chr(97), os.X_OK), shutil.which(chr(97), path='d§')",
    ),
    asks(
        "who may read a file that is touched",
        "Path('d§/a').touch()",
        "y§ = os.access('d§/' + chr(97), os.R_OK)",
        ran="",
        reused="s§",
    ),
    asks(
        "a folder listed once it is open",
        "if «0|1»: Path('d§/b').touch()",
        "f = os.open('d§', os.O_RDONLY)\ny§ = sorted(os.listdir(f)), [e.name for e in os.scandir(f)]\nos.close(f)",
    ),
    asks(
        "sizes of a folder's entries",
        "Path('d§/a').write_text('«1|22»')",
        "y§ = [e.stat().st_size for e in os.scandir(chr(100) + '§')]",
    ),
    asks(
        "very many sizes",
        "for i in range(1200): Path(f'd§/{i}').write_text('«1|22»' if i == 7 else '1')",
        "y§ = sum(os.path.getsize(f'{chr(100)}§/{i}') for i in range(1200))",
    ),
    asks(
        "a file asked for from another folder",
        "Path('d§/e').mkdir(exist_ok=True)\nif «0|1»: Path('d§/e/x').touch()",
        "f = os.getcwd()\nos.chdir(chr(100) + '§/e')\ny§ = os.path.exists(chr(120))\nos.chdir(f)\ndel f",
    ),
    Row(
        "modules that a package lists",
        "import lp§\n---\n%%component s§\ny§ = lp§.names()",
        ran="s§",
        files={
            "lp§/__init__.py": "import pkgutil\ndef names(): return [m.name for m in pkgutil.iter_modules(__path__)]",
            "lp§/a.py": "",
            "lp§/«.b|b.py»": "",
        },
    ),
    Row(
        "resources that a folder of a package has",
        "%%component s§\nfrom importlib.resources import files\ny§ = sorted(p.name for p in files('lp' + '§').iterdir())",
        ran="s§",
        files={"lp§/a.txt": "", "lp§/«.b|b.txt»": ""},
    ),
]

OPTIONS = [
    Row(
        f"an option of {name}",
        f"{setup.format('«1|2»')}\n---\n%%component s§\ny§ = {code}\n---\n{reset}",
        ran="s§",
    )
    for name, setup, code, reset in [
        (
            "pandas",
            "import pandas as pd\npd.set_option('display.max_rows', {})",
            "repr(pd.Series([1, 2, 3, 4]))",
            "pd.reset_option('display.max_rows')",
        ),
        (
            "pandas that is a function",
            "import pandas as pd\npd.set_option('display.float_format', lambda x: f'{{x:.{}f}}')",
            "repr(pd.Series([1.23456]))",
            "pd.reset_option('display.float_format')",
        ),
        (
            "numpy",
            "import numpy as np\nnp.set_printoptions(precision={})",
            "repr(np.array([1.23456]))",
            "np.set_printoptions(precision=8)",
        ),
        (
            "decimal",
            "import decimal\ndecimal.getcontext().prec = {}",
            "str(decimal.Decimal(1) / 3)",
            "decimal.getcontext().prec = 28",
        ),
        (
            "matplotlib",
            "import matplotlib.pyplot as plt\nplt.rcParams['lines.linewidth'] = {}",
            "plt.Line2D([0], [0]).get_linewidth()",
            "plt.rcdefaults()",
        ),
    ]
]
OPTIONS += [
    Row(
        "an option of a library whose object is given",
        "import pandas as pd\n---\n%%component a§\nd§ = pd.Series([1, 2, 3, 4])\n---\npd.set_option('display.max_rows', «1|2»)\n"
        "---\n%%component s§\ny§ = repr(d§)\n---\npd.reset_option('display.max_rows')",
        ran="s§",
        reused="a§",
    ),
    Row(
        "an option of a library that is not reached",
        "import matplotlib.pyplot as plt\nplt.rcParams['lines.linewidth'] = «3|4»\n---\n%%component s§\ny§ = 1\n---\nplt.rcdefaults()",
        reused="s§",
    ),
    *(
        Row(
            f"{what} that is used in parallel",
            f"{before}\n---\n%%component s§\n{code}\n---\n{after}",
            ran="s§",
        )
        for what, before, code, after in [
            (
                "how processes are started",
                "import multiprocessing\nmultiprocessing.set_start_method('«spawn|forkserver»', force=True)",
                "import multiprocessing\ny§ = multiprocessing.get_start_method()",
                "multiprocessing.set_start_method(None, force=True)",
            ),
            (
                "a configuration of joblib",
                "import joblib\nc§ = joblib.parallel_config('threading', n_jobs=«2|3»)",
                "from joblib import Parallel\np = Parallel()\ny§ = p.n_jobs, type(p._backend).__name__\ndel p",
                "c§.unregister()",
            ),
            (
                "a backend of joblib",
                "import joblib\nc§ = joblib.parallel_backend('«threading|loky»', n_jobs=2)",
                "from sklearn.utils.parallel import Parallel\np = Parallel()\ny§ = p.n_jobs, type(p._backend).__name__\ndel p",
                "c§.unregister()",
            ),
        ]
    ),
    *(
        Row(
            f"{what} of the process",
            f"import sys, socket, decimal\n{before}\n---\n%%component s§\nimport argparse, decimal, socket, threading\n"
            f"{code}\n---\n{after}",
            ran="s§",
        )
        for what, before, code, after in [
            (
                "arguments",
                "a§ = sys.argv\nsys.argv = ['x', '--k', '«1|2»']",
                "p = argparse.ArgumentParser()\np.add_argument('--k')\ny§ = p.parse_args().k",
                "sys.argv = a§",
            ),
            (
                "the usual timeout of sockets",
                "socket.setdefaulttimeout(«3|4»)",
                "y§ = socket.getdefaulttimeout()",
                "socket.setdefaulttimeout(None)",
            ),
            (
                "decimals in threads",
                "decimal.DefaultContext.prec = «5|6»",
                "y§ = []\nt = threading.Thread(target=lambda: y§.append(str(decimal.Decimal(1) / 3)))\n"
                "t.start()\nt.join()\ndel t",
                "decimal.DefaultContext.prec = 28",
            ),
        ]
    ),
]

_COPIED = "import copyreg\nclass A§:\n    def __init__(self, x): self.x = x\n"
OPTIONS += [
    Row(
        f"{what} that a cell registers",
        f"{setup}\n---\n%%component s§\nimport copy, csv, io, logging, mimetypes, os\n{code}\n---\n{after}",
        ran="s§",
    )
    for what, setup, code, after in [
        (
            "how a class is copied",
            f"{_COPIED}copyreg.pickle(A§, lambda a: (A§, (a.x + «10|20»,)))",
            "y§ = copy.copy(A§(1)).x",
            "del copyreg.dispatch_table[A§]",
        ),
        (
            "how a class of Python's is copied",
            "import copyreg, fractions\ncopyreg.pickle(fractions.Fraction, lambda f: (float, («1|2»,)))",
            "import fractions, pickle\ny§ = pickle.loads(pickle.dumps(fractions.Fraction(1, 3)))",
            "copyreg.dispatch_table.pop(fractions.Fraction)",
        ),
        (
            "a dialect",
            "import csv\ncsv.register_dialect('d§', delimiter='«;|:»')",
            "y§ = list(csv.reader(io.StringIO('a;b:c'), 'd§'))",
            "csv.unregister_dialect('d§')",
        ),
        (
            "how a database's values come back",
            "import sqlite3\nsqlite3.register_converter('T§', lambda b: b + b'«1|2»')",
            "import sqlite3\nc = sqlite3.connect(':memory:', detect_types=sqlite3.PARSE_DECLTYPES)\n"
            "c.execute('create table t (a T§)')\nc.execute(\"insert into t values ('x')\")\n"
            "y§ = c.execute('select a from t').fetchall()\nc.close()\ndel c",
            "del sqlite3.converters['T§']",
        ),
        (
            "a tag of YAML",
            "import yaml\nyaml.add_constructor('!t§', lambda l, n: «1|2», Loader=yaml.SafeLoader)",
            "import yaml\ny§ = yaml.safe_load('!t§ x')",
            "del yaml.SafeLoader.yaml_constructors['!t§']",
        ),
        (
            "a level",
            "import logging\nlogging.addLevelName(31, 'L«A|B»')",
            "y§ = logging.getLevelName(31)",
            "logging._levelToName.pop(31)",
        ),
        (
            "a type of files",
            "import mimetypes\nmimetypes.add_type('application/x-«a|b»', '.xx§')",
            "y§ = mimetypes.guess_type('a.xx§')",
            "mimetypes.types_map.pop('.xx§')",
        ),
        (
            "a mask of modes",
            "import os\nm§ = os.umask(0o«027|077»)",
            "open('m§«a|b»', 'w').close()\ny§ = oct(os.stat('m§«a|b»').st_mode)",
            "_ = os.umask(m§)",
        ),
        *(
            (
                f"an accessor of a {kind}",
                f"import pandas as pd\n@pd.api.extensions.register_{kind}_accessor('own§')\nclass A§:\n"
                "    def __init__(self, owner): self.n = len(owner) + «1|2»",
                f"y§ = pd.{cls}([1]).own§.n",
                f"del pd.{cls}.own§\npd.{cls}._accessors.discard('own§')",
            )
            for kind, cls in (("dataframe", "DataFrame"), ("series", "Series"), ("index", "Index"))
        ),
    ]
]

REUSED = [
    Row("a comment", "%%component s§\ny§ = 1«|  # one»", reused="s§"),
    Row("a docstring", calls("def h§():\n    'Give «one|1».'\n    return 1"), reused="s§"),
    Row("formatting", "%%component s§\ny§ = «[1,2]|[\n    1, 2,\n]»", reused="s§"),
    Row("quotes", "%%component s§\ny§ = «'a'|\"a\"»", reused="s§"),
    Row(
        "formatting of a helper",
        calls("«def h§(): return (1+2)|\n\ndef h§():\n    # three\n    return 1 + 2»"),
        reused="s§",
    ),
    Row("the component's name", "%%component «s|t»§\ny§ = 1", reused="«s|t»§"),
    Row("the order of declared outputs", "%%component s§ -> «y§, z§|z§, y§»\ny§, z§ = 1, 2", reused="s§"),
    Row(
        "the place of a cell",
        "k§ = 1\n---\n«%%component s§\ny§ = k§\n---\nz§ = 5|z§ = 5\n---\n%%component s§\ny§ = k§»",
        reused="s§",
    ),
    Row(
        "the order of definitions",
        calls("«def g§(): return 1\ndef h§(): return g§()|def h§(): return g§()\ndef g§(): return 1»"),
        reused="s§",
    ),
    Row(
        "a definition in another cell",
        calls("def g§(): return 1\n«|---\n»def h§(): return g§()"),
        reused="s§",
    ),
    Row(
        "another folder",
        "import os\nhome§ = os.getcwd()\nos.makedirs('«a|b»§', exist_ok=True)\nos.chdir('«a|b»§')\n---\n"
        "%%component s§\ny§ = 1\n---\nos.chdir(home§)",
        reused="s§",
    ),
    Row("resources", "%%component s§ --cpus «1|2» --memory «600|700»MB\ny§ = 1", reused="s§"),
    Row("a timeout", "%%component s§ --timeout «1m|2m»\ny§ = 1", reused="s§"),
    Row("retries", "%%component s§ --retries «0|1»\ny§ = 1", reused="s§"),
    Row("a declared interface", "%%component s§«| -> y§»\ny§ = 1", reused="s§"),
    Row("an equal value built otherwise", reads_value("«[1, 2, 3]|sorted([3, 2] + [1])»"), reused="s§"),
    Row("an equal text built otherwise", reads_value("«'abcabc'|''.join(['abc'] * 2)»"), reused="s§"),
    Row("equal objects that are one", reads_value("«[[1], [1]]|[[1]] * 2»"), ran="s§"),
    Row("an equal array built otherwise", reads_value("«np.arange(4)|np.arange(8)[:4]»"), reused="s§"),
    # With gaps NumPy computes by other instructions, which round otherwise.
    Row("an equal array with gaps", reads_value("«np.array([0, 2])|np.arange(4)[::2]»"), ran="s§"),
    Row(
        "an equal table built otherwise",
        reads_value(
            "«pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})|pd.DataFrame({'a': [1, 2]}).assign(b=['x', 'y'])»"
        ),
        reused="s§",
    ),
    Row(
        "an equal table from a larger one",
        reads_value("«pd.DataFrame({'a': [1, 2]})|pd.DataFrame({'a': [1, 2, 3]}).iloc[:2]»"),
        reused="s§",
    ),
    Row("an equal dict", reads_value("«{'a': 1, 'b': 2}|dict(a=1, b=2)»"), reused="s§"),
    Row("a set of texts", calls("S§ = {'a', 'b', 'c', 'dd', 'eee'}", "sorted(S§)"), reused="s§"),
    Row(
        "a set in the code",
        "%%component s§\ny§ = sorted(w for w in ['a', 'x', 'q'] if w in {'a', 'b', 'x', 'yy'})",
        reused="s§",
    ),
    Row("a set in a helper", calls("def h§(): return 'a' in {'a', 'b', 'x', 'yy'}"), reused="s§"),
    Row(
        "a set in a class",
        calls(
            "class A§:\n    words = frozenset({'a', 'b', 'cc'})\n    def x(self): return len(self.words)",
            "A§().x()",
        ),
        reused="s§",
    ),
    Row(
        "a set that flows between steps",
        "%%component a§\nt§ = {'a', 'b', 'cc', 'ddd'}\n---\n%%component s§\ny§ = sorted(t§)",
        reused="a§ s§",
    ),
    Row(
        "an object that flows between steps",
        "class A§:\n    def __init__(self): self.n = {'a', 'bb', 'c'}\n---\n%%component a§\no§ = A§()\n---\n%%component s§\ny§ = sorted(o§.n)",
        reused="a§ s§",
    ),
    Row("nothing, with a helper's helper", calls("def g§(): return 1\ndef h§(): return g§()"), reused="s§"),
    Row("nothing, with a lambda in a dict", calls("t§ = {'a': lambda: 1}", "t§['a']()"), reused="s§"),
    Row(
        "nothing, with a closure",
        calls("def make§(n):\n    def h(): return n\n    return h\nh§ = make§(1)"),
        reused="s§",
    ),
    Row(
        "nothing, with a decorator",
        calls(
            "import functools\ndef d§(f):\n    @functools.wraps(f)\n    def w(): return f()\n    return w\n@d§\ndef h§(): return 1"
        ),
        reused="s§",
    ),
    Row(
        "nothing, with a dataclass",
        "import dataclasses\n@dataclasses.dataclass\nclass D§:\n    n: int\nv§ = D§(1)\n---\n%%component s§\ny§ = v§.n",
        reused="s§",
    ),
    Row(
        "nothing, with an enum",
        _ENUM.format("1") + "v§ = Color§.RED\n---\n%%component s§\ny§ = v§.name",
        reused="s§",
    ),
    Row(
        "nothing, with a model",
        "from sklearn.linear_model import LinearRegression\nv§ = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])\n---\n%%component s§\ny§ = round(v§.score([[1.0], [2.0]], [1.0, 2.0]), 6)",
        reused="s§",
    ),
    Row(
        "nothing, with a model between steps",
        "from sklearn.tree import DecisionTreeClassifier\n---\n%%component a§\nm§ = DecisionTreeClassifier(random_state=0).fit([[0], [1]], [0, 1])\n---\n%%component s§\ny§ = m§.predict([[0]]).tolist()",
        reused="a§ s§",
    ),
    Row("nothing, with a pattern", reads_value("re.compile('a')"), reused="s§"),
    Row(
        "nothing, with a local module",
        "import lm§\n---\n%%component s§\ny§ = lm§.f()",
        reused="s§",
        files={"lm§.py": "def f(): return 1«|  # one»"},
    ),
    Row(
        "a function of a local module beside the one read",
        "import os\n---\n%%component s§\ny§ = 1",
        reused="s§",
        files={"lm§.py": "def f(): return «1|2»"},
    ),
    Row(
        "a helper that is not reached", "def other§(): return «1|2»\n---\n%%component s§\ny§ = 1", reused="s§"
    ),
    Row("a value that is not read", "k§ = «1|2»\n---\n%%component s§\ny§ = 1", reused="s§"),
    Row(
        "an early cutoff",
        "%%component a§\nk§ = abs(«-1|1»)\n---\n%%component s§\ny§ = k§ + 1",
        ran="a§",
        reused="s§",
    ),
    Row(
        "an early cutoff of a table",
        "import pandas as pd\n---\n%%component a§\nk§ = pd.DataFrame({'a': [1, 2]})«|.copy()»\n---\n%%component s§\ny§ = k§['a'].sum().item()",
        ran="a§",
        reused="s§",
    ),
    Row(
        "an early cutoff behind an instance",
        "class A§:\n    def x(self): return 1\n---\n%%component a§\n«u = 1|u = 2»\no§ = A§()\n---\n%%component s§\ny§ = o§.x()",
        ran="a§",
        reused="s§",
    ),
    Row("a comment as a header", "«%%component s§|#| component: s§»\ny§ = 1", reused="s§"),
    Row(
        "a parameter by its default or by a run",
        "%%parameters\np§ = 3\n---\n%%component s§\ny§ = p§",
        reused="s§",
    ),
    Row(
        "an environment variable that is not read",
        "%%component s§\nimport os\ny§ = os.environ['V§']",
        reused="s§",
        environment={"V§": "1", "W§": "«1|2»"},
    ),
]

ROWS = [
    *CODE,
    *HELPERS,
    *TEXTS,
    *NAMES,
    *OTHER_CELLS,
    *MODULES,
    *PATCHES,
    *SEEN_OF_CLASSES,
    *KEPT,
    *VALUES,
    *PACKAGES,
    *PARAMETERS,
    *FILES,
    *ASKED,
    *ASKED_ROWS,
    *FILE_ROWS,
    *OPTIONS,
    *REUSED,
    *HIDDEN_ROWS,
]
NUMBERS = {row.name: number for number, row in enumerate(ROWS)}


@pytest.fixture(scope="module")
def outcomes(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> dict[str, tuple[Outcome, Outcome]]:
    """Both versions of all rows that are asked for, run once."""
    assert len(NUMBERS) == len(ROWS), "two rows have one name"
    folder = tmp_path_factory.mktemp("matrix")

    def start(where: Path, *, load: bool = True, **environment: str) -> Kernel:
        kernel = Kernel(where, environment)
        if load:
            kernel.run("%load_ext jupyter_mlpipe").check()
        return kernel

    items = (getattr(item, "callspec", None) for item in request.session.items)
    asked = {call.params["row"].name for call in items if call is not None and "row" in call.params}
    rows = {number: row for number, row in enumerate(ROWS) if row.name in asked}
    before = run_version(rows, 1, folder, start, PYTHONHASHSEED="1")
    after = run_version(rows, 2, folder, start, PYTHONHASHSEED="2")
    return {row.name: (before[row.name], after[row.name]) for row in rows.values()}


# The first of them waits for all rows, in four kernels: minutes where others use the machine too.
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_change_runs_what_it_reaches_and_nothing_else(
    row: Row, outcomes: dict[str, tuple[Outcome, Outcome]]
) -> None:
    before, after = outcomes[row.name]
    assert before.error == after.error == ""
    number = NUMBERS[row.name]
    first, second = expected(row, number, first=True), expected(row, number, first=False)
    assert {name: before.statuses.get(name) for name in first} == first
    assert {name: after.statuses.get(name) for name in second} == second
    assert as_value(before.value) == as_value(before.plain_value)
    assert as_value(after.value) == as_value(after.plain_value)
