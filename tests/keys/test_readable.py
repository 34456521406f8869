"""Sources of definitions as they are kept to say what changed."""

from __future__ import annotations

from typing import Any

from jupyter_mlpipe.keys.readable import MAX_SOURCE, helper_source, source_kept


def test_a_class_is_shown_with_its_fields_attributes_and_own_methods(notebook: Any) -> None:
    notebook.run(
        "from dataclasses import dataclass\n"
        "class Base: pass\n"
        "@dataclass\n"
        "class P(Base):\n"
        "    a: int\n"
        "    b: list[int] = ()\n"
        "    K = {'x': 1}\n"
        "    def f(self):\n"
        "        return self.a\n"
    )
    assert helper_source(notebook.namespace["P"]).splitlines() == [
        "class P(Base):",
        "    a: int",
        "    b: list[int] = ()",
        "    K = {'x': 1}",
        "    def f(self):",
        "        return self.a",
    ]


def test_a_wrapped_function_is_shown_as_it_was_written(notebook: Any) -> None:
    notebook.run("import functools\n@functools.lru_cache\ndef f(x):\n    return x\n")
    assert helper_source(notebook.namespace["f"]) == "@functools.lru_cache\ndef f(x):\n    return x"


def test_what_nobody_can_read_is_not_kept() -> None:
    assert source_kept("x" * MAX_SOURCE) == "x" * MAX_SOURCE
    assert source_kept("x" * (MAX_SOURCE + 1)) == ""
