"""Modules at random: two that count the same for `a` give the same `a`, whatever differs between them."""

# ruff: noqa: E501 - statements on one line are easier to compare

from __future__ import annotations

import builtins

from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_mlpipe.keys.slices import narrow
from jupyter_mlpipe.keys.sources import parse_module

_STATEMENTS = [
    "def {x}(v=0): return {n}",
    "def {x}(v=0): return ({n}, {y}(v - 1) if v > 0 else 0)",
    "def {x}(v=0): return ({n}, {y} if isinstance({y}, int) else '')",
    "def {x}(v=0): return [{y}(w) for w in range(v)]",
    "def {x}(v=0): return {y}().get(v)",
    "def {x}(v=0): return list(T)",
    "def {x}(v={y}): return v if isinstance(v, int) else {n}",
    "def {x}(v: {y} = 0): return {n}",
    "def {x}(v: '{y}' = 0): return {x}.__annotations__ and {n}",
    "def {x}(v: {y} | None = 0) -> list[{y}]: return {n}",
    "def {x}(v=0):\n  global {y}\n  {y} = {n}\n  return v",
    "def {x}(v=0):\n  T.append({n})\n  return {y}",
    "def {x}(v=0):\n  try: return {y}\n  except NameError: return {n}",
    "def {x}(v=0): return globals().get('{y}', lambda v: {n})(v)",
    "def {x}(v=0): return sum([{n}, {y}(0)])",
    "def sum(v): return {n}",
    "{x} = {n}",
    "{x}: int = {n}",
    "{x} = {z} = {n}",
    "{x}, {z} = {n}, 1",
    "{x} = {y}",
    "{x} = {y}(1)",
    "{x} = lambda v=0: ({n}, {y}(v - 1) if v > 0 else 0)",
    "{x} += {n}",
    "T.append({n})",
    "T.append({y}(1))",
    "if {y}: {x} = {n}",
    "try:\n  {x} = {y}(1)\nexcept Exception:\n  {x} = {n}",
    "for {x} in range({n}): T.append({x})",
    "while not T: T.append({y}(0))",
    "with open('/dev/null') as {x}: T.append({n})",
    "assert {y}",
    "del {x}",
    "import functools as {x}",
    "from functools import {x}",
    "import functools\n@functools.lru_cache\ndef {x}(v=0): return ({n}, {y}(v - 1) if v > 0 else 0)",
    "@{y}\ndef {x}(v=0): return {n}",
    "def {x}(v=0):\n  if callable(v): return v\n  return {n}",
    "class {x}:\n  k = {n}\n  def get(self, v=0): return {y}(v - 1) if v > 0 else self.k",
    "class {x}({y}):\n  j = {n}",
    "class {x}:\n  def __init_subclass__(cls): T.append({n})\n  def get(self, v=0): return {n}",
    "class {x}:\n  @property\n  def p(self): return {y}\n  def get(self, v=0): return self.p(0)",
    "class {x}(type):\n  def __call__(cls): return {n}",
    "class {x}(metaclass={y}): pass",
    "class {x}:\n  k = {y}\n  def get(self, v=0): return self.k",
    "import dataclasses\n@dataclasses.dataclass\nclass {x}:\n  k: int = {n}\n  def get(self, v): return self.k, {y}(0)",
    "{x}.k = {n}",
    "def __getattr__(name): return {n}",
    "if __name__ == '__main__': {x} = {n}",
    "'{y}'",
]
_names = st.sampled_from("abcd")
_statements = st.builds(
    lambda text, x, y, z, n: text.format(x=x, y=y, z=z, n=n),
    st.sampled_from(_STATEMENTS),
    _names,
    _names,
    _names,
    st.integers(0, 2),
)


@st.composite
def _edits(draw: st.DrawFn) -> tuple[str, str]:
    before = draw(st.lists(_statements, min_size=1, max_size=7))
    after = list(before)
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, len(after)))
        kind = draw(st.sampled_from(["insert", "replace", "delete", "move"]))
        gone = after.pop(place) if kind != "insert" and place < len(after) else ""
        if kind in ("insert", "replace"):
            after.insert(place, draw(_statements))
        elif kind == "move":
            after.insert(draw(st.integers(0, len(after))), gone)
    return "\n".join(before), "\n".join(after)


def _counted(text: str) -> list[tuple[str, str]]:
    module = parse_module("mod", "/mod.py", False, text.encode())
    parts = narrow([("mod", ("",)), ("mod", ("a",))], {"mod": module}).parts
    return [(part.name, part.digest) for part in parts]


def _outcome(text: str) -> object:
    namespace = {"__name__": "mod", "__builtins__": builtins}
    try:
        exec(compile(text, "/mod.py", "exec"), namespace)
        found = namespace["a"] if "a" in namespace else namespace["__getattr__"]("a")
        return _plain(found(2) if callable(found) else found)
    except Exception:
        return "fails"  # which is never reused


def _plain(value: object) -> object:
    if isinstance(value, list | tuple):
        return [type(value), *map(_plain, value)]
    return (type(value), value) if isinstance(value, int | str | None) else type(value).__name__


@settings(max_examples=600)
@given(_edits())
def test_what_counts_the_same_gives_the_same(texts: tuple[str, str]) -> None:
    before, after = (f"T = []\n{text}\n" for text in texts)
    if _counted(before) == _counted(after):
        assert _outcome(before) == _outcome(after)
