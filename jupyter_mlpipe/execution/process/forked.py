"""The worker's side of the fork server (`server.py`): gives steps to its children, says how these end."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any

from jupyter_mlpipe.errors import ClusterError
from jupyter_mlpipe.execution.process.channel import Channel, socket_pair
from jupyter_mlpipe.execution.process.interpreter import command_of, environment_of
from jupyter_mlpipe.execution.process.printed import Printed

_STATUS_WAIT_S = 30.0
_END_WAIT_S = 5.0
_MAX_READ = 50  # files; large ones take some 20 MB each
# What is imported stays: to look for garbage meanwhile takes a fifth of the time.
_BOOT = "import gc; gc.disable(); from jupyter_mlpipe.execution.process.server import main; main()"


class Forked:
    """One life of the fork server.

    Parameters
    ----------
    first
        Modules to import before the first step.

    Raises
    ------
    ClusterError
        It cannot be started.
    """

    name = "fork server"

    def __init__(self, first: Sequence[str] = ()) -> None:
        self._control, control = socket_pair()
        self._work, work = socket_pair(socket.SOCK_SEQPACKET)
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        self._exits: dict[int, tuple[int, int]] = {}
        self._changed = threading.Condition()
        self._ended = False
        self._read: set[str] = set()
        numbers = control.fileno(), work.fileno()
        with control, work:
            try:
                self._process = subprocess.Popen(
                    command_of(_BOOT, *numbers),
                    stdin=subprocess.DEVNULL,
                    stdout=self._errors,
                    stderr=self._errors,
                    cwd="/",
                    env=environment_of(),
                    pass_fds=numbers,
                    start_new_session=True,
                )
            except OSError as error:
                raise ClusterError(f"The fork server cannot be started: {error}") from error
        self._reader = threading.Thread(target=self._read_exits, name="mlpipe-statuses", daemon=True)
        self._reader.start()
        if first:
            self._ask({"first": list(first)})

    def is_alive(self) -> bool:
        return not self._ended

    def preload(self, modules: list[str]) -> None:
        """Have modules imported for the steps to come."""
        self._ask({"preload": modules})

    def read_ahead(self, files: Iterable[str]) -> None:
        """Have files read that tracebacks of the steps to come may quote, as one did."""
        fresh = [path for path in files if path not in self._read]
        self._read.update(fresh)
        if fresh and len(self._read) <= _MAX_READ:
            self._ask({"read": fresh})

    def _ask(self, asked: Mapping[str, Sequence[str]]) -> None:
        with contextlib.suppress(OSError):
            self._control.sendall(json.dumps(asked).encode() + b"\n")

    def begin(
        self, sent: Mapping[str, Any], spec: bytes, note: Callable[[Channel], None]
    ) -> ForkedStep | None:
        """Give a step to the child that takes it first; None where the server, or the offer, has ended.

        Parameters
        ----------
        note
            Takes the connection, by which the offer can be ended: a server that imports takes no step.
        """
        ours, theirs = socket_pair()
        with theirs:
            is_handed_out = self._hand_out(theirs)
        channel = Channel(ours)
        note(channel)
        if is_handed_out:
            # Not after its answer: then it need not wait.
            with contextlib.suppress(ConnectionError):
                channel.send(sent)
                channel.send_bytes(spec)
        hello = channel.receive_hello() if is_handed_out else None
        if hello is None:
            channel.close()
            if not channel.is_shut:
                with self._changed:
                    self._changed.wait_for(lambda: self._ended, _END_WAIT_S)
            return None
        return ForkedStep(self, channel, *hello)

    def _hand_out(self, connection: socket.socket) -> bool:
        try:
            socket.send_fds(self._work, [b"step"], [connection.fileno()])
        except OSError:
            return False
        return True

    def wait_for_exit(self, pid: int) -> tuple[int | None, int]:
        """Return a child's exit code, None where nobody knows it, and its peak memory in bytes."""
        with self._changed:
            self._changed.wait_for(lambda: pid in self._exits or self._ended, _STATUS_WAIT_S)
            return self._exits.get(pid, (None, 0))

    def last_words(self) -> str:
        """Return the end of what the server wrote to its standard error."""
        with contextlib.suppress(ValueError, OSError):
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
            if lines:
                return lines[-1]
        status = self._process.poll()
        return "" if status is None else f"it ended with status {status}"

    def _read_exits(self) -> None:
        with contextlib.suppress(OSError), self._control.makefile("rb") as lines:
            for line in lines:
                report = json.loads(line)
                code = os.waitstatus_to_exitcode(report["status"])
                with self._changed:
                    self._exits[report["pid"]] = (code, report["peak"])
                    # Few are ever asked for, and soon.
                    while len(self._exits) > 1000:
                        del self._exits[next(iter(self._exits))]
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def close(self) -> None:
        """End it, and all steps that it serves."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
        try:
            self._process.wait(_END_WAIT_S)
        except subprocess.TimeoutExpired:  # it may be busy with an import; its children die with it
            self._process.kill()
            self._process.wait()
        self._reader.join(_END_WAIT_S)
        self._control.close()
        self._work.close()
        self._errors.close()


class ForkedStep:
    """A child of the server that has taken a step."""

    def __init__(self, server: Forked, channel: Channel, pid: int, descriptors: list[int]) -> None:
        self.pid = pid
        self.channel = channel
        self.printed = Printed(descriptors)
        self._server = server
        self._descriptors = descriptors
        self._pidfd = -1
        with contextlib.suppress(ProcessLookupError):
            self._pidfd = os.pidfd_open(pid)

    def kill(self) -> None:
        """Kill it and its group; what else it has started comes to the server, which ends it."""
        # A readable pidfd: it has ended, and its number may soon be another's.
        if self._pidfd >= 0 and not select.select((self._pidfd,), (), (), 0)[0]:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def wait(self) -> tuple[int | None, int]:
        """Return its exit code, None where its server has ended, and its peak memory in bytes."""
        return self._server.wait_for_exit(self.pid)

    def close(self) -> None:
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        for descriptor in self._descriptors:
            os.close(descriptor)
        self.channel.close()
