"""The fork server: imports once, keeps children waiting, tells how each one ended.

Started by `jupyter_mlpipe.execution.process.forked` as a process of its own, with two sockets:
*control* carries JSON lines both ways, *work* hands out steps. Each message on *work* brings one
descriptor, the connection to the worker; whichever child receives it serves that step. Neither has
a name in the file system, so nobody else can connect and nothing is left behind.

The process has one thread, and it ends with its worker: when *control* closes.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import struct
import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from jupyter_mlpipe.execution.process.linux import adopt_orphans, children_of, die_with
from jupyter_mlpipe.execution.process.opens import mounts
from jupyter_mlpipe.execution.process.shell import read_ahead
from jupyter_mlpipe.execution.process.step import forget_folders
from jupyter_mlpipe.execution.process.waiting import Waiting, load, rehearse, warm_up
from jupyter_mlpipe.store.mapping import know_disks

N_WAITING = 3
# Several are forked at once: after a fork this process copies, too, what it writes to.
_N_ENOUGH = 2
# Python adapts code to what it works on when it has run some eight times: here, once for all steps to come.
_N_REHEARSALS = 10
_GRACE_S = 0.5
_MAX_EARLY_DEATHS = 20
_PID = struct.Struct("!i")


def main() -> None:
    """Serve until the worker is gone. Linux only."""
    control, work = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    ForkServer(control, work, later=sys.argv[3:]).serve()


class _Asked(NamedTuple):
    """What to import before the first step, what at any time, and files that tracebacks may quote."""

    first: list[str]
    preload: list[str]
    read: list[str]


class ForkServer:
    """Forks children from a warmed process.

    Parameters
    ----------
    control, work
        Sockets to the worker.
    later
        Modules to import once a step has been taken: what they show when they are imported is for that one.
    """

    def __init__(self, control: socket.socket, work: socket.socket, later: Sequence[str] = ()) -> None:
        self._control = control
        self._work = work
        self._later = list(later)
        self._pid = os.getpid()
        self._parent = os.getppid()
        self._alive: set[int] = set()
        self._waiting: set[int] = set()
        self._linger: dict[int, float] = {}
        # What steps that are gone have left running, and when its time is up.
        self._orphans: dict[int, float] = {}
        self._early_deaths = 0
        self._received = b""
        # A child says here that it has taken a step.
        self._taken, self._take = os.pipe()
        # Closing its other end lets the children of a generation leave, unless they have taken a step.
        self._generation, self._hold_generation = os.pipe()
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        os.set_blocking(self._wake, False)
        # By which the system says that something was mounted.
        self._mounted = os.open("/proc/self/mountinfo", os.O_RDONLY)

    def serve(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        adopt_orphans()
        self._import_first()
        _look_at_disks()
        _get_ready()
        gc.freeze()
        while True:
            short = not self._fill()
            if due := [*self._linger.values(), *self._orphans.values()]:
                timeout = max(0.0, min(due) - time.monotonic())
            else:
                timeout = 0.1 if short else 1.0
            sources: tuple[Any, ...] = (self._control, self._taken, self._wake)
            ready, _, noticed = select.select(sources, (), (self._mounted,), timeout)
            if noticed:
                _look_at_disks()
            if self._taken in ready:
                content = os.read(self._taken, 4096)
                self._waiting.difference_update(pid for (pid,) in _PID.iter_unpack(content))
                self._early_deaths = 0
                later, self._later = self._later, []
                self._prepare(later, ())
            if self._wake in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 4096)
            self._reap()
            self._end_orphans()
            # Where the worker was forked, a copy of its socket may stay open after its death.
            if (self._control in ready and not self._obey()) or os.getppid() != self._parent:
                self._end()

    def _import_first(self) -> None:
        """Import what has been asked for by now: the first step need not do it again."""
        if self._later or not select.select((self._control,), (), (), 0)[0]:
            return
        asked = self._read_asked()
        if asked is None:
            self._end()
        self._later = asked.preload
        # Both streams are one file.
        n_shown = os.fstat(2).st_size
        load(asked.first)
        if os.fstat(2).st_size != n_shown:
            # The step is to show it: begin anew without.
            os.execv(sys.executable, [*sys.orig_argv, *asked.first, *asked.preload])

    def _fill(self) -> bool:
        """Keep children waiting; False where the system gives no more processes."""
        if len(self._waiting) >= _N_ENOUGH:
            return True
        while len(self._waiting) < N_WAITING:
            try:
                # Threads of BLAS are no threads of Python; those libraries expect forks.
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)
                    pid = os.fork()
            except OSError:
                return False
            if pid == 0:
                self._wait_and_serve()
            self._alive.add(pid)
            self._waiting.add(pid)
        return True

    def _obey(self) -> bool:
        asked = self._read_asked()
        if asked is None:
            return False
        self._prepare([*asked.first, *asked.preload], asked.read)
        return True

    def _read_asked(self) -> _Asked | None:
        """Return what the worker has asked for by now; None where it is gone."""
        try:
            content = self._control.recv(1 << 16)
        except ConnectionError:
            return None
        if not content:
            return None
        *lines, self._received = (self._received + content).split(b"\n")
        messages = [json.loads(line) for line in lines]
        return _Asked(*([n for m in messages for n in m.get(kind, ())] for kind in _Asked._fields))

    def _prepare(self, modules: Sequence[str], files: Sequence[str]) -> None:
        before = len(sys.modules)
        load(modules)
        read_ahead(files)
        if len(sys.modules) == before and not files:
            return
        _get_ready()
        gc.collect()
        gc.freeze()
        os.close(self._hold_generation)
        os.close(self._generation)
        self._generation, self._hold_generation = os.pipe()
        self._waiting.clear()

    def _reap(self) -> None:
        now = time.monotonic()
        for pid in list(self._alive):
            due = self._linger.get(pid)
            if due is None:
                # Not reaped yet: as long as it is a zombie, its pid, and so its group, is nobody else's.
                found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if found is None:
                    continue
                if found.si_code == os.CLD_EXITED and found.si_status == 0 and pid not in self._waiting:
                    # What the step started may need a moment to clean up, such as shared memory.
                    self._linger[pid] = now + _GRACE_S
                    continue
            elif now < due:
                continue
            self._bury(pid)

    def _bury(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        _, status, usage = os.wait4(pid, 0)
        self._alive.discard(pid)
        self._linger.pop(pid, None)
        self._find_orphans()
        if pid in self._waiting:
            self._waiting.discard(pid)
            self._early_deaths += 1
            if self._early_deaths > _MAX_EARLY_DEATHS:
                self._end(1)
        report = {"pid": pid, "status": status, "peak": usage.ru_maxrss * 1024}
        with contextlib.suppress(OSError):
            self._control.sendall(json.dumps(report).encode() + b"\n")

    def _find_orphans(self) -> None:
        # A step adopts what descends from it, so whatever comes here as an orphan is of a step that is gone:
        # of the one just buried, or of one that has ended well and whose children may need their moment.
        due = time.monotonic() + (_GRACE_S if self._linger else 0.0)
        for pid in children_of(self._pid):
            if pid not in self._alive:
                self._orphans.setdefault(pid, due)

    def _end_orphans(self) -> None:
        now = time.monotonic()
        while overdue := [pid for pid, due in self._orphans.items() if due <= now]:
            for pid in overdue:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)
                del self._orphans[pid]
            # Their own children have come here in the meantime.
            self._find_orphans()

    def _end(self, status: int = 0) -> NoReturn:
        for pid in self._alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            # A child that has just been forked has no group of its own yet.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self._alive.clear()
        self._linger.clear()
        self._find_orphans()
        self._orphans = dict.fromkeys(self._orphans, 0.0)
        self._end_orphans()
        os._exit(status)

    # In the child

    def _wait_and_serve(self) -> NoReturn:
        try:
            self._stand_alone()
            waiting = Waiting()
            waiting.serve(self._wait_for_work())
        finally:
            os._exit(1)

    def _stand_alone(self) -> None:
        gc.enable()
        os.setsid()
        die_with(self._pid)
        adopt_orphans()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._control.close()
        for descriptor in (self._hold_generation, self._taken, self._wake, self._waker, self._mounted):
            os.close(descriptor)

    def _wait_for_work(self) -> socket.socket:
        # A step wakes up one of those that wait, the one that has waited longest.
        waiting = select.epoll()
        waiting.register(self._work, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        waiting.register(self._generation, select.EPOLLIN)
        while True:
            if self._work.fileno() not in dict(waiting.poll()):
                os._exit(0)
            try:
                content, descriptors, _flags, _address = socket.recv_fds(
                    self._work, 16, 1, socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                continue  # another child was faster
            if not content or not descriptors:
                os._exit(0)
            break
        os.write(self._take, _PID.pack(os.getpid()))
        waiting.close()
        self._work.close()
        for descriptor in (self._take, self._generation):
            os.close(descriptor)
        return socket.socket(fileno=descriptors[0])


def _look_at_disks() -> None:
    """Note where disks are mounted: to find out takes a while."""
    mounts.cache_clear()
    mounts()
    know_disks()


def _get_ready() -> None:
    """Do here, once, what is the same for all steps to come."""
    warm_up()
    with contextlib.suppress(Exception):  # the step that meets it tells what is wrong
        for _ in range(_N_REHEARSALS):
            rehearse()
    forget_folders()


if __name__ == "__main__":
    main()
