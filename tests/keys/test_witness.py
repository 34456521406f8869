"""A closure is given again only where taking it anew would give the same."""

import importlib
import sys

import pytest

from jupyter_mlpipe.keys.closure import Closures, take_closure
from jupyter_mlpipe.keys.modules import ModulesOnce
from jupyter_mlpipe.keys.witness import Scope
from jupyter_mlpipe.model.component import Component

CODE = """
import json
out = helper(x) + limit + len(json.dumps(other))
"""
CELLS = "limit = 3", "def inner(n, by=2):\n    return n + by", "def helper(n: int):\n    return inner(n)"


class Taker:
    def __init__(self, notebook, code, reads):
        self.notebook = notebook
        self.component = Component("step", code, code, reads=reads)
        self.closures = Closures()
        self.provided = {"x"}
        self.kept = {}

    def take(self):
        scope = Scope(self.notebook.namespace, self.provided, self.kept)
        found = self.closures.take(self.component, scope, ModulesOnce(self.notebook.modules))
        fresh = take_closure(
            self.component,
            self.notebook.namespace,
            self.provided,
            modules=self.notebook.modules,
            kept=self.kept,
        )
        assert found.provided_reads == fresh.provided_reads
        assert found.unresolved == fresh.unresolved
        assert found.payload == fresh.payload
        assert found.imports == fresh.imports
        assert [i for i in found.ingredients if i.kind != "unhashable"] == [
            i for i in fresh.ingredients if i.kind != "unhashable"
        ]
        return found


@pytest.fixture
def taker(new_notebook):
    return Taker(new_notebook(*CELLS), CODE, ("helper", "x", "limit", "len", "other"))


def test_an_unchanged_closure_is_the_same_object(taker):
    assert taker.take() is taker.take()


def change_default(namespace):
    namespace["inner"].__defaults__ = (5,)


def change_code(namespace):
    namespace["inner"].__code__ = (lambda n, by=2: n - by).__code__


def wrap(namespace):
    before = namespace["inner"]
    namespace["inner"] = lambda n: before(n) + 1


@pytest.mark.parametrize(
    "change",
    [
        "limit = 4",
        "other = [1]",
        "def inner(n, by=2):\n    return n * by",
        "def len(values):\n    return 0",
        "del limit",
        change_default,
        change_code,
        wrap,
        lambda names: vars(names["inner"]).update(note=[1]),
        lambda names: names["helper"].__annotations__.update(n=dict),
        lambda names: setattr(names["inner"], "__kwdefaults__", {"by": [1]}),
    ],
)
def test_what_changed_is_taken_anew(taker, change):
    before = taker.take()
    if callable(change):
        change(taker.notebook.namespace)
    else:
        taker.notebook.run(change)
    after = taker.take()
    assert after is not before
    assert after.ingredients != before.ingredients or after.unresolved != before.unresolved


def test_a_new_provider_and_a_kept_value_count(taker):
    before = taker.take()
    taker.provided.add("limit")
    provided = taker.take()
    assert provided.provided_reads != before.provided_reads
    taker.provided.discard("limit")
    taker.kept["limit"] = 7
    assert taker.take().ingredients != before.ingredients


@pytest.mark.parametrize(
    "value", ["[1, 2]", "{'a': 1}", "bytearray(b'a')", "([1],)", "type('T', (), {'a': 1})"]
)
def test_a_value_that_can_change_unseen_is_always_looked_at(new_notebook, value):
    notebook = new_notebook(f"value = {value}")
    taker = Taker(notebook, "out = value", ("value",))
    assert taker.take() is not taker.take()


def test_a_list_changed_in_place_counts(new_notebook):
    notebook = new_notebook("value = [1, 2]")
    taker = Taker(notebook, "out = value", ("value",))
    before = taker.take()
    notebook.run("value.append(3)")
    assert taker.take().ingredients != before.ingredients


def test_an_edited_local_module_counts(new_notebook, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "own_tools_of_witness.py"
    path.write_text("def f():\n    return 1\n")
    importlib.invalidate_caches()
    notebook = new_notebook("from own_tools_of_witness import f")
    taker = Taker(notebook, "out = f()", ("f",))
    before = taker.take()
    assert taker.take() is before
    path.write_text("def f():\n    return 22\n")
    assert taker.take().ingredients != before.ingredients
    sys.modules.pop("own_tools_of_witness")


def test_a_submodule_imported_meanwhile_is_imported_in_the_step_too(new_notebook, monkeypatch):
    monkeypatch.delitem(sys.modules, "xml.dom.minidom", raising=False)
    taker = Taker(new_notebook("import xml.dom"), "out = xml.dom.minidom.parseString", ("xml",))
    before = taker.take()
    taker.notebook.run("import xml.dom.minidom")
    assert "xml.dom.minidom" in taker.take().imports
    assert "xml.dom.minidom" not in before.imports
