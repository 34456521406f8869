"""Kernels that share a bucket: one reuses what the other made, where it trusts its key."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.bucket import environment_of
from tests.support.kernel import Kernel

MAKE = "%%component make\nimport numpy as np\nprint('made')\nnumbers = np.arange(20_000.0)"
SUM = "%%component sum_up\ntotal = float(numbers.sum())\ntotal"


def trust(*words: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_mlpipe.app.main", "trust", *words],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def start_as(
    start_kernel: Callable[..., Kernel], bucket: str, tmp_path: Path
) -> Callable[..., tuple[Kernel, dict[str, str]]]:
    """Start a kernel of a user, in a folder of his own, on the same bucket; gives its environment as well."""

    def start(name: str, *, cache: str = "") -> tuple[Kernel, dict[str, str]]:
        folder = tmp_path / "folders" / (cache or name)
        folder.mkdir(parents=True, exist_ok=True)
        environment = {**environment_of(tmp_path, name, cache=cache), "MLPIPE_STORE": bucket}
        return start_kernel(folder, **environment), environment

    return start


def test_two_users_share_what_they_trust(start_as: Any, tmp_path: Path, fs: Any, bucket: str) -> None:
    ada, of_ada = start_as("ada")
    assert ada.run(MAKE).check().status_of_step == "succeeded"
    assert ada.run(SUM).check().result == "199990000.0"
    assert ada.run(SUM).check().status_of_step == "reused"
    bob, of_bob = start_as("bob")
    made = bob.run(MAKE).check()
    assert made.status_of_step == "succeeded"
    assert "is signed by key" in made.receipt
    assert "jupyter mlpipe trust import FILE" in made.receipt
    summed = bob.run(SUM).check()
    assert "jupyter mlpipe trust import FILE" not in summed.receipt
    key = tmp_path / "team.key"
    trust("export", str(key), environment=of_ada)
    trust("import", str(key), environment=of_bob)
    later, _ = start_as("bob", cache="other")
    for cell, result in ((MAKE, None), (SUM, "199990000.0")):
        done = later.run(cell).check()
        assert (done.status_of_step, done.result) == ("reused", result)
    assert later.run("numbers[-1]").check().result == "np.float64(19999.0)"
    # The team's key signs from then on: what Bob makes, Ada reuses.
    assert later.run("%%component more\nmore = total + 1").check().status_of_step == "succeeded"
    assert ada.run("%%component more\nmore = total + 1").check().status_of_step == "reused"
    assert len(fs.find(f"{bucket}/pins")) == 0
    assert later.run("%pipeline cache pin more").check()
    assert "sum_up" in str(ada.run("%pipeline cache ls --json").check().printed)


@pytest.mark.parametrize("damage", ["flipped", "deleted"])
def test_damage_in_the_bucket_is_made_good_in_the_same_run(
    damage: str, start_as: Any, fs: Any, bucket: str
) -> None:
    kernel, _ = start_as("ada")
    kernel.run(MAKE).check()
    (name,) = fs.find(f"{bucket}/objects")
    whole = fs.cat_file(name)
    fs.rm_file(name) if damage == "deleted" else fs.pipe_file(name, whole[:-1] + bytes([whole[-1] ^ 1]))
    other, _ = start_as("ada", cache="other")
    other.run("%pipeline mode register").check()
    other.run(MAKE).check()
    other.run("%pipeline mode run").check()
    done = other.run(SUM).check()
    assert (done.status_of_step, done.result) == ("succeeded", "199990000.0")
    assert fs.cat_file(name) == whole
    third, _ = start_as("ada", cache="third")
    assert third.run(MAKE).check().status_of_step == "reused"
    assert third.run("numbers.sum()").check().result == "np.float64(199990000.0)"


def test_a_store_that_cannot_be_reached_is_an_error_before_anything_runs(
    start_kernel: Callable[..., Kernel], s3: str, tmp_path: Path
) -> None:
    kernel = start_kernel(**environment_of(tmp_path, "ada"), MLPIPE_STORE="s3://no-such-bucket/x")
    failed = kernel.run("%%component make\nopen('ran', 'w').close()\nx = 1")
    assert failed.status == "error"
    assert "cannot be listed: there is no such place" in failed.traceback
    assert not (tmp_path / "ran").exists()
    assert kernel.run("1 + 1").check().result == "2"
