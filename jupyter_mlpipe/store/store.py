"""The store: artifacts and records by content. Knows digests, not pipelines."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from jupyter_mlpipe.errors import ArtifactCorruptError, ArtifactMissingError, EncodingError
from jupyter_mlpipe.keys import canonical
from jupyter_mlpipe.keys.custom import is_known, why_unknown
from jupyter_mlpipe.keys.earlier import find_earlier
from jupyter_mlpipe.keys.pickles import referring_to
from jupyter_mlpipe.keys.refusals import qualified_name
from jupyter_mlpipe.keys.stats import MEMO
from jupyter_mlpipe.store import shared
from jupyter_mlpipe.store.blobs import Blob
from jupyter_mlpipe.store.codecs import choose, find_codec
from jupyter_mlpipe.store.disk import explain
from jupyter_mlpipe.store.drawn import figure_of_all
from jupyter_mlpipe.store.encoding import Codec, Encoding, digest_content
from jupyter_mlpipe.store.locks import Claims, Leases
from jupyter_mlpipe.store.objects import Objects
from jupyter_mlpipe.store.pins import Pins
from jupyter_mlpipe.store.place import is_remote, local_folder
from jupyter_mlpipe.store.placed import CODEC as PLACED
from jupyter_mlpipe.store.placed import Copies, Kept
from jupyter_mlpipe.store.recordfiles import RecordFiles
from jupyter_mlpipe.store.records import Artifact, Record
from jupyter_mlpipe.store.registered import load_entry_points
from jupyter_mlpipe.store.shelves import FolderShelves, Shelves

if TYPE_CHECKING:
    from jupyter_mlpipe.store.mirror import Mirror
    from jupyter_mlpipe.store.shared_shelves import BucketPins
    from jupyter_mlpipe.store.signing import Signer

_SHOWN_INLINE_BYTES = 4096


def open_store(
    address: str | os.PathLike[str], *, signer: Signer | None = None, sweeps: bool = True
) -> Store:
    """Open the store in a folder, made if it is not there, or the one at an address of fsspec.

    A store that cannot be written may still be read. Nothing is asked of a shared one yet.

    Parameters
    ----------
    signer
        Of a step that writes to a shared store: what signs its record. The user's own keys by default.
    sweeps
        Whether to remove what killed processes left behind: once for all steps of a run is enough.

    Raises
    ------
    StoreError
        The folder is a file, or is not there and cannot be made.
    """
    named = os.fspath(address)
    root = local_folder(named)
    if not root.is_dir():
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Beside a notebook, git would take the store for a part of the project.
            (root / ".gitignore").write_text("*\n")
        except OSError as error:
            raise explain(error, root) from error
    store = Store(root, _mirror(root, named.rstrip("/"), signer) if is_remote(named) else None)
    if sweeps:
        store.sweep()
    MEMO.keep_in(str(root))
    return store


def _mirror(root: Path, address: str, signer: Signer | None) -> Mirror:
    from jupyter_mlpipe.store.bucket import Bucket
    from jupyter_mlpipe.store.mirror import Mirror
    from jupyter_mlpipe.store.signing import Keyring, OneSigner

    return Mirror(root, Bucket(address), OneSigner(signer) if signer is not None else Keyring())


class Store:
    """Artifacts and records in one folder; safe for several processes and threads at once.

    Parameters
    ----------
    mirror
        Of a shared store: what keeps the folder, a copy, in line with what is shared.
    """

    def __init__(self, root: Path, mirror: Mirror | None = None) -> None:
        self.root = root
        self._mirror = mirror
        self.objects = Objects(root) if mirror is None else mirror.objects
        self.copies = Copies(self.objects, str(root))
        self.leases = Leases(root, named=True)
        self.claims = Claims(root, self.leases)
        self.pins: Pins | BucketPins = Pins(root) if mirror is None else mirror.pins
        self._records = RecordFiles(root, self.objects, self.leases, mirror)

    @property
    def address(self) -> str:
        """What `open_store` finds it by."""
        return str(self.root) if self._mirror is None else self._mirror.bucket.address

    @property
    def shelves(self) -> Shelves:
        """Its files, to look after."""
        return FolderShelves(self) if self._mirror is None else self._mirror.shelves

    def sweep(self) -> None:
        """Remove what killed processes left behind, once it is old."""
        self.objects.sweep()
        self.copies.sweep()
        if self._mirror is not None:
            self._mirror.sweep()

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep what is found in the store from being pruned, within the block."""
        with self.leases.taken():
            try:
                yield
            finally:
                if self._mirror is not None:
                    self._mirror.flush()

    def refresh(self, *, anew: bool = False) -> None:
        """See what others have shared; nothing to do for a store of this machine.

        Parameters
        ----------
        anew
            However shortly ago that was done.

        Raises
        ------
        StoreError
            A shared store cannot be reached.
        """
        if self._mirror is not None:
            self._mirror.refresh(anew=anew)

    def bring(self, artifacts: Iterable[Artifact]) -> None:
        """Get what artifacts are made of to this machine, so that reading them asks nobody.

        Raises
        ------
        ArtifactMissingError, ArtifactCorruptError, StoreError
        """
        if self._mirror is not None:
            for artifact in artifacts:
                for blob in self.blobs(artifact):
                    self.objects.read(blob)

    def why_refused(self, key: str) -> str:
        """Return why what a shared store has for a key does not count; empty where it has nothing."""
        return "" if self._mirror is None else self._mirror.why_refused(key)

    def take_notes(self) -> list[str]:
        """Return what is to be told of the store, each once: what counts as missing, what was not sent."""
        return [] if self._mirror is None else self._mirror.take_notes()

    def signer(self, key: str) -> Signer | None:
        """Return what a step on any machine signs the record of a key with; None where nothing is signed."""
        return None if self._mirror is None else self._mirror.signing.signer(key)

    def get_record(self, key: str) -> Record | None:
        """Return what the key gave; None where that is not known, or its file is torn or foreign.

        During a lease it is marked as used, and stays with its artifacts for as long as the lease does.
        """
        return self._records.get(key)

    def put_record(self, record: Record, *, settles_later: bool = False) -> None:
        """Keep a record, replacing an earlier one of its key. The artifacts must be stored before.

        Parameters
        ----------
        settles_later
            Do not wait for the disk where it is one of this machine; `settle` does. Only a loss of power
            in between could lose the record, and a torn one counts as missing.
        """
        self._records.put(record, settles_later=settles_later)

    def settle(self) -> None:
        """Wait until the disk has what was written; what it refuses counts as missing one day, as torn."""
        self._records.settle()

    def keys(self) -> Iterator[str]:
        """Give the keys of all records, in no order."""
        return self._records.keys()

    def remove_record(self, key: str) -> None:
        """Forget what a key gave; its artifacts stay."""
        self._records.remove(key)

    def put_value(self, value: Any, namespace: Mapping[str, object] | None = None) -> Artifact:
        """Store a value.

        Parameters
        ----------
        namespace
            The notebook's names: what is defined there is stored by name. ``__main__`` by default.

        Raises
        ------
        EncodingError
            It cannot be stored: names the type, why, and what to do.
        StoreFullError, StoreError
        """
        scope = vars(sys.modules["__main__"]) if namespace is None else namespace
        codec, encoding = choose(value, scope)
        blob = self._write(encoding)
        return Artifact(
            digest=_digest(codec, encoding, blob.object),
            codec=codec.id,
            version=codec.version,
            type=qualified_name(type(value)),
            preview=encoding.preview,
            blob=blob,
            needs=_sorted(encoding.needs),
            modules=encoding.modules,
            codecs=encoding.codecs,
            detached=encoding.detached,
        )

    def put_values(
        self, values: Mapping[str, Any], namespace: Mapping[str, object] | None = None
    ) -> dict[str, Artifact]:
        """Store values that share mutable objects, so that they go on sharing them; see `put_value`.

        Those that cannot be stored are left out. Where fewer than two remain, nothing is stored. The digest
        of each is that of the value alone; but of parts of one figure, which change together, that of all.
        """
        scope = vars(sys.modules["__main__"]) if namespace is None else namespace
        if figure_of_all(values.values()) is None:
            return self._put_sharing(values, scope)
        try:
            encoding = shared.encode(dict(values), scope)
        except EncodingError:
            return self._put_sharing(values, scope)
        blob = self._write(encoding)
        whole = _digest(shared.CODEC, encoding, blob.object)
        digests = {name: canonical.digest("part of a figure", whole, name) for name in values}
        described = {n: (digests[n], type(value).__name__, encoding.detached) for n, value in values.items()}
        return _parts(values, described, encoding, blob)

    def _put_sharing(self, values: Mapping[str, Any], namespace: Mapping[str, object]) -> dict[str, Artifact]:
        alone: dict[str, tuple[str, str, bool]] = {}
        for name, value in values.items():
            with contextlib.suppress(EncodingError):
                codec, single = choose(value, namespace)
                content = _digest(codec, single, digest_content(single))
                alone[name] = content, single.preview, single.detached
        if len(alone) < 2:
            return {}
        encoding = shared.encode({name: values[name] for name in alone}, namespace)
        return _parts(values, alone, encoding, self._write(encoding))

    def get_value(self, artifact: Artifact, namespace: dict[str, Any] | None = None) -> Any:
        """Return a private, writable copy of what was stored.

        Parameters
        ----------
        namespace
            Where classes and functions of the notebook are looked up. ``__main__`` by default.

        Raises
        ------
        ArtifactMissingError, ArtifactCorruptError
            Its bytes are gone, or are not those that were written: its step has to run again.
        """
        codec = find_codec(artifact.codec)
        if codec is None or codec.version != artifact.version:
            raise ArtifactMissingError(
                f"An artifact of type {artifact.type} was stored as '{artifact.codec}' version "
                f"{artifact.version}, which this version of jupyter-mlpipe does not "
                "read. Run the step that makes it again."
            )
        if missing := self._missing_codec(artifact):
            raise ArtifactMissingError(f"A value of type {artifact.type} cannot be read: {missing}")
        scope = vars(sys.modules["__main__"]) if namespace is None else namespace
        with referring_to(find_earlier(artifact.needs, scope)):
            value = codec.decode(self.objects.read(artifact.blob), namespace)
        if isinstance(value, Kept):
            return self.copies.place(value, artifact.digest)
        return value[artifact.part] if artifact.part else value

    def get_all(self, artifact: Artifact, namespace: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return all values that are stored together with this one, by name; see `get_value`."""
        found: dict[str, Any] = self.get_value(msgspec.structs.replace(artifact, part=""), namespace)
        return found

    def has(self, artifact: Artifact) -> bool:
        """Tell, without reading it, whether an artifact is there and can be read."""
        return not self.why_missing(artifact)

    def why_missing(self, artifact: Artifact) -> str:
        """Return, without reading it, why an artifact is not there or cannot be read; empty where it can."""
        codec = find_codec(artifact.codec)
        if codec is None or codec.version != artifact.version:
            return "no longer in the store"
        if not all(map(self.objects.has, self.blobs(artifact))):
            return "no longer in the store"
        return self._missing_codec(artifact)

    def _missing_codec(self, artifact: Artifact) -> str:
        if artifact.codecs:
            load_entry_points()
        missing = (name for name, version in artifact.codecs.items() if not is_known(name, version))
        return next(map(why_unknown, missing), "")

    def blobs(self, artifact: Artifact) -> Iterator[Blob]:
        """Give what an artifact is made of: its own bytes, and those of the files that it lists."""
        yield artifact.blob
        if artifact.codec == PLACED.id:
            with contextlib.suppress(ArtifactMissingError, ArtifactCorruptError):
                yield from PLACED.decode(self.objects.read(artifact.blob), None).blobs()

    def quarantine(self, artifact: Artifact) -> None:
        """Move an artifact aside: it counts as missing from then on."""
        # What this process lacks a codec for is good for others.
        if artifact.blob.inline is None and not self._missing_codec(artifact):
            self.objects.quarantine(artifact.blob.object)

    def put_bytes(self, content: bytes) -> str:
        """Store bytes as they are and return their digest."""
        return self.objects.put(content, inline_bytes=-1).object

    def get_bytes(self, digest: str) -> bytes:
        """Return the bytes of `put_bytes`, verified; raises ArtifactMissingError or ArtifactCorruptError."""
        return bytes(self.objects.read(Blob(digest, self.objects.size(digest))))

    def put_shown(self, outputs: Sequence[Mapping[str, Any]]) -> Blob | None:
        """Store what a step showed, for `Record.shown`: in the record itself where it is small."""
        if not outputs:
            return None
        content = json.dumps(list(outputs), ensure_ascii=True, separators=(",", ":")).encode()
        return self.objects.put(content, inline_bytes=_SHOWN_INLINE_BYTES)

    def get_shown(self, record: Record) -> list[dict[str, Any]]:
        """Return what a step showed; raises ArtifactMissingError or ArtifactCorruptError."""
        if record.shown is None:
            return []
        outputs: list[dict[str, Any]] = json.loads(bytes(self.objects.read(record.shown)))
        return outputs

    def _write(self, encoding: Encoding) -> Blob:
        if encoding.keep is not None:
            encoding.keep(self.objects)
        with self.objects.writer(encoding.n_bytes) as out:
            encoding.write(out)
            return out.finish()


def _parts(
    values: Mapping[str, Any], described: Mapping[str, tuple[str, str, bool]], encoding: Encoding, blob: Blob
) -> dict[str, Artifact]:
    """Return the artifacts of values that are stored together: digest, preview and `detached` are given."""
    return {
        name: Artifact(
            digest=digest,
            codec=shared.CODEC.id,
            version=shared.CODEC.version,
            type=qualified_name(type(values[name])),
            preview=preview,
            blob=blob,
            needs=_sorted(encoding.needs),
            modules=encoding.modules,
            part=name,
            codecs=encoding.codecs,
            detached=detached,
        )
        for name, (digest, preview, detached) in described.items()
    }


def _digest(codec: Codec, encoding: Encoding, content: str) -> str:
    """Return the digest of a value whose bytes have the digest `content`."""
    return canonical.digest("artifact", codec.id, codec.version, content, _sorted(encoding.needs))


def _sorted(needs: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(needs.items()))
