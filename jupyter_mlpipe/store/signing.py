"""Keys that sign records of shared stores, and whose signatures count here.

A record names pickles, and a pickle is code: in a place where others can write, only what somebody with a
known key has signed is used. A key is a secret that a team has in common; whoever holds it can read and
sign. It lies in the user's Jupyter data folder, readable by nobody else.

What signs one record is derived from the key and from that record's own key. So a signature holds for one
record only, and a step on another machine is sent what signs its own record, never the key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from jupyter_mlpipe.errors import StoreError, UsageError
from jupyter_mlpipe.store.users import user_name

_SECRET = re.compile(r"[0-9a-f]{64}")
# A name is JSON of printable ASCII.
_HEAD = re.compile(
    rb'\{"mlpipe_signed":1,"by":"([0-9a-f]{16})",'
    rb'"name":("(?:[ !#-\[\]-~]|\\[ -~])*"),"seal":"([0-9a-f]{64})"\}\n'
)


@dataclass(frozen=True, slots=True)
class Key:
    """A key that signs.

    Parameters
    ----------
    name
        Who made it, for people.
    """

    secret: str = field(repr=False)
    name: str = ""

    @property
    def id(self) -> str:
        """What it is known by: 16 hex digits that say nothing of the secret."""
        return hashlib.sha256(b"mlpipe key id" + bytes.fromhex(self.secret)).hexdigest()[:16]

    def signer(self, record: str) -> Signer:
        """Return what signs the record of one key."""
        seal = hmac.digest(bytes.fromhex(self.secret), b"mlpipe record " + record.encode(), "sha256")
        return Signer(self.id, self.name, record, seal)


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs one record, and no other."""

    id: str
    name: str
    record: str
    secret: bytes = field(repr=False)

    def sign(self, content: bytes) -> bytes:
        """Return the content of a record with a line before it that says by whom it is signed."""
        name = json.dumps(self.name)
        head = f'{{"mlpipe_signed":1,"by":"{self.id}","name":{name},"seal":"{self._seal(name, content)}"}}\n'
        return head.encode() + content

    def verify(self, signed: bytes) -> bytes | None:
        """Return the content of what `sign` gave; None for anything else."""
        found = _HEAD.match(signed)
        if found is None or found[1].decode() != self.id:
            return None
        content = signed[found.end() :]
        seal = self._seal(found[2].decode(), content)
        return content if hmac.compare_digest(seal.encode(), found[3]) else None

    def _seal(self, name: str, content: bytes) -> str:
        return hmac.digest(self.secret, b"%d %s\n%s" % (len(name), name.encode(), content), "sha256").hex()


class Signing(Protocol):
    """What a store signs and verifies records with."""

    def signer(self, record: str) -> Signer:
        """Return what signs the record of a key."""

    def verifiers(self, record: str) -> Mapping[str, Signer]:
        """Return, by id of the key, what verifies the record of a key."""

    def ids(self) -> frozenset[str]:
        """Return the ids of the keys that are trusted."""


class OneSigner:
    """The signing of a step's process, which was sent no more than what signs its own record."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def signer(self, record: str) -> Signer:
        if record != self._signer.record:
            raise StoreError(f"This process signs the record {self._signer.record[:12]}, not {record[:12]}.")
        return self._signer

    def verifiers(self, record: str) -> Mapping[str, Signer]:
        return {self._signer.id: self._signer} if record == self._signer.record else {}

    def ids(self) -> frozenset[str]:
        return frozenset((self._signer.id,))


def signer_of(signed: bytes) -> tuple[str, str] | None:
    """Return id and name of the key that a record says to be signed by; None where it is not signed."""
    found = _HEAD.match(signed)
    try:
        return None if found is None else (found[1].decode(), str(json.loads(found[2])))
    except ValueError:
        return None


def content_of(signed: bytes) -> bytes:
    """Return the content of a record, whoever signed it."""
    found = _HEAD.match(signed)
    return signed if found is None else signed[found.end() :]


class Keyring:
    """The keys of this user: the one that signs, and all that are trusted. Read again when it changes.

    Parameters
    ----------
    path
        The file, made at first need.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or keys_path()
        self._read_at: tuple[int, int] = (0, 0)
        self._keys: dict[str, Key] = {}
        self._signs = ""

    @property
    def own(self) -> Key:
        """The key that signs."""
        self._refresh()
        return self._keys[self._signs]

    def all(self) -> list[Key]:
        """Return all keys that are trusted, the one that signs first."""
        self._refresh()
        return sorted(self._keys.values(), key=lambda key: key.id != self._signs)

    def ids(self) -> frozenset[str]:
        self._refresh()
        return frozenset(self._keys)

    def signer(self, record: str) -> Signer:
        return self.own.signer(record)

    def verifiers(self, record: str) -> Mapping[str, Signer]:
        return {key.id: key.signer(record) for key in self.all()}

    def add(self, key: Key, *, signs: bool) -> None:
        """Trust a key, and sign with it where asked for."""
        self._refresh()
        self._keys[key.id] = key
        self._write({**self._keys}, key.id if signs else self._signs)

    def remove(self, start: str) -> Key:
        """Trust a key no longer, given how its id begins; UsageError where there is none, or it signs."""
        found = [key for key in self.all() if start and key.id.startswith(start)]
        if len(found) != 1:
            known = ", ".join(key.id for key in self.all())
            raise UsageError(f"{len(found) or 'No'} trusted keys begin with '{start}'. Trusted: {known}.")
        if found[0].id == self._signs:
            raise UsageError(f"{start} is the key that signs. Import another one first.")
        self._write({key.id: key for key in self.all() if key != found[0]}, self._signs)
        return found[0]

    def _refresh(self) -> None:
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            key = Key(secrets.token_hex(32), _who())
            self._write({key.id: key}, key.id, is_first=True)
            status = os.stat(self.path)
        stamp = (status.st_ino, status.st_mtime_ns)
        if stamp == self._read_at:
            return
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            keys = [_key(entry) for entry in found["keys"]]
            self._keys, self._signs = {key.id: key for key in keys}, found["signs"]
            self._keys[self._signs]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"The keys that sign records of shared stores cannot be read from {self.path}: "
                f"{type(error).__name__}: {error}. Restore that file, or move it away: another key is made, "
                "and what your team signed counts again after jupyter mlpipe trust import FILE."
            ) from None
        self._read_at = stamp

    def _write(self, keys: Mapping[str, Key], signs: str, *, is_first: bool = False) -> None:
        entries = [{"secret": key.secret, "name": key.name} for key in keys.values()]
        text = json.dumps({"mlpipe_keys": 1, "signs": signs, "keys": entries}, indent=1) + "\n"
        temporary = self.path.with_name(f"{self.path.name}.{secrets.token_hex(6)}")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(temporary, text)
            try:
                if is_first:
                    # Another process may make the first key at this moment: there is one of them.
                    os.link(temporary, self.path)
                else:
                    os.replace(temporary, self.path)
            except FileExistsError:
                pass
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"The keys that sign records of shared stores cannot be written to {self.path}: {error}. "
                "Make that folder writable, or choose another one with JUPYTER_DATA_DIR."
            ) from error
        self._read_at = (0, 0)


def keys_path() -> Path:
    """Return where this user's keys are."""
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir(), "mlpipe", "keys.json")


def export_key(key: Key) -> str:
    """Return a key as the text that `import_key` reads."""
    return json.dumps({"mlpipe_key": key.id, "name": key.name, "secret": key.secret}) + "\n"


def import_key(text: str) -> Key:
    """Return the key of `export_key`; UsageError for anything else."""
    try:
        found = json.loads(text)
        key = _key(found)
        if found["mlpipe_key"] == key.id:
            return key
    except (ValueError, KeyError, TypeError):
        pass
    raise UsageError(
        "That is no key, or not all of one. Give the file that jupyter mlpipe trust export wrote."
    )


def write_private(path: Path, text: str) -> None:
    """Write a file that is not there yet and that nobody else can read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _key(entry: Mapping[str, Any]) -> Key:
    if not _SECRET.fullmatch(entry["secret"]):
        raise ValueError("a secret has 64 hex digits")
    return Key(entry["secret"], str(entry["name"]))


def _who() -> str:
    return f"{user_name()}@{socket.gethostname()}"
