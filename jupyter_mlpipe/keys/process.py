"""Settings of the process: warnings, locale, time zone, limits, arguments, variables, import path.

The working directory is the notebook's folder, see `jupyter_mlpipe.keys.given`.
"""

from __future__ import annotations

import contextlib
import csv
import importlib
import locale
import os
import re
import socket
import sys
import time
from typing import Any

from jupyter_mlpipe.keys.providers import LIST, Changes, Provider, State, change_list, list_provider

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
)
"""Environment variables from which libraries take their number of threads when they are loaded."""

# What the kernel, IPython, a step or the machine says of itself: nothing that a notebook sets for its cells.
_OWN_VARIABLES = frozenset(
    {
        *THREAD_VARIABLES,
        "CUDA_VISIBLE_DEVICES",
        "MPLBACKEND",
        "PYTHONHASHSEED",
        "PYTHONUNBUFFERED",
        "KMP_DUPLICATE_LIB_OK",
        "KMP_INIT_AT_FORK",
        "_RJEM_MALLOC_CONF",
        "PYDEVD_USE_FRAME_EVAL",
        "_",
        "SHLVL",
        "OLDPWD",
        "PWD",
    }
)
_OWN_PREFIXES = ("JPY_", "MLPIPE_", "DASK_INTERNAL")
# How filters begin that libraries put there when they are loaded, and kernels when they start.
_OWN_MESSAGES = ("numpy.", "the matrix subclass is not", "torch::jit", ".*Trio's signal handling")
_CATEGORIES = tuple(
    name for name in ("LC_CTYPE", "LC_COLLATE", "LC_MONETARY", "LC_NUMERIC", "LC_TIME", "LC_MESSAGES")
    if hasattr(locale, name)
)  # fmt: skip


# Warnings


def _read_warnings(warnings: Any) -> State:
    return {LIST: tuple(entry for entry in warnings.filters if not _is_of_library(entry))}


def _usual_warnings(warnings: Any) -> State:
    return {LIST: _USUAL_FILTERS}


def _write_warnings(warnings: Any, changes: Changes) -> None:
    change_list(warnings.filters, changes)
    # Python keeps in mind what the filters said of a line. From 3.14 on the name says that a lock is held.
    mutated = getattr(warnings, "_filters_mutated", None) or warnings._filters_mutated_lock_held
    mutated()


def _is_of_library(entry: Any) -> bool:
    action, message, category, module, _line = entry
    top = str(category.__module__).partition(".")[0]
    if top == "IPython" or (action == "always" and top != "builtins"):
        return True
    if entry in _OF_IPYTHON or (top == "torch" and module is not None):
        return True
    pattern = getattr(message, "pattern", message)
    return isinstance(pattern, str) and pattern.startswith(_OWN_MESSAGES)


_OF_IPYTHON = (("default", None, DeprecationWarning, "__main__", 0),)
_USUAL_FILTERS = (
    ("ignore", None, DeprecationWarning, None, 0),
    ("ignore", None, PendingDeprecationWarning, None, 0),
    ("ignore", None, ImportWarning, None, 0),
    ("ignore", None, ResourceWarning, None, 0),
)


# Locale


def _read_locale(_locale: Any) -> State:
    return {name: locale.setlocale(getattr(locale, name)) for name in _CATEGORIES}


def _usual_locale(_locale: Any) -> State:
    return _USUAL_LOCALE


def _write_locale(_locale: Any, changes: Changes) -> None:
    for name, value in changes.items():
        if name in _CATEGORIES:
            locale.setlocale(getattr(locale, name), value)


# Python itself sets this one when it starts.
_USUAL_LOCALE = {**dict.fromkeys(_CATEGORIES, "C"), "LC_CTYPE": locale.setlocale(locale.LC_CTYPE)}


# The time zone


def _read_zone(_time: Any) -> State:
    return {_ZONE: os.environ.get(_ZONE)}


def _write_zone(_time: Any, changes: Changes) -> None:
    # The variable is there already: C libraries look at it when they are told to.
    if hasattr(time, "tzset"):  # not on Windows, whose C library reads the variable once
        time.tzset()


_ZONE = "TZ"


# Limits of the interpreter


def set_usual_limits() -> None:
    """Let code call as deep as in a kernel, where Jedi, which completes names, has raised the limit."""
    sys.setrecursionlimit(_USUAL_DEPTH)


def _read_limits(_sys: Any) -> State:
    depth = sys.getrecursionlimit()
    state: dict[str, Any] = {"recursion": _USUAL_DEPTH if depth == _PYTHONS_DEPTH else depth}
    if hasattr(sys, "get_int_max_str_digits"):
        state["digits"] = sys.get_int_max_str_digits()
    state["csv field"] = csv.field_size_limit()
    state["arguments"] = _ARGUMENTS if sys.argv == _ARGUMENTS else [*sys.argv]
    state["socket seconds"] = socket.getdefaulttimeout()
    state["file mode mask"] = _read_umask()
    state["switch seconds"] = sys.getswitchinterval()
    return state


def _usual_limits(_sys: Any) -> State:
    return {**_USUAL_LIMITS, "arguments": _ARGUMENTS}


def _write_limits(_sys: Any, changes: Changes) -> None:
    for name, value in changes.items():
        if name == "csv field":
            csv.field_size_limit(value)
        elif name == "arguments":
            sys.argv[:] = value
        elif name == "socket seconds":
            socket.setdefaulttimeout(value)
        elif name == "file mode mask":
            os.umask(value)
        elif name == "switch seconds":
            sys.setswitchinterval(value)
        elif name == "digits":
            sys.set_int_max_str_digits(value)
        else:
            sys.setrecursionlimit(value)


def _read_umask() -> int:
    # To ask the process itself is to set it, which other threads may notice: then, of files that are private.
    with contextlib.suppress(OSError):
        status = os.open("/proc/self/status", os.O_RDONLY)
        try:
            head = os.read(status, 256)  # it comes second; what is behind is long
        finally:
            os.close(status)
        if (found := _UMASK.search(head)) is not None:
            return int(found[1], 8)
    mask = os.umask(0o77)
    os.umask(mask)
    return mask


_UMASK = re.compile(rb"^Umask:\s*([0-7]+)$", re.MULTILINE)
_USUAL_UMASK = _read_umask()  # as it was given to the process
_PYTHONS_DEPTH, _USUAL_DEPTH = 1000, 3000
_USUAL_LIMITS: dict[str, Any] = {
    "recursion": _USUAL_DEPTH,
    "digits": 4300,
    "csv field": 131072,
    "socket seconds": None,
}
_USUAL_LIMITS |= {"file mode mask": _USUAL_UMASK, "switch seconds": 0.005}
# Of the kernel, or of what started this step's process: nothing that a cell has set.
_ARGUMENTS = [*sys.argv]


# Environment variables


def _read_environment(_os: Any) -> State:
    return {name: value for name, value in os.environ.items() if not is_own_variable(name)}


def is_own_variable(name: str) -> bool:
    """Tell whether a variable is one that the kernel or a step sets for itself."""
    return name in _OWN_VARIABLES or name.startswith(_OWN_PREFIXES)


def _usual_environment(_os: Any) -> State:
    return _STARTED_WITH


def _write_environment(_os: Any, changes: Changes) -> None:
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _environment_at_start() -> State:
    with contextlib.suppress(OSError):
        with open("/proc/self/environ", "rb") as file:
            pairs = [entry.partition(b"=") for entry in file.read().split(b"\0") if b"=" in entry]
        started = {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
        return {name: value for name, value in started.items() if not is_own_variable(name)}
    return _read_environment(os)


_STARTED_WITH = _environment_at_start()


# The import path


def _read_path(_sys: Any) -> State:
    # IPython puts the empty entry there.
    return {LIST: tuple(entry for entry in sys.path if entry)}


def _write_path(_sys: Any, changes: Changes) -> None:
    change_list(sys.path, changes)
    importlib.invalidate_caches()


WARNINGS = list_provider("warnings", "warnings", _read_warnings, _usual_warnings, _write_warnings)
LOCALE = Provider("locale", "locale", _read_locale, _usual_locale, _write_locale)
ZONE = Provider("time zone", "time", _read_zone, lambda time: {_ZONE: None}, _write_zone)
LIMITS = Provider("limits", "sys", _read_limits, _usual_limits, _write_limits)
ENVIRONMENT = Provider("environment", "os", _read_environment, _usual_environment, _write_environment)
# A step gets the notebook's whole path; only what it changes is told.
PATH = list_provider("sys.path", "sys", _read_path, _read_path, _write_path)
