"""Files on other machines: never an old copy for new content, and none read twice where that can be told."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

fsspec = pytest.importorskip("fsspec")

from fsspec.implementations.memory import MemoryFileSystem  # noqa: E402

from jupyter_mlpipe.errors import PlaceError  # noqa: E402
from jupyter_mlpipe.keys import stats  # noqa: E402
from jupyter_mlpipe.keys.places import entries_of, local_place, place_digest  # noqa: E402
from jupyter_mlpipe.model.files import File, Folder, Place  # noqa: E402


class Tagged(MemoryFileSystem):  # type: ignore[misc]
    """A file system that tells one content from another, as S3 does, and counts what is read."""

    protocol = "tagged"
    store: dict[str, Any] = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012
    reads: list[str] = []  # noqa: RUF012
    says: dict[str, Any] = {}  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped: str = super()._strip_protocol(path.replace("tagged://", "memory://"))
        return stripped

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        info: dict[str, Any] = super().info(path, **kwargs)
        if info["type"] == "file":
            info |= self.says or {"ETag": f'"{hash(self.cat_file(path))}"'}
        return info

    def find(self, path: str, **kwargs: Any) -> Any:
        found = super().find(path, **kwargs)
        return {name: self.info(name) for name in found} if kwargs.get("detail") else found

    def get_file(self, rpath: str, lpath: str, **kwargs: Any) -> None:
        self.reads.append(rpath)
        super().get_file(rpath, lpath, **kwargs)


@pytest.fixture(autouse=True)
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tagged]:
    (tmp_path / "store").mkdir()
    monkeypatch.setattr(stats.MEMO, "_folder", str(tmp_path / "store"))
    fsspec.register_implementation("tagged", Tagged, clobber=True)
    fs = fsspec.filesystem("tagged")
    for held in (Tagged.store, Tagged.reads, Tagged.says):
        held.clear()
    fs.pipe({"/b/raw.csv": b"a\n1\n", "/b/in/labels.csv": b"b\n2\n"})
    yield fs
    for held in (Tagged.store, Tagged.reads, Tagged.says):
        held.clear()


def test_a_remote_file_is_a_local_copy_of_the_same_content(tmp_path: Path) -> None:
    (tmp_path / "raw.csv").write_bytes(b"a\n1\n")
    local = local_place(File("tagged://b/raw.csv"))
    assert type(local) is File
    assert local.path.read_bytes() == b"a\n1\n"
    assert local.name == "raw.csv"
    assert place_digest(File("tagged://b/raw.csv")) == place_digest(File(tmp_path / "raw.csv"))


def test_a_remote_folder_is_a_local_copy_with_its_folders() -> None:
    local = local_place(Folder("tagged://b"))
    assert [e.path for e in entries_of(local)] == ["in/", "in/labels.csv", "raw.csv"]
    assert entries_of(local) == entries_of(Folder("tagged://b"))


@pytest.mark.parametrize("place", [File("tagged://b/raw.csv"), Folder("tagged://b")])
def test_what_has_the_same_tag_is_read_once(place: Place, remote: Tagged) -> None:
    before = local_place(place)
    n_reads = len(remote.reads)
    assert local_place(place) == before
    assert len(remote.reads) == n_reads
    remote.pipe("/b/raw.csv", b"a\n3\n")
    after = local_place(place)
    assert after != before
    assert (after.path if type(place) is File else after.path / "raw.csv").read_bytes() == b"a\n3\n"
    # A step that still runs has the copy that it was given.
    assert (before.path if type(place) is File else before.path / "raw.csv").read_bytes() == b"a\n1\n"


@pytest.mark.parametrize(
    ("says", "is_read_again"),
    [
        ({"md5Hash": "x"}, False),
        ({"ETag": 'W/"weak"'}, True),
        ({"LastModified": "Mon, 01 Jan 2024 00:00:00 GMT"}, False),
        ({"mtime": 1.0}, False),
        ({"mtime": time.time() + 3600}, True),  # just now, by another clock
        ({"note": "x"}, True),
    ],
)
def test_what_its_file_system_says_too_little_of_is_read_again(
    says: dict[str, Any], is_read_again: bool, remote: Tagged
) -> None:
    remote.says.update(says)
    place = File("tagged://b/raw.csv")
    local_place(place)
    local_place(place)
    assert (len(remote.reads) > 1) == is_read_again
    if is_read_again:
        remote.pipe("/b/raw.csv", b"a\n3\n")
        assert local_place(place).path.read_bytes() == b"a\n3\n"


def test_a_copy_that_somebody_changed_is_made_again() -> None:
    local = local_place(File("tagged://b/raw.csv"))
    os.chmod(local, 0o644)
    local.path.write_bytes(b"mine")
    assert local_place(File("tagged://b/raw.csv")).path.read_bytes() == b"a\n1\n"
    local.path.unlink()
    assert local_place(File("tagged://b/raw.csv")).path.read_bytes() == b"a\n1\n"


def test_what_changes_while_it_is_read_is_refused(remote: Tagged, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Tagged.get_file

    def read_and_change(self: Tagged, rpath: str, lpath: str, **kwargs: Any) -> None:
        read(self, rpath, lpath, **kwargs)
        self.pipe(rpath, self.cat_file(rpath) + b"2\n")

    monkeypatch.setattr(Tagged, "get_file", read_and_change)
    with pytest.raises(PlaceError, match="changes while it is read"):
        local_place(File("tagged://b/raw.csv"))


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (File("tagged://b/rw.csv"), "File 'tagged://b/rw.csv' does not exist. Did you mean 'raw.csv'"),
        (Folder("tagged://c"), "Folder 'tagged://c' does not exist"),
        (File("tagged://b"), "is a folder. Declare it as a Folder"),
        (Folder("tagged://b/raw.csv"), "is a file. Declare it as a File"),
        (File("taged://b/raw.csv"), "no protocol 'taged'.*Did you mean 'tagged'"),
        (File("adl://b/raw.csv"), "needs a package that is not installed: pip install adlfs"),
    ],
)
def test_what_is_wrong_with_a_remote_place_is_said(place: Place, words: str) -> None:
    with pytest.raises(PlaceError, match=words):
        entries_of(place)


@pytest.mark.parametrize(
    ("error", "words"),
    [(PermissionError("no"), "permission is denied"), (OSError("no route"), "OSError: no route")],
)
def test_a_file_system_that_refuses_is_quoted(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Tagged, path: str, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr(Tagged, "info", refuse)
    with pytest.raises(PlaceError, match=words):
        entries_of(File("tagged://b/raw.csv"))
