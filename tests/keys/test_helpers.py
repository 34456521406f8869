"""Functions of the notebook are read when their cell has run, so that a walk finds them read."""

from jupyter_mlpipe.keys.helpers import read_ahead
from jupyter_mlpipe.model.parsed import parse


def cells(n):
    """Texts that no other call gives."""
    functions = [f"def f{i}(): return f{i + 1}() + {n + i}" for i in range(40)]
    return [*functions, f"class f40:\n  def __init__(self): self.n = {n}"]


def n_parsed_by_walk(notebook):
    before = parse.cache_info().misses
    assert len(notebook.closure("out = f0()").names) == 41
    return parse.cache_info().misses - before


def test_a_walk_parses_no_function_that_was_read_ahead(new_notebook):
    assert n_parsed_by_walk(new_notebook(*cells(100))) >= 41
    notebook = new_notebook(*cells(200))
    for i in range(41):
        read_ahead(notebook.namespace[f"f{i}"])
    assert n_parsed_by_walk(notebook) < 5


def test_what_has_no_text_is_passed_over(notebook):
    for value in (3, len, print, object(), "f", type, dict):
        read_ahead(value)
    notebook.run_without_source("def f(): return 1")
    read_ahead(notebook.namespace["f"])
    assert notebook.key("out = f()")
