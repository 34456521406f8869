"""Another user of the machine can neither connect to a cluster that we start nor read the store."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from jupyter_mlpipe.execution.cluster.dask import DaskExecutor
from jupyter_mlpipe.execution.cluster.pools import Pool
from jupyter_mlpipe.execution.runs.runner import Runner
from jupyter_mlpipe.store.store import open_store
from tests.execution.test_runner_dask import make_task, tasks_of

_AS_NOBODY = """
import json, os, sys
folder, pid = sys.argv[1:]
os.setgroups([]); os.setgid(65534); os.setuid(65534)
found = {}

def attempt(name, function):
    try:
        found[name] = repr(function())
    except BaseException as error:
        found[name] = type(error).__name__

def read(path):
    with open(path, "rb") as file:
        return file.read(1)

attempt("store", lambda: os.listdir(f"{folder}/store"))
attempt("memory", lambda: read(f"/proc/{pid}/mem"))
attempt("environment", lambda: read(f"/proc/{pid}/environ"))
attempt("anything beside the store", lambda: read(f"{folder}/open"))
print(json.dumps(found), flush=True)
os._exit(0)
"""


def sockets_of_all():
    """Return the sockets of this process and those below it to which somebody could connect."""
    own = psutil.Process()
    every = (c for p in (own, *own.children(recursive=True)) for c in p.net_connections("all"))
    return {(c.family, c.laddr) for c in every if c.status == psutil.CONN_LISTEN or (c.laddr and not c.raddr)}


@pytest.fixture
def open_folder():
    """A folder that everybody may look into."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "open").write_text("for all")
    (folder / "open").chmod(0o644)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "pools", [(), (Pool("a", 2, cpus=1), Pool("b", cpus=1))], ids=["one worker", "pools"]
)
def test_a_cluster_of_ours_has_no_socket_to_connect_to(tmp_path, pools):
    before = sockets_of_all()
    runner = Runner(open_store(tmp_path / "store"), lambda _: DaskExecutor(pools=pools))
    try:
        runner.start(tasks_of(make_task("s", "x = 1", "x")), pipeline="p").wait(60)
        assert len(runner.account().workers) == (3 if pools else 1)
        assert sockets_of_all() == before
    finally:
        runner.close()


def test_nobody_else_reads_the_store_or_the_process(open_folder):
    if os.getuid() != 0:
        pytest.skip("needs root, to act as another user")
    runner = Runner(open_store(open_folder / "store"), lambda _: DaskExecutor())
    try:
        run = runner.start(tasks_of(make_task("s", "x = 'mine'", "x")), pipeline="p").wait(60)
        assert run["x"] == "mine"
        tried = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, str(open_folder), str(os.getpid())],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        assert tried.returncode == 0, tried.stderr
        found = json.loads(tried.stdout)
        # So that what fails does not fail for another reason.
        assert found.pop("anything beside the store") == "b'f'"
        assert found == dict.fromkeys(("store", "memory", "environment"), "PermissionError")
    finally:
        runner.close()
