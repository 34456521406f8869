"""The GPUs of a worker: which there are, and which step has which."""

from __future__ import annotations

import contextlib
import functools
import glob
import os
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from jupyter_mlpipe.store.locks import Held, hold
from jupyter_mlpipe.store.users import user_id

VISIBLE = "CUDA_VISIBLE_DEVICES"
_TIMEOUT_S = 10
_LOOK_S = 0.05


def find_devices() -> tuple[str, ...]:
    """Return the GPUs of this process as `CUDA_VISIBLE_DEVICES` names them."""
    visible = os.environ.get(VISIBLE)
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
        return tuple(name for name in names if re.match(r"\d|GPU-|MIG-", name))
    # A GPU that is split is used by its parts, which have no number.
    listed = _ask_driver()
    parts = re.findall(r"UUID: (MIG-[^)]+)", listed)
    return tuple(parts) or tuple(re.findall(r"^GPU (\d+):", listed, re.MULTILINE))


def identify(devices: tuple[str, ...]) -> tuple[str, ...]:
    """Return what each device is called by all workers that have it, whatever they call it themselves."""
    numbered = dict(re.findall(r"^GPU (\d+):.*\(UUID: (GPU-[^)]+)\)", _ask_driver(), re.MULTILINE))
    host = socket.gethostname()
    return tuple(numbered.get(name, f"{host}/{name}" if name.isdigit() else name) for name in devices)


@functools.cache
def _ask_driver() -> str:
    """Return what the driver lists; empty where there is none."""
    # Asking it takes a while: only where it may be.
    if not glob.glob("/dev/nvidia[0-9]*") and not os.path.exists("/dev/dxg"):
        return ""
    command = shutil.which("nvidia-smi")
    if command is None:
        return ""
    try:
        listed = subprocess.run(
            [command, "-L"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return listed.stdout


class Devices:
    """Gives each step devices of its own.

    Parameters
    ----------
    hides
        Whether there are others, which no step must see; so it is where there are any of its own.
    shares
        Whether other workers of this machine may have them too: then they give each to one step at a time.
    """

    def __init__(self, devices: tuple[str, ...], *, hides: bool = False, shares: bool = False) -> None:
        self._free = list(devices)
        self._n_devices = len(devices)
        self._any = bool(devices) or hides
        self._lock = threading.Lock()
        self._folder = _folder_of_locks() if shares and devices else ""

    @contextmanager
    def give(self, n_devices: int | None) -> Iterator[dict[str, str]]:
        """Lend devices; the value is the environment that shows them, and no others, to a step.

        Waits where another notebook's step has them by way of another worker. None: all are shown, to be
        shared with whoever else uses them.
        """
        if not self._any or n_devices is None:
            yield {}
            return
        while (given := self._take(min(n_devices, self._n_devices))) is None:
            time.sleep(_LOOK_S)
        try:
            yield {VISIBLE: ",".join(given)}
        finally:
            for held in given.values():
                if held is not None:
                    held.release()
            with self._lock:
                self._free = sorted([*self._free, *given])

    def _take(self, n_devices: int) -> dict[str, Held | None] | None:
        """Return so many devices by name, each with what keeps others from it; None where they are in use."""
        given: dict[str, Held | None] = {}
        with self._lock:
            for name in self._free:
                if len(given) == n_devices:
                    break
                is_free, held = self._hold(name)
                if is_free:
                    given[name] = held
            if len(given) == n_devices:
                self._free = [name for name in self._free if name not in given]
                return given
        for held in given.values():
            if held is not None:
                held.release()
        return None

    def _hold(self, name: str) -> tuple[bool, Held | None]:
        if self._folder:
            with contextlib.suppress(OSError):  # files cannot be locked: then each worker minds its own steps
                held = hold(os.path.join(self._folder, identify((name,))[0].replace("/", "-")))
                return held is not None, held
        return True, None


def _folder_of_locks() -> str:
    """Return a folder of this machine that only this user can write to; empty where there is none."""
    folder = os.path.join(tempfile.gettempdir(), f"mlpipe-devices-{user_id()}")
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        status = os.lstat(folder)
    except OSError:
        return ""
    return folder if stat.S_ISDIR(status.st_mode) and status.st_uid == user_id() else ""
