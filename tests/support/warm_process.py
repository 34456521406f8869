"""A process that imports what a kernel does when it starts, and is forked into one for each request.

Started by `tests.support.warm`, with a socket. A request says where the kernel is to work and with what
arguments, and brings the descriptors that it prints to; the answer, from the kernel itself, is its process's
number. This process has one thread, runs nothing else, and ends when the other end of its socket is closed.
"""

from __future__ import annotations

import builtins
import importlib.util
import json
import os
import runpy
import signal
import socket
import sys

# What IPython puts among the builtins before a cell runs, and what it takes from there.
_OF_IPYTHON = ("__IPYTHON__", "display", "get_ipython")
_OF_PYTHON = ("exit", "quit")


def become_kernels() -> None:
    """Fork kernels until nobody asks for them."""
    number, extension, *names = sys.argv[1:]
    control = socket.socket(fileno=int(number))
    # The folder of this file: a kernel has none there.
    del sys.path[0]
    # With its parent a kernel ends. Who that is ipykernel reads when it is imported.
    os.environ["JPY_PARENT_PID"] = str(os.getpid())
    for name in names:
        importlib.import_module(name)
    if extension:
        _import_below(extension)
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
    _note_arguments(module, rest)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _import_below(extension: str) -> None:
    """Import what an extension loads of its package, as a cell does, but for its own layer.

    That layer looks at the kernel when it is imported.
    """
    package, layer = extension.partition(".")[0], extension.rpartition(".")[0]
    read, write = os.pipe()
    if os.fork() == 0:
        importlib.import_module(extension)
        os.write(write, " ".join(name for name in sys.modules if name.startswith(f"{package}.")).encode())
        os._exit(0)
    os.close(write)
    with open(read) as file:
        names = file.read().split()
    os.wait()
    known = vars(builtins)
    kept = {name: known.pop(name) for name in _OF_PYTHON}
    known.update(dict.fromkeys(_OF_IPYTHON, True))
    for name in names:
        if not f"{name}.".startswith(f"{layer}."):
            importlib.import_module(name)
    for name in _OF_IPYTHON:
        del known[name]
    known.update(kept)


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


def _note_arguments(module: str, rest: list[str]) -> None:
    """Have our modules know this kernel's arguments: they noted those of the process that imported them."""
    found = importlib.util.find_spec(module)
    if (ours := sys.modules.get("jupyter_mlpipe.keys.process")) and found:
        ours._ARGUMENTS[:] = [str(found.origin), *rest]


if __name__ == "__main__":
    become_kernels()
