"""Plain values as JSON with type tags, exact to the type and to the bit."""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_mlpipe.keys.imported import imported
from jupyter_mlpipe.store.encoding import Codec, Encoding, Sink

_TAG = "~"  # {"~": [kind, payload]}; a user's dict with this key is itself tagged
_MAX_BYTES = 1_000_000
_MAX_NODES = 50_000
_MAX_DEPTH = 64
_MAX_DIGITS_BITS = 8192  # beyond, str(int) meets Python's limit on digits
_PREVIEW_CHARACTERS = 80
# Exact as dtype and bytes. Left out: longdouble (its padding is arbitrary) and records.
_NUMPY_KINDS = frozenset("biufcmM")
_IMMUTABLE_SIMPLE = (type(None), bool, str)


class NotPlainError(Exception):
    """The value is better off with another codec."""


class _Packer:
    def __init__(self) -> None:
        self._n_nodes = 0
        self._seen: set[int] = set()

    def pack(self, value: Any, depth: int = 0) -> Any:
        self._n_nodes += 1
        if self._n_nodes > _MAX_NODES or depth > _MAX_DEPTH:
            raise NotPlainError
        kind = type(value)
        if kind in _IMMUTABLE_SIMPLE:
            return value
        if kind is int:
            if value.bit_length() > _MAX_DIGITS_BITS:
                return {_TAG: ["int", hex(value)]}
            return value
        if kind is float:
            if math.isnan(value):
                return {_TAG: ["nan", struct.pack("<d", value).hex()]}
            return value if math.isfinite(value) else {_TAG: ["inf", int(math.copysign(1, value))]}
        return self._pack_other(value, kind, depth + 1)

    def _pack_other(self, value: Any, kind: type, depth: int) -> Any:
        if kind in (list, dict, set, bytearray):
            # Two names for one list must stay one list, which only pickle keeps.
            if id(value) in self._seen:
                raise NotPlainError
            self._seen.add(id(value))
        if kind is list:
            return [self.pack(item, depth) for item in value]
        if kind is dict:
            if _TAG not in value and all(type(key) is str for key in value):
                return {key: self.pack(item, depth) for key, item in value.items()}
            items = [[self.pack(key, depth), self.pack(item, depth)] for key, item in value.items()]
            return {_TAG: ["dict", items]}
        if kind is tuple:
            return {_TAG: ["tuple", [self.pack(item, depth) for item in value]]}
        if kind in (set, frozenset):
            items = sorted((self.pack(item, depth) for item in value), key=_dump)
            return {_TAG: [kind.__name__, items]}
        if kind in (bytes, bytearray):
            return {_TAG: [kind.__name__, base64.b64encode(value).decode()]}
        if kind is complex:
            return {_TAG: ["complex", struct.pack("<dd", value.real, value.imag).hex()]}
        if kind in (range, slice):
            parts = [self.pack(part, depth) for part in (value.start, value.stop, value.step)]
            return {_TAG: [kind.__name__, parts]}
        if value is Ellipsis:
            return {_TAG: ["ellipsis", None]}
        return _pack_numpy(value, kind)


def pack(value: Any) -> Any:
    """Return JSON values that stand for `value`; raises NotPlainError."""
    return _Packer().pack(value)


def unpack(found: Any) -> Any:
    """Return the value that `pack` was given."""
    if type(found) is list:
        return [unpack(item) for item in found]
    if type(found) is not dict:
        return found
    if _TAG not in found:
        return {key: unpack(item) for key, item in found.items()}
    kind, payload = found[_TAG]
    return _UNPACK[kind](payload)


def _pack_numpy(value: Any, kind: type) -> Any:
    numpy = imported("numpy")
    if numpy is None or not isinstance(value, numpy.generic):
        raise NotPlainError
    if kind is numpy.str_:
        return {_TAG: ["numpy.str", str(value)]}
    dtype = value.dtype
    if dtype.kind not in _NUMPY_KINDS or kind in (numpy.longdouble, numpy.clongdouble) or dtype.metadata:
        raise NotPlainError
    return {_TAG: ["numpy", [dtype.str, value.tobytes().hex()]]}


def _unpack_numpy(payload: Any) -> Any:
    import numpy

    return numpy.frombuffer(bytes.fromhex(payload[1]), dtype=payload[0])[0]


def _unpack_numpy_str(payload: Any) -> Any:
    import numpy

    return numpy.str_(payload)


_UNPACK: dict[str, Callable[[Any], Any]] = {
    "int": lambda payload: int(payload, 16),
    "nan": lambda payload: struct.unpack("<d", bytes.fromhex(payload))[0],
    "inf": lambda payload: math.copysign(math.inf, payload),
    "dict": lambda payload: {unpack(key): unpack(item) for key, item in payload},
    "tuple": lambda payload: tuple(unpack(item) for item in payload),
    "set": lambda payload: {unpack(item) for item in payload},
    "frozenset": lambda payload: frozenset(unpack(item) for item in payload),
    "bytes": base64.b64decode,
    "bytearray": lambda payload: bytearray(base64.b64decode(payload)),
    "complex": lambda payload: complex(*struct.unpack("<dd", bytes.fromhex(payload))),
    "range": lambda payload: range(*map(unpack, payload)),
    "slice": lambda payload: slice(*map(unpack, payload)),
    "ellipsis": lambda payload: ...,
    "numpy": _unpack_numpy,
    "numpy.str": _unpack_numpy_str,
}


def _dump(found: Any) -> str:
    return json.dumps(found, ensure_ascii=True, separators=(",", ":"))


def encode(value: Any, namespace: Mapping[str, object]) -> Encoding | None:
    try:
        content = _dump(pack(value)).encode()
    except NotPlainError:
        return None
    if len(content) > _MAX_BYTES:
        return None

    def write(out: Sink) -> None:
        out.write(content)

    return Encoding(write, preview(value), len(content))


def preview(value: Any) -> str:
    """Return a short text for people: the value itself, or how much of what it is."""
    if isinstance(value, (str, bytes, bytearray)) and len(value) > _PREVIEW_CHARACTERS:
        return f"{value[: _PREVIEW_CHARACTERS - 20]!r}… ({len(value):,})"
    if isinstance(value, int) and value.bit_length() > 256:
        return f"int of {value.bit_length():,} bits"
    if isinstance(value, (list, tuple, set, frozenset, dict)) and len(value) > 20:
        return f"{type(value).__name__} of {len(value):,}"
    try:
        text = repr(value)
    except ValueError:  # an integer of very many digits inside
        return type(value).__name__
    if len(text) <= _PREVIEW_CHARACTERS:
        return text
    return f"{type(value).__name__} of {len(value):,}" if hasattr(value, "__len__") else type(value).__name__


def decode(view: memoryview, namespace: dict[str, Any] | None) -> Any:
    return unpack(json.loads(bytes(view)))


CODEC = Codec("json", 1, encode, decode)
