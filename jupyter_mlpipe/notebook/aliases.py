"""Names of the notebook that share objects with what a component reads: what it changes, changes in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jupyter_mlpipe.errors import EncodingError
from jupyter_mlpipe.store.codecs import choose
from jupyter_mlpipe.store.sharing import find_sharing, is_atom

_OF_IPYTHON = frozenset({"In", "Out", "exit", "quit", "get_ipython"})


def find_aliases(
    names: Iterable[str], others: Iterable[str], namespace: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return those of `others` whose values share mutable objects with the values of `names`."""
    wanted = {name: namespace[name] for name in names if name in namespace}
    values = [value for value in wanted.values() if not is_atom(value)]
    if not values:
        return ()
    candidates = {
        name: namespace[name]
        for name in others
        if name not in wanted
        and name not in _OF_IPYTHON
        and not name.startswith("_")
        and name in namespace
        and not is_atom(namespace[name])
    }
    found = find_sharing(values, candidates, namespace) if candidates else set()
    return tuple(name for name in candidates if name in found and _can_be_sent(candidates[name], namespace))


def _can_be_sent(value: object, namespace: Mapping[str, Any]) -> bool:
    try:
        choose(value, namespace)
    except EncodingError:
        return False
    return True
