"""Imports go down only. Whoever needs an exception has a module in the wrong layer."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[1] / "jupyter_mlpipe"

# Each layer and all that lies below it.
BELOW = {
    "errors": set(),
    "model": {"errors"},
    "cells": {"errors", "model"},
    "keys": {"errors", "model"},
    "store": {"errors", "model", "keys"},
    "execution": {"errors", "model", "keys", "store"},
    "notebook": {"errors", "model", "cells", "keys", "store", "execution"},
    "app": {"errors", "model", "cells", "keys", "store", "execution"},
}
WITHIN = {
    "execution": {"process": set(), "cluster": {"process"}, "runs": {"process", "cluster"}},
    "notebook": {
        "show": set(),
        "steps": {"show"},
        "values": {"show", "steps"},
        "running": {"show", "steps", "values"},
        # The session makes these, and they act on it.
        "following": {"show", "steps", "values", "running", "session"},
        "page": {"show", "steps", "values", "running", "following", "session", "accepting", "making"},
    },
}
FLEET = {"dask", "distributed"}
NOTEBOOK_LIBRARIES = {"IPython", "ipywidgets", "anywidget", "comm", "ipykernel"}

# A step process gives IPython to the cell that uses it, and only then: it is imported inside functions.
STEP_PROCESS = {"execution/process/shell.py"}


class Import(NamedTuple):
    file: str
    line: int
    target: str
    is_inside_function: bool

    @property
    def top(self) -> str:
        return self.target.partition(".")[0]

    def __str__(self) -> str:
        return f"jupyter_mlpipe/{self.file}:{self.line} imports {self.target}"


def imports_in(tree: ast.AST, file: str, is_inside_function: bool = False) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name, is_inside_function)
        elif isinstance(node, ast.ImportFrom):
            # A relative import is as good as its absolute form.
            parents = Path("jupyter_mlpipe", file).parts[: -node.level] if node.level else ()
            module = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(file, node.lineno, f"{module}.{alias.name}", is_inside_function)
        else:
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports_in(node, file, is_inside_function or is_function)


def parse_package() -> dict[str, ast.Module]:
    return {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def layer_of(file: str) -> str:
    return Path(file).parts[0].removesuffix(".py")


TREES = parse_package()
IMPORTS = [each for file, tree in TREES.items() for each in imports_in(tree, file)]


def imported_layer(each: Import) -> str | None:
    """The layer that an import reaches; None outside the package and for names such as `__version__`."""
    parts = each.target.split(".")
    return parts[1] if parts[0] == "jupyter_mlpipe" and len(parts) > 1 and parts[1] in BELOW else None


def test_every_module_belongs_to_a_layer():
    strays = [file for file in TREES if file != "__init__.py" and layer_of(file) not in BELOW]
    assert strays == []


def test_imports_go_down_only():
    upward = []
    for each in IMPORTS:
        own, reached = layer_of(each.file), imported_layer(each)
        # The package's own __init__ re-exports, so that it may import all; but see below who may import it.
        if reached is not None and own != "__init__" and reached not in {own} | BELOW[own]:
            upward.append(str(each))
    assert upward == []


@pytest.mark.parametrize("layer", WITHIN)
def test_imports_within_a_layer_go_down_only(layer: str):
    upward = []
    for each in IMPORTS:
        own, reached = (path.split(".") for path in (each.file.replace("/", "."), each.target))
        if own[0] == layer and reached[:2] == ["jupyter_mlpipe", layer] and len(own) > 3:
            assert len(reached) > 2, each
            if reached[2] not in {own[1]} | WITHIN[layer][own[1]]:
                upward.append(str(each))
    assert upward == []


def test_no_module_imports_the_whole_package():
    """`import jupyter_mlpipe` from below would be an upward import, whatever is then read from it."""
    whole = [
        str(each)
        for each in IMPORTS
        if each.top == "jupyter_mlpipe"
        and imported_layer(each) is None
        and each.target not in {"jupyter_mlpipe.__version__", "jupyter_mlpipe.__doc__"}
    ]
    assert whole == []


def test_only_one_package_imports_the_fleet():
    found = [
        str(each)
        for each in IMPORTS
        if each.top in FLEET and not each.file.startswith("execution/cluster/dask/")
    ]
    assert found == []


def test_notebook_libraries_stay_in_the_notebook_layer():
    found = [
        str(each)
        for each in IMPORTS
        if each.top in NOTEBOOK_LIBRARIES
        and layer_of(each.file) != "notebook"
        and not (each.file in STEP_PROCESS and each.is_inside_function)
    ]
    assert found == []


def is_declaration(node: ast.stmt) -> bool:
    """A docstring, an import (also for type checkers alone) or `__all__`."""
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom():
            return True
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body, orelse=[]):
            return all(is_declaration(inner) for inner in body)
    return False


@pytest.mark.parametrize("layer", sorted(BELOW.keys() - {"errors"}))
def test_the_init_of_a_layer_only_declares(layer: str):
    body = TREES[f"{layer}/__init__.py"].body
    assert [ast.unparse(node)[:60] for node in body if not is_declaration(node)] == []


def test_the_init_of_the_package_only_declares_and_imports_late():
    # IPython and Jupyter look these up by name in the package that a user loads.
    hooks = {"load_ipython_extension", "unload_ipython_extension", "_jupyter_labextension_paths"}
    rest = []
    for node in TREES["__init__.py"].body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__version__" | "_LAZY")]):
                continue
            case ast.FunctionDef(name=name) if name in {"__getattr__", "__dir__"} | hooks:
                continue
        if not is_declaration(node):
            rest.append(ast.unparse(node)[:60])
    assert rest == []


# The walk itself, on imports that it must not miss.


def test_relative_and_nested_imports_are_seen():
    code = "from ..store import records\nfrom . import graph\ndef f():\n    import IPython.display\n"
    assert list(imports_in(ast.parse(code), "model/pipeline.py")) == [
        Import("model/pipeline.py", 1, "jupyter_mlpipe.store.records", False),
        Import("model/pipeline.py", 2, "jupyter_mlpipe.model.graph", False),
        Import("model/pipeline.py", 4, "IPython.display", True),
    ]
    assert imported_layer(Import("x", 1, "jupyter_mlpipe.store", False)) == "store"
