"""Rows for the change matrix: what is hidden in values, classes, libraries and files, and what only looks like a change."""

# ruff: noqa: E501 - a notebook on one line is easier to compare with its neighbours

from __future__ import annotations

from typing import Any

from tests.support.matrix import Row

_IMPORTS = (
    "import collections, copy, dataclasses, datetime, decimal, enum, fractions, functools, itertools, operator, os, pathlib, pickle, random, re, sys, types, typing, warnings, weakref, zoneinfo\n"
    "import numpy as np, pandas as pd\n"
)


def reads(name: str, before: str, expression: str = "v§", *, reused: bool = False, **more: Any) -> Row:
    """Return a row whose component reads what a plain cell made."""
    cells = f"{_IMPORTS}{before}\n---\n%%component s§\nimport numpy as np, pandas as pd\ny§ = {expression}"
    return Row(name, cells, **{"reused" if reused else "ran": "s§"}, **more)


def does(name: str, before: str, code: str, *, reused: bool = False, **more: Any) -> Row:
    """Return a row whose component has several statements."""
    cells = f"{_IMPORTS}{before}\n---\n%%component s§\n{code}"
    return Row(name, cells, **{"reused" if reused else "ran": "s§"}, **more)


def left_out(name: str, of_class: str, before: str = "v§ = K§(1, «1|2»)", **more: Any) -> Row:
    """Return a row that reads of an object what the pickle of it does not hold."""
    init = "def __init__(self, a, b):\n        self.a = a\n        self.b = b"
    return reads(name, f"class K§:\n    {init}\n    {of_class}\n{before}", more.pop("asks", "v§.b"), **more)


_DROPS = (
    "def __getstate__(self): return {'a': self.a}\n    def __setstate__(self, s): self.a, self.b = s['a'], 0"
)
_LOCKED = "def __getstate__(self): return {'a': self.a}\n    def __setstate__(self, s): self.a, self.b = s['a'], threading.Lock()"
_WATCHED = "def __getstate__(self): return {'a': self.a}\n    def __setstate__(self, s): self.a, self.b = s['a'], None"

LEFT_OUT = [
    left_out("what __getstate__ leaves out", _DROPS),
    left_out("what __getstate__ leaves out of two that share it", _DROPS, "w§ = K§(1, [«1|2»])\nv§ = K§(w§.b, w§)", asks="v§.b.b is v§.a and v§.a"),
    left_out("what __getstate__ replaces", "def __getstate__(self): return {**vars(self), 'b': None}"),
    left_out("what __reduce__ leaves out", "def __reduce__(self): return K§, (self.a, 0)"),
    left_out("what a method that makes it leaves out", "def __reduce__(self): return K§.make, (self.a,)\n    @classmethod\n    def make(cls, a): return cls(a, 0)"),
    left_out("what copyreg leaves out", "pass", "import copyreg\ncopyreg.pickle(K§, lambda k: (K§, (k.a, 0)))\nv§ = K§(1, «1|2»)"),
    left_out("what a base class leaves out", _DROPS, "class L§(K§): pass\nv§ = L§(1, «1|2»)"),
    left_out("what is left out inside containers", _DROPS, "v§ = {'k': [K§(1, 5), K§(1, «1|2»)]}", asks="v§['k'][1].b"),
    left_out("slots that __getstate__ leaves out", "__slots__ = ('a', 'b')\n    " + _DROPS),
    left_out("slots of a frozen dataclass", "pass", "@dataclasses.dataclass(frozen=True, slots=True)\nclass D§:\n    a: int\nv§ = D§(«1|2»)", asks="v§.a"),
    left_out("what a class between steps leaves out", _DROPS, "pass\n---\n%%component a§\nv§ = K§(1, «1|2»)"),
    left_out("a connection that __getstate__ leaves out", _DROPS, "import sqlite3\nv§ = K§(1, sqlite3.connect(':memory:'))", asks="v§.b.execute('select «1|2»').fetchall()"),
    left_out("what is left out and equal", _DROPS, "v§ = K§(1, «[1, 2]|list((1, 2))»)", reused=True),
    left_out("a lock that __getstate__ leaves out", _LOCKED, "import threading\nv§ = K§(1, threading.Lock())", asks="v§.b.locked()", reused=True),
    left_out("a weak reference that __getstate__ leaves out", _WATCHED, "k§ = K§(1, 1)\nv§ = K§(1, weakref.ref(k§))", asks="v§.a", reused=True),
    reads("what a class of a local module leaves out", "import lo§\nv§ = lo§.K(«1|2»)", "v§.b", files={"lo§.py": "class K:\n    def __init__(self, b): self.b = b\n    def __getstate__(self): return {'a': 1}\n    def __setstate__(self, s): self.b = 0"}),
    *(
        reads(f"an attribute of a {base.rpartition('.')[2]} of one's own", f"class K§({base}): pass\nv§ = K§{call}\nv§.note = «1|2»", "v§.note")
        for base, call in [
            ("datetime.datetime", "(2024, 1, 1)"),
            ("datetime.timedelta", "(1)"),
            ("decimal.Decimal", "(1)"),
            ("fractions.Fraction", "(1, 2)"),
            ("collections.Counter", "('aab')"),
            ("collections.defaultdict", "(int)"),
            ("collections.OrderedDict", "(a=1)"),
            ("random.Random", "(1)"),
            ("pathlib.PurePosixPath", "('a/b')"),
            ("pd.DataFrame", "({'a': [1]})"),
        ]
    ),
]  # fmt: skip

OF_VALUES = [
    reads("an attribute of an enum's member", "class E§(enum.Enum):\n    A = 1\nE§.A.note = «1|2»", "E§.A.note"),
    reads("what an enum's __init__ sets", "class E§(enum.Enum):\n    A = 1\n    def __init__(self, n): self.twice = n * «2|3»", "E§.A.twice"),
    reads("metadata of a dtype", "v§ = np.dtype('i4', metadata={'unit': '«m|km»'})", "dict(v§.metadata)"),
    reads("metadata of an array's dtype", "v§ = np.zeros(2, np.dtype('i4', metadata={'unit': '«m|km»'}))", "dict(v§.dtype.metadata)"),
    reads("the kind of a table's time zone", "v§ = pd.DatetimeIndex(['2024-01-01'], tz=«datetime.timezone.utc|zoneinfo.ZoneInfo('UTC')»)", "type(v§.tz).__name__"),
    reads("the unit of a timestamp", "v§ = pd.Timestamp('2024-01-01').as_unit('«s|ns»')", "v§.unit"),
    reads("children of a generator of numbers", "v§ = np.random.default_rng(1)\nv§.spawn(«1|2»)", "int(v§.spawn(1)[0].integers(1000))"),
    reads("a view of an array that was changed", "a§ = np.arange(4)\nv§ = a§[:2]\na§[0] = «1|2»", "v§.tolist()"),
    reads("how far an iterator has come", "v§ = iter([1, 2, 3])\nfor _ in range(«1|2»): next(v§)", "next(v§)"),
    reads("how far a chain of iterators has come", "v§ = itertools.chain([1, 2], [3])\nfor _ in range(«1|2»): next(v§)", "next(v§)"),
    reads("how far a map has come", "v§ = map(str, [1, 2, 3])\nfor _ in range(«1|2»): next(v§)", "next(v§)"),
    reads("how far a generator has come", "v§ = (n for n in range(9))\nfor _ in range(«1|2»): next(v§)", "next(v§)"),
    reads("a method of a dict", "v§ = {'a': «1|2»}.get", "v§('a')"),
    reads("a method of a pattern", "v§ = re.compile('«a|b»').match", "v§('a') is not None"),
    reads("a key made of a comparison", "v§ = functools.cmp_to_key(lambda a, b: (a - b) * «1|-1»)", "sorted([1, 3, 2], key=v§)"),
    reads("a method of one's own of another object", "class K§: pass\nk§ = K§()\nk§.n = «1|2»\nv§ = types.MethodType(lambda self: self.n, k§)", "v§()"),
    reads("what a setter put into a closure", "def mk§():\n    n = 0\n    def get(): return n\n    def put(m):\n        nonlocal n\n        n = m\n    return get, put\nv§, p§ = mk§()\np§(«1|2»)", "v§()"),
    reads("an object of the class as it was", "class K§:\n    def f(self): return «1|2»\nv§ = K§()\nclass K§:\n    def f(self): return 5", "v§.f()"),
    reads("a function as it was", "def h§(): return «1|2»\nv§ = h§\ndef h§(): return 5", "v§()"),
    reads("a registry that decorators fill", "R§ = {}\ndef reg§(f):\n    R§[f.__name__] = f\n    return f\n@reg§\ndef one(): return «1|2»", "R§['one']()"),
    reads("a method registered later", "class K§:\n    @functools.singledispatchmethod\n    def f(self, a): return 0\nK§.f.register(int, lambda self, a: «1|2»)", "K§().f(1)"),
    reads("metadata of a dataclass's field", "@dataclasses.dataclass\nclass D§:\n    a: int = dataclasses.field(default=1, metadata={'unit': '«m|km»'})", "dict(D§.__dataclass_fields__['a'].metadata)"),
    reads("whether a dataclass can be ordered", "@dataclasses.dataclass(order=«True|False»)\nclass D§:\n    a: int", "hasattr(D§, '__lt__') and '__lt__' in vars(D§)"),
    reads("a metaclass that finds attributes", "class M§(type):\n    def __getattr__(cls, n): return «1|2»\nclass K§(metaclass=M§): pass", "K§.anything"),
    reads("a metaclass that says what belongs to it", "class M§(type):\n    def __instancecheck__(cls, o): return «True|False»\nclass K§(metaclass=M§): pass", "isinstance(1, K§)"),
    reads("the last result", "«1|2»", "_", shows="1"),
    reads("a lazy table", "import polars as pl\nv§ = pl.LazyFrame({'a': [1]}).with_columns(b=pl.col('a') + «1|2»)", "v§.collect()['b'].to_list()"),
    reads("the file of a lazy table", "import polars as pl\nopen('lz§.csv', 'w').write('a\\n«1|2»\\n')\nv§ = pl.scan_csv('lz§.csv')", "v§.collect()['a'].to_list()"),
    reads("the files of a dataset", "import pyarrow.dataset as ds\nos.makedirs('ds§', exist_ok=True)\npd.DataFrame({'a': [«1|2»]}).to_parquet('ds§/a.parquet')\nv§ = ds.dataset('ds§')", "v§.to_table()['a'].to_pylist()"),
]  # fmt: skip

OF_LIBRARIES = [
    does("the first day of the week", "import calendar\nw§ = calendar.firstweekday()\ncalendar.setfirstweekday(«0|6»)", "import calendar\ny§ = calendar.firstweekday()\n---\ncalendar.setfirstweekday(w§)"),
    does("a dialect of csv", "import csv\ncsv.register_dialect('q§', delimiter='«,|;»')", "import csv\ny§ = next(csv.reader(['a,b;c'], 'q§'))\n---\ncsv.unregister_dialect('q§')"),
    does("an adapter of sqlite3", "import sqlite3\nclass K§: pass\nsqlite3.register_adapter(K§, lambda k: «1|2»)", "import sqlite3\nwith sqlite3.connect(':memory:') as c: y§ = c.execute('select ?', [K§()]).fetchall()\nc.close()\ndel c\n---\nsqlite3.adapters.pop((K§, sqlite3.PrepareProtocol))"),
    does("how often threads take turns", "w§ = sys.getswitchinterval()\nsys.setswitchinterval(«0.005|0.01»)", "import sys\ny§ = round(sys.getswitchinterval(), 4)\n---\nsys.setswitchinterval(w§)"),
    does("the buffer of NumPy", "w§ = np.getbufsize()\nnp.setbufsize(«8192|16384»)", "import numpy as np\ny§ = np.getbufsize()\n---\nnp.setbufsize(w§)"),
    does("what a local module puts into a library", "pass", "import json, lp§\ny§ = json.q§", files={"lp§.py": "import json\njson.q§ = «1|2»"}),
    does("an object in a module's place", "pass", "import ob§\ny§ = ob§.x", files={"ob§.py": "import sys\nclass O: x = «1|2»\nsys.modules[__name__] = O()"}),
    does("a class in the place of a module's", "pass", "import mc§\ny§ = mc§.x", files={"mc§.py": "import sys, types\nclass M(types.ModuleType):\n    x = property(lambda self: «1|2»)\nsys.modules[__name__].__class__ = M"}),
    does("a package that comes before a module", "pass", "import bm§\ny§ = bm§.X", files={"bm§.py": "X = 1", "«other|bm»§/__init__.py": "X = 2"}),
    does("what a module asks of files when it is imported", "if «0|1»: open('flag§', 'w').close()", "import am§\ny§ = am§.X", files={"am§.py": "import os\nX = os.path.exists('fl' + 'ag§')"}),
    does("what a module reads of the environment when it is imported", "pass", "import en§\ny§ = en§.X", files={"en§.py": "import os\nX = os.environ.get('V' + '§')"}, environment={"V§": "«1|2»"}),
    # In folders of their own: scikit-learn reads the entry points of all that is on the path.
    does("entry points of a folder on the path", "pass", "import sys\nfrom importlib.metadata import entry_points\nsys.path.append('de' + '§')\ny§ = [e.value for e in entry_points(group='g§')]\nsys.path.pop()", files={"de§/ep§-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: ep§\nVersion: 1.0\n", "de§/ep§-1.0.dist-info/entry_points.txt": "[g§]\nx = «a|b»\n"}),
    does("the version of a folder on the path", "pass", "import sys\nfrom importlib.metadata import version\nsys.path.append('di' + '§')\ny§ = version('vs§')\nsys.path.pop()", files={"di§/vs§-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: vs§\nVersion: «1|2».0\n"}),
    does("modules that are listed", "pass", "import pkgutil\ny§ = sorted(m.name for m in pkgutil.iter_modules(['pk' + '§']))", files={"pk§/a.py": "", "pk§/«b|c».py": ""}),
    does("a module that is looked for", "pass", "import importlib.util\ny§ = importlib.util.find_spec('fs' + '§') is not None", files={"«other|fs»§.py": ""}),
    does("a module by its path", "pass", "import importlib.util\ns = importlib.util.spec_from_file_location('q', 'mp' + '§.txt.py')\nm = importlib.util.module_from_spec(s)\ns.loader.exec_module(m)\ny§ = m.X\ndel s, m", files={"mp§.txt.py": "X = «1|2»"}),
    does("a script that runpy runs", "pass", "import runpy\ny§ = runpy.run_path('rp' + '§.py')['X']", files={"rp§.py": "X = «1|2»"}),
    does("a script that %run runs", "pass", "%run -n rs§.py\ny§ = X§", files={"rs§.py": "X§ = «1|2»"}),
    does("code of a file that exec runs", "pass", "d = {}\nexec(open('ex' + '§.py').read(), d)\ny§ = d['X']\ndel d", files={"ex§.py": "X = «1|2»"}),
    does("a shelf", "import shelve\nwith shelve.open('sh§') as d: d['a'] = «1|2»", "import shelve\nwith shelve.open('sh' + '§', flag='r') as d: y§ = d['a']\ndel d"),
    does("an array that C reads", "np.array([«1|2»]).tofile('ar§.bin')", "import numpy as np\ny§ = np.fromfile('ar' + '§.bin', np.int64).tolist()"),
    does("files that configparser may find", "if «0|1»: open('cb§.ini', 'w').write('[a]\\nb=2\\n')", "import configparser\nc = configparser.ConfigParser()\ny§ = c.read(['ca' + '§.ini', 'cb' + '§.ini'])\ndel c"),
]  # fmt: skip


def looked_at(name: str, before: str, look: str, expression: str, **more: Any) -> Row:
    """Return a row in whose second version something is only looked at, or set and put back."""
    return reads(name, f"{before}\n«pass|{look}»", expression, reused=True, **more)


NO_CHANGES = [
    looked_at("a table that was asked for much", "v§ = pd.DataFrame({'a': [1, 2]})", "v§.index.is_unique, v§['a'].sum(), repr(v§), v§.groupby('a').size()", "v§['a'].sum().item()"),
    looked_at("an object that was copied", "class K§:\n    def __init__(self): self.a = [1]\nv§ = K§()", "copy.deepcopy(v§); copy.copy(v§)", "v§.a"),
    looked_at("flags that were joined", "class P§(enum.Flag):\n    A = 1\n    B = 2", "P§.A|P§.B", "P§.A.value"),
    looked_at("an enum that was looked up", "class E§(enum.Enum):\n    A = 1\n    B = 2", "E§(1), E§['B'], list(E§)", "E§.A.value"),
    looked_at("a cached helper that was called", "@functools.cache\ndef h§(n): return n + 1", "h§(1)", "h§(1)"),
    looked_at("a helper that dispatched", "@functools.singledispatch\ndef h§(a): return 0\n@h§.register\ndef _(a: int): return 1", "h§(1); h§('a')", "h§(1)"),
    looked_at("an abstract class that was asked", "import abc\nclass A§(abc.ABC):\n    def f(self): return 1\nclass B§(A§): pass", "isinstance(1, A§); issubclass(B§, A§)", "B§().f()"),
    looked_at("type hints that were asked for", "class K§:\n    a: 'int' = 1", "typing.get_type_hints(K§)", "K§.a"),
    looked_at("a dataclass that was compared", "@dataclasses.dataclass(frozen=True)\nclass D§:\n    a: int\nv§ = D§(1)", "v§ == D§(1), hash(v§), repr(v§), dataclasses.asdict(v§)", "v§.a"),
    looked_at("an estimator that was shown", "from sklearn.linear_model import LinearRegression\nv§ = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])", "repr(v§), v§.get_params(), v§.predict([[1.0]])", "round(v§.coef_[0], 6).item()"),
    looked_at("a pattern that was used", "v§ = re.compile('a')", "v§.match('a')", "v§.pattern"),
    looked_at("a warning that was shown", "def h§(): return 1", "warnings.warn('shown')", "h§()"),
    looked_at("a logger that was made", "import logging\ndef h§(): return 1", "logging.getLogger('no§.such')", "h§()"),
    looked_at("a local module that was called", "import lc§", "lc§.f()", "lc§.f()", files={"lc§.py": "def f(): return 1"}),
    looked_at("options that were set and put back", "pass", "pd.set_option('display.max_rows', 7); pd.reset_option('display.max_rows'); sys.path.append('/no'); sys.path.pop()", "repr(pd.DataFrame({'a': [1]}))"),
    looked_at("filters of warnings that were put back", "pass", "f§ = warnings.filters[:]; warnings.simplefilter('ignore'); warnings.filters[:] = f§", "pd.Series([1]).sum().item()"),
    looked_at("a folder that was left and entered", "h§ = os.getcwd()", "os.chdir('/'); os.chdir(h§)", "pd.Series([1]).sum().item()"),
    looked_at("libraries that were imported", "pass", "import sklearn.linear_model, matplotlib.pyplot, polars", "pd.Series([1]).sum().item()"),
    looked_at("numbers that were drawn for nothing", "pass", "np.random.rand(), random.random()", "sum([1, 2])"),
    looked_at("a variable that is gone", "u§ = 1", "w§ = u§; del w§", "u§"),
    reads("texts that are one object or two", "t§ = ''.join(['a', 'b'])\nv§ = [t§, «t§|''.join(['a', 'b'])»]", "v§", reused=True),
    reads("numbers that are one object or two", "t§ = float('1.5')\nv§ = [t§, «t§|float('1.5')»]", "v§", reused=True),
    reads("how a table of Arrow is cut", "import pyarrow as pa\nv§ = pa.table({'a': pa.chunked_array(«[[1, 2]]|[[1], [2]]»)})", "v§['a'].to_pylist()", reused=True),
    reads("how a column of Arrow is cut", "v§ = pd.Series(pd.arrays.ArrowExtensionArray(__import__('pyarrow').chunked_array(«[[1, 2]]|[[1], [2]]»)))", "v§.tolist()", reused=True),
    does("a module for type checkers", "pass", "import tc§\ny§ = tc§.f()", reused=True, files={"tc§.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tcb§ import X\ndef f(): return 1", "tcb§.py": "X = «1|2»"}),
    does("a module for type checkers, under another name", "pass", "import td§\ny§ = td§.f()", reused=True, files={"td§.py": "import typing as t\nif t.TYPE_CHECKING:\n    import tdb§\ndef f(a: 'tdb§.X' = 1): return a", "tdb§.py": "X = «1|2»"}),
    does("what type checkers do not look at", "pass", "import te§\ny§ = te§.X", files={"te§.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    X = 0\nelse:\n    from teb§ import X", "teb§.py": "X = «1|2»"}),
    does("what a module itself calls type checking", "pass", "import tf§\ny§ = tf§.X", files={"tf§.py": "from typing import TYPE_CHECKING\nTYPE_CHECKING = True\nif TYPE_CHECKING:\n    from tfb§ import X", "tfb§.py": "X = «1|2»"}),
    does("a file beside the one that is read", "open('one§.txt', 'w').write('1')\nif «0|1»: open('two§.txt', 'w').close()", "y§ = open('one' + '§.txt').read()", reused=True),
]  # fmt: skip

TIDIED = [
    does("what is removed, or was not there", "if «1|0»: open('ra§', 'w').close()", "import os\ntry:\n    os.remove('ra' + '§')\n    y§ = 1\nexcept OSError:\n    y§ = 0"),
    does("what is removed where it is there", "if «1|0»: open('rb§', 'w').close()", "import os\ny§ = 0\nif os.path.exists('rb' + '§'):\n    os.remove('rb' + '§')\n    y§ = 1"),
    does("a folder that is made, or was there", "if os.path.isdir('rc§'): os.rmdir('rc§')\nif «0|1»: os.mkdir('rc§')", "import os\ntry:\n    os.mkdir('rc' + '§')\n    y§ = 1\nexcept OSError:\n    y§ = 0"),
    does("a file that is made, or was there", "if os.path.exists('rd§'): os.remove('rd§')\nif «0|1»: open('rd§', 'w').close()", "try:\n    open('rd' + '§', 'x').close()\n    y§ = 1\nexcept FileExistsError:\n    y§ = 0"),
    does("what is only tidied away", "if «1|0»: open('re§', 'w').close()", "import os\nif os.path.exists('re§'):\n    os.remove('re§')\ny§ = 1", reused=True),
    does("a folder that is only to be there", "if os.path.isdir('rf§') and «1|0»: os.rmdir('rf§')", "import os\ntry:\n    os.mkdir('rf§')\nexcept FileExistsError:\n    pass\ny§ = 1", reused=True),
]  # fmt: skip

# What sets something for the whole process comes last.
HIDDEN_ROWS = [*LEFT_OUT, *OF_VALUES, *NO_CHANGES, *TIDIED, *OF_LIBRARIES]
