"""Makes our package find another system than Linux: ``PYTHONPATH=<this folder> OTHER_SYSTEM=windows python``.

Only modules of `jupyter_mlpipe` see it, as Python, Dask and the kernel are those of Linux: what they import
lacks what that system lacks. Interpreters that are started inherit it with their environment.
"""

from __future__ import annotations

import builtins
import importlib.abc
import importlib.machinery
import os
import sys
import types
from collections.abc import Sequence
from typing import Any

_LINUX_ONLY = {
    "os": {
        *("memfd_create", "pidfd_open", "eventfd", "waitid", "posix_fallocate", "fdatasync"),
        *("sched_getaffinity", "sendfile", "copy_file_range", "O_TMPFILE"),
    },
    "socket": {"SOCK_SEQPACKET", "MSG_CMSG_CLOEXEC", "SO_PEERCRED"},
    "select": {"epoll", "EPOLLIN", "EPOLLEXCLUSIVE"},
    "time": {"CLOCK_BOOTTIME"},
    "mmap": {"MAP_POPULATE"},
}
_UNIX_ONLY = {
    "os": {
        *("fork", "forkpty", "register_at_fork", "mkfifo", "setsid", "getpgid", "setpgid", "killpg", "wait"),
        *("waitpid", "wait3", "wait4", "WIFSIGNALED", "WTERMSIG", "WNOHANG", "getuid", "geteuid", "getgid"),
        *("pread", "pwrite", "fchmod", "chown", "lchown", "uname", "sysconf", "statvfs", "posix_spawn"),
        *("O_CLOEXEC", "O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK", "getpriority", "setpriority", "nice"),
        *("set_blocking", "get_blocking", "getloadavg", "getgroups", "ttyname", "ctermid"),
    },
    "signal": {
        *("SIGKILL", "SIGALRM", "alarm", "SIGHUP", "SIGCHLD", "SIGUSR1", "SIGUSR2", "SIGSTOP", "SIGCONT"),
        *("SIGBUS", "SIGPIPE", "SIGQUIT", "pthread_kill", "pthread_sigmask", "setitimer", "ITIMER_REAL"),
        *("SIG_BLOCK", "SIG_SETMASK", "SIG_UNBLOCK", "sigwait", "siginterrupt"),
    },
    "socket": {"AF_UNIX", "send_fds", "recv_fds"},
    "select": {"poll", "POLLIN"},
    "time": {"tzset", "clock_gettime", "CLOCK_MONOTONIC"},
    "mmap": {"MAP_PRIVATE", "MAP_SHARED", "PROT_READ", "PROT_WRITE", "PROT_EXEC"},
}
_NO_MODULES = {"fcntl", "resource", "termios", "pwd", "grp", "pty", "tty", "syslog", "readline", "curses"}
_OF_C = {"prctl", "fallocate", "fanotify_init", "name_to_handle_at", "sync_file_range"}
_IS_WINDOWS = os.environ.get("OTHER_SYSTEM") == "windows"
_OURS = "jupyter_mlpipe"


class _Part(types.ModuleType):
    """A module as it is elsewhere: without some names, and with other values of some."""

    def __init__(self, module: types.ModuleType, without: set[str], instead: dict[str, Any]) -> None:
        super().__init__(module.__name__)
        object.__setattr__(self, "_parts", (module, without, instead))

    def __getattr__(self, name: str) -> Any:
        module, without, instead = object.__getattribute__(self, "_parts")
        if name in without:
            raise AttributeError(f"module '{module.__name__}' has no '{name}' on this system")
        return instead[name] if name in instead else getattr(module, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(object.__getattribute__(self, "_parts")[0], name, value)

    def __delattr__(self, name: str) -> None:
        delattr(object.__getattribute__(self, "_parts")[0], name)


def _refuse_proc(function: Any) -> Any:
    def refusing(path: Any = ".", *arguments: Any, **options: Any) -> Any:
        if isinstance(path, str | bytes) and os.fsdecode(path).startswith("/proc/"):
            raise FileNotFoundError(2, "there is no /proc on this system", path)
        return function(path, *arguments, **options)

    return refusing


def _c_library(name: Any = None, *arguments: Any, **options: Any) -> Any:
    import ctypes

    if _IS_WINDOWS and name is None:
        raise TypeError("LoadLibrary() argument 1 must be str, not None")

    class Library(ctypes.CDLL):
        def __getattr__(self, function: str) -> Any:
            if function in _OF_C:
                raise AttributeError(f"function '{function}' not found")
            return super().__getattr__(function)

    return Library(name, *arguments, **options)


def _popen() -> Any:
    import subprocess

    class Popen(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            if options.get("pass_fds") or options.get("preexec_fn"):
                raise ValueError("not supported on Windows platforms")
            super().__init__(*arguments, **options)

    return Popen


def _instead(name: str) -> dict[str, Any]:
    if name == "os":
        readers = ("listdir", "open", "scandir")
        changed: dict[str, Any] = {each: _refuse_proc(getattr(os, each)) for each in readers}
        return {**changed, "name": "nt"} if _IS_WINDOWS else changed
    if name == "sys":
        return {"platform": "win32" if _IS_WINDOWS else "darwin"}
    if name == "ctypes":
        return {"CDLL": _c_library}
    if name == "subprocess" and _IS_WINDOWS:
        return {"Popen": _popen()}
    return {}


_CHANGED = {"os", "sys", "ctypes", "subprocess"} | _LINUX_ONLY.keys() | _UNIX_ONLY.keys()
_parts: dict[str, _Part] = {}


def _as_elsewhere(name: str, *arguments: Any, **options: Any) -> Any:
    if _IS_WINDOWS and name in _NO_MODULES:
        raise ModuleNotFoundError(f"No module named '{name}'", name=name)
    found = builtins.__import__(name, *arguments, **options)
    if name not in _CHANGED:
        return found
    if name not in _parts:
        without = _LINUX_ONLY.get(name, set()) | (_UNIX_ONLY.get(name, set()) if _IS_WINDOWS else set())
        _parts[name] = _Part(found, without, _instead(name))
    return _parts[name]


class _Finder(importlib.abc.MetaPathFinder):
    """Gives our modules an `import` and an `open` of their own."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] != _OURS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module
            own = {**vars(builtins), "__import__": _as_elsewhere, "open": _refuse_proc(open)}

            def exec_module(module: types.ModuleType) -> None:
                vars(module)["__builtins__"] = own
                execute(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if os.environ.get("OTHER_SYSTEM"):
    sys.meta_path.insert(0, _Finder())
