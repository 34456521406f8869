"""Fixtures for tests that use real step processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.steps import Steps


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Steps]:
    """A fork server with a store of its own, shared by the tests of a module."""
    running = Steps(tmp_path_factory.mktemp("notebook"))
    yield running
    running.server.close()
