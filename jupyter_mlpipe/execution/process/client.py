"""The worker's side of steps: gives each to a process, relays what that says, kills it, says how it died."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from jupyter_mlpipe.errors import ClusterError
from jupyter_mlpipe.execution.process.channel import Channel
from jupyter_mlpipe.execution.process.endings import describe_end, died
from jupyter_mlpipe.execution.process.forked import Forked
from jupyter_mlpipe.execution.process.memory import MemoryWatch
from jupyter_mlpipe.execution.process.messages import Message
from jupyter_mlpipe.execution.process.printed import SILENCE_S, Printed
from jupyter_mlpipe.execution.process.processes import FORKS_AHEAD, count_out_of_memory
from jupyter_mlpipe.execution.process.scratch import remove_scratch
from jupyter_mlpipe.execution.process.unforked import Unforked
from jupyter_mlpipe.keys.packages import Package, find_package, find_requirements, is_current

_START_TRIES = 2
_VERIFIED_S = 600.0


class _Process(Protocol):
    """A process that has taken a step: see `forked.ForkedStep`, `unforked.UnforkedStep`."""

    @property
    def pid(self) -> int: ...
    @property
    def channel(self) -> Channel: ...
    @property
    def printed(self) -> Printed: ...
    def kill(self) -> None: ...
    def wait(self) -> tuple[int | None, int]: ...
    def close(self) -> None: ...


@dataclass
class _Running:
    """A step between `run`'s beginning and end."""

    process: _Process | None = None
    offered: Channel | None = None
    """By which it is given to the process that takes it."""
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
        if self.process is not None:
            self.process.kill()
        elif self.offered is not None:
            self.offered.shut()


class StepServer:
    """What serves steps in this process: a fork server, or new interpreters. Thread safe; several at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: Forked | Unforked | None = None
        self._running: dict[str, _Running] = {}
        self._killed_early: dict[str, None] = {}
        self._preloaded: dict[str, tuple[Package, ...]] = {}
        self._retired: list[Forked | Unforked] = []
        self._verified = _Verified()
        self._memory = MemoryWatch()
        self._closed = False

    def ensure(self, preload: Iterable[str] = ()) -> None:
        """Have a server run that has imported these modules, or soon will have."""
        self._ensure(preload)

    def _ensure(self, preload: Iterable[str] = ()) -> Forked | Unforked:
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
                first = list(self._preloaded)
                self._server = Forked(first) if FORKS_AHEAD else Unforked(first)
            elif fresh:
                self._server.preload(fresh)
            return self._server

    def _preload_like(self, imported: Iterable[str], quoted: Iterable[str]) -> None:
        """Load ahead what a step had to load: modules of packages, which do not change under a process.

        Of Python's own only the largest. Where it failed, what its traceback quotes of them as well.
        """
        found: dict[str, bool] = {"asyncio": True}
        for name in imported:
            top = name.partition(".")[0]
            if top not in found:
                found[top] = top not in sys.stdlib_module_names and bool(_packages_of(top))
        modules = [name for name in imported if found[name.partition(".")[0]]]
        with contextlib.suppress(ClusterError):  # closed in the meantime
            self._ensure(modules).read_ahead(quoted)

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
                if running.killed:
                    break
            kind, why = describe_end(None, 0, killed=running.killed)
            if (words := self._ensure().last_words()) and not running.killed:
                why = f"{why} Its last words: {words}"
            on_message(died(kind, why, started))
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
        """Relay what one process says; False where that, or the step, was ended before it had begun."""
        process = self._give(running, sent, spec)
        if process is None:
            return False
        channel, printed = process.channel, process.printed
        has_begun = False
        scratch = log = ""
        n_out_of_memory = count_out_of_memory()
        ending = contextlib.ExitStack()
        try:
            if not running.told:
                running.told = True
                on_message({"type": "started", "pid": process.pid, "worker": ""})
            while True:
                while not channel.wait(SILENCE_S):
                    for output in printed.ahead():
                        on_message({"type": "output", "output": output})
                if (message := channel.receive()) is None:
                    break
                if message["type"] == "limit":
                    running.limit = message["memory_bytes"]
                    ending.enter_context(self._memory.over(process.pid, running.limit, running.exceed))
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
                imported, quoted = message.pop("imported", ()), message.pop("quoted", ())
                on_message(message)
                self._preload_like(imported, quoted)
                if message["type"] == "ended":
                    return True
            code, peak = process.wait()
            remove_scratch(scratch)  # which its process would have done
            if code is None and not has_begun and not running.killed:
                return False
            if log:
                printed.append_rest(log)
            # What it wrote before its end, such as the last words of a C library.
            for output in printed.rest():
                if text := _without_our_frames(output["text"]):
                    on_message({"type": "output", "output": {**output, "text": text}})
            end = describe_end(
                code,
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
                running.process = None
                process.close()

    def _give(self, running: _Running, sent: Mapping[str, Any], spec: bytes) -> _Process | None:
        """Give a step to a process; None where it was killed before one has taken it."""

        def note(channel: Channel) -> None:
            with self._lock:
                running.offered = channel
                if running.killed:
                    channel.shut()

        for _ in range(_START_TRIES):
            server = self._ensure()
            process = server.begin(sent, spec, note)
            if process is None:
                if running.killed:
                    return None
                continue
            with self._lock:
                running.process = process
                if running.killed:
                    running.kill()
            return process
        raise ClusterError(f"The {server.name} does not run on {socket.gethostname()}: {server.last_words()}")

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


def _packages_of(module: str) -> tuple[Package, ...]:
    package = find_package(module.partition(".")[0])
    return () if package is None else (package, *find_requirements(package))


def _without_our_frames(text: str) -> str:
    """Cut our frames out of the traceback that `faulthandler` writes at a crash."""
    if "(most recent call first):" not in text:
        return text
    ours = (f'  File "{os.path.dirname(__file__)}{os.sep}', '  File "<string>"')
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(ours))
