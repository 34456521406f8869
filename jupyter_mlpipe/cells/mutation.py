"""Calls that change an object in place, as far as their text tells.

Only names of methods and functions are known here, never types: what is found *may* change, and the
contents of it are compared after the step.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

_COLLECTIONS = """
append appendleft extend extendleft insert remove pop popleft popitem clear sort reverse rotate update
setdefault add discard difference_update intersection_update symmetric_difference_update subtract
move_to_end write writelines truncate send put put_nowait get_nowait
"""
_ESTIMATORS = """
fit partial_fit fit_transform fit_predict fit_resample set_params train step zero_grad backward
load_state_dict register_buffer add_module compile
"""
_ARRAYS = "fill resize setflags itemset partition byteswap"
_GENERATORS = """
seed setstate shuffle permuted random random_sample rand randn randint integers normal standard_normal
uniform choice choices permutation sample binomial poisson exponential multivariate_normal getrandbits
"""
_FIGURES = """
plot scatter bar barh hist imshow set add_subplot add_axes add_patch add_artist add_trace update_layout
update_traces set_title set_xlabel set_ylabel set_xlim set_ylim legend annotate axhline axvline
"""
_FUNCTIONS = """
shuffle heappush heappop heapify heapreplace heappushpop insort insort_left insort_right setattr delattr
next setitem delitem copyto place putmask put put_along_axis fill_diagonal
"""

MUTATING_METHODS = frozenset(" ".join([_COLLECTIONS, _ESTIMATORS, _ARRAYS, _GENERATORS, _FIGURES]).split())
"""Methods that usually change the object on which they are called."""

MUTATING_FUNCTIONS = frozenset(_FUNCTIONS.split())
"""Functions that usually change their first argument, by the last part of their name."""


def root_name(node: ast.expr) -> str | None:
    """Return the name at the bottom of attributes and items: ``df`` for ``df.loc[m, "a"]``."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def changed_by_call(call: ast.Call) -> Iterator[tuple[str, bool]]:
    """Yield the names that a call changes, each with whether that is certain."""
    if isinstance(call.func, ast.Attribute) and (owner := root_name(call.func.value)) is not None:
        inplace = next((word.value for word in call.keywords if word.arg == "inplace"), None)
        if inplace is None:
            if call.func.attr in MUTATING_METHODS:
                yield owner, False
        elif not isinstance(inplace, ast.Constant):
            yield owner, False
        elif inplace.value:
            yield owner, True
    function = call.func.attr if isinstance(call.func, ast.Attribute) else root_name(call.func)
    if function in MUTATING_FUNCTIONS and call.args and (first := root_name(call.args[0])) is not None:
        yield first, False


def items_of(target: ast.expr, source: ast.expr) -> Iterator[tuple[str, str]]:
    """Yield the names that a loop binds to items of an object, each with the name of that object."""
    parts = target.elts if isinstance(target, ast.Tuple | ast.List) else []
    if isinstance(source, ast.Call):
        call, arguments = source.func, source.args
        if isinstance(call, ast.Attribute) and not arguments:
            if call.attr == "values":
                yield from items_of(target, call.value)
            elif call.attr == "items" and len(parts) == 2:
                yield from items_of(parts[1], call.value)
        elif isinstance(call, ast.Name) and arguments:
            if call.id == "enumerate" and len(parts) == 2:
                yield from items_of(parts[1], arguments[0])
            elif call.id == "zip" and len(parts) == len(arguments):
                for part, argument in zip(parts, arguments, strict=True):
                    yield from items_of(part, argument)
            elif call.id in ("reversed", "sorted", "list", "tuple"):
                yield from items_of(target, arguments[0])
    elif (root := root_name(source)) is not None:
        for node in ast.walk(target):
            if isinstance(node, ast.Name) and node.id != root:
                yield node.id, root
