import ctypes
import pickle
import pickletools
import subprocess
import sys
import threading

import numpy as np
import pytest

from jupyter_mlpipe.errors import EncodingError, UnknownNameError
from jupyter_mlpipe.keys.artifacts import dump_artifact, load_artifact
from jupyter_mlpipe.keys.payload import dump_closure, load_closure
from jupyter_mlpipe.keys.values import digest_definition


def round_trip(notebook, *names, **given):
    stream = dump_closure({name: notebook.namespace[name] for name in names}, notebook.namespace)
    namespace = {"__name__": "__main__", **given}
    namespace.update(load_closure(stream, namespace))
    return namespace


def test_functions_see_the_names_of_the_step_and_not_a_copy(notebook):
    notebook.run("K = 1\ndef f(): return K")
    step = round_trip(notebook, "f", K=5)
    assert step["f"]() == 5
    step["K"] = 6
    assert step["f"]() == 6
    assert step["f"].__globals__ is step


def test_without_a_given_namespace_globals_are_those_of_main(notebook, new_notebook):
    notebook.run("f = lambda: K")
    artifact = dump_artifact([notebook.namespace["f"]], notebook.namespace)
    step = new_notebook("K = 7")
    (f,) = load_artifact(artifact.stream)
    assert f() == 7
    assert f.__globals__ is step.namespace


def test_a_function_keeps_all_that_it_has(notebook):
    notebook.run("def f(a: int, b=[1], *, c=2) -> str:\n    'doc'\nf.note = 3")
    before, after = notebook.namespace["f"], round_trip(notebook, "f")["f"]
    assert after is not before
    for name in ("__name__", "__qualname__", "__module__", "__defaults__", "__kwdefaults__", "__doc__"):
        assert getattr(after, name) == getattr(before, name)
    assert after.__annotations__ == {"a": int, "b": list} or after.__annotations__ == {
        "a": int,
        "return": str,
    }
    assert after.note == 3
    assert after.__code__.co_filename == before.__code__.co_filename


def test_functions_that_share_a_variable_go_on_sharing_it(notebook):
    notebook.run(
        "def make():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n    def get():\n"
        "        return n\n    return up, get\nup, get = make()"
    )
    step = round_trip(notebook, "up", "get")
    step["up"]()
    assert step["get"]() == 1
    assert notebook.namespace["get"]() == 0


def test_closures_may_hold_themselves_and_empty_cells(notebook):
    notebook.run(
        "def make():\n    def f(n): return n and f(n - 1) + 1\n    return f\nf = make()\n"
        "def half():\n    if False: x = 1\n    return lambda: x\ng = half()"
    )
    step = round_trip(notebook, "f", "g")
    assert step["f"](3) == 3
    assert step["f"].__closure__[0].cell_contents is step["f"]
    with pytest.raises(NameError):
        step["g"]()


def test_decorated_and_cached_functions_travel(notebook):
    notebook.run(
        "import functools\ndef twice(f):\n  @functools.wraps(f)\n  def w(x): return 2 * f(x)\n  return w\n"
        "@twice\ndef f(x): return x + K\n@functools.lru_cache\ndef fib(n): return n if n < 2 else "
        "fib(n - 1) + fib(n - 2)"
    )
    step = round_trip(notebook, "f", "fib", K=1)
    assert step["f"](1) == 4
    assert step["f"].__wrapped__(1) == 2
    assert step["fib"](10) == 55
    assert step["fib"].__wrapped__.__globals__ is step


def test_classes_travel_by_value_with_methods_that_see_the_step(notebook):
    notebook.run(
        "class Base:\n    def k(self): return K\nclass A(Base):\n    def k(self): return super().k() + 1\n"
        "    @property\n    def p(self): return self.k()\na = A()\na.x = 1"
    )
    step = round_trip(notebook, "A", "a", K=5)
    assert step["A"] is not notebook.namespace["A"]
    assert isinstance(step["a"], step["A"])
    assert (step["a"].k(), step["a"].p, step["a"].x) == (6, 6, 1)


def test_types_of_the_notebook_that_are_known_by_name_travel(notebook):
    notebook.run(
        "from typing import Callable, NewType, ParamSpec\nUser = NewType('User', int)\nP = ParamSpec('P')\n"
        "def f(u: User, *a: P.args) -> Callable[P, User]: return User(3)"
    )
    step = round_trip(notebook, "User", "f")
    assert step["User"](3) == 3
    assert step["User"].__supertype__ is int
    assert step["f"].__annotations__["u"] is step["User"]
    assert step["f"].__annotations__["a"].__origin__.__name__ == "P"
    assert repr(step["User"]) == "__main__.User"


def test_functions_of_modules_travel_by_name(notebook):
    import json

    notebook.run("from json import dumps\nimport json")
    step = round_trip(notebook, "dumps", "json")
    assert step["dumps"] is json.dumps
    assert step["json"] is json


def test_a_class_of_the_notebook_is_stored_by_name(notebook, new_notebook):
    notebook.run(
        "class Point:\n    class Inner: pass\n    def f(self): return 1\nvalue = [Point(), Point.Inner()]"
    )
    artifact = dump_artifact(notebook.namespace["value"], notebook.namespace)
    assert list(artifact.needs) == ["Point"]
    assert isinstance(load_artifact(artifact.stream)[0], notebook.namespace["Point"])

    other = new_notebook("class Point:\n    class Inner: pass\n    def f(self): return 2")
    assert isinstance(load_artifact(artifact.stream)[0], other.namespace["Point"])
    again = dump_artifact([other.namespace["Point"]()], other.namespace)
    assert again.needs["Point"] != artifact.needs["Point"]


def test_what_a_stored_class_reads_counts_in_its_digest(new_notebook):
    def needed(text):
        notebook = new_notebook(text)
        return dict(dump_artifact(notebook.namespace["p"], notebook.namespace).needs)

    first = "class P:\n    def f(self): return g()\ndef g(): return 1\np = P()"
    assert needed(first) == needed("x = 1\n" + first)
    assert needed(first) != needed(first.replace("return 1", "return 2"))


def test_a_missing_class_is_named_when_an_artifact_is_loaded(notebook, new_notebook):
    notebook.run("class Point: pass\nvalue = Point()")
    artifact = dump_artifact(notebook.namespace["value"], notebook.namespace)
    new_notebook("class Points: pass")
    with pytest.raises(UnknownNameError, match=r"'Point'.*Run the cell.*Did you mean 'Points'"):
        load_artifact(artifact.stream)


def test_an_artifact_of_a_local_class_has_the_same_bytes_each_time(notebook):
    notebook.run("def make():\n    class Local:\n        k = 1\n    return Local()\nvalue = make()")
    first = dump_artifact(notebook.namespace["value"], notebook.namespace)
    assert first.needs == {}
    assert first.stream == dump_artifact(notebook.namespace["value"], notebook.namespace).stream
    assert load_artifact(first.stream).k == 1


def test_large_buffers_stay_beside_the_pickle(notebook):
    large, small = np.arange(100_000), np.arange(3)
    artifact = dump_artifact({"large": large, "small": small}, notebook.namespace)
    assert [buffer.nbytes for buffer in artifact.buffers] == [large.nbytes]
    assert len(artifact.stream) < 10_000
    loaded = load_artifact(artifact.stream, [bytearray(buffer) for buffer in artifact.buffers])
    loaded["large"][0] = 5
    assert large[0] == 0


def test_what_cannot_be_pickled_is_named(notebook):
    notebook.run("class Holder: pass\nheld = Holder()\nfine = 1")
    notebook.namespace["held"].lock = threading.Lock()
    with pytest.raises(EncodingError, match=r"'held' cannot be sent to a step: .*_thread\.lock"):
        dump_closure({"fine": 1, "held": notebook.namespace["held"]}, notebook.namespace)
    with pytest.raises(EncodingError, match=r"_thread\.lock"):
        dump_artifact([threading.Lock()], notebook.namespace)


def test_a_closure_is_an_ordinary_pickle(notebook):
    notebook.run("def f(): return 1")
    stream = dump_closure({"f": notebook.namespace["f"]}, notebook.namespace)
    assert pickle.loads(stream)["f"].__globals__ is vars(sys.modules["__main__"])


@pytest.mark.parametrize(
    "text",
    [
        "class D:\n    k = 1\n    def f(self): return other()\ndef other(): return 1",
        "from dataclasses import dataclass\n@dataclass\nclass D:\n    x: int = 1\n    y: str = 'a'",
        "import enum\nclass D(enum.Enum):\n    A = 1\n    B = 2",
        "import functools\n@functools.lru_cache\ndef D(n, k=[1]): return n",
        "def make(k):\n    def f(): return k\n    return f\nD = make(2)",
    ],
)
def test_a_definition_has_the_same_digest_in_the_notebook_and_in_a_step(notebook, text):
    notebook.run(text)
    names = [name for name in ("D", "other") if name in notebook.namespace]
    step = round_trip(notebook, *names)
    before, after = notebook.namespace["D"], step["D"]
    assert after is not before
    assert digest_definition(after, step) == digest_definition(before, notebook.namespace)


def orders(cls):
    # Python 3.13 adds it, and cloudpickle sets it last.
    return [name for name in vars(cls) if name != "__firstlineno__"]


def test_a_class_has_its_attributes_in_the_order_of_its_statement():
    namespace = {"__name__": "__main__"}
    exec(
        "class A:\n  z = 1\n  def f(self): return 1\n  a = 2\n"
        "class B(A):\n  'doc'\n  y: int = 2\n  def f(self): return super().f()\n  b = 3\n",
        namespace,
    )
    found = load_closure(dump_closure({n: namespace[n] for n in "AB"}, namespace), {"__name__": "__main__"})
    for name in "AB":
        assert orders(found[name]) == orders(namespace[name])
    assert (found["B"]().f(), found["B"].b, found["A"].z) == (1, 3, 1)


def test_structures_take_arrays_and_pointers_of_their_types(notebook):
    notebook.run(
        "import ctypes\nclass Node(ctypes.Structure):\n  def total(self): return sum(self.data)",
        "fields = [('data', ctypes.c_int * 2), ('next', ctypes.POINTER(Node))]\nNode._fields_ = fields",
        "numbers = (ctypes.c_int * 2)(3, 4)\ndef make(): return Node(numbers, ctypes.pointer(Node()))",
    )
    step = round_trip(notebook, "Node", "numbers", "make", ctypes=ctypes)
    made = step["make"]()
    assert (made.total(), made.next.contents.total(), ctypes.sizeof(made)) == (7, 0, 16)
    fields = "[('x', ctypes.c_uint16), ('y', ctypes.c_uint8)]"
    notebook.run(f"class Big(ctypes.BigEndianStructure):\n  _pack_ = 1\n  _fields_ = {fields}")
    assert bytes(round_trip(notebook, "Big")["Big"](1, 2)) == b"\0\1\2"


_MODELS = """
import pathlib, sys
from jupyter_mlpipe.keys.payload import dump_closure, load_closure
from jupyter_mlpipe.keys.values import digest_definition

stream = pathlib.Path(sys.argv[1])
if stream.exists():
    globals().update(load_closure(stream.read_bytes(), globals()))
    print(Model(first={"k": "2"}).first.k + 1)
else:
    import pydantic
    class Model(pydantic.BaseModel):
        first: "Later"
        FIELD
    class Later(pydantic.BaseModel):
        k: int = 1
    before = digest_definition(Model, globals())
    stream.write_bytes(dump_closure({"Model": Model, "Later": Later}, globals()))
    Model(first={})
    assert digest_definition(Model, globals()) == before
"""


@pytest.mark.parametrize("field", ["second: 'Later | None' = None", "more: 'list[Model]' = []"])
def test_a_model_that_names_what_was_defined_after_it_validates_elsewhere(tmp_path, field):
    script = tmp_path / "script.py"
    script.write_text(_MODELS.replace("FIELD", field))
    for printed in ("", "3\n"):
        command = [sys.executable, str(script), str(tmp_path / "stream")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == (printed, "")


def named_in(stream):
    """Return what a pickle refers to by module and name: the two texts that were put there last."""
    found, texts, memo = set(), [], []
    for opcode, argument, _position in pickletools.genops(stream):
        if opcode.name in ("SHORT_BINUNICODE", "BINUNICODE"):
            texts.append(argument)
        elif opcode.name == "MEMOIZE":
            memo.append(texts[-1] if texts else None)
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            texts.append(memo[argument])
        elif opcode.name == "STACK_GLOBAL":
            found.add(tuple(texts[-2:]))
    return found


def test_what_stored_pickles_name_stays_where_it_is(notebook):
    # Whoever moves or renames one of these makes what people have stored unreadable.
    notebook.run(
        "import functools\n"
        "def make():\n    n = 0\n    def get(): return n\n    return get\n"
        "def here():\n    @functools.lru_cache\n    def cached(x): return x\n    return cached\n"
        "class C: pass\n"
        "class E(Exception):\n    def __init__(self, a, b): super().__init__(a)\n"
        "def empty():\n    def get(): return late\n    if False: late = 1\n    return get\n"
        "values = [make(), here(), C, E(1, 2), empty()]"
    )
    values = [*notebook.namespace["values"], np.add, np.random.mtrand._rand]
    artifact = dump_artifact(values, notebook.namespace)
    own = {name for module, name in named_in(artifact.stream) if module == "jupyter_mlpipe.keys.pickles"}
    assert own == {
        "_Empty",
        "_find_definition",
        "_global_random_state",
        "_imported",
        "_make_cached",
        "_make_empty_cell",
        "_make_exception",
        "_make_function",
        "_set_function_state",
    }
