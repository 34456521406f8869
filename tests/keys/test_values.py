import collections
import datetime
import decimal
import enum
import fractions
import functools
import math
import operator
import pathlib
import pickle
import re
import socket
import threading
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from jupyter_mlpipe.keys.payload import dump_closure, load_closure
from jupyter_mlpipe.keys.values import Digester, Undigestable, digest_value


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass
class Point:
    x: object = 1
    y: object = 2


class Plain:
    def __init__(self, **attributes):
        vars(self).update(attributes)


Pair = collections.namedtuple("Pair", "a b")
FRAME = pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})
X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 1, 0])


def changed(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.copy()
    frame.loc[1, "a"] = 9
    return frame


DISTINCT = {
    "plain": [1, 1.0, True, "1", b"1", np.int64(1), np.float64(1), np.float32(1), np.bool_(True), [1], (1,)],
    "containers": [[1, 2], (1, 2), {1, 2}, frozenset({1, 2}), {1: 2}, Pair(1, 2), collections.deque([1, 2])],
    "dicts": [
        {"a": 1, "b": 2},
        {"b": 2, "a": 1},
        collections.OrderedDict(a=1, b=2),
        collections.defaultdict(int, a=1, b=2),
        collections.Counter(a=1, b=2),
    ],
    "nested": [[[1], 2], [[1, 2]], [[1], [2]], [1, [2]], [], [[]], [None], [()], [{}]],
    "objects": [Point(1), Point(1.0), Point("1"), Point(Point(1)), Plain(x=1, y=2), Colour.RED, Colour.BLUE],
    "times": [
        datetime.date(2020, 1, 1),
        datetime.datetime(2020, 1, 1),
        datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        datetime.timedelta(1),
        pd.Timestamp("2020-01-01"),
        pd.Timestamp("2020-01-02"),
        pd.Timestamp("2020-01-01", tz="UTC"),
        np.datetime64("2020-01-01"),
        np.datetime64("2020-01-01", "ns"),
    ],
    "numbers": [decimal.Decimal("1.0"), decimal.Decimal("1.00"), fractions.Fraction(1), 1 + 0j, -0.0, 0.0],
    "others": [
        pathlib.PurePosixPath("a"),
        "a",
        re.compile("a"),
        re.compile("a", re.IGNORECASE),
        operator.itemgetter(1),
        operator.itemgetter(2),
        functools.partial(print, 1),
        functools.partial(print, 2),
        len,
        print,
        math,
        np.add,
        np.subtract,
        int,
        float,
        range(2),
        slice(2),
    ],
    "arrays": [
        np.arange(6),
        np.arange(6).astype("i4"),
        np.arange(6).astype("f8"),
        np.arange(6).astype(">i8"),
        np.arange(6).reshape(2, 3),
        np.arange(6).reshape(3, 2),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(6)[::-1],
        np.arange(6)[::-1].copy(),
        np.arange(12)[::2],
        np.arange(12)[::2].copy(),
        np.arange(6).astype("m8[s]"),
        np.arange(6).astype("m8[ms]"),
        np.arange(6).astype(object),
        np.ma.array(np.arange(6), mask=[0, 0, 0, 0, 0, 1]),
        np.zeros(6),
        -np.zeros(6),
        np.array([f"{i}" for i in range(6)]),
        np.array([f"{i}" for i in range(6)], dtype=object),
        np.array([f"{i}" for i in range(6)], dtype=np.dtypes.StringDType()),
        np.array([f"{i + 1}" for i in range(6)], dtype=np.dtypes.StringDType()),
        np.zeros(6, dtype=[("a", "i4"), ("b", "f4")]),
        np.zeros(6, dtype=[("a", "i4"), ("c", "f4")]),
        np.empty(0),
        np.empty((0, 3)),
        np.array(1.0),
    ],
    "tables": [
        FRAME,
        changed(FRAME),
        FRAME.rename(columns={"a": "c"}),
        FRAME[["b", "a"]],
        FRAME.set_index("a"),
        FRAME.set_index([[5, 6, 7]]),
        FRAME.rename_axis("i"),
        FRAME.astype({"a": "float64"}),
        FRAME.astype({"a": "Int64"}),
        FRAME.astype({"b": "category"}),
        FRAME.astype({"b": object}),
        FRAME.iloc[:2],
        FRAME["a"],
        FRAME["a"].rename("b"),
        FRAME["a"].astype("Int64"),
        pd.Series([1, None, 3], dtype="Int64"),
        FRAME["b"],
        FRAME["b"].fillna("y"),
        FRAME["b"].astype(pd.CategoricalDtype(["x", "z"])),
        FRAME["b"].astype(pd.CategoricalDtype(["z", "x"])),
        FRAME["b"].astype(pd.CategoricalDtype(["x", "z"], ordered=True)),
        pd.Index([1, 2, 3]),
        pd.RangeIndex(1, 4),
        pd.MultiIndex.from_product([[1, 2], ["a", "b"]]),
        pd.MultiIndex.from_product([[1, 2], ["a", "c"]]),
        pd.date_range("2020", periods=3),
        pd.date_range("2020", periods=3, tz="UTC"),
        pd.period_range("2020", periods=3, freq="D"),
        pd.interval_range(0, 3),
        pd.array([1, None]),
        pd.array([True, None]),
        pd.DataFrame(),
        pd.DataFrame(index=[1]),
    ],
    "models": [
        LogisticRegression(),
        LogisticRegression(C=2),
        LogisticRegression().fit(X, Y),
        LogisticRegression().fit(X, 1 - Y),
        DecisionTreeClassifier(random_state=0).fit(X, Y),
        DecisionTreeClassifier(random_state=0).fit(X, 1 - Y),
        np.random.default_rng(1),
        np.random.default_rng(2),
    ],
}


@pytest.mark.parametrize("kind", DISTINCT)
def test_different_values_differ_and_copies_do_not(kind):
    values = DISTINCT[kind]
    digests = [digest_value(value) for value in values]
    twins = [(i, j) for i in range(len(values)) for j in range(i) if digests[i] == digests[j]]
    assert twins == []
    for value, before in zip(values, digests, strict=True):
        # Modules cannot be pickled; masked arrays come back with their fill value worked out.
        if not isinstance(value, type(math) | np.ma.MaskedArray):
            assert digest_value(load_closure(dump_closure({"": value}, {}), {})[""]) == before, value


def test_a_change_deep_inside_counts():
    def deep(value: object) -> object:
        for _ in range(50):
            value = Plain(inner=[{"x": value}])
        return value

    assert digest_value(deep(1)) != digest_value(deep(2))


def test_every_row_counts():
    values = np.arange(300_000)
    other = values.copy()
    other[123_457] += 1
    assert digest_value(pd.DataFrame({"a": values})) != digest_value(pd.DataFrame({"a": other}))


def test_layout_of_a_table_in_memory_does_not_count():
    built = pd.DataFrame({"a": [1, 2]})
    built["b"] = [3, 4]
    assert digest_value(built) == digest_value(pd.DataFrame({"a": [1, 2], "b": [3, 4]}))
    assert digest_value(FRAME.iloc[::2].reset_index(drop=True)) == digest_value(
        pd.DataFrame({"a": [1, 3], "b": ["x", "z"]})
    )


def test_days_of_a_frequency_of_the_users_own_count():
    def index(**days):
        return pd.date_range("2020-01-06", periods=1, freq=pd.offsets.CustomBusinessDay(**days))

    indexes = [index(weekmask="Mon Tue"), index(weekmask="Mon Wed"), index(holidays=["2020-01-02"])]
    assert len({digest_value(i) for i in indexes}) == 3
    assert digest_value(pickle.loads(pickle.dumps(indexes[2]))) == digest_value(indexes[2])


@pytest.mark.parametrize("freq", ["B", "bh", "C", "cbh", "BME", "CBME"])
def test_days_of_business_have_a_digest(freq):
    index = pd.date_range("2020-01-06", periods=3, freq=freq)
    assert digest_value(index) == digest_value(pickle.loads(pickle.dumps(index)))
    assert digest_value(index) != digest_value(pd.DatetimeIndex(index, freq=None))


def test_what_is_attached_to_a_dtype_counts():
    arrays = [np.zeros(1, np.dtype("f8", metadata={"unit": unit})) for unit in ("m", "s")]
    assert digest_value(arrays[0]) != digest_value(arrays[1])


def test_what_pickle_leaves_out_of_an_array_counts():
    class Measured(np.ndarray):
        pass

    arrays = [np.arange(2.0).view(Measured) for _ in range(3)]
    arrays[0].unit, arrays[1].unit = "m", "s"
    masked = [np.ma.array([1, 2], hard_mask=hard) for hard in (True, False)]
    assert len({digest_value(a) for a in (*arrays, *masked)}) == 5


def test_what_led_to_an_exception_counts():
    errors = [ValueError("a") for _ in range(3)]
    errors[0].__cause__, errors[1].__context__ = KeyError("b"), KeyError("b")
    assert len({digest_value(error) for error in errors}) == 3


def test_what_is_known_by_a_name_only_is_refused():
    # It says that the notebook has it as '<lambda> (vectorized)'.
    with pytest.raises(Undigestable, match="known by its name only"):
        digest_value(np.frompyfunc(lambda x: x + 1, 1, 1))


def test_what_says_its_own_name_counts_by_what_it_holds(new_notebook):
    text = "class Unit:\n    def __reduce__(self): return 'METRE'\nMETRE = Unit()\nMETRE.size = {}"
    digests = [
        digest_value(notebook.namespace["METRE"], Digester(notebook.namespace))
        for notebook in (new_notebook(text.format(1)), new_notebook(text.format(2)))
    ]
    assert digests[0] != digests[1]


def test_what_a_vectorized_function_has_made_for_its_calls_does_not_count():
    def add(a, b):
        return a + b

    called, other = np.vectorize(add), np.vectorize(add)
    called([1], [2])
    assert digest_value(called) == digest_value(other)
    assert digest_value(called) != digest_value(np.vectorize(add, otypes=[float]))


def test_attributes_set_on_a_frame_count():
    frame, other = FRAME.copy(), FRAME.copy()
    frame.limit, other.limit = 5, 6
    assert len({digest_value(one) for one in (FRAME, frame, other)}) == 3


def test_values_below_a_mask_do_not_count():
    masked = pd.array([1, 2], dtype="Int64")
    masked[1] = pd.NA
    assert digest_value(masked) == digest_value(pd.array([1, None], dtype="Int64"))


def test_cycles_end_and_differ_by_content():
    def cycle(value: object) -> list[object]:
        ring: list[object] = [value]
        ring.append({"again": ring})
        return ring

    assert digest_value(cycle(1)) == digest_value(cycle(1))
    assert digest_value(cycle(1)) != digest_value(cycle(2))
    tree = Plain(children=[Plain(), Plain()])
    for child in tree.children:
        child.parent = tree
    assert digest_value(tree) == digest_value(tree)


@pytest.mark.parametrize(
    ("make", "path", "kind"),
    [
        (lambda: {"a": [threading.Lock()]}, "['a'][0]", "_thread.lock"),
        (lambda: Point(threading.RLock()), ".x", "_thread.RLock"),
        (lambda: (i for i in ()), "", "generator"),
        (lambda: np.array([threading.Lock()], dtype=object), "[0]", "_thread.lock"),
        (lambda: functools.partial(print, threading.Lock()), ".args[0]", "_thread.lock"),
        (lambda: {1: memoryview(b"a")}, "[1]", "memoryview"),
    ],
)
def test_what_has_no_content_is_refused_with_the_way_to_it(make, path, kind):
    with pytest.raises(Undigestable) as caught:
        digest_value(make())
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.type_name, error.path) == (kind, path)
    assert "Make it inside the cell" in str(error)


def test_open_files_and_sockets_are_refused(tmp_path):
    with open(tmp_path / "a", "w") as file, pytest.raises(Undigestable, match="TextIOWrapper"):
        digest_value(file)
    with socket.socket() as connection, pytest.raises(Undigestable, match="socket"):
        digest_value([connection])


def test_a_failing_reduce_is_a_refusal():
    class Bad:
        def __reduce_ex__(self, protocol):
            raise ValueError("not today")

    with pytest.raises(Undigestable, match="not today"):
        digest_value(Bad())


def test_extreme_nesting_is_refused():
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(Undigestable, match="nested too deeply"):
        digest_value(value)


def test_functions_in_values_bring_their_helpers_along(new_notebook):
    def digest_of(cell: str) -> str:
        return digest_value({"f": new_notebook(cell).namespace["f"]})

    first = "def g(): return h()\ndef h(): return 1\nf = lambda: g()"
    assert digest_of(first) == digest_of(first)
    assert digest_of(first) != digest_of(first.replace("return 1", "return 2"))


def test_tensors_and_models_count_by_their_content() -> None:
    torch = pytest.importorskip("torch")

    def model(last: float) -> object:
        layer = torch.nn.Linear(2, 1)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([[1.0, last]]))
            layer.bias.zero_()
        return layer

    assert digest_value(torch.ones(3)) == digest_value(torch.ones(3))
    assert digest_value(model(2)) == digest_value(model(2))
    others = [torch.zeros(3), torch.ones(3).double(), torch.ones(3, requires_grad=True), torch.ones(1, 3)]
    assert len({*map(digest_value, [torch.ones(3), *others, model(2), model(3)])}) == 7


def test_what_a_class_leaves_out_of_its_pickles_is_named_where_it_cannot_be_known(new_notebook):
    text = (
        "import threading\nclass Box:\n    def __init__(self, held): self.held = held\n"
        "    def __getstate__(self): return {}\n    def __setstate__(self, state): self.held = None\n"
        "box = Box(HELD)"
    )
    digests = {}
    for held in ("1", "2", "threading.Lock()"):
        namespace = new_notebook(text.replace("HELD", held)).namespace
        digests[held] = digest_value(namespace["box"], Digester(namespace))
    assert digests["1"] != digests["2"]
    # A lock holds nothing: it is for the class to make another one.
    assert len({*digests.values()}) == 3
    namespace = new_notebook(text.replace("HELD", "[threading.Event()]")).namespace
    with pytest.raises(Undigestable) as caught:
        digest_value(namespace["box"], Digester(namespace))
    assert (caught.value.type_name, caught.value.path) == ("_thread.lock", ".held[0]._cond._lock")
