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
from jupyter_mlpipe.execution.runs.runner import Runner
from jupyter_mlpipe.store.store import open_store
from tests.execution.test_runner_dask import make_task, tasks_of

# What it needs is imported before: the interpreter may lie where only its owner reads.
_AS_NOBODY = """
import json, os, socket, ssl, sys
import distributed, encodings.idna
folder, pid, *ports = sys.argv[1:]
own = distributed.Security.temporary()
own.get_connection_args("client")
os.setgroups([]); os.setgid(65534); os.setuid(65534)
found = {}

def attempt(name, function):
    try:
        found[name] = repr(function())
    except BaseException as error:
        found[name] = type(error).__name__

def connect(port, context):
    with socket.create_connection(("127.0.0.1", int(port)), 20) as plain:
        encrypted = context.wrap_socket(plain)
        # Who must show a certificate learns that from the first answer.
        encrypted.sendall(bytes(64))
        return encrypted.recv(64)

def read(path):
    with open(path, "rb") as file:
        return file.read(1)

without = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
without.check_hostname, without.verify_mode = False, ssl.CERT_NONE
other = own.get_connection_args("client")["ssl_context"]
other.check_hostname, other.verify_mode = False, ssl.CERT_NONE
for port in ports:
    attempt(f"without a certificate {port}", lambda: connect(port, without))
    attempt(f"with one of his own {port}", lambda: connect(port, other))
attempt("store", lambda: os.listdir(f"{folder}/store"))
attempt("memory", lambda: read(f"/proc/{pid}/mem"))
attempt("environment", lambda: read(f"/proc/{pid}/environ"))
attempt("anything beside the store", lambda: read(f"{folder}/open"))
print(json.dumps(found), flush=True)
os._exit(0)
"""


def listening():
    found = psutil.Process().net_connections("inet")
    return {tuple(c.laddr) for c in found if c.status == psutil.CONN_LISTEN}


@pytest.fixture
def open_folder():
    """A folder that everybody may look into."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "open").write_text("for all")
    (folder / "open").chmod(0o644)
    yield folder
    shutil.rmtree(folder)


def test_nobody_else_connects_or_reads_the_store(open_folder):
    if os.getuid() != 0:
        pytest.skip("needs root, to act as another user")
    before = listening()
    runner = Runner(open_store(open_folder / "store"), lambda _: DaskExecutor())
    try:
        run = runner.start(tasks_of(make_task("s", "x = 'mine'", "x")), pipeline="p").wait(60)
        assert run["x"] == "mine"
        # The scheduler and the worker, on this machine only, and no dashboard.
        places = listening() - before
        assert [host for host, _ in places] == ["127.0.0.1"] * 2
        ports = [str(port) for _, port in places]
        tried = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, str(open_folder), str(os.getpid()), *ports],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        assert tried.returncode == 0, tried.stderr
        found = json.loads(tried.stdout)
        # So that what fails does not fail for another reason.
        assert found.pop("anything beside the store") == "b'f'"
        assert len(found) == 2 * len(ports) + 3
        assert set(found.values()) <= {
            "SSLError",
            "SSLEOFError",
            "ConnectionResetError",
            "PermissionError",
        }, found
    finally:
        runner.close()
