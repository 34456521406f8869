"""Kernels that are forked from a process which has imported ipykernel, instead of started anew.

To import takes five sixths of the time in which a kernel starts, and most of that in which it loads our
extension. Nothing is imported ahead but what a kernel has loaded before its first cell in any case or, where
that cell loads the extension, what this needs below its own layer: `tests/test_warm.py` compares. What a fork
cannot give is started: a kernel in an environment of its own, for `/proc` shows that of the process it was
forked from, and Python reads some of it once. There are two such processes of each kind, with hash seeds of
their own, which take turns: so two kernels of one test differ in the order of their sets, as kernels do.
"""

from __future__ import annotations

import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager
from jupyter_client.provisioning import LocalProvisioner

_PROGRAM = Path(__file__).with_name("warm_process.py")
# With what these import, all that a kernel has loaded before its first cell.
_MODULES = (
    "ipykernel.kernelapp",
    "ipykernel.debugger",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "faulthandler",
    "psutil",
    "sqlite3",
    "tornado.platform.asyncio",
    "tornado.queues",
)
_EXTENSION = "jupyter_mlpipe.notebook.extension"
_N_PROCESSES = 2
# Of each test and of each kernel: the test's name, and the parent's number.
_OWN = ("PYTEST_CURRENT_TEST", "JPY_PARENT_PID")


class Forked:
    """A kernel's process, in so far as `jupyter_client` uses a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._pidfd = os.pidfd_open(pid)

    def poll(self) -> int | None:
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        found = self._look(timeout)
        if found is None:
            raise subprocess.TimeoutExpired(f"kernel {self.pid}", timeout or 0.0)
        return found

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def _look(self, timeout: float | None) -> int | None:
        # How it ended only its parent could tell, and nobody asks.
        if self.returncode is None and select.select((self._pidfd,), (), (), timeout)[0]:
            self.returncode = -1
            os.close(self._pidfd)
        return self.returncode


class _Process:
    """One process from which kernels are forked."""

    def __init__(self, environment: Mapping[str, str], extension: str) -> None:
        self._control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with control:
            self._process = subprocess.Popen(
                [sys.executable, _PROGRAM, str(control.fileno()), extension, *_MODULES],
                env=environment,
                pass_fds=(control.fileno(),),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def fork(self, arguments: list[str], folder: str) -> Forked:
        request = json.dumps([folder, *arguments]).encode()
        socket.send_fds(self._control, [request], [1, 2])
        return Forked(int(self._control.recv(64)))

    def close(self) -> None:
        self._control.close()
        self._process.wait()


class Warm:
    """The processes from which the kernels of a session are forked; started with the first of them."""

    def __init__(self) -> None:
        self._environment = _comparable(os.environ)
        self._processes: dict[bool, list[_Process]] = {}
        self._turns = itertools.cycle(range(_N_PROCESSES))

    def fork(
        self, command: list[str], folder: str, environment: Mapping[str, str], *, with_ours: bool
    ) -> Forked | None:
        """Return a kernel; None where one from here would be another one than was asked for."""
        program, option, *arguments = command
        if (sys.platform, program, option) != ("linux", sys.executable, "-m"):
            return None
        if _comparable(environment) != self._environment:
            return None
        if with_ours not in self._processes:
            own = {**self._environment, "PYTEST_CURRENT_TEST": "a test"}
            extension = _EXTENSION if with_ours else ""
            self._processes[with_ours] = [_Process(own, extension) for _ in range(_N_PROCESSES)]
        return self._processes[with_ours][next(self._turns)].fork(arguments, folder)

    def provisioner(self, manager: KernelManager, *, with_ours: bool) -> LocalProvisioner:
        """Return what starts the kernel of a manager, and starts it again.

        Parameters
        ----------
        with_ours
            The kernel's first cell loads the extension: most of its modules are there already.
        """
        provisioner = _Provisioner(
            kernel_id=str(uuid.uuid4()), kernel_spec=manager.kernel_spec, parent=manager
        )
        provisioner.warm, provisioner.with_ours = self, with_ours
        return provisioner

    def close(self) -> None:
        for process in itertools.chain(*self._processes.values()):
            process.close()


class _Provisioner(LocalProvisioner):
    """Forks a kernel where that gives what to start it would, else starts it."""

    warm: Warm
    with_ours: bool

    async def launch_kernel(self, cmd: list[str], **asked: Any) -> Any:
        forked = self.warm.fork(cmd, asked["cwd"], asked["env"], with_ours=self.with_ours)
        if forked is None:
            return await super().launch_kernel(cmd, **asked)
        self.process = forked
        self.pid = self.pgid = forked.pid
        self.cwd = asked["cwd"]
        return self.connection_info


def _comparable(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in _OWN}
