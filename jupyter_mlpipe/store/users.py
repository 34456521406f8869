"""Who this user is, as the system says; not every system says it in the same way."""

from __future__ import annotations

import functools
import getpass
import os


@functools.cache
def user_name() -> str:
    """Return this user's name; the number where there is none."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # Windows without the variable, or a user whom nothing lists
        return str(user_id())


def user_id() -> int:
    """Return the owner that `os.stat` shows of this user's files: on Windows 0, for all users."""
    return os.getuid() if hasattr(os, "getuid") else 0
