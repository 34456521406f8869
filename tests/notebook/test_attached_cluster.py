"""Clusters that are there: their workers' packages count, whatever the notebook has."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.dask_cluster import DaskCluster, wait_for

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


def test_steps_keep_to_workers_that_have_what_their_key_says(notebook, cluster, tmp_path):
    # Either could do it; only one has the notebook's version.
    cluster.worker("same", PYTHONPATH=install(tmp_path / "same", "1.0"))
    cluster.worker("other", PYTHONPATH=install(tmp_path / "other", "2.0"))
    choose(notebook, cluster.file, 2)
    notebook.run("import demo\n%pipeline mode register").check()
    for i in range(4):
        notebook.run(f"%%component use{i}\nv{i} = demo.VERSION").check()
    notebook.run("run = %pipeline run\nassert run.wait().status == 'succeeded', run").check()
    ran = notebook.value("{(run[f'v{i}'], run.steps[f'use{i}'].worker) for i in range(4)}")
    assert ran == {("1.0", "same")}


def test_packages_changed_on_a_worker_are_seen_before_the_step_runs(notebook, cluster, tmp_path):
    cluster.worker("there", PYTHONPATH=install(tmp_path / "there", "2.0"))
    choose(notebook, cluster.file)
    notebook.run("import demo").check()
    assert notebook.run(USE).check().result == "'2.0'"
    # The plan rests on what the worker said a moment ago; the worker looks again.
    install(tmp_path / "there", "3.0")
    assert notebook.run(f"{USE}, 1").check().result == "('3.0', 1)"
    reasons = notebook.run("%pipeline why use").check().facts
    assert "2.0 -> 3.0" in str(reasons)


def test_without_a_worker_versions_are_not_known_and_the_run_waits(notebook, cluster, tmp_path):
    choose(notebook, cluster.file, 0)
    notebook.run("import demo").check()
    notebook.run(USE.replace("use", "use --no-run")).check()
    planned = plan_of(notebook)
    assert planned["decision"] == "undecided"
    assert "the cluster has no worker" in str(planned["reasons"])
    waiting = notebook.start(USE)
    cluster.worker("late", PYTHONPATH=install(tmp_path / "late", "2.0"))
    assert notebook.wait(waiting).check().result == "'2.0'"


def test_code_that_is_loose_on_a_worker_is_never_reused(notebook, cluster, tmp_path):
    place = Path(install(tmp_path / "there", "2.0"))
    cluster.worker("there", PYTHONPATH=str(place.rename(tmp_path / "loose")))
    choose(notebook, cluster.file)
    notebook.run("import demo").check()
    for _ in range(2):
        ran = notebook.run(USE).check()
        assert (ran.status_of_step, ran.result) == ("succeeded", "'2.0'")
    assert "loose code" in ran.receipt


@pytest.mark.parametrize(
    ("mount", "why"),
    [("-t tmpfs none {store}", "another one there"), ("--bind -o ro {store} {store}", "read-only")],
)
def test_a_worker_that_cannot_use_the_store_is_left_out(notebook, cluster, tmp_path, mount, why):
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("needs a mount namespace, to have another disk at the path of the store")
    notebook.run("%%component first\nx = 1").check()
    elsewhere = f'mount {mount.format(store=tmp_path / ".mlpipe")} && exec "$@"'
    cluster.worker("apart", inside=("unshare", "-m", "sh", "-c", elsewhere, "sh"))
    failed = notebook.run(f"%pipeline cluster {cluster.file}")
    if failed.status == "ok":  # it was not there yet
        failed = wait_for(
            lambda: (found := notebook.run(f"%pipeline cluster {cluster.file}")).status == "error" and found
        )
    assert "'apart'" in failed.traceback
    assert why in failed.traceback
    # One that fits makes it a cluster; the other is shown with what is wrong.
    cluster.worker("fits")
    wait_for(lambda: notebook.run(f"%pipeline cluster {cluster.file}").status == "ok")
    facts = choose(notebook, cluster.file, 2)
    assert list(facts["workers"]) == ["fits"]
    assert why in facts["left_out"]["apart"]
    assert notebook.run("%%component second\ny = 2\ny").check().result == "2"


def test_a_cluster_that_does_not_answer_leaves_the_one_in_use(notebook):
    failed = notebook.run("%pipeline cluster nowhere.json")
    assert "There is no scheduler file 'nowhere.json'" in failed.traceback
    assert notebook.run("%%component first\nx = 1\nx").check().result == "1"


def test_a_client_in_the_notebook_is_used_as_it_is(notebook, cluster):
    cluster.worker("one", "--no-nanny")
    notebook.run(
        f"import distributed\nclient = distributed.Client(scheduler_file={str(cluster.file)!r})"
    ).check()
    choose(notebook, "client")
    ran = notebook.run("%%component first\nx = 1\nx").check()
    assert ran.result == "1"
    # It stays the user's own.
    assert notebook.run("client.submit(sum, [1, 2]).result()").check().result == "3"
    notebook.run("%pipeline cluster local").check()
    assert notebook.value("client.status") == "running"
