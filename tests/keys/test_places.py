"""What a `File` or `Folder` is known by, and what is said where it cannot be."""

from __future__ import annotations

import os
import pathlib
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_mlpipe.errors import PlaceError, UsageError
from jupyter_mlpipe.keys import stats
from jupyter_mlpipe.keys.derive import derive_key, explain
from jupyter_mlpipe.keys.moment import one_moment
from jupyter_mlpipe.keys.places import Entry, entries_of, place_digest
from jupyter_mlpipe.keys.values import digest_value, places_in
from jupyter_mlpipe.model.files import File, Folder, Place, stand_in


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with two files in a folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "in").mkdir(parents=True)
    (tmp_path / "data" / "raw.csv").write_text("a\n1\n")
    (tmp_path / "data" / "in" / "labels.csv").write_text("b\n2\n")
    return tmp_path


def test_a_place_is_a_path_for_whoever_takes_one() -> None:
    place = File("data/raw.csv")
    with open(place) as file:
        assert file.read() == pathlib.Path(place).read_text() == "a\n1\n"
    assert os.fspath(place) == str(place) == "data/raw.csv"
    assert type(str(place)) is type(place.__fspath__()) is str
    assert isinstance(place, os.PathLike)
    assert (place.name, place.path.suffix, repr(place)) == ("raw.csv", ".csv", "File('data/raw.csv')")
    assert Folder("data") / "raw.csv" == place.path
    assert pickle.loads(pickle.dumps([place, Folder("data")])) == [place, Folder("data")]
    assert type(pickle.loads(pickle.dumps(Folder("data")))) is Folder


@pytest.mark.parametrize(
    ("given", "path", "name"),
    [
        (pathlib.Path("data/raw.csv"), "data/raw.csv", "raw.csv"),
        ("file:///tmp/a%20b.csv", "/tmp/a b.csv", "a b.csv"),
        ("data/", "data/", "data"),
        ("s3://bucket/a/b.csv?version=1", "s3://bucket/a/b.csv?version=1", "b.csv"),
        ("zip://in/b.csv::s3://bucket/c.zip", "zip://in/b.csv::s3://bucket/c.zip", "b.csv"),
        ("simplecache::s3://bucket/c.zip", "simplecache::s3://bucket/c.zip", "c.zip"),
    ],
)
def test_paths_are_taken_as_people_write_them(given: str, path: str, name: str) -> None:
    place = File(given)
    assert (str(place), place.name) == (path, name)
    assert place.is_remote == path.startswith(("s3", "zip", "simple"))


def test_the_home_is_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert str(File("~/raw.csv")) == "/home/ada/raw.csv"


@pytest.mark.parametrize("given", ["", " ", 3, None, b"raw.csv", "a\0b"])
def test_what_is_no_path_is_refused(given: object) -> None:
    with pytest.raises(UsageError, match=r'File takes a path, but found .*File\("data/raw.csv"\)'):
        File(given)  # type: ignore[arg-type]


def test_a_place_that_stands_in_for_another_is_where_it_is_unpickled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_mlpipe.model.files._standing_in", {})
    sent = pickle.dumps({"raw": [File("s3://b/raw.csv")]})
    stand_in({"s3://b/raw.csv": "/copies/raw.csv"})
    assert pickle.loads(sent) == {"raw": [File("/copies/raw.csv")]}


def test_a_folder_is_its_names_and_contents() -> None:
    found = entries_of(Folder("data"))
    assert [(e.path, e.is_file, e.size) for e in found] == [
        ("in/", False, 0),
        ("in/labels.csv", True, 4),
        ("raw.csv", True, 4),
    ]


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        (lambda d: (d / "raw.csv").write_text("a\n2\n"), True),
        (lambda d: (d / "raw.csv").chmod(0o755), True),
        (lambda d: (d / "raw.csv").rename(d / "new.csv"), True),
        (lambda d: (d / "in").rename(d / "out"), True),
        (lambda d: (d / "empty").mkdir(), True),
        (lambda d: (d / "gone").symlink_to("nowhere"), True),
        (lambda d: (d / "again").symlink_to("raw.csv"), True),
        (lambda d: os.utime(d / "raw.csv", (1, 1)), False),
        (lambda d: (d / "raw.csv").chmod(0o640), False),
        (lambda d: d.rename(d.parent / "moved") and (d.parent / "data").symlink_to("moved"), False),
    ],
)
def test_what_counts_in_a_folder(project: Path, change: Callable[[Path], object], counts: bool) -> None:
    before = place_digest(Folder("data"))
    change(project / "data")
    assert (place_digest(Folder("data")) != before) == counts


def test_links_count_as_what_they_lead_to(project: Path) -> None:
    (project / "data" / "up").symlink_to("..")
    (project / "data" / "twin").symlink_to("in")
    (project / "data" / "loop").symlink_to("loop")
    paths = [e.path for e in entries_of(Folder("data"))]
    assert [p for p in paths if p.startswith("twin")] == ["twin/", "twin/labels.csv"]
    assert Entry("loop", link="loop") in entries_of(Folder("data"))
    assert "up/data/" in paths
    assert "up/data/up/" not in paths


def test_the_store_is_no_part_of_a_folder_around_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats.MEMO, "_folder", str(project / ".mlpipe"))
    before = place_digest(Folder("."))
    (project / ".mlpipe").mkdir()
    (project / ".mlpipe" / "stats").write_text("x")
    assert place_digest(Folder(".")) == before


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (File("data/rw.csv"), "File 'data/rw.csv' does not exist, as seen from .*Did you mean 'raw.csv'"),
        (File("data/x"), "There: raw.csv. Correct the path, or run what makes it first"),
        (File("dta/raw.csv"), "There is no folder 'dta'"),
        (Folder("dat"), "Folder 'dat' does not exist.*Did you mean 'data'"),
        (File("data"), "File 'data' is a folder. Declare it as a Folder"),
        (Folder("data/raw.csv"), "Folder 'data/raw.csv' is a file. Declare it as a File"),
        (File("data/raw.csv/x"), "does not exist"),
        (File("pipe"), "is no ordinary file"),
        (Folder("pipes"), "'pipes/pipe' is no ordinary file"),
    ],
)
def test_what_is_wrong_with_a_place_is_said(project: Path, place: Place, words: str) -> None:
    os.mkfifo(project / "pipe")
    (project / "pipes").mkdir()
    os.mkfifo(project / "pipes" / "pipe")
    with pytest.raises(PlaceError, match=words):
        entries_of(place)


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(project: Path) -> None:
    (project / "data" / "raw.csv").chmod(0)
    for place in (File("data/raw.csv"), Folder("data")):
        with pytest.raises(PlaceError, match=r"permission is denied \(data/raw.csv\)"):
            entries_of(place)


def test_a_value_counts_by_the_files_in_it(project: Path) -> None:
    values = [File("data/raw.csv"), {"a": [File("data/raw.csv")]}, (Folder("data"),), "data/raw.csv"]
    before = [digest_value(value) for value in values]
    assert len(set(before)) == 4
    (project / "data" / "raw.csv").write_text("a\n2\n")
    after = [digest_value(value) for value in values]
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, False, False, True]
    assert places_in({"a": [File("data/raw.csv")], "b": Folder("data/raw.csv")}) == (
        File("data/raw.csv"),
        Folder("data/raw.csv"),
    )


def test_a_change_of_a_parameter_names_the_file(project: Path) -> None:
    def key_of(path: str) -> tuple[str, object]:
        key, ingredients = derive_key([], {"path": File(path)}, {}, (), "")
        return key, ingredients

    before = key_of("data/raw.csv")
    (project / "copy.csv").write_text("a\n1\n")
    moved = key_of("copy.csv")
    (project / "data" / "raw.csv").write_text("a\n2\n")
    changed = key_of("data/raw.csv")
    assert len({before[0], moved[0], changed[0]}) == 3
    assert [str(r) for r in explain(before[1], changed[1])] == ["file data/raw.csv changed"]
    assert [str(r) for r in explain(before[1], moved[1])] == ["parameter path data/raw.csv -> copy.csv"]


def test_a_place_is_looked_at_once_in_a_moment(project: Path) -> None:
    with one_moment():
        before = place_digest(File("data/raw.csv"))
        (project / "data" / "raw.csv").write_text("a\n2\n")
        assert place_digest(File("data/raw.csv")) == before
    assert place_digest(File("data/raw.csv")) != before
