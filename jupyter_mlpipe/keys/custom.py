"""Types whose users have said how they are stored: for pickles and digests, wherever such a value sits.

Who they are, and what comes with them to a step, is in `jupyter_mlpipe.store.registered`.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from jupyter_mlpipe.errors import ArtifactMissingError, StoreError

TypeName = tuple[str, str]
"""A module and a qualified name: a class of the notebook that was defined anew is the same type."""


@dataclass(frozen=True, slots=True)
class CustomCodec:
    """How values of one type become bytes and come back.

    Parameters
    ----------
    version
        Gives what tells this codec from others of its name, its code included; what another one wrote is
        not read.
    encode, decode
        Give the functions, such as they are in this process.
    """

    name: str
    type: TypeName
    version: Callable[[], str]
    encode: Callable[[], Callable[[Any, BinaryIO], object]]
    decode: Callable[[], Callable[[BinaryIO], Any]]


CODECS: dict[str, CustomCodec] = {}
"""By name, those that this process knows of."""
BY_TYPE: dict[TypeName, CustomCodec] = {}


def type_name(kind: type) -> TypeName:
    return kind.__module__, kind.__qualname__


def reduce_custom(value: object) -> tuple[Any, ...] | None:
    """Return what a pickle holds of a value whose type has a codec: it begins with name and version."""
    codec = BY_TYPE.get(type_name(type(value)))
    if codec is None:
        return None
    file = io.BytesIO()
    codec.encode()(value, file)
    return decode_custom, (codec.name, codec.version(), pickle.PickleBuffer(file.getbuffer()))


def is_known(name: str, version: str) -> bool:
    """Tell whether this process has that codec, as it was."""
    codec = CODECS.get(name)
    return codec is not None and codec.version() == version


def why_unknown(name: str) -> str:
    """Return what stands in the way of reading what a codec wrote, and what to do."""
    if name in CODECS:
        return f"codec '{name}' has changed since it was stored. Run the step that makes it again."
    return (
        f"codec '{name}', by which it was stored, is not registered here. Run the cell that calls "
        f"register_codec(..., name='{name}'), or install the package that has it, and read it again."
    )


# Named in pickles: renaming it makes stored artifacts unreadable.
def decode_custom(name: str, version: str, content: Any) -> Any:
    """Return the value of `reduce_custom`."""
    if not is_known(name, version):
        raise ArtifactMissingError(f"A value cannot be read: {why_unknown(name)}")
    codec = CODECS[name]
    value = codec.decode()(io.BytesIO(content))
    if type_name(type(value)) != codec.type:
        found, wanted = (".".join(n) for n in (type_name(type(value)), codec.type))
        raise StoreError(
            f"The decode function of codec '{name}' gave a {found} where a {wanted} was stored. "
            "Let it return what encode was given, register the codec again, and read the value again."
        )
    return value
