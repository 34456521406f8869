"""What a plain cell reads by calling: names that only the code behind another name shows."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from jupyter_mlpipe.notebook.steps.reached import reached_from


@pytest.mark.parametrize(
    "defined",
    [
        "def f():\n    return limit",
        # A decorator that says nothing of what it is around.
        "def around(g):\n    def called():\n        return g()\n    return called\n"
        "@around\ndef f():\n    return limit",
        "f = functools.lru_cache(lambda: limit)",
        "f = functools.partial(lambda x: limit, 1)",
        "def f(g=lambda: limit):\n    return g()",
        "class F:\n    @property\n    def size(self):\n        return limit\nf = F()",
        "class F:\n    @classmethod\n    def make(cls):\n        return limit\nf = F.make",
        "class Base:\n    def size(self):\n        return limit\nclass F(Base):\n    pass\nf = F().size",
    ],
)
def test_what_stands_behind_a_name_is_reached(defined: str) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec("import functools\n" + textwrap.dedent(defined), namespace)
    assert "limit" in reached_from(["f"], namespace)


def test_functions_of_modules_reach_nothing_of_the_notebook() -> None:
    namespace: dict[str, Any] = {"__name__": "__main__", "dedent": textwrap.dedent}
    assert reached_from(["dedent"], namespace) == {"dedent"}
