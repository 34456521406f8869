"""Records and artifacts: what a key gave, as small JSON that proves its own integrity."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from blake3 import blake3

from jupyter_mlpipe.keys import canonical
from jupyter_mlpipe.model.status import Ingredient
from jupyter_mlpipe.store.blobs import Blob
from jupyter_mlpipe.store.files import Written

SCHEMA = 4
_PREFIX = b'{"mlpipe_record":%d,"checksum":"' % SCHEMA
_MIDDLE = b'","record":'
_SUFFIX = b"}\n"
_ANY = re.compile(rb'\{"mlpipe_record":(\d+),"checksum":"([0-9a-f]{64})","record":')
_INLINE = frozenset({"inline", "text", "base64"})  # the last two until schema 3
_CHECKSUM_AT = len(_PREFIX)
_BODY_AT = _CHECKSUM_AT + 64 + len(_MIDDLE)


class Artifact(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Stored content of an output and how to read it.

    Parameters
    ----------
    digest
        What enters the key of a consumer: covers codec, content and `needs`.
    codec, version
        How the content is decoded.
    type
        Qualified name of the value's type.
    preview
        For people: ``336,776 × 19``.
    needs
        Digests of the classes and functions of ``__main__`` by name, without which it cannot be decoded.
    modules
        Top-level modules whose classes and functions are inside: what it does depends on them.
    codecs
        Versions of the codecs of users by which parts of it are stored, by name.
    detached
        Whether a tensor inside was computed from others, which is not kept: ``backward`` ends there.
    part
        Its name among the values that are stored together in `blob`, because they share objects.
    """

    digest: str
    codec: str
    version: int
    type: str
    preview: str
    blob: Blob
    needs: Mapping[str, str] = {}
    modules: tuple[str, ...] = ()
    part: str = ""
    codecs: Mapping[str, str] = {}
    detached: bool = False

    @property
    def size(self) -> int:
        """Bytes as stored."""
        return self.blob.size

    @property
    def joint_digest(self) -> str:
        """What enters a consumer's key where it matters what the value shares with those stored beside it."""
        return joint_digest(self.digest, self.part, self.blob.object)


def joint_digest(digest: str, part: str, stored: str) -> str:
    """Return the digest of a value together with those that are stored in the same object."""
    return canonical.digest("together", digest, part, stored)


class Record(msgspec.Struct, frozen=True, omit_defaults=True, weakref=True):
    """What running a step gave.

    Parameters
    ----------
    left_out
        Names that the cell bound and that cannot be stored, each with why.
    result
        Value of the cell's last expression, which IPython keeps as ``Out[n]``; None where it has none, or
        none that can be stored.
    texts
        What `jupyter_mlpipe.store.texts.pack_texts` took out of `ingredients`.
    shown
        Content of what the step showed: a JSON list of outputs as in a notebook file.
    log
        All that it has printed, where that is more than `shown` has.
    files
        Digests of files read, by path; relative ones are seen from the notebook's folder.
    written
        What the step left on disk, in the order in which it is made again.
    peak_memory_bytes
        Of its process or, where that is more, of the largest one that it started.
    used
        What else it used: ``cpu_seconds``, ``bytes_read`` and ``bytes_written`` by it and its children.
    metrics
        What its code has logged, by name: the last value; text where it is not finite.
    curves
        Points (step, value) of metrics that were logged with a step.
    joint
        By input that the step changed, or that shares objects with what it changed: a mark of all that is
        stored together with it, and of the names that this has. What the step gave depends on these as well.
    undeleted
        Names that its code may delete, and did not: they stand for what they stood for.
    altered
        Functions and classes of the notebook that the step changed themselves, which nobody else sees.
    settings
        A pickle of what the step set for the cells below: options, seeds, environment variables.
    states
        Digests of what the result rests on beside the key, by name: random states that it drew from.
        Empty for one that was not known.
    live
        What only running the step gives, by name, each with why; empty for what has no name. Most of it is of
        steps that ran in the notebook's own process.
    why
        For people, why the step ran.
    created_at
        Seconds since 1970.
    """

    key: str
    outputs: Mapping[str, Artifact] = {}
    left_out: Mapping[str, str] = {}
    result: Artifact | None = None
    ingredients: tuple[Ingredient, ...] = ()
    texts: str = ""
    shown: Blob | None = None
    log: Blob | None = None
    seconds: float = 0.0
    peak_memory_bytes: int = 0
    used: Mapping[str, float] = {}
    metrics: Mapping[str, float | str] = {}
    curves: Mapping[str, Sequence[Sequence[float | str]]] = {}
    files: Mapping[str, str] = {}
    written: tuple[Written, ...] = ()
    joint: Mapping[str, str] = {}
    undeleted: tuple[str, ...] = ()
    settings: Blob | None = None
    states: Mapping[str, str] = {}
    altered: tuple[str, ...] = ()
    live: Mapping[str, str] = {}
    step: str = ""
    why: str = ""
    created_at: float = 0.0
    host: str = ""
    user: str = ""
    python: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Record:
        """Build a record from what `to_json` gave; ValueError for anything else."""
        return msgspec.convert(found, cls)


_decode = msgspec.json.Decoder(Record).decode


def to_bytes(record: Record) -> bytes:
    """Return the file of a record: JSON whose body is preceded by its checksum."""
    try:
        body = msgspec.json.encode(record)
    except UnicodeEncodeError:  # a path with bytes that are no text
        body = json.dumps(record.to_json(), separators=(",", ":")).encode()
    return b"".join((_PREFIX, blake3(body).hexdigest().encode(), _MIDDLE, body, _SUFFIX))


def from_bytes(content: bytes) -> Record | None:
    """Return the record of a file, or None where it is torn, foreign or of another schema."""
    if not content.startswith(_PREFIX) or not content.endswith(_SUFFIX):
        return None
    body = content[_BODY_AT : -len(_SUFFIX)]
    seal = blake3(body).hexdigest().encode() + _MIDDLE
    if content[_CHECKSUM_AT:_BODY_AT] != seal:
        return None
    try:
        return _decode(body)
    except ValueError:
        return _from_escaped(body)


def _from_escaped(body: bytes) -> Record | None:
    """Read what `to_bytes` wrote with escapes that are no characters, which msgspec refuses."""
    try:
        return Record.from_json(json.loads(body))
    except ValueError:
        return None


def read_any(content: bytes) -> tuple[int, dict[str, Any]] | None:
    """Return scheme and body of a record's file, whichever version wrote it; None where it is no record.

    Only for looking after the store: what may be reused is for `from_bytes` to say.
    """
    match = _ANY.match(content)
    if match is None or not content.endswith(_SUFFIX):
        return None
    body = content[match.end() : -len(_SUFFIX)]
    if blake3(body).hexdigest().encode() != match[2]:
        return None
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return (int(match[1]), found) if isinstance(found, dict) else None


def stored_blobs(found: object) -> Iterator[tuple[str, int]]:
    """Give digest and size of each object that a record's body refers to, wherever it stands there."""
    if isinstance(found, dict):
        digest, size = found.get("object"), found.get("size")
        if isinstance(digest, str) and isinstance(size, int) and not _INLINE & found.keys():
            yield digest, size
        for value in found.values():
            yield from stored_blobs(value)
    elif isinstance(found, list):
        for value in found:
            yield from stored_blobs(value)
