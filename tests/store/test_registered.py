"""Codecs that users register: in a notebook, and by entry points."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import jupyter_mlpipe as mlpipe
from jupyter_mlpipe.errors import ArtifactMissingError, EncodingError, StoreError, UsageError
from jupyter_mlpipe.keys.custom import BY_TYPE, CODECS
from jupyter_mlpipe.keys.values import digest_value
from jupyter_mlpipe.store.registered import codecs_to_send
from jupyter_mlpipe.store.store import Store, open_store
from tests.support.kernel import Kernel


class Track:
    """What pickle cannot store."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = threading.Lock()


class Other:
    pass


def write_track(track: Track, file: Any) -> None:
    file.write(track.name.encode())


def read_track(file: Any) -> Track:
    return Track(file.read().decode())


@pytest.fixture(autouse=True)
def _no_codec_stays() -> Iterator[None]:
    yield
    from jupyter_mlpipe.store import registered

    for codecs in (CODECS, BY_TYPE, registered._state.own):
        codecs.clear()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def register(**changed: Any) -> None:
    given = {"encode": write_track, "decode": read_track, "name": "track"} | changed
    mlpipe.register_codec(given.pop("type_", Track), **given)


def test_values_come_back_also_from_inside_others(store: Store) -> None:
    with pytest.raises(EncodingError):
        store.put_value(Track("a"))
    register()
    track = Track("b" * 100_000)
    artifact = store.put_value(track)
    assert store.get_value(artifact).name == track.name
    assert list(artifact.codecs) == ["track"]
    first, second = store.get_value(store.put_value([track, {"x": track}]))
    assert first.name == track.name
    assert second["x"] is first


def test_a_value_that_a_cell_captures_is_known_by_what_its_codec_writes() -> None:
    register()
    assert digest_value([Track("a")]) == digest_value([Track("a")])
    assert digest_value([Track("a")]) != digest_value([Track("b")])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"type_": Other}, "'track' is taken.*Track. Choose another"),
        ({"name": "other"}, "has a codec already: 'track'"),
        ({"type_": dict, "name": "d"}, "dict is stored by jupyter-mlpipe itself"),
        ({"type_": "Track"}, "expects a type"),
        ({"encode": None}, "needs functions encode"),
    ],
)
def test_what_does_not_fit_is_refused(changed: dict[str, Any], message: str) -> None:
    register()
    with pytest.raises(UsageError, match=message):
        register(**changed)


def test_registering_again_replaces_the_codec(store: Store) -> None:
    register()
    artifact = store.put_value(Track("a"))
    register()
    assert store.has(artifact)
    register(version=2)
    assert "codec 'track' has changed" in store.why_missing(artifact)
    with pytest.raises(ArtifactMissingError, match="Run the step that makes it again"):
        store.get_value(artifact)
    assert store.put_value(Track("a")).digest != artifact.digest


def test_what_lacks_its_codec_is_missing_and_stays_for_those_who_have_it(store: Store) -> None:
    register()
    artifact = store.put_value(Track("a" * 5000))
    CODECS.clear()
    assert not store.has(artifact)
    with pytest.raises(ArtifactMissingError, match=r"codec 'track'.*is not registered here.*register_codec"):
        store.get_value(artifact)
    store.quarantine(artifact)
    register()
    assert store.get_value(artifact).name == "a" * 5000


def test_a_decode_function_that_gives_something_else_is_named(store: Store) -> None:
    register(decode=lambda file: file.read())
    with pytest.raises(StoreError, match=r"decode function of codec 'track' gave a builtins.bytes"):
        store.get_value(store.put_value(Track("a")))


def test_an_encode_function_that_fails_says_so(store: Store) -> None:
    register(encode=lambda value, file: value.missing)
    with pytest.raises(EncodingError, match="no attribute 'missing'"):
        store.put_value(Track("a"))


def test_a_codec_that_cannot_be_sent_is_refused(store: Store) -> None:
    lock = threading.Lock()
    register(encode=lambda value, file, lock=lock: None)
    with pytest.raises(EncodingError, match="Codec 'track' cannot be used in steps"):
        codecs_to_send()


SETUP = """
import json, threading
import jupyter_mlpipe as mlpipe
class Track:
    def __init__(self, name): self.name, self.lock = name, threading.Lock()
def pack(track): return json.dumps({"name": track.name, "scale": SCALE})
SCALE = 10
def write(track, file): file.write(pack(track).encode())
def read(file): return Track(json.loads(file.read())["name"])
mlpipe.register_codec(Track, encode=write, decode=read, name="track")
"""


def test_a_codec_of_the_notebook_reaches_its_steps_and_other_kernels(
    start_kernel: Callable[..., Kernel], tmp_path: Path
) -> None:
    kernel = start_kernel()
    kernel.run(SETUP).check()
    make = "%%component make\nfirst = Track('a')\nseveral = [Track('b')]"
    use = "%%component use\nnames = first.name + several[0].name\nnames"
    assert kernel.run(make).check().status_of_step == "succeeded"
    assert kernel.run(use).check().result == "'ab'"
    assert kernel.value("first.name") == "a"
    # A value of the notebook's own.
    kernel.run("mine = Track('m')").check()
    assert kernel.run("%%component own\nmine.name + first.name").check().result == "'ma'"
    # Where the step calls something else by a name that the codec reads.
    clash = kernel.run("%%component clash -> third\nSCALE = 3\nthird = Track('c')")
    assert "Codec 'track' reads 'SCALE'" in clash.traceback

    again = start_kernel()
    again.run("\n".join(SETUP.splitlines()[:-1])).check()
    again.run("%pipeline mode register").check()
    again.run(make).check()
    planned = again.value("str(mlpipe.current().plan()['make'].reasons)")
    assert "codec 'track'" in planned
    assert "register_codec" in planned
    again.run(SETUP).check()
    again.run("%pipeline mode run").check()
    assert again.run(make).check().status_of_step == "reused"
    assert again.run(use).check().status_of_step == "reused"

    # What reads it is another thing from now on, though the bytes are the same.
    again.run("def read(file): return Track(json.loads(file.read())['name'].upper())").check()
    again.run(SETUP.splitlines()[-1]).check()
    assert again.run(make).check().status_of_step == "succeeded"
    assert again.run(use).check().result == "'AB'"


MODULE = """
import threading
class Track:
    def __init__(self, name): self.name, self.lock = name, threading.Lock()
def register():
    import jupyter_mlpipe
    jupyter_mlpipe.register_codec(
        Track, encode=lambda track, file: file.write(track.name.encode()),
        decode=lambda file: Track(file.read().decode()), name="installed")
"""


def test_a_codec_of_an_entry_point_is_found_everywhere(
    start_kernel: Callable[..., Kernel], tmp_path: Path
) -> None:
    site = tmp_path / "site"
    metadata = site / "tracks-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "tracks.py").write_text(MODULE)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tracks\nVersion: 1.0\n")
    (metadata / "RECORD").write_text("tracks.py,,\n")
    (metadata / "entry_points.txt").write_text("[jupyter_mlpipe.codecs]\ntracks = tracks:register\n")
    kernel = start_kernel(PYTHONPATH=str(site))
    kernel.run("from tracks import Track").check()
    kernel.run("%%component make\ntrack = [Track('a')]").check()
    assert kernel.run("%%component use\ntrack[0].name").check().result == "'a'"
    assert kernel.value("track[0].name") == "a"
