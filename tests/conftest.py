"""Fixtures for tests that use real kernels, and settings that keep a user's own out of the way."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support.bucket import become, bucket, fs, open_as, s3
from tests.support.kernel import Kernel
from tests.support.warm import Warm

__all__ = ["become", "bucket", "fs", "open_as", "s3"]

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
# A process that a test starts compiles its imports once, as a user's does.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


# About how long a test takes, by the dearest that it asks for: a page, a command, a kernel.
_COSTS_S = {"browser": 15.0, "cli": 6.0, "start_kernel": 6.0, "steps": 0.5}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let files that take long come first: no worker then has one left when the others have ended."""
    costs: defaultdict[Path, float] = defaultdict(float)
    for item in items:
        asked = getattr(item, "fixturenames", ())
        costs[item.path] += max((_COSTS_S.get(name, 0.1) for name in asked), default=0.1)
    items.sort(key=lambda item: -costs[item.path])


@pytest.fixture(scope="session", autouse=True)
def _own_jupyter_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    root = tmp_path_factory.mktemp("jupyter")
    before = dict(os.environ)
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        folder = root / name.lower()
        folder.mkdir()
        os.environ[name] = str(folder)
    for name in ("MLPIPE_STORE", "MLPIPE_HEADLESS", "MLPIPE_NOTEBOOK"):
        os.environ.pop(name, None)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def warm(_own_jupyter_folders: None) -> Iterator[Warm]:
    """What the kernels of `start_kernel` are forked from."""
    kept = Warm()
    yield kept
    kept.close()


@pytest.fixture
def start_kernel(tmp_path: Path, warm: Warm) -> Iterator[Callable[..., Kernel]]:
    """Start real kernels, with the extension loaded, in the test's own folder."""
    started: list[Kernel] = []

    def start(folder: Path | None = None, *, load: bool = True, **environment: str) -> Kernel:
        kernel = Kernel(folder or tmp_path, environment, warm, with_ours=load)
        started.append(kernel)
        if load:
            kernel.run("%load_ext jupyter_mlpipe").check()
        return kernel

    yield start
    for kernel in started:
        kernel.close()


@pytest.fixture
def kernel(start_kernel: Callable[..., Kernel]) -> Kernel:
    return start_kernel()
