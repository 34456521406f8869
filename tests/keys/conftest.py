"""A notebook as the keys layer sees it: a `__main__` module whose cells are known to linecache."""

import ast
import importlib
import itertools
import linecache
import os
import sys
import types
from pathlib import Path

import pytest

from jupyter_mlpipe.keys.closure import Closure, take_closure
from jupyter_mlpipe.keys.derive import derive_key
from jupyter_mlpipe.keys.given import Snapshot, give
from jupyter_mlpipe.keys.modules import LocalModules
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.status import Ingredient

_numbers = itertools.count()


def free_names(code: str) -> tuple[str, ...]:
    names = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)]
    bound = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    return tuple(dict.fromkeys(node.id for node in names if node.id not in bound))


class Notebook:
    def __init__(self) -> None:
        self.module = types.ModuleType("__main__")
        self.namespace = vars(self.module)
        self.modules = LocalModules()

    def run(self, *cells: str) -> "Notebook":
        for text in cells:
            name = f"<cell {next(_numbers)}>"
            linecache.cache[name] = (len(text), None, text.splitlines(True), name)
            exec(compile(text, name, "exec"), self.namespace)
        return self

    def run_without_source(self, *cells: str) -> "Notebook":
        for text in cells:
            exec(compile(text, f"<gone {next(_numbers)}>", "exec"), self.namespace)
        return self

    def closure(self, code: str, provided: tuple[str, ...] = (), **fields: object) -> Closure:
        component = Component("step", code, code, reads=fields.pop("reads", free_names(code)), **fields)
        return take_closure(component, self.namespace, provided, modules=self.modules)

    def ingredients(self, closure: Closure) -> tuple[Ingredient, ...]:
        """All parts of a key that a closure gives, with what the notebook has set."""
        given = give(Snapshot(), closure.affected, self.namespace)
        assert given.problems == ()
        return (*closure.ingredients, *given.ingredients)

    def key(self, code: str, provided: tuple[str, ...] = (), **fields: object) -> str:
        closure = self.closure(code, provided, **fields)
        assert closure.problems == ()
        return derive_key(self.ingredients(closure), {}, {}, ("out",), "")[0]


@pytest.fixture
def new_notebook(monkeypatch):
    """Open notebooks; the last one opened is `__main__`."""

    def open_notebook(*cells: str) -> Notebook:
        notebook = Notebook()
        monkeypatch.setitem(sys.modules, "__main__", notebook.module)
        return notebook.run(*cells)

    return open_notebook


@pytest.fixture
def notebook(new_notebook):
    return new_notebook()


class Folder:
    """A folder on sys.path whose files can be rewritten."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._n_writes = 0

    def write(self, name: str, text: str) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        # Old enough for the reading to be remembered, and each time another moment.
        self._n_writes += 1
        moment = 1_600_000_000 + self._n_writes
        os.utime(file, (moment, moment))
        importlib.invalidate_caches()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    known = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Folder(tmp_path)
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
