"""Which codec stores which value. Codecs are imported when first needed, and never load a library
that the value does not come from."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from typing import Any

from jupyter_mlpipe.store.encoding import Codec, Encoding

_MODULES = {
    "arrow": "jupyter_mlpipe.store.arrow",
    "files": "jupyter_mlpipe.store.placed",
    "json": "jupyter_mlpipe.store.plain",
    "npy": "jupyter_mlpipe.store.arrays",
    "pickle": "jupyter_mlpipe.store.pickled",
    "shared": "jupyter_mlpipe.store.shared",
}
_BY_LIBRARY = {
    "builtins": ("json",),
    "jupyter_mlpipe": ("files",),
    "numpy": ("npy", "json"),
    "pandas": ("arrow",),
    "polars": ("arrow",),
    "pyarrow": ("arrow",),
}


@functools.cache
def find_codec(id_: str) -> Codec | None:
    """Return the codec of this name, or None."""
    module = _MODULES.get(id_)
    if module is None:
        return None
    codec: Codec = importlib.import_module(module).CODEC
    return codec


def choose(value: Any, namespace: Mapping[str, object]) -> tuple[Codec, Encoding]:
    """Return the first codec that stores `value` exactly, and the value ready to be written.

    Raises
    ------
    EncodingError
        No codec can: names the type, why, and what to do.
    """
    library = str(type(value).__module__).partition(".")[0]
    for id_ in (*_BY_LIBRARY.get(library, ()), "pickle"):
        codec = find_codec(id_)
        encoding = codec.encode(value, namespace) if codec else None
        if codec and encoding:
            return codec, encoding
    raise AssertionError("pickle either encodes or raises")
