"""Classes and functions of the notebook that a later cell defined anew.

An object keeps the class that it was made of. Stored by name, it would be given the one that the name stands
for when it is read: so earlier ones are kept, each by its name and the digest that stored values know it by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cloudpickle import cloudpickle as cloudpickle_internals

from jupyter_mlpipe.keys.quiet import mark_filled

_kept: dict[tuple[str, str], Any] = {}
_MARK = "mlpipe "


def keep(name: str, digests: Iterable[str], definition: Any) -> None:
    """Keep what a name of the notebook stands for.

    Parameters
    ----------
    digests
        Those by which stored values refer to it. What is kept under one of them stays.
    """
    for digest in digests:
        if _kept.setdefault((name, digest), definition) is definition and isinstance(definition, type):
            # By this, what holds its instances finds it, though it travels by value.
            cloudpickle_internals._lookup_class_or_track(f"{_MARK}{name} {digest}", definition)
            mark_filled(definition)


def find_earlier(needs: Mapping[str, str], namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return, by name, what a stored value refers to and the notebook has defined anew since."""
    found = {need: _kept[need] for need in needs.items() if need in _kept} if _kept else {}
    if not found:
        return {}
    # Not at the top: digests of values rest on how these are pickled.
    from jupyter_mlpipe.keys.values import digest_named

    return {
        name: definition
        for (name, digest), definition in found.items()
        if name not in namespace or digest_named(name, namespace) != digest
    }


def needed_earlier(
    needs: Iterable[tuple[str, str]], namespace: Mapping[str, Any]
) -> Iterator[tuple[str, str, Any]]:
    """Yield name, digest and definition of what is referred to and no longer stands for its name."""
    for name, digest in dict.fromkeys(needs):
        if definition := find_earlier({name: digest}, namespace).get(name):
            yield name, digest, definition


def is_kept_as(tracker: str) -> bool:
    """Tell whether the id by which cloudpickle knows a class is that of a kept one."""
    return tracker.startswith(_MARK)
