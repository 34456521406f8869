"""Which worker has what at hand."""

from __future__ import annotations

from jupyter_mlpipe.execution.cluster.holders import Holders
from jupyter_mlpipe.execution.process.spec import VERIFIED_BYTES
from jupyter_mlpipe.store.blobs import Blob
from jupyter_mlpipe.store.records import Artifact


def artifact(object_: str, size: int = VERIFIED_BYTES, part: str = "") -> Artifact:
    return Artifact(f"{object_}{part}", "pickle", 1, "list", "", Blob(object_, size), part=part)


def test_workers_hold_what_they_wrote_and_read() -> None:
    holders = Holders()
    holders.note("v", [artifact("a"), artifact("b")])
    holders.note("w", [artifact("b"), artifact("c", 2 * VERIFIED_BYTES)])
    assert holders.near([artifact("a"), artifact("b"), artifact("c", 2 * VERIFIED_BYTES)]) == {
        "v": 2 * VERIFIED_BYTES,
        "w": 3 * VERIFIED_BYTES,
    }
    assert holders.near([artifact("d")]) == {}


def test_small_objects_are_at_hand_anywhere() -> None:
    holders = Holders()
    holders.note("v", [artifact("a", VERIFIED_BYTES - 1)])
    assert holders.near([artifact("a", VERIFIED_BYTES - 1)]) == {}


def test_values_that_are_stored_together_count_once() -> None:
    holders = Holders()
    holders.note("v", [artifact("a", part="x")])
    assert holders.near([artifact("a", part="x"), artifact("a", part="y")]) == {"v": VERIFIED_BYTES}


def test_what_was_noted_first_is_forgotten_first() -> None:
    holders = Holders()
    names = [f"{number}" for number in range(10_000)]
    holders.note("v", [artifact("0"), artifact("1"), artifact("0")])
    holders.note("v", map(artifact, names[2:]))
    assert holders.near([artifact("1")]) == {"v": VERIFIED_BYTES}
    holders.note("v", [artifact("new")])
    assert holders.near([artifact("0")]) == {"v": VERIFIED_BYTES}
    assert holders.near([artifact("1")]) == {}
