"""Whether a store can be used: it is tried, and left as it was."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from jupyter_mlpipe.errors import StoreError
from jupyter_mlpipe.keys.canonical import SCHEME
from jupyter_mlpipe.model.checkup import Finding
from jupyter_mlpipe.model.resources import describe_bytes
from jupyter_mlpipe.store.disk import explain
from jupyter_mlpipe.store.locks import can_lock
from jupyter_mlpipe.store.place import is_remote, local_folder
from jupyter_mlpipe.store.probe import Probe
from jupyter_mlpipe.store.store import open_store

_LITTLE_BYTES = 1_000_000_000


def check_store(address: str) -> Iterator[Finding]:
    """Say where the store is, whether it can be written and locked, and what room there is.

    A store that is not there is not made.
    """
    root = local_folder(address)
    try:
        if is_remote(address):
            _try(address)
            yield Finding("store", "ok", f"{address}: can be written and read")
            yield _signing_key()
        elif root.is_dir():
            _try(address)
            yield Finding("store", "ok", f"{root}: can be written; keys of scheme {SCHEME}")
        else:
            _try_above(root)
            yield Finding("store", "ok", f"{root}: made when a first step has run")
    except StoreError as error:
        found, _, remedy = str(error).partition(". ")
        yield Finding("store", "wrong", f"{found}.".replace("..", "."), remedy)
        return
    if root.is_dir():
        yield _claims(address)
    yield _room(root)


def _try(address: str) -> None:
    """Raise StoreError where the store cannot be written, or gives back something else."""
    probe = Probe(address)
    try:
        probe.write()
        if not probe.is_there():
            raise StoreError(
                f"The store at {address} does not give back what was written to it. "
                "Put it elsewhere with MLPIPE_STORE."
            )
    finally:
        probe.remove()


def _try_above(root: Path) -> None:
    """Raise StoreError where the folder of a store cannot be made."""
    above = next(folder for folder in root.parents if folder.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".mlpipe-", dir=above):
            pass
    except OSError as error:
        raise explain(error, root) from error


def _signing_key() -> Finding:
    from jupyter_mlpipe.store.signing import Keyring  # only shared stores are signed

    ring = Keyring()
    others = len(ring.all()) - 1
    trusted = f"; {others} more trusted" if others else "; no other trusted"
    if sys.platform != "win32" and stat.S_IMODE(ring.path.stat().st_mode) & 0o077:
        return Finding(
            "signing key",
            "wrong",
            f"others can read {ring.path}, and sign with what is in it",
            f"chmod 600 {ring.path}",
        )
    return Finding("signing key", "ok", f"{ring.own.id} in {ring.path}{trusted}")


def _claims(address: str) -> Finding:
    """Tell whether two notebooks with one step would wait for each other."""
    store = open_store(address)
    key = f"trial-{os.getpid()}-{secrets.token_hex(8)}"
    without = "two notebooks that need the same step at once both compute it; either result is right"
    if not can_lock(str(store.root / "live")):
        remedy = "Put the store on a disk of this machine to have them wait for each other."
        return Finding("locks", "note", f"files cannot be locked in {store.root}: {without}", remedy)
    try:
        with store.in_use():
            store.claims.claim(key)
            store.claims.release(key)
    except (OSError, StoreError) as error:
        return Finding("locks", "note", f"steps cannot be claimed ({error}): {without}")
    return Finding("locks", "ok", "files can be locked, and steps be claimed")


def _room(root: Path) -> Finding:
    above = next(folder for folder in (root, *root.parents) if folder.exists())
    usage = shutil.disk_usage(above)
    said = f"{describe_bytes(usage.free)} free of {describe_bytes(usage.total)}"
    if usage.free < _LITTLE_BYTES:
        remedy = "jupyter mlpipe cache prune --max-size 10GB --dry-run says what could go."
        return Finding("room", "note", f"{said}: little for what steps give", remedy)
    return Finding("room", "ok", said)
