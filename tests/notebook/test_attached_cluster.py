"""Clusters that are there: their workers' packages count, whatever the notebook has."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.support.dask_cluster import DaskCluster, end, wait_for

USE = "%%component use\nversion = demo.VERSION\nversion"


def install(folder: Path, version: str) -> str:
    """Put a distribution where packages are; returns its import path."""
    place = folder / "lib" / "site-packages"
    shutil.rmtree(place, ignore_errors=True)
    metadata = place / f"demo-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: demo\nVersion: {version}\n")
    (metadata / "RECORD").write_text("demo/__init__.py,,\n")
    (place / "demo").mkdir()
    (place / "demo" / "__init__.py").write_text(f"VERSION = {version!r}\n")
    return str(place)


@pytest.fixture
def cluster(tmp_path):
    folder = tmp_path / "dask"
    folder.mkdir()
    started = DaskCluster(folder)
    yield started
    started.close()


@pytest.fixture
def notebook(start_kernel, tmp_path):
    """A notebook whose environment has demo 1.0."""
    return start_kernel(PYTHONPATH=install(tmp_path / "here", "1.0"))


def choose(notebook, target, n_workers=1):
    """Have steps run on a cluster, with all of its workers there."""
    notebook.run(f"%pipeline cluster {target}").check()

    def count():
        facts = notebook.run("%pipeline cluster").check().facts
        return len(facts["workers"]) + len(facts["left_out"]) == n_workers and facts

    return wait_for(count)


def plan_of(notebook, step="use"):
    return notebook.run("%pipeline plan").check().facts["steps"][step]


def test_versions_of_the_worker_are_in_the_key_and_what_runs(notebook, cluster, tmp_path):
    cluster.worker("there", PYTHONPATH=install(tmp_path / "there", "2.0"))
    notebook.run("import demo").check()
    assert notebook.run(USE).check().result == "'1.0'"
    choose(notebook, cluster.file)
    ran = notebook.run(USE).check()
    assert (ran.status_of_step, ran.result) == ("succeeded", "'2.0'")
    assert "demo 1.0 -> 2.0" in ran.receipt
    assert notebook.run(USE).check().status_of_step == "reused"
    notebook.run("%pipeline cluster local").check()
    back = notebook.run(USE).check()
    assert (back.status_of_step, back.result) == ("reused", "'1.0'")
