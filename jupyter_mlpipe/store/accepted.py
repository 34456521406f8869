"""Accepted edits: somebody's word that a key may count as another one's record.

One small file for each, by the key that it is for, so that it holds for exactly that work and for no
further edit. It is taken back by removing the file.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jupyter_mlpipe.store.disk import explain, rename, synchronise

if TYPE_CHECKING:
    from jupyter_mlpipe.store.store import Store

_FOLDER = "accepted"
_KEY = re.compile(r"[0-9a-f]{8,128}")


@dataclass(frozen=True, slots=True)
class Accepted:
    """One accepted edit.

    Parameters
    ----------
    key, record
        The key as the step stands, and the key whose record counts for it.
    changes
        What differs between the two, for people.
    at
        Seconds since 1970.
    """

    key: str
    record: str
    step: str
    pipeline: str
    changes: tuple[str, ...]
    user: str
    at: float

    @property
    def by(self) -> str:
        """Who said so, and when: ``ada, 2026-03-01``."""
        return f"{self.user}, {time.strftime('%Y-%m-%d', time.localtime(self.at))}"


def find_accepted(store: Store, key: str) -> Accepted | None:
    """Return what was accepted for a key; None where nothing was, or its file is not whole."""
    if not _KEY.fullmatch(key):
        return None
    try:
        with open(_path(store, key), encoding="utf-8") as file:
            found = _from_json(json.load(file))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.key == key else None


def put_accepted(store: Store, accepted: Accepted) -> None:
    """Keep an accepted edit, in place of an earlier one for its key; raises StoreError."""
    content = json.dumps(asdict(accepted)).encode()
    temporary = ""
    try:
        fd, temporary = store.objects.create_temporary()
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            synchronise(fd)
        rename(temporary, _path(store, accepted.key))
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise explain(error, store.root, len(content)) from error


def remove_accepted(store: Store, key: str) -> bool:
    """Take back what was accepted for a key; tells whether anything was. Raises StoreError."""
    try:
        os.unlink(_path(store, key))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise explain(error, store.root) from error
    return True


def all_accepted(store: Store) -> list[Accepted]:
    """Return all that was accepted in a store, the latest first."""
    try:
        keys = os.listdir(os.path.join(store.root, _FOLDER))
    except OSError:
        return []
    found = [accepted for key in keys if (accepted := find_accepted(store, key)) is not None]
    return sorted(found, key=lambda accepted: accepted.at, reverse=True)


def forget_accepted(store: Store, records: Iterable[str]) -> None:
    """Take back what was accepted on the strength of these records: they are gone."""
    gone = frozenset(records)
    for accepted in all_accepted(store) if gone else ():
        if accepted.record in gone:
            remove_accepted(store, accepted.key)


def _path(store: Store, key: str) -> str:
    return os.path.join(store.root, _FOLDER, key)


def _from_json(found: dict[str, Any]) -> Accepted:
    texts = {name: str(found[name]) for name in ("key", "record", "step", "pipeline", "user")}
    return Accepted(**texts, changes=tuple(map(str, found["changes"])), at=float(found["at"]))
