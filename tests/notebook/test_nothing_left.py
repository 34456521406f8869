"""Closing the kernel, gently or not, leaves no process and no open port: all of them are looked at."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import psutil
import pytest

from tests.notebook.test_robustness import Marked, pid_of, status, wait_until, waits
from tests.support.alive import is_alive
from tests.support.kernel import Kernel

Start = Callable[..., Kernel]

SERVES = (
    "%%component serving --background\nimport socket, subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])\n"
    "server = socket.create_server(('127.0.0.1', 0))"
)


def family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def listening(processes: list[psutil.Process]) -> set[object]:
    """Ports, and names of Unix sockets, on which these processes listen."""
    found: set[object] = set()
    for process in processes:
        for each in process.net_connections("all"):
            if each.status == psutil.CONN_LISTEN:
                found.add(each.laddr.port)
            elif each.family.name == "AF_UNIX" and each.laddr:
                found.add(each.laddr)
    return found


def open_anywhere() -> set[object]:
    connections = psutil.net_connections("all")
    ports = {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}
    return ports | {each.laddr for each in connections if each.family.name == "AF_UNIX" and each.laddr}


@pytest.mark.skipif(sys.platform != "linux", reason="looks at the sockets of other processes")
@pytest.mark.parametrize("way", ["shutdown", "SIGKILL"])
def test_closing_the_kernel_leaves_no_process_and_no_port(start_kernel: Start, way: str) -> None:
    marked = Marked()
    kernel = start_kernel(**marked.environment)
    assert status(kernel.run("%%component done\nx = 20")) == "succeeded"
    kernel.run(SERVES + waits("serving")).check()
    pid_of(kernel, "serving")
    processes = family(kernel.pid)
    ports = listening(processes)
    # The kernel's own, the fork server, its children, the step with its child; and the ports of the kernel's
    # own channels and of the step: the cluster has none.
    assert len(processes) >= 5
    assert len([port for port in ports if isinstance(port, int)]) >= 7
    if way == "shutdown":
        kernel.manager.shutdown_kernel()
    else:
        os.kill(kernel.pid, signal.SIGKILL)
    wait_until(lambda: not [p for p in processes if is_alive(p.pid)], "all end")
    marked.check_gone()
    wait_until(lambda: not ports & open_anywhere(), f"open: {ports & open_anywhere()}")
    here = [p.pid for p in psutil.process_iter(["cwd"]) if p.info["cwd"] == str(kernel.folder)]
    assert not here
