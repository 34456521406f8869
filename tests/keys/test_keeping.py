"""Which names of a module keep what its functions are told."""

from __future__ import annotations

import ast

import pytest

from jupyter_mlpipe.keys.keeping import NOT_BOUND, UNKNOWN, find_kept


def kept(text: str) -> dict[str, object]:
    return find_kept(ast.parse(text))[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\ndef f(v):\n    global x\n    x = v", {"x": 1}),
        ("def f(v):\n    global x\n    x = v", {"x": NOT_BOUND}),
        ("x = g()\ndef f(v):\n    global x\n    x, y = v", {"x": UNKNOWN}),
        ("if a: x = 1\nelse: x = 2\ndef f(v):\n    global x\n    x = v", {"x": UNKNOWN}),
        ("x: int = 0\ndef f():\n    global x\n    x += 1\n    return x", {"x": 0}),
        ("x = []\ndef f(v): x.append(v)", {"x": []}),
        ("x = dict()\ndef f(k, v): x[k]['a'] = v", {"x": {}}),
        ("class C:\n    k = 0\ndef f(v): C.k = v", {"C.k": 0}),
        ("class C:\n    k = 0\n    @classmethod\n    def f(cls, v): cls.k = v", {"C.k": 0}),
        ("x = C()\ndef f(v): x.a = v", {"x": UNKNOWN}),
        ("x = C()", {"x": UNKNOWN}),
        ("x = {'a': [1]}", {"x": {"a": [1]}}),
        ("x = 1\ny = g()\ndef f(x):\n    x = 2\n    y = 3", {"x": 1, "y": UNKNOWN}),
        ("x = []\ndef f():\n    x = []\n    x.append(1)", {"x": []}),
    ],
)
def test_what_functions_change_is_kept(text: str, expected: dict[str, object]) -> None:
    assert kept(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "x = None\ndef f():\n    global x\n    if x is None: x = g()\n    return x",
        "x = {}\ndef f(k):\n    if k not in x: x[k] = g(k)\n    return x[k]",
        "x = {}\ndef f(k):\n    try: return x[k]\n    except KeyError: x[k] = g(k)\n    return x[k]",
    ],
)
def test_what_is_made_when_first_asked_for_is_not_kept(text: str) -> None:
    assert kept(text) == {}


def test_what_is_made_of_what_the_caller_says_is_kept() -> None:
    text = "x = None\ndef f(path):\n    global x\n    if x is None: x = g(path)\n    return x"
    assert kept(text) == {"x": None}
