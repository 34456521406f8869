"""Steps in processes of their own, and a store in a bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jupyter_mlpipe.store.store import Store
from tests.support.steps import Steps

KEY = "1a" * 32


@pytest.fixture
def steps(tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    """A fork server on a machine that has neither the user's keys nor his copy of the store."""
    folder = tmp_path / "worker"
    folder.mkdir()
    credentials = "[default]\naws_access_key_id = key\naws_secret_access_key = secret\n"
    (folder / "credentials").write_text(credentials)
    with monkeypatch.context() as worker:
        worker.setenv("JUPYTER_DATA_DIR", str(folder / "data"))
        worker.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        worker.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
        worker.delenv("AWS_ACCESS_KEY_ID")
        worker.delenv("AWS_SECRET_ACCESS_KEY")
        found = Steps(folder)
        found.run("ready = 1")  # it has started, with that environment
        yield found
    found.server.close()


def test_a_worker_without_the_key_signs_the_record_of_its_step_and_no_other(
    steps: Steps, bucket: str, open_as: Callable[..., Store], tmp_path: Path
) -> None:
    store = open_as("ada")
    numbers = store.put_value(np.arange(5000.0))
    ended = steps.run(
        "total = float(numbers.sum())\nprint('summed')",
        key=KEY,
        store=bucket,
        signer=store.signer(KEY),
        inputs={"numbers": numbers},
        outputs=("total",),
    )
    assert ended.text == "summed\n"
    record = open_as("ada", cache="other").get_record(KEY)
    assert record is not None
    assert open_as("ada", cache="other").get_value(record.outputs["total"]) == 12497500.0
    # The worker made no key of its own, and what it read to reach the bucket is no business of the step.
    assert not (tmp_path / "worker" / "data").exists()
    assert not [path for path in record.files if "credentials" in path or "botocore" in path]
    other = steps.run("x = 1", key="2b" * 32, store=bucket, signer=store.signer(KEY))
    assert other.error["ename"] == "StoreError"
    assert open_as("ada").get_record("2b" * 32) is None


def test_a_step_that_needs_nothing_of_the_bucket_runs_before_anybody_connects(
    steps: Steps, bucket: str, open_as: Callable[..., Store]
) -> None:
    store = open_as("ada")
    ended = steps.run(
        "import threading\nnames = [thread.name for thread in threading.enumerate()]",
        key=KEY,
        store=bucket,
        signer=store.signer(KEY),
        outputs=("names",),
    )
    assert "fsspecIO" not in store.get_value(ended.record.outputs["names"])


def test_a_damaged_input_is_told_and_moved_aside(
    steps: Steps, bucket: str, open_as: Callable[..., Store], fs: Any
) -> None:
    store = open_as("ada")
    numbers = store.put_value(np.arange(5000.0))
    (name,) = fs.find(f"{bucket}/objects")
    whole = fs.cat_file(name)
    fs.pipe_file(name, whole[:-1] + b"?")
    asked = {"key": KEY, "store": bucket, "signer": store.signer(KEY), "inputs": {"numbers": numbers}}
    assert steps.run("x = 1", **asked).error["ename"] == "ArtifactCorruptError"
    assert not fs.exists(name)
    assert steps.run("x = 1", **asked).error["ename"] == "ArtifactMissingError"
