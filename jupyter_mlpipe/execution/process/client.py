"""The worker's side of the fork server: starts it, runs steps on it, kills them, says how they died."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import IO, Any

from jupyter_mlpipe.errors import ClusterError
from jupyter_mlpipe.execution.process.channel import Channel
from jupyter_mlpipe.execution.process.endings import describe_end, died
from jupyter_mlpipe.execution.process.figures import INLINE_BACKEND
from jupyter_mlpipe.execution.process.memory import MemoryWatch
from jupyter_mlpipe.execution.process.messages import Message
from jupyter_mlpipe.execution.process.printed import SILENCE_S, Printed
from jupyter_mlpipe.execution.process.processes import count_out_of_memory
from jupyter_mlpipe.execution.process.scratch import remove_scratch
from jupyter_mlpipe.keys.packages import Package, find_package, find_requirements, is_current
from jupyter_mlpipe.keys.process import THREAD_VARIABLES

_START_TRIES = 2
_STATUS_WAIT_S = 30.0
_END_WAIT_S = 5.0
_VERIFIED_S = 600.0
_BOOT = (
    "import sys; sys.path.extend(path for path in {path!r} if path not in sys.path); "
    "from jupyter_mlpipe.execution.process.server import main; main()"
)


@dataclass
class _Running:
    """A step between `run`'s beginning and end."""

    pid: int = 0
    pidfd: int = -1
    killed: bool = False
    told: bool = False
    used: int = 0
    limit: int = 0

    def exceed(self, used: int) -> None:
        """End it for the memory that it uses."""
        if not self.killed:
            self.used = used
            self._end()

    def kill(self) -> None:
        self.killed = True
        self._end()

    def _end(self) -> None:
        # A readable pidfd: it has ended, and its number may soon be another's.
        if self.pidfd >= 0 and not select.select((self.pidfd,), (), (), 0)[0]:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)


class StepServer:
    """The fork server of this process. Thread safe; serves several steps at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: _ServerProcess | None = None
        self._running: dict[str, _Running] = {}
        self._killed_early: dict[str, None] = {}
        self._preloaded: dict[str, tuple[Package, ...]] = {}
        self._retired: list[_ServerProcess] = []
        self._verified = _Verified()
        self._memory = MemoryWatch()
        self._closed = False

    def ensure(self, preload: Iterable[str] = ()) -> None:
        """Have a server run that has imported these modules, or soon will have."""
        self._ensure(preload)

    def _ensure(self, preload: Iterable[str] = ()) -> _ServerProcess:
        with self._lock:
            if self._closed:
                raise ClusterError("The executor is closed. Start a new run to start it again.")
            fresh = [module for module in preload if module not in self._preloaded]
            tops = {top: _packages_of(top) for top in {module.partition(".")[0] for module in fresh}}
            self._preloaded.update((module, tops[module.partition(".")[0]]) for module in fresh)
            if self._server is not None and not all(map(is_current, self._packages())):
                # What it has imported is not what is installed any more. Its steps may end.
                self._retired.append(self._server)
                self._server = None
                self._preloaded = {module: _packages_of(module) for module in self._preloaded}
            if self._server is None or not self._server.is_alive():
                if self._server is not None:
                    self._server.close()
                self._server = _ServerProcess()
                fresh = list(self._preloaded)
            if fresh:
                self._server.preload(fresh)
            return self._server

    def _preload_like(self, imported: Iterable[str]) -> None:
        """Load ahead what a step had to load: modules of packages, which do not change under a process."""
        found: dict[str, bool] = {}
        for name in imported:
            top = name.partition(".")[0]
            if top not in found:
                found[top] = top not in sys.stdlib_module_names and bool(_packages_of(top))
        modules = [name for name in imported if found[name.partition(".")[0]]]
        with contextlib.suppress(ClusterError):  # closed in the meantime
            self._ensure(modules)

    def _packages(self) -> set[Package]:
        return {package for packages in self._preloaded.values() for package in packages}

    def run(
        self,
        token: str,
        spec: bytes,
        on_message: Callable[[Message], None],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Run a step and relay its messages, in this thread, to the "ended" one, which always comes.

        Parameters
        ----------
        spec
            What `StepSpec.to_bytes` gave.
        environment
            Variables that the worker decides on, such as the devices given.
        """
        started = time.perf_counter()
        with self._lock:
            running = _Running(killed=token in self._killed_early)
            self._killed_early.pop(token, None)
            self._running[token] = running
        try:
            if running.killed:
                on_message(died("killed", "It was killed before it started.", started))
                return
            sent = {"environment": dict(environment or {}), "verified": self._verified.recent()}
            for _ in range(_START_TRIES):
                if self._follow(running, sent, spec, on_message, started):
                    return
            on_message(died(*describe_end(None, 0, killed=running.killed), started))
        except ClusterError as error:
            on_message(died("died", str(error), started))
        finally:
            with self._lock:
                del self._running[token]

    def _follow(
        self,
        running: _Running,
        sent: Mapping[str, Any],
        spec: bytes,
        on_message: Callable[[Message], None],
        started: float,
    ) -> bool:
        """Relay what one process says; False where its server ended before the step had begun."""
        server, channel, tails = self._connect(running, sent, spec)
        has_begun = False
        scratch = log = ""
        printed = Printed(tails)
        n_out_of_memory = count_out_of_memory()
        ending = contextlib.ExitStack()
        try:
            if not running.told:
                running.told = True
                on_message({"type": "started", "pid": running.pid, "worker": ""})
            while True:
                while not channel.wait(SILENCE_S):
                    for output in printed.ahead():
                        on_message({"type": "output", "output": output})
                if (message := channel.receive()) is None:
                    break
                if message["type"] == "limit":
                    running.limit = message["memory_bytes"]
                    ending.enter_context(self._memory.over(running.pid, running.limit, running.exceed))
                    continue
                if message["type"] == "scratch":
                    scratch = message["folder"]
                    continue
                if message["type"] == "log":
                    log = message["path"]
                    continue
                # What was shown is not shown again either.
                has_begun = True
                if message["type"] == "begun":
                    continue
                if message["type"] == "output":
                    if (fresh := printed.take(message["output"], message["upto"])) is not None:
                        on_message({"type": "output", "output": fresh})
                    continue
                self._verified.add(message.pop("verified", ()))
                imported = message.pop("imported", ())
                on_message(message)
                self._preload_like(imported)
                if message["type"] == "ended":
                    return True
            status, peak = server.wait_for_status(running.pid)
            remove_scratch(scratch)  # which its process would have done
            if status is None and not has_begun and not running.killed:
                return False
            if log:
                printed.append_rest(log)
            # What it wrote before its end, such as the last words of a C library.
            for output in printed.rest():
                if text := _without_our_frames(output["text"]):
                    on_message({"type": "output", "output": {**output, "text": text}})
            end = describe_end(
                status,
                peak,
                killed=running.killed,
                used=running.used,
                limit=running.limit,
                ran_out=count_out_of_memory() != n_out_of_memory,
            )
            on_message(died(*end, started))
            return True
        finally:
            ending.close()
            with self._lock:
                if running.pidfd >= 0:
                    os.close(running.pidfd)
                    running.pidfd = -1
            for descriptor in tails:
                os.close(descriptor)
            channel.close()

    def _connect(
        self, running: _Running, sent: Mapping[str, Any], spec: bytes
    ) -> tuple[_ServerProcess, Channel, list[int]]:
        """Give a step to a process; return its server, the connection to it, and what it prints to."""
        for _ in range(_START_TRIES):
            server = self._ensure()
            ours, theirs = socket.socketpair()
            with theirs:
                is_handed_out = server.hand_out(theirs)
            channel = Channel(ours)
            if is_handed_out:
                # Not after its answer: then it need not wait.
                with contextlib.suppress(ConnectionError):
                    channel.send(sent)
                    channel.send_bytes(spec)
            hello = channel.receive_hello() if is_handed_out else None
            if hello is None:
                channel.close()
                server.wait_for_end()
                continue
            tails = hello[1]
            with self._lock:
                running.pid = hello[0]
                with contextlib.suppress(ProcessLookupError):
                    running.pidfd = os.pidfd_open(hello[0])
                if running.killed:
                    running.kill()
            return server, channel, tails
        raise ClusterError(f"The fork server does not run on {socket.gethostname()}: {server.last_words()}")

    def kill(self, token: str) -> None:
        """Kill a step and what it started, also one that is only about to start."""
        with self._lock:
            running = self._running.get(token)
            if running is not None:
                running.kill()
                return
            self._killed_early[token] = None
            while len(self._killed_early) > 10_000:
                del self._killed_early[next(iter(self._killed_early))]

    def close(self) -> None:
        """End the server and every step that runs."""
        with self._lock:
            self._closed = True
            server, self._server = self._server, None
            for running in self._running.values():
                running.kill()
        for each in (*self._retired, server):
            if each is not None:
                each.close()


class _Verified:
    """Objects that steps here wrote or verified, so that the next one does not digest them again.

    For a while only: what a disk does to bytes at rest is found by those who read them later.
    """

    def __init__(self) -> None:
        self._marks: dict[tuple[str | int, ...], float] = {}

    def add(self, marks: Iterable[Iterable[str | int]]) -> None:
        now = time.monotonic()
        for mark in marks:
            self._marks.setdefault(tuple(mark), now)

    def recent(self) -> list[tuple[str | int, ...]]:
        oldest = time.monotonic() - _VERIFIED_S
        self._marks = {mark: since for mark, since in list(self._marks.items()) if since >= oldest}
        return list(self._marks)


class _ServerProcess:
    """One life of the fork server."""

    def __init__(self) -> None:
        self._control, control = socket.socketpair()
        self._work, work = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        self._statuses: dict[int, tuple[int, int]] = {}
        self._changed = threading.Condition()
        self._ended = False
        with control, work:
            try:
                self._process = subprocess.Popen(
                    _command(control.fileno(), work.fileno()),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._errors,
                    cwd="/",
                    env=_environment(),
                    pass_fds=(control.fileno(), work.fileno()),
                    start_new_session=True,
                )
            except OSError as error:
                raise ClusterError(f"The fork server cannot be started: {error}") from error
        self._reader = threading.Thread(target=self._read_statuses, name="mlpipe-statuses", daemon=True)
        self._reader.start()

    def is_alive(self) -> bool:
        return not self._ended

    def preload(self, modules: list[str]) -> None:
        with contextlib.suppress(OSError):
            self._control.sendall(json.dumps({"preload": modules}).encode() + b"\n")

    def hand_out(self, connection: socket.socket) -> bool:
        """Give a connection to the child that takes it first."""
        try:
            socket.send_fds(self._work, [b"step"], [connection.fileno()])
        except OSError:
            return False
        return True

    def wait_for_status(self, pid: int) -> tuple[int | None, int]:
        """Return a child's wait status, None where nobody knows it, and its peak memory in bytes."""
        with self._changed:
            self._changed.wait_for(lambda: pid in self._statuses or self._ended, _STATUS_WAIT_S)
            return self._statuses.get(pid, (None, 0))

    def wait_for_end(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._ended, _END_WAIT_S)

    def last_words(self) -> str:
        """Return the end of what the server wrote to its standard error."""
        with contextlib.suppress(ValueError, OSError):
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
            if lines:
                return lines[-1]
        return f"it ended with status {self._process.poll()}"

    def _read_statuses(self) -> None:
        with contextlib.suppress(OSError), self._control.makefile("rb") as lines:
            for line in lines:
                report = json.loads(line)
                with self._changed:
                    self._statuses[report["pid"]] = (report["status"], report["peak"])
                    # Few are ever asked for, and soon.
                    while len(self._statuses) > 1000:
                        del self._statuses[next(iter(self._statuses))]
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def close(self) -> None:
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


def _packages_of(module: str) -> tuple[Package, ...]:
    package = find_package(module.partition(".")[0])
    return () if package is None else (package, *find_requirements(package))


def _command(control: int, work: int) -> list[str]:
    # -P: a module in the current folder must not stand before the one that is meant.
    return [sys.executable, "-P", "-c", _BOOT.format(path=sys.path), str(control), str(work)]


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    environment["PYTHONUNBUFFERED"] = "1"
    # The server itself computes nothing; each step sets what it was given.
    environment.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    # Matplotlib reads it when it is imported, which may be here, ahead of the step.
    environment.setdefault("MPLBACKEND", INLINE_BACKEND)
    # The order of sets must not change what a step gives from one server to the next.
    environment.setdefault("PYTHONHASHSEED", "0")
    return environment


def _without_our_frames(text: str) -> str:
    """Cut our frames out of the traceback that `faulthandler` writes at a crash."""
    if "(most recent call first):" not in text:
        return text
    ours = (f'  File "{os.path.dirname(__file__)}{os.sep}', '  File "<string>"')
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(ours))
