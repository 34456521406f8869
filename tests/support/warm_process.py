"""A process that imports what a kernel does when it starts, and is forked into one for each request.

Started by `tests.support.warm`, with a socket. A request says where the kernel is to work and with what
arguments, and brings the descriptors that it prints to; the answer, from the kernel itself, is its process's
number. This process has one thread, runs nothing else, and ends when the other end of its socket is closed.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import signal
import socket
import sys


def become_kernels() -> None:
    """Fork kernels until nobody asks for them."""
    control = socket.socket(fileno=int(sys.argv[1]))
    # The folder of this file: a kernel has none there.
    del sys.path[0]
    # With its parent a kernel ends. Who that is ipykernel reads when it is imported.
    os.environ["JPY_PARENT_PID"] = str(os.getpid())
    for name in sys.argv[2:]:
        importlib.import_module(name)
    # A kernel that has ended is nobody's to wait for: who started it sees its end by a descriptor.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        content, descriptors, _flags, _address = socket.recv_fds(control, 1 << 16, 2)
        if not content:
            return
        if os.fork() == 0:
            break
        for descriptor in descriptors:
            os.close(descriptor)
    folder, *arguments = json.loads(content)
    _stand_alone(folder, descriptors)
    control.send(str(os.getpid()).encode())
    control.close()
    module, *rest = arguments
    sys.argv = ["-m", *rest]
    sys.orig_argv = [sys.executable, "-m", *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _stand_alone(folder: str, descriptors: list[int]) -> None:
    """Be as a process that `jupyter_client` has started."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    read, write = os.pipe()
    os.close(write)
    for number, descriptor in enumerate([read, *descriptors]):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)


if __name__ == "__main__":
    become_kernels()
