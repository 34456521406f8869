"""A real S3 API in a process of its own, with fixtures for stores in its buckets.

As a program it prints its address, and ends with its standard input.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_mlpipe.store.store import Store, open_store


@contextlib.contextmanager
def serve() -> Iterator[str]:
    """Serve S3 on this machine; the value is the address."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.bucket"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.stdin.close()
        server.stdout.close()
        server.wait(10)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3 server, one for a module; this process and those that it starts know it."""
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    with serve() as address, pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL", address)
        patched.setenv("AWS_ACCESS_KEY_ID", "key")
        patched.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patched.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patched.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield address


@pytest.fixture
def fs(s3: str) -> Any:
    """The S3 server as a file system."""
    import fsspec

    return fsspec.filesystem("s3", use_listings_cache=False, endpoint_url=s3)


@pytest.fixture
def bucket(fs: Any) -> str:
    """The address of an empty place in a bucket."""
    name = f"team-{uuid.uuid4().hex[:8]}"
    fs.mkdir(name)
    return f"s3://{name}/results"


@pytest.fixture
def become(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Go on as another user, who has a Jupyter data folder of his own, and by default a cache of his own."""

    def become(name: str, *, cache: str = "") -> None:
        for variable, value in environment_of(tmp_path, name, cache=cache).items():
            monkeypatch.setenv(variable, value)

    become("ada")
    return become


@pytest.fixture
def open_as(bucket: str, become: Callable[..., None]) -> Callable[..., Store]:
    """Open the store in the bucket anew, as a user who has `cache`."""

    def open_as(name: str, *, cache: str = "") -> Store:
        become(name, cache=cache)
        return open_store(bucket)

    return open_as


def environment_of(folder: Path, name: str, *, cache: str = "") -> dict[str, str]:
    """Return what makes a process one of a user."""
    return {
        "JUPYTER_DATA_DIR": str(folder / name / "data"),
        "XDG_CACHE_HOME": str(folder / (cache or name) / "cache"),
    }


def main() -> None:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
