"""Canonical bytes of plain values, and the digest over them.

Every part says its type and its length, so that two different values never share an encoding:
``1``, ``1.0``, ``True`` and ``"1"`` differ, and so do ``["a,b"]`` and ``["a", "b"]``.
Not for objects of other types: `jupyter_mlpipe.keys.values` digests those.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from blake3 import blake3

SCHEME = 1
"""Version of everything that digests are made of; another number is another cache."""

_HEADER = b"jupyter-mlpipe\x00%d\x00" % SCHEME
_NAN = struct.pack(">d", float("nan"))
_pack_float = struct.Struct(">d").pack


def encode(value: object) -> bytes:
    """Return the canonical encoding of a plain value.

    Sets are ordered by the encoding of their elements. The order of a dict counts: iteration shows it.

    Raises
    ------
    TypeError
        The value, or one inside it, is not exactly of a plain type; subclasses (an enum, a named
        tuple, ``OrderedDict``) are not plain.
    ValueError
        The value contains itself, or is nested too deeply.
    """
    parts: list[bytes] = []
    try:
        _write(value, parts.append)
    except RecursionError:
        raise ValueError(
            f"a {type(value).__name__} that contains itself, or is nested too deeply, cannot be encoded"
        ) from None
    return b"".join(parts)


class Encoded:
    """What `encode` gave for a value, to stand for the value inside others."""

    __slots__ = ("content",)

    def __init__(self, value: object) -> None:
        self.content = encode(value)


def digest(kind: str, *parts: object) -> str:
    """Return 64 hex digits over the scheme's number, a record kind and plain `parts`."""
    return blake3(_HEADER + encode((kind, *parts))).hexdigest()


def digest_bytes(content: bytes | bytearray | memoryview) -> str:
    """Return the digest of bare bytes, such as a file's."""
    return blake3(content).hexdigest()


def encode_float(value: float) -> bytes:
    return _NAN if value != value else _pack_float(value)


def _write(value: Any, put: Callable[[bytes], None]) -> None:
    kind = type(value)
    if kind is str:
        text = value.encode("utf-8", "surrogatepass")
        put(b"s%d:" % len(text))
        put(text)
    elif (writer := _WRITERS.get(kind)) is not None:
        writer(value, put)
    else:
        raise TypeError(f"a value of type {kind.__module__}.{kind.__qualname__} has no canonical encoding")


def _write_int(value: int, put: Callable[[bytes], None]) -> None:
    # Hexadecimal: Python refuses to write large integers in decimal.
    text = b"%x" % value
    put(b"i%d:" % len(text))
    put(text)


def _write_float(value: float, put: Callable[[bytes], None]) -> None:
    put(b"f" + encode_float(value))


def _write_complex(value: complex, put: Callable[[bytes], None]) -> None:
    put(b"c" + encode_float(value.real) + encode_float(value.imag))


def _write_bytes(value: bytes, put: Callable[[bytes], None]) -> None:
    put(b"b%d:" % len(value))
    put(value)


def _write_bytearray(value: bytearray, put: Callable[[bytes], None]) -> None:
    put(b"B%d:" % len(value))
    put(bytes(value))


def _write_tuple(value: tuple[object, ...], put: Callable[[bytes], None]) -> None:
    put(b"(%d:" % len(value))
    for item in value:
        _write(item, put)


def _write_list(value: list[object], put: Callable[[bytes], None]) -> None:
    put(b"[%d:" % len(value))
    for item in value:
        _write(item, put)


def _write_set(value: set[object], put: Callable[[bytes], None]) -> None:
    put(b"{%d:" % len(value))
    put(b"".join(sorted(map(encode, value))))


def _write_frozenset(value: frozenset[object], put: Callable[[bytes], None]) -> None:
    put(b"<%d:" % len(value))
    put(b"".join(sorted(map(encode, value))))


def _write_dict(value: dict[object, object], put: Callable[[bytes], None]) -> None:
    put(b"d%d:" % len(value))
    for key, item in value.items():
        _write(key, put)
        _write(item, put)


def _write_range(value: range, put: Callable[[bytes], None]) -> None:
    put(b"r")
    for part in (value.start, value.stop, value.step):
        _write_int(part, put)


def _write_slice(value: slice, put: Callable[[bytes], None]) -> None:
    put(b":")
    for part in (value.start, value.stop, value.step):
        _write(part, put)


_WRITERS: dict[type, Callable[[Any, Callable[[bytes], None]], None]] = {
    type(None): lambda value, put: put(b"N"),
    bool: lambda value, put: put(b"T" if value else b"F"),
    int: _write_int,
    float: _write_float,
    complex: _write_complex,
    bytes: _write_bytes,
    bytearray: _write_bytearray,
    tuple: _write_tuple,
    list: _write_list,
    set: _write_set,
    frozenset: _write_frozenset,
    dict: _write_dict,
    range: _write_range,
    slice: _write_slice,
    type(Ellipsis): lambda value, put: put(b"."),
    Encoded: lambda value, put: put(value.content),
}

SCALARS: frozenset[type] = frozenset(
    {type(None), bool, int, float, complex, str, bytes, bytearray, range, type(Ellipsis)}
)
"""Plain types that hold no other value."""
