"""Edits of a flow of two steps, each written once: ``«1|2»`` is ``1`` before the edit and ``2`` after it.

The first step, `first`, gives `rows`; the second, `last`, reads them and gives `result`. A § stands for the
edit's number, so that edits do not meet where one process runs them all.
"""

# ruff: noqa: E501 - a flow on one line is easier to compare with its neighbours

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_EITHER = re.compile(r"«(.*?)\|(.*?)»", re.DOTALL)


@dataclass(frozen=True)
class Edit:
    """An edit, and what it has to run again.

    Parameters
    ----------
    runs
        Names of the steps that have to run again.
    first, last
        Bodies of the steps, which end by binding `rows` and `result`.
    setup
        Definitions that the steps find around them.
    reads
        Names of the setup that `last` reads and that can be handed to it.
    before
        Code that runs before all else.
    """

    name: str
    runs: str = ""
    last: str = "result = sum(rows)"
    first: str = "rows = [1, 2]"
    setup: str = ""
    reads: tuple[str, ...] = ()
    before: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


def written(text: str, version: int, number: int) -> str:
    """Return a text as it is in version 1 or 2."""
    return _EITHER.sub(lambda found: found[version], text).replace("§", str(number))


def _helper(setup: str, name: str, runs: str = "last", call: str = "_h§(rows)") -> Edit:
    return Edit(name, runs, f"result = {call}", setup=setup)


def _value(name: str, text: str, runs: str = "last") -> Edit:
    setup = f"import numpy as np, pandas as pd\nk§ = {text}"
    return Edit(name, runs, 'result = f"{k§!r} {len(rows)}"', setup=setup, reads=("k§",))


def _module(name: str, runs: str, files: Mapping[str, str], call: str = "lm§.f(rows)") -> Edit:
    return Edit(name, runs, f"result = {call}", setup="import lm§", files=files)


EDITS = [
    Edit("nothing"),
    Edit("the last step's code", "last", "result = sum(rows) + «1|2»"),
    Edit("the first step's code", "first last", first="rows = [1, «2|3»]"),
    Edit("the first step's code, to the same result", "first", first="rows = [1, «2|1 + 1»]"),
    Edit("a comment", last="result = sum(rows)«|  # all of them»"),
    Edit("formatting", last="result = sum(«rows|\n    rows\n»)"),
    _helper("def _h§(x):\n    '''«One|Two».'''\n    return sum(x)", "a helper's docstring", ""),
    _helper("def _h§(x): return sum(x) + «1|2»", "a helper"),
    _helper("def _g§(x): return sum(x) + «1|2»\ndef _h§(x): return _g§(x)", "a helper's helper"),
    _helper("def _h§(x, by=«1|2»): return sum(x) + by", "a helper's default"),
    _helper("_K§ = «1|2»\ndef _h§(x): return sum(x) + _K§", "a global that a helper reads"),
    _helper("_t§ = {'f': lambda x: sum(x) + «1|2»}", "a lambda in a dict", call="_t§['f'](rows)"),
    _helper(
        "def _make§(n):\n    def _inner(x): return sum(x) + n\n    return _inner\n_h§ = _make§(«1|2»)",
        "a closure's variable",
    ),
    _helper(
        "import functools\ndef _g§(x, n): return sum(x) + n\n_h§ = functools.partial(_g§, n=«1|2»)",
        "a partial",
    ),
    _helper(
        "import functools\n@functools.lru_cache\ndef _g§(n): return n + «1|2»\ndef _h§(x): return _g§(sum(x))",
        "a function behind lru_cache",
    ),
    _helper("class _A§:\n    def f(self, x): return sum(x) + «1|2»", "a method", call="_A§().f(rows)"),
    _helper(
        "class _B§:\n    def f(self, x): return sum(x) + «1|2»\nclass _A§(_B§): pass",
        "a base class",
        call="_A§().f(rows)",
    ),
    _helper("def _o§(x): return «1|2»\ndef _h§(x): return sum(x)", "a helper that is not called", ""),
    _helper(
        "«def _g§(x): return x\ndef _h§(x): return sum(_g§(x))|def _h§(x): return sum(_g§(x))\ndef _g§(x): return x»",
        "the order of helpers",
        "",
    ),
    _module("a function of a local module", "last", {"lm§.py": "def f(x): return sum(x) + «1|2»"}),
    _module(
        "another function of that module", "", {"lm§.py": "def f(x): return sum(x)\ndef g(x): return «1|2»"}
    ),
    _module(
        "a module that a local module imports",
        "last",
        {"lm§.py": "from low§ import f", "low§.py": "def f(x): return sum(x) + «1|2»"},
    ),
    _value("a value: 1, 2", "«1|2»"),
    _value("a value: 1, 1.0", "«1|1.0»"),
    _value("a value: 1, True", "«1|True»"),
    _value('a value: 1, "1"', "«1|'1'»"),
    _value("a value: 0.0, -0.0", "«0.0|-0.0»"),
    _value("a value: [1], (1,)", "«[1]|(1,)»"),
    _value("a value deep inside", "[[[[[[[[[«1|2»]]]]]]]]]"),
    _value("an array's shape", "np.zeros(«(2, 3)|(3, 2)»)"),
    _value("an array's dtype", "np.arange(3, dtype='«i4|i8»')"),
    _value("a table's column", "pd.DataFrame({'«a|b»': [1]})"),
    _value("a table's index", "pd.DataFrame({'a': [1]}, index=[«0|1»])"),
    _value("a time stamp", "pd.Timestamp('2024-01-0«1|2»')"),
    Edit(
        "a fitted model",
        "last",
        'result = f"{m§.predict([[2.0]]).round(3).tolist()} {len(rows)}"',
        setup="from sklearn.linear_model import LinearRegression\nm§ = LinearRegression().fit([[1.0], [2.0]], [«1|3», 2])",
        reads=("m§",),
    ),
    _value("an equal value made otherwise", "«[1, 2]|sorted([2, 1])»", ""),
    _value("an equal table made otherwise", "pd.DataFrame({'a': [1, 2«|, 3»]})«|.iloc[:2]»", ""),
    Edit(
        "a set, in another process",
        last='result = f"{sorted(k§)} {len(rows)}"',
        setup="k§ = {'a', 'b', 'cc', 'ddd', 'eeee'}",
        reads=("k§",),
    ),
    Edit(
        "a file that it reads",
        "last",
        "result = f\"{open('in§.txt').read()!r} {len(rows)}\"",
        files={"in§.txt": "«1|2»"},
    ),
    Edit(
        "a file that it reads, touched",
        "",
        "result = f\"{open('in§.txt').read()!r} {len(rows)}\"",
        files={"in§.txt": "1"},
    ),
    Edit(
        "an environment variable",
        "last",
        'import os\nvalue = os.environ["V§"]\nresult = f"{value} {len(rows)}"',
        environment={"V§": "«1|2»"},
    ),
    Edit(
        "an environment variable that a library asks for",
        "last",
        'import click\nvalue = click.Option(["--value"], envvar="W§").resolve_envvar_value(None)\nresult = f"{value} {len(rows)}"',
        environment={"W§": "«1|2»"},
    ),
    Edit(
        "an option of a library",
        "last",
        'result = f"{np.array([1.23456])!r} {len(rows)}"',
        setup="import numpy as np\nnp.set_printoptions(precision=«2|3»)",
    ),
    Edit(
        "a package's version",
        "last",
        "import dist§\nresult = dist§.f(rows)",
        files={
            "site-packages/dist§/__init__.py": "def f(x): return sum(x) + «1|2»",
            "site-packages/dist§-«1|2».0.dist-info/METADATA": "Metadata-Version: 2.1\nName: dist§\nVersion: «1|2».0\n",
            "site-packages/dist§-«1|2».0.dist-info/RECORD": "dist§/__init__.py,,\n",
        },
    ),
    Edit(
        "a version that it asks for",
        "last",
        "from importlib.metadata import version\nresult = f\"{version('asked§')} {len(rows)}\"",
        files={
            "site-packages/asked§-«1|2».0.dist-info/METADATA": "Metadata-Version: 2.1\nName: asked§\nVersion: «1|2».0\n",
        },
    ),
    Edit(
        "whether two values are one",
        "last",
        "k§.append(2)\nresult = f'{m§} {len(rows)}'",
        setup="k§ = [1]\nm§ = «k§|[1]»",
        reads=("k§", "m§"),
    ),
    Edit(
        "another working folder",
        last="result = sum(rows)",
        before="import os\nos.makedirs('«a|b»§', exist_ok=True)\nos.chdir('«a|b»§')",
    ),
]
"""What can be told of a flow from outside: everything here has been seen to change results, or not to."""
