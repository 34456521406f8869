"""Modules that another thread is importing."""

import importlib.util
import sys
import types

from jupyter_mlpipe.keys.imported import imported
from jupyter_mlpipe.keys.values import digest_value
from jupyter_mlpipe.store.codecs import choose


class Own:
    def __init__(self):
        self.rows = [1]


def test_a_library_that_is_being_imported_is_not_asked(monkeypatch):
    whole = digest_value(Own())
    begun = types.ModuleType("numpy")
    begun.__spec__ = importlib.util.spec_from_loader("numpy", loader=None)
    begun.__spec__._initializing = True  # as importlib marks it
    monkeypatch.setitem(sys.modules, "numpy", begun)
    assert imported("numpy") is None
    assert digest_value(Own()) == whole
    assert choose([1], {})[0].id == "json"


def test_a_library_that_is_there_is_given():
    assert imported("json") is sys.modules["json"]
    assert imported("no_such_module") is None
