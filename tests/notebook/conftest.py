"""Fixtures for kernels that use what others have started."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.execution.test_dask import ForeignCluster


@pytest.fixture
def foreign_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForeignCluster]:
    """A cluster in a process of its own, which a test may kill."""
    cluster = ForeignCluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.close()
