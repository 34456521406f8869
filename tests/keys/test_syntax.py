import ast
import dis
from pathlib import Path

import pytest

from jupyter_mlpipe.keys.codes import code_reads
from jupyter_mlpipe.keys.syntax import ends_quietly, read_syntax, syntax_digest

SAME = [
    ("x = 1", "x=1  # why"),
    ("f(a, b)", "f(\n    a,\n    b,\n)"),
    ("def f():\n    'doc'\n    return 1", "def f():\n\n    return 1"),
    ("class A:\n    '''doc'''\n    x = 1", "class A:\n    x = 1"),
    ("'title'\nx = 1", "x = 1"),
    ("x = 'a'", 'x = "a"'),
    ("x = u'a'", "x = 'a'"),
    ("x = (1)", "x = 1"),
    ("x = 1; y = 2", "x = 1\ny = 2"),
]
OTHER = [
    ("x = 1", "x = 1.0"),
    ("x = 1", "x = True"),
    ("x = 1", "y = 1"),
    ("x = None", "x = ..."),
    ("x = 0.0", "x = -0.0"),
    ("f(a, b)", "f(b, a)"),
    ("f(a=1)", "f(b=1)"),
    ("f(a)", "f(*a)"),
    ("x = [1]", "x = (1,)"),
    ("x: int = 1", "x = 1"),
    ("def f(a, /): pass", "def f(a): pass"),
    ("def f(): pass", "async def f(): pass"),
    ("a < b", "a > b"),
    ("return_ = lambda: 1", "return_ = lambda: 2"),
    ("'one'", "'two'"),
    ("x = 'doc'", "x = 'other'"),
    ("if a:\n    b\nc", "if a:\n    b\n    c"),
    ("f'{a}'", "f'{a!r}'"),
    ("f'{a:3}'", "f'{a:4}'"),
    ("from a import b", "from .a import b"),
    ("x = {1: None}", "x = {**None}"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_does_not_change_the_meaning_does_not_count(one, other):
    assert syntax_digest(one) == syntax_digest(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_changes_the_meaning_counts(one, other):
    assert syntax_digest(one) != syntax_digest(other)


def test_digest_is_pinned():
    source = "def f(x, *, k=1):\n    return [x ** k for _ in 'a']"
    assert syntax_digest(source) == PINNED


@pytest.mark.parametrize(
    ("source", "quiet"), [("plot();", True), ("plot(); # done", True), ("a; b", False), ("';'", False)]
)
def test_a_last_semicolon_keeps_a_cell_quiet(source, quiet):
    assert ends_quietly(source) is quiet


PINNED = "4475a6bd52e0657ff1fdf56cef4e50916ad02d923d89e371cb1109eb648b9bc1"


def test_all_nodes_are_met_once_by_kind():
    for file in (ast.__file__, dis.__file__, __file__):
        tree = ast.parse(Path(file).read_text())
        every = {node for node in ast.walk(tree) if node._fields}  # no contexts and operators
        nodes = read_syntax(tree).nodes
        assert sorted(map(id, (node for found in nodes.values() for node in found))) == sorted(map(id, every))
        assert all(type(node) is kind for kind, found in nodes.items() for node in found)


def test_globals_are_those_of_dis_also_where_there_are_many():
    body = "\n".join(f"    call{i}(value{i})" for i in range(400))
    scope: dict[str, object] = {}
    exec(f"def many():\n{body}\n    global last\n    last = 1\n", scope)
    code = scope["many"].__code__
    read = [i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "STORE_GLOBAL")]
    assert list(code_reads(code).names) == list(dict.fromkeys(read))
    assert "value399" in read
