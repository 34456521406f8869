"""Pickles of what a step is sent: all that its code reaches, definitions of the notebook by value."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any

from jupyter_mlpipe.errors import EncodingError
from jupyter_mlpipe.keys.pickles import Pickler, loading_into
from jupyter_mlpipe.keys.views import arrays_in, reduce_views


def dump_closure(objects: Mapping[str, object], namespace: Mapping[str, Any]) -> bytes:
    """Return one pickle of `objects` by name; `namespace` is the ``__dict__`` of the notebook's module.

    Raises
    ------
    EncodingError
        Names the object, the type inside it that cannot be pickled, and why.
    """
    reduced, _kept = reduce_views(arrays_in(objects.values()))
    try:
        return _dump(dict(objects), namespace, reduced)
    except EncodingError:
        for name, why in find_unpicklable(objects, namespace).items():
            raise EncodingError(f"'{name}' cannot be sent to a step: {why}") from None
        raise


def load_closure(stream: bytes, namespace: dict[str, Any]) -> dict[str, Any]:
    """Return the objects of `dump_closure`; their globals are `namespace` itself, which is not changed."""
    with loading_into(namespace):
        objects: dict[str, Any] = pickle.loads(stream)
    return objects


def find_unpicklable(objects: Mapping[str, object], namespace: Mapping[str, Any]) -> dict[str, str]:
    """Return, for each of `objects` that cannot be pickled, the type in the way and the reason."""
    found = {}
    for name, value in objects.items():
        try:
            _dump(value, namespace)
        except EncodingError as error:
            found[name] = str(error)
    return found


def _dump(
    value: object, namespace: Mapping[str, Any], reduced: Mapping[int, tuple[Any, ...]] | None = None
) -> bytes:
    file = io.BytesIO()
    pickler = Pickler(file, namespace, by_name=False)
    pickler.reduced = reduced or {}
    pickler.dump_or_explain(value)
    return file.getvalue()
