"""A name for a component that has none: from what its cell calls and binds."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Collection

from jupyter_mlpipe.cells.deeds import last_word

_VERBS_TEXT = """
add aggregate align analyse analyze apply assign augment build calculate calc categorize check
choose classify clean cluster collect combine compare compute concat convert count create cut decode
decompose detect download drop dropna embed encode estimate evaluate expand explode extract fetch
fill fillna filter find fit flatten forecast format generate get group impute import index
interpolate join label load make map mask match measure melt merge normalize optimize parse pivot
plot prepare preprocess process profile project query rank read reduce rename resample reshape run
sample scale score scrape search select shuffle simulate smooth solve sort split stack stratify sum
summarize tokenize train transform tune update validate vectorize
"""
_VERBS = frozenset(_VERBS_TEXT.split())
_SPECIAL = {"groupby": "group", "fit_transform": "transform", "crosstab": "count", "value_counts": "count"}
_LONGEST = 32


def suggest_name(tree: ast.Module, binds: Collection[str], taken: Collection[str]) -> str:
    """Return a valid name that is not taken: ``load_df`` for ``df = load(path)``.

    Parameters
    ----------
    binds
        Names that the cell gives to later cells; empty for one that only shows something.
    """
    verb, thing = _deed(tree, binds)
    words = [verb, thing] if verb and thing and thing != verb else [verb or thing or "show"]
    name = re.sub(r"\W+", "_", "_".join(words)).strip("_").lower()
    if len(name) > _LONGEST:
        name = name[:_LONGEST].rpartition("_")[0] or name[:_LONGEST]
    if not name.isidentifier() or keyword.iskeyword(name):
        name = f"step_{name}".rstrip("_")
    number, offer = 2, name
    while offer in taken:
        offer, number = f"{name}_{number}", number + 1
    return offer


def _deed(tree: ast.Module, binds: Collection[str]) -> tuple[str, str]:
    """Return the verb and the thing of the last statement that binds one of the names; empty if none."""
    thing = ""
    for node in reversed(tree.body):
        bound = [name for name in _bound_by(node) if name in binds]
        if not bound and binds:
            continue
        verb = _verb(node)
        several = len(bound) > 1
        if verb:
            return verb, "" if several or not bound else bound[0]
        thing = thing or (bound[0] if bound else "")
        if binds:
            return ("", thing)
    return ("", thing) if thing or binds else ("show", "")


def _bound_by(node: ast.stmt) -> list[str]:
    """Return the names that a statement binds or changes, as far as its text says so plainly."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        function = node.value.func
        while isinstance(function, ast.Attribute | ast.Call | ast.Subscript):
            function = function.func if isinstance(function, ast.Call) else function.value
        return [function.id] if isinstance(function, ast.Name) else []
    found = []
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            found.append(part.id)
        elif isinstance(part, ast.Subscript | ast.Attribute) and isinstance(part.ctx, ast.Store):
            inner: ast.expr = part
            while isinstance(inner, ast.Attribute | ast.Subscript):
                inner = inner.value
            if isinstance(inner, ast.Name):
                found.append(inner.id)
    return list(dict.fromkeys(found))


def _verb(node: ast.stmt) -> str:
    """Return what the outermost call with a telling name does: ``split`` for ``train_test_split``."""
    for part in ast.walk(node):  # from the outside in
        if not isinstance(part, ast.Call):
            continue
        word = last_word(part.func).lower()
        if word in _SPECIAL:
            return _SPECIAL[word]
        parts = [piece for piece in word.split("_") if piece]
        for piece in (*parts[-1:], *parts[:1]):
            if piece in _VERBS:
                return piece
    return ""
