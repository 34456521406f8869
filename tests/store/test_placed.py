"""`File` and `Folder` in the store: bytes as they are, and copies that are nobody else's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
import pytest
from blake3 import blake3

from jupyter_mlpipe.errors import ArtifactCorruptError, ArtifactMissingError, EncodingError
from jupyter_mlpipe.keys.places import entries_of
from jupyter_mlpipe.model.files import File, Folder, Place
from jupyter_mlpipe.store.comparing import content_of, holds
from jupyter_mlpipe.store.records import Artifact
from jupyter_mlpipe.store.store import Store, open_store

CONTENT = b"0123456789abcdef" * 1000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what people put into one; the working folder is the one around it."""
    out = tmp_path / "out"
    (out / "empty").mkdir(parents=True)
    (out / "in").mkdir()
    (out / "in" / "run.sh").write_bytes(CONTENT)
    (out / "in" / "run.sh").chmod(0o755)
    (out / "nothing").write_bytes(b"")
    (out / "gone").symlink_to("nowhere")
    (out / "same").symlink_to("in/run.sh")
    (out / "\udcff.txt").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return out


@pytest.mark.parametrize("place", [File("out/in/run.sh"), File("out/nothing"), Folder("out")])
def test_a_place_comes_back_as_it_was_whatever_became_of_it(store: Store, places: Path, place: Place) -> None:
    before = entries_of(place)
    artifact = store.put_value(place, {})
    shutil.rmtree(places)
    found = store.get_value(msgspec.convert(msgspec.to_builtins(artifact), Artifact))
    assert type(found) is type(place)
    assert found.name == place.name
    assert found.path.is_absolute()
    assert entries_of(found) == before
    assert store.has(artifact)


def test_bytes_are_kept_as_they_are_and_once(store: Store, places: Path) -> None:
    store.put_value(File("out/in/run.sh"), {})
    artifact = store.put_value(Folder("out"), {})
    kept = Path(store.objects.path(blake3(CONTENT).hexdigest()))
    assert kept.read_bytes() == CONTENT
    # The list of what is in the folder is small enough for the record.
    objects = {path.name for path in (store.root / "objects").glob("*/*")}
    assert objects == {blob.object for blob in store.blobs(artifact)} - {artifact.blob.object}
    assert kept.name in objects


def test_the_digest_is_that_of_names_and_contents(store: Store, places: Path) -> None:
    def digest_of(path: str, kind: type[Place] = File) -> str:
        return store.put_value(kind(path), {}).digest

    first, folder = digest_of("out/in/run.sh"), digest_of("out", Folder)
    os.utime("out/in/run.sh", (1, 1))
    (places / "in" / "run.sh").chmod(0o744)
    shutil.copy2("out/in/run.sh", "run.sh")
    assert digest_of("out/in/run.sh") == digest_of("run.sh") == first
    assert digest_of("out", Folder) == folder
    shutil.copy2("run.sh", "walk.sh")
    (places / "in" / "run.sh").chmod(0o644)
    assert len({first, digest_of("walk.sh"), digest_of("out/in/run.sh")}) == 3
    assert digest_of("out", Folder) != folder


def test_changing_a_copy_changes_nothing_else(store: Store, places: Path) -> None:
    artifact = store.put_value(File("out/in/run.sh"), {})
    first = store.get_value(artifact)
    assert store.get_value(artifact) == first
    with open(first, "ab") as file:
        file.write(b"mine")
    assert not holds(store, artifact, first, {})
    second = store.get_value(artifact)
    assert second != first
    assert second.path.read_bytes() == CONTENT
    assert holds(store, artifact, second, {})
    assert first.path.read_bytes() == CONTENT + b"mine"
    first.path.unlink()
    assert store.get_value(artifact).path.read_bytes() == CONTENT


def test_a_step_has_copies_of_its_own_which_go_with_it(store: Store, places: Path) -> None:
    artifact = store.put_value(Folder("out"), {})
    shared = store.get_value(artifact)
    store.copies.keep_own()
    own, other = store.get_value(artifact), store.get_value(artifact)
    assert len({shared, own, other}) == 3
    assert content_of(own, {}) == (artifact.codec, artifact.blob.object)
    store.copies.remove_own()
    assert not own.path.exists()
    assert shared.path.exists()


def test_copies_of_killed_steps_go_a_day_later(store: Store, places: Path) -> None:
    artifact = store.put_value(File("out/in/run.sh"), {})
    store.copies.keep_own()
    left = store.get_value(artifact).path.parent.parent
    open_store(store.root)
    assert left.exists()
    os.utime(left, (1, 1))
    open_store(store.root, sweeps=False)
    assert left.exists()
    open_store(store.root)
    assert not left.exists()


def test_bytes_that_are_gone_or_bad_count_as_missing(store: Store, places: Path) -> None:
    artifact = store.put_value(File("out/in/run.sh"), {})
    kept = Path(store.objects.path(blake3(CONTENT).hexdigest()))
    kept.chmod(0o600)
    kept.write_bytes(CONTENT[::-1])
    with pytest.raises(ArtifactCorruptError):
        store.get_value(artifact)
    assert not store.has(artifact)
    with pytest.raises(ArtifactMissingError):
        store.get_value(artifact)
    assert not list((store.root / "files").glob("*.part"))


def test_copies_of_a_store_that_cannot_be_written_lie_elsewhere(
    store: Store, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = store.put_value(File("out/in/run.sh"), {})
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(store.root) and access(path, mode))
    found = store.get_value(artifact)
    assert not found.path.is_relative_to(store.root)
    assert found.path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (File("out/report.html"), "'out/report.html' does not exist"),
        (File("out"), "is a folder"),
        ([File("out/nothing")], "Bind each File to a name of its own"),
        ({"a": Folder("out")}, "put the files into one Folder"),
    ],
)
def test_what_cannot_be_stored_is_refused(store: Store, places: Path, value: object, words: str) -> None:
    with pytest.raises(EncodingError, match=words):
        store.put_value(value, {})
