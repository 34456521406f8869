"""The GPUs of a worker: which there are, and which step has which."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

VISIBLE = "CUDA_VISIBLE_DEVICES"
_TIMEOUT_S = 10


def find_devices() -> tuple[str, ...]:
    """Return the GPUs of this process as `CUDA_VISIBLE_DEVICES` names them."""
    visible = os.environ.get(VISIBLE)
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
        return tuple(name for name in names if re.match(r"\d|GPU-|MIG-", name))
    # Asking the driver takes a while: only where there is one.
    if not glob.glob("/dev/nvidia[0-9]*") and not os.path.exists("/dev/dxg"):
        return ()
    command = shutil.which("nvidia-smi")
    if command is None:
        return ()
    try:
        listed = subprocess.run(
            [command, "-L"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    # A GPU that is split is used by its parts, which have no number.
    parts = re.findall(r"UUID: (MIG-[^)]+)", listed.stdout)
    return tuple(parts) or tuple(re.findall(r"^GPU (\d+):", listed.stdout, re.MULTILINE))


class Devices:
    """Gives each step devices of its own.

    Parameters
    ----------
    hides
        Whether there are others, which no step must see; so it is where there are any of its own.
    """

    def __init__(self, devices: tuple[str, ...], *, hides: bool = False) -> None:
        self._free = list(devices)
        self._any = bool(devices) or hides
        self._lock = threading.Lock()

    @contextmanager
    def give(self, n_devices: int) -> Iterator[dict[str, str]]:
        """Lend devices; the value is the environment that shows them, and no others, to a step."""
        if not self._any:
            yield {}
            return
        with self._lock:
            given, self._free = self._free[:n_devices], self._free[n_devices:]
        try:
            yield {VISIBLE: ",".join(given)}
        finally:
            with self._lock:
                self._free = sorted(self._free + given)
