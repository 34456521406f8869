"""A shared store's copy on this machine: brought up to date from its bucket, and written through to it.

The bucket says what there is. The copy is a folder like that of any store, so that all who read one work as
they do with a store of this machine; what is in it saves reading it again, and decides nothing. A record
counts where the bucket lists it and a trusted key has signed it (``records/KEY OF THE SIGNER/KEY``, so that
teams that do not trust each other do not replace each other's); an object counts by its digest, wherever it
lies.

What cannot be written there stays in the copy and is pending (`jupyter_mlpipe.store.pending`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from pathlib import Path

from jupyter_mlpipe.errors import StoreError
from jupyter_mlpipe.store import records
from jupyter_mlpipe.store.blobs import Blob
from jupyter_mlpipe.store.bucket import Bucket, Seen
from jupyter_mlpipe.store.disk import write_aside
from jupyter_mlpipe.store.listing import Listing, object_name, record_name
from jupyter_mlpipe.store.objects import Objects
from jupyter_mlpipe.store.pending import Pending
from jupyter_mlpipe.store.shared_shelves import BucketPins, BucketShelves
from jupyter_mlpipe.store.shelves import old_logs, remove_log
from jupyter_mlpipe.store.signing import Signing, signer_of

_AROUND = 128
_AHEAD_BYTES = 1 << 20
_ASK_BYTES = 1 << 20  # smaller objects are sent without asking whether they are there
_USED_S = 12 * 3600.0  # half of what pruning leaves alone
_SWEEP_S, _KEEP_S = 24 * 3600.0, 30 * 24 * 3600.0
_SIGNER_LENGTH = 16


class Mirror:
    """The copy at `root` of the store in a bucket; the `Source` of the objects in it."""

    def __init__(self, root: Path, bucket: Bucket, signing: Signing) -> None:
        self.root = root
        self.bucket = bucket
        self.signing = signing
        self.objects = Objects(root, self)
        self.pins = BucketPins(self)
        self.pending = Pending(root)
        self._rejected = os.path.join(root, "rejected")
        self._lock = threading.RLock()
        self._listing: Listing | None = None
        self._used: dict[str, str] = {}
        self._trusted: frozenset[str] = frozenset()
        self._refused: dict[str, str] = {}
        self._notes: list[str] = []
        self._noted: set[str] = set()

    @property
    def shelves(self) -> BucketShelves:
        """The files in the bucket, as they are at the first look."""
        return BucketShelves(self)

    # Records

    def refresh(self, *, anew: bool = False) -> None:
        """See what the bucket has, unless that was done just before; raises StoreError where it cannot be.

        Parameters
        ----------
        anew
            However short that is ago.
        """
        with self._lock:
            if self._listing is not None and not anew and not self._listing.is_due:
                return
            self._listing = Listing(self.bucket)
            if self.pending.send_all(self._send):
                self._listing = Listing(self.bucket)

    def bring(self, key: str, path: str, *, is_run: bool) -> bool:
        """Bring the copy of a record up to date; False where there is none that a trusted key has signed.

        Parameters
        ----------
        path
            The file of the copy.
        is_run
            Whether it is used by a run: then it is marked so, that pruning leaves it.
        """
        self._refused.pop(key, None)
        if self.pending.has(key):
            return True
        with self._lock:
            listing = self._listed()
            is_ours = _changed_ns(path) > listing.at_ns  # or was copied since the bucket was listed
            found = listing.record(key, self.signing.ids())
            if found is None and not is_ours and not listing.is_fresh:
                self._look_for(key)
                found = listing.record(key, self.signing.ids())
            if found is None:
                for signer in listing.signers(key):
                    self._refuse(key, signer)
                return is_ours
            name, seen = found
            if not is_ours and not _is_current(path, seen):
                self._copy_around(key, seen)
            if is_run and seen.time_ns and time.time() - seen.time_ns / 1e9 > _USED_S:
                self._used[name] = path
        return os.path.exists(path)

    def open(self, key: str, signed: bytes) -> bytes | None:
        """Return what a trusted key has signed as the record of a key; None for anything else."""
        signer = signer_of(signed)
        verifier = self.signing.verifiers(key).get(signer[0]) if signer else None
        content = verifier.verify(signed) if verifier else None
        if content is not None:
            return content
        if signer and not verifier:
            self._refuse(key, signer[0])
        else:
            self._refused[key] = "its record was damaged or changed since it was signed"
        return None

    def trusts_others(self) -> bool:
        """Tell whether other keys are trusted than at the last call."""
        before, self._trusted = self._trusted, self.signing.ids()
        return before != self._trusted

    def why_refused(self, key: str) -> str:
        """Return why a record that is there does not count; empty where there is none."""
        return self._refused.get(key, "")

    def sign(self, key: str, content: bytes) -> bytes:
        """Return a record as it is kept."""
        return self.signing.signer(key).sign(content)

    def send_record(self, key: str, signed: bytes) -> None:
        """Write a record, whose objects were sent before; where that fails, it is pending."""
        self.pending.try_record(key, lambda: self.bucket.write({self._name(key): signed}))

    def remove_record(self, key: str) -> None:
        """Remove all that trusted keys have signed as the record of a key."""
        for signer in self.signing.ids():
            self.bucket.remove(record_name(signer, key))
        self.pending.remove(key)
        self.refresh(anew=True)

    def keys(self) -> set[str]:
        """Return the keys of all records that trusted keys have signed."""
        self.refresh()
        return {*self.pending.keys(), *self._listed().keys(self.signing.ids())}

    def flush(self) -> None:
        """Mark the records that were used: their time in the bucket is that of their last use."""
        with self._lock:
            used, self._used = self._used, {}
        contents = {name: content for name, path in used.items() if (content := _read(path))}
        if contents:
            # Who may only read marks nothing; whoever else uses them does.
            with contextlib.suppress(StoreError):
                self.bucket.write(contents)

    def take_notes(self) -> list[str]:
        """Return what is worth telling the user, each once."""
        if text := self.pending.tell():
            self._note("pending", text)
        else:
            self._noted.discard("pending")
        notes, self._notes = self._notes, []
        return notes

    # Objects

    def has(self, digest: str, size: int) -> bool:
        name, listing = object_name(digest), self._listing
        seen = listing.files.get(name) if listing else None
        if seen is None and not (listing is not None and listing.is_fresh):
            seen = self.bucket.look(name)
        return seen is not None and seen.size == size and not self._is_rejected(digest, seen)

    def fetch(self, digest: str, path: str) -> bool:
        seen = self._listing.files.get(object_name(digest)) if self._listing else None
        if self._is_rejected(digest, seen) or not self.bucket.fetch(object_name(digest), path):
            self._forget(digest)
            return False
        return True

    def send(self, digest: str, size: int, path: str) -> None:
        def send() -> None:
            if size < _ASK_BYTES or not self._is_there(digest, size):
                self.bucket.send(object_name(digest), path)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self._rejected, digest))

        self.pending.try_object(digest, send)

    def reject(self, digest: str, *, is_damaged: bool = False) -> None:
        self._forget(digest)
        write_aside(os.path.join(self._rejected, digest), b"")
        if is_damaged:
            # Who may not move it leaves it to the next writer.
            with contextlib.suppress(StoreError):
                self.bucket.move(object_name(digest), f"quarantine/{digest}-{secrets.token_hex(4)}")

    def sweep(self) -> None:
        """Remove what was copied long ago: it is copied again when it is needed."""
        marker, now = os.path.join(self.root, "swept"), time.time()
        with contextlib.suppress(OSError):
            if now - os.stat(marker).st_mtime < _SWEEP_S:
                return
        write_aside(marker, b"")
        for log in old_logs(self.root):
            with contextlib.suppress(OSError):
                remove_log(log)
        if self.pending.keys():
            return
        for kind in ("objects", "records", "rejected"):
            for folder, _, names in os.walk(os.path.join(self.root, kind)):
                for name in names:
                    with contextlib.suppress(OSError):
                        path = os.path.join(folder, name)
                        if now - os.stat(path).st_mtime > _KEEP_S:
                            os.unlink(path)

    # What this rests on

    def _listed(self) -> Listing:
        if self._listing is None:
            self.refresh()
        assert self._listing is not None
        return self._listing

    def _look_for(self, key: str) -> None:
        """See whether somebody has written a record since the bucket was listed."""
        names = {record_name(signer, key): signer for signer in self.signing.ids()}
        for name, signed in self.bucket.read(names).items():
            seen = Seen(len(signed), time.time_ns())
            self._copy(key, signed, seen)
            self._listed().add(names[name], key, seen)

    def _copy_around(self, key: str, seen: Seen) -> None:
        """Copy a record, and with it those that were written about when it was: it takes hardly longer.

        Steps that are read together were often written together; their keys are known one by one only,
        each from the record above.
        """
        listing, trusted = self._listed(), self.signing.ids()
        wanted: dict[str, tuple[str, Seen]] = {}
        for other in {key: None, **dict.fromkeys(listing.written_near(seen, _AROUND))}:
            ours = None if self.pending.has(other) else listing.record(other, trusted)
            if ours is not None and not _is_current(self._path(other), ours[1]):
                wanted[ours[0]] = other, ours[1]
        found = self.bucket.read(wanted)
        ahead: list[Blob] = []
        for name, (other, at) in wanted.items():
            signed = found.get(name)
            if signed is None:  # gone since
                listing.remove(name.split("/")[1], other)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._path(other))
                continue
            self._copy(other, signed, at)
            ahead += self._read_by_plans(other, signed)
        for content in self.bucket.read({object_name(blob.object) for blob in ahead}).values():
            self.objects.keep(content)

    def _read_by_plans(self, key: str, signed: bytes) -> list[Blob]:
        """Return the objects that deciding to reuse a record reads, where they are not here yet."""
        content = self.open(key, signed)
        record = records.from_bytes(content) if content is not None else None
        return [
            blob
            for blob in (() if record is None else (record.shown, record.settings))
            if blob is not None
            and blob.inline is None
            and blob.size < _AHEAD_BYTES
            and not os.path.exists(self.objects.path(blob.object))
        ]

    def _copy(self, key: str, signed: bytes, seen: Seen) -> None:
        write_aside(self._path(key), signed, seen.stamp_ns)

    def _path(self, key: str) -> str:
        return os.path.join(self.root, "records", key[:2], key)

    def _name(self, key: str) -> str:
        return record_name(self.signing.signer(key).id, key)

    def _forget(self, digest: str) -> None:
        if self._listing is not None:
            self._listing.files.pop(object_name(digest), None)

    def _is_rejected(self, digest: str, seen: Seen | None) -> bool:
        """Tell whether an object was found damaged, and nobody has written it since."""
        try:
            rejected_ns = os.stat(os.path.join(self._rejected, digest)).st_mtime_ns
        except OSError:
            return False
        return seen is None or seen.time_ns <= rejected_ns

    def _is_there(self, digest: str, size: int) -> bool:
        """Tell whether an object need not be sent; pruning takes what is old and has no record."""
        seen = self.bucket.look(object_name(digest))
        if seen is None or seen.size != size or self._is_rejected(digest, seen):
            return False
        return time.time() - seen.time_ns / 1e9 < _USED_S

    def _send(self, key: str, objects: list[str]) -> None:
        """Send a record that was pending, and what of its objects was not sent."""
        signed = _read(self._path(key))
        by = signer_of(signed)
        if by is None or self.open(key, signed) is None:
            return  # it is of no use to anybody
        for digest in objects:
            if os.path.exists(self.objects.path(digest)):
                self.bucket.send(object_name(digest), self.objects.path(digest))
        self.bucket.write({record_name(by[0], key): signed})

    def _note(self, what: str, text: str) -> None:
        if what not in self._noted:
            self._noted.add(what)
            self._notes.append(text)

    def _refuse(self, key: str, signer: str) -> None:
        """Note why a record does not count and, once for each key that signs, how it can."""
        address = self.bucket.address
        if len(signer) != _SIGNER_LENGTH:
            self._refused[key] = "nobody has signed its record"
            self._note(
                "unsigned",
                f"records in {address} that nobody has signed count as missing: they name pickles, which are "
                "code. What their steps give when they run again is signed by your key",
            )
            return
        self._refused[key] = f"its record is signed by key {signer}, which is not trusted here"
        if signer not in self._noted:
            with contextlib.suppress(StoreError):
                found = self.bucket.read([record_name(signer, key)])
                said = next((by for content in found.values() if (by := signer_of(content))), None)
                name = f", which says to be that of {said[1][:80]!a}," if said else ""
                self._note(
                    signer,
                    f"what key {signer}{name} has signed in {address} counts as missing: it is not trusted "
                    "here. If whoever holds it may run code as you, ask for what jupyter mlpipe trust export "
                    "FILE writes there, and run jupyter mlpipe trust import FILE here",
                )


def _is_current(path: str, seen: Seen) -> bool:
    """Tell whether a copy is of just what was seen."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns) == (seen.size, seen.stamp_ns)


def _changed_ns(path: str) -> int:
    try:
        return os.stat(path).st_ctime_ns  # by the clock of this machine, whatever its time was set to
    except OSError:
        return 0


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
