"""Records and artifacts: what a key gave, as small JSON that proves its own integrity."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from blake3 import blake3

from jupyter_mlpipe.keys import canonical
from jupyter_mlpipe.model.status import Ingredient
from jupyter_mlpipe.store.blobs import Blob, blob_from_json, blob_to_json
from jupyter_mlpipe.store.files import Written

SCHEMA = 3
_PREFIX = b'{"mlpipe_record":%d,"checksum":"' % SCHEMA
_MIDDLE = b'","record":'
_SUFFIX = b"}\n"
_ANY = re.compile(rb'\{"mlpipe_record":(\d+),"checksum":"([0-9a-f]{64})","record":')
_CHECKSUM_AT = len(_PREFIX)
_BODY_AT = _CHECKSUM_AT + 64 + len(_MIDDLE)


@dataclass(frozen=True, slots=True)
class Artifact:
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
    needs: Mapping[str, str] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    part: str = ""
    codecs: Mapping[str, str] = field(default_factory=dict)
    detached: bool = False

    @property
    def size(self) -> int:
        """Bytes as stored."""
        return self.blob.size

    @property
    def joint_digest(self) -> str:
        """What enters a consumer's key where it matters what the value shares with those stored beside it."""
        return joint_digest(self.digest, self.part, self.blob.object)


# Versions and settings are the same in thousands of records.
_ingredient = functools.lru_cache(maxsize=1024)(Ingredient)


def joint_digest(digest: str, part: str, stored: str) -> str:
    """Return the digest of a value together with those that are stored in the same object."""
    return canonical.digest("together", digest, part, stored)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Record:
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
    altered
        Functions and classes of the notebook that the step changed themselves, which nobody else sees.
    settings
        A pickle of what the step set for the cells below: options, seeds, environment variables.
    states
        Digests of what the result rests on beside the key, by name: random states that it drew from.
        Empty for one that was not known.
    live
        Of a step that ran in the notebook's own process: what of it only running it gives, by name, each
        with why. Empty for what has no name.
    why
        For people, why the step ran.
    created_at
        Seconds since 1970.
    """

    key: str
    outputs: Mapping[str, Artifact] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    result: Artifact | None = None
    ingredients: tuple[Ingredient, ...] = ()
    texts: str = ""
    shown: Blob | None = None
    log: Blob | None = None
    seconds: float = 0.0
    peak_memory_bytes: int = 0
    used: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, float | str] = field(default_factory=dict)
    curves: Mapping[str, Sequence[Sequence[float | str]]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    written: tuple[Written, ...] = ()
    joint: Mapping[str, str] = field(default_factory=dict)
    settings: Blob | None = None
    states: Mapping[str, str] = field(default_factory=dict)
    altered: tuple[str, ...] = ()
    live: Mapping[str, str] = field(default_factory=dict)
    step: str = ""
    why: str = ""
    created_at: float = 0.0
    host: str = ""
    user: str = ""
    python: str = ""

    def to_json(self) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "key": self.key,
            "outputs": {name: artifact_to_json(artifact) for name, artifact in self.outputs.items()},
            "left_out": dict(self.left_out),
            "result": None if self.result is None else artifact_to_json(self.result),
            "ingredients": [[i.kind, i.name, i.digest, i.detail] for i in self.ingredients],
            "shown": None if self.shown is None else blob_to_json(self.shown),
            "seconds": self.seconds,
            "peak_memory_bytes": self.peak_memory_bytes,
            "metrics": dict(self.metrics),
            "files": dict(self.files),
            "joint": dict(self.joint),
            "step": self.step,
            "created_at": self.created_at,
            "host": self.host,
            "user": self.user,
            "python": self.python,
        }
        if self.log is not None:
            entry["log"] = blob_to_json(self.log)
        if self.used:
            entry["used"] = dict(self.used)
        if self.curves:
            entry["curves"] = {name: [[*point] for point in curve] for name, curve in self.curves.items()}
        if self.why:
            entry["why"] = self.why
        if self.texts:
            entry["texts"] = self.texts
        if self.written:
            entry["written"] = [written.to_json() for written in self.written]
        if self.settings is not None:
            entry["settings"] = blob_to_json(self.settings)
        if self.states:
            entry["states"] = dict(self.states)
        if self.altered:
            entry["altered"] = [*self.altered]
        if self.live:
            entry["live"] = dict(self.live)
        return entry

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Record:
        """Build a record from what `to_json` gave; KeyError, TypeError or ValueError for anything else."""
        shown, result, settings = found["shown"], found.get("result"), found.get("settings")
        return cls(
            key=found["key"],
            outputs={name: artifact_from_json(entry) for name, entry in found["outputs"].items()},
            left_out=found["left_out"],
            result=None if result is None else artifact_from_json(result),
            ingredients=tuple(_ingredient(*entry) for entry in found["ingredients"]),
            texts=found.get("texts", ""),
            shown=None if shown is None else blob_from_json(shown),
            log=blob_from_json(found["log"]) if "log" in found else None,
            seconds=found["seconds"],
            peak_memory_bytes=found["peak_memory_bytes"],
            used=found.get("used", {}),
            metrics=found["metrics"],
            curves=found.get("curves", {}),
            files=found["files"],
            written=tuple(Written.from_json(entry) for entry in found.get("written", ())),
            joint=found.get("joint", {}),
            settings=None if settings is None else blob_from_json(settings),
            states=found.get("states", {}),
            altered=tuple(found.get("altered", ())),
            live=found.get("live", {}),
            step=found["step"],
            why=found.get("why", ""),
            created_at=found["created_at"],
            host=found["host"],
            user=found["user"],
            python=found["python"],
        )


def to_bytes(record: Record) -> bytes:
    """Return the file of a record: JSON whose body is preceded by its checksum."""
    body = json.dumps(record.to_json(), ensure_ascii=True, separators=(",", ":")).encode()
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
        return Record.from_json(json.loads(body.decode()))  # of bytes it would guess the encoding first
    except (KeyError, TypeError, ValueError):
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
        if isinstance(digest, str) and isinstance(size, int) and not {"text", "base64"} & found.keys():
            yield digest, size
        for value in found.values():
            yield from stored_blobs(value)
    elif isinstance(found, list):
        for value in found:
            yield from stored_blobs(value)


def artifact_to_json(artifact: Artifact) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "digest": artifact.digest,
        "codec": artifact.codec,
        "version": artifact.version,
        "type": artifact.type,
        "preview": artifact.preview,
        **blob_to_json(artifact.blob),
    }
    if artifact.needs:
        entry["needs"] = dict(artifact.needs)
    if artifact.modules:
        entry["modules"] = list(artifact.modules)
    if artifact.part:
        entry["part"] = artifact.part
    if artifact.codecs:
        entry["codecs"] = dict(artifact.codecs)
    if artifact.detached:
        entry["detached"] = True
    return entry


def artifact_from_json(entry: Mapping[str, Any]) -> Artifact:
    return Artifact(
        digest=entry["digest"],
        codec=entry["codec"],
        version=entry["version"],
        type=entry["type"],
        preview=entry["preview"],
        blob=blob_from_json(entry),
        needs=entry.get("needs", {}),
        modules=tuple(entry.get("modules", ())),
        part=entry.get("part", ""),
        codecs=entry.get("codecs", {}),
        detached=entry.get("detached", False),
    )
