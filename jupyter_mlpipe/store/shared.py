"""Several values in one pickle, so that what they share stays shared.

Each is an artifact of its own, a part of the same bytes, whose digest is that of the value alone: a reader
of one of them does not depend on what the others hold. Parts of one figure do, and are not looked into.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_mlpipe.keys.artifacts import parts_of
from jupyter_mlpipe.keys.views import reduce_views
from jupyter_mlpipe.store import pickled
from jupyter_mlpipe.store.drawn import figure_of_all
from jupyter_mlpipe.store.encoding import Codec, Encoding


def encode(value: Any, namespace: Mapping[str, object]) -> Encoding:
    """Encode the values by name; raises EncodingError as `pickled.encode`."""
    if figure_of_all(value.values()) is not None:
        return pickled.encode(value, namespace)
    reduced, _kept = reduce_views(parts_of(value, namespace))
    return pickled.encode(value, namespace, reduced)


def decode(view: memoryview, namespace: dict[str, Any] | None) -> dict[str, Any]:
    """Return the values by name."""
    found: dict[str, Any] = pickled.decode(view, namespace)
    return found


CODEC = Codec("shared", 1, encode, decode)
