"""What a bucket could not be sent when it was made: it counts on this machine, and is sent later.

A mark for each such record, by key, says which of its objects are still to be sent before it.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from jupyter_mlpipe.errors import StoreError
from jupyter_mlpipe.store.disk import write_aside

_RETRY_S = 60.0


class Pending:
    """The folder ``pending/`` of a copy."""

    def __init__(self, root: Path) -> None:
        self._folder = os.path.join(root, "pending")
        self._unsent: list[str] = []  # objects of the record that is to come
        self._failure: StoreError | None = None
        self._failed_at = 0.0

    def keys(self) -> list[str]:
        try:
            return [name for name in os.listdir(self._folder) if "." not in name]
        except OSError:
            return []

    def has(self, key: str) -> bool:
        return os.path.exists(os.path.join(self._folder, key))

    @property
    def failure(self) -> StoreError | None:
        """Why sending has failed just before: trying again would take its time, and fail."""
        return self._failure if time.monotonic() - self._failed_at < _RETRY_S else None

    def try_object(self, digest: str, send: Callable[[], None]) -> None:
        """Send an object of the record that is to come."""
        if not self._try(send):
            self._unsent.append(digest)

    def try_record(self, key: str, send: Callable[[], None]) -> None:
        """Send a record, if its objects were; else it is pending."""
        unsent, self._unsent = self._unsent, []
        if not unsent and self._try(send):
            self.remove(key)
        else:
            entry = {"objects": unsent, "why": str(self._failure)}
            write_aside(os.path.join(self._folder, key), json.dumps(entry).encode())

    def send_all(self, send: Callable[[str, list[str]], None]) -> bool:
        """Send what is pending, by `send(key, objects)`; tells whether anything was sent."""
        is_any = False
        for key in self.keys():
            if self.failure is not None:
                break
            objects, _ = self._read(key)
            if self._try(lambda key=key, objects=objects: send(key, objects)):  # type: ignore[misc]
                self.remove(key)
                is_any = True
        return is_any

    def remove(self, key: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(self._folder, key))

    def tell(self) -> str:
        """Say how much is pending, and why; empty where nothing is."""
        keys = self.keys()
        if not keys:
            return ""
        n_results = "1 result is" if len(keys) == 1 else f"{len(keys)} results are"
        return (
            f"{n_results} kept on this machine only, reused here as others, and sent as soon as that can be "
            f"done: {self._read(keys[0])[1]}"
        )

    def _try(self, send: Callable[[], None]) -> bool:
        if self.failure is not None:
            return False
        try:
            send()
        except StoreError as error:
            self._failure, self._failed_at = error, time.monotonic()
            return False
        return True

    def _read(self, key: str) -> tuple[list[str], str]:
        try:
            with open(os.path.join(self._folder, key), encoding="utf-8") as file:
                entry = json.load(file)
            return [str(digest) for digest in entry["objects"]], str(entry["why"])
        except (OSError, ValueError, KeyError, TypeError):
            return [], "it is not known why"
